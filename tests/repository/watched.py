"""Runs a long process to its end: its silence is limited, for its time depends on what else the machine does."""

import subprocess
import threading
import time

SILENCE = 300.0  # seconds without a word after which a process is taken to hang


def watched(words: list[str], silence: float = SILENCE, **options) -> subprocess.CompletedProcess:
    """As subprocess.run with captured text; TimeoutExpired where nothing is said for so long."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    said: dict[str, list[str]] = {"stdout": [], "stderr": []}
    responses_at_core_points = [time.monotonic()]

    def listen(name: str) -> None:
        for line in getattr(process, name):  # progress bars end their lines by \r, which counts
            said[name].append(line)
            responses_at_core_points[0] = time.monotonic()

    listeners = [threading.Thread(target=listen, args=(name,), daemon=True) for name in said]
    for listener in listeners:
        listener.start()
    while process.poll() is None:
        if time.monotonic() - responses_at_core_points[0] > silence:
            process.kill()
            raise subprocess.TimeoutExpired(words, silence, "".join(said["stdout"]), "".join(said["stderr"]))
        time.sleep(0.1)
    for listener in listeners:
        listener.join(timeout=10)  # a worker that outlives its process may hold the pipe
    return subprocess.CompletedProcess(words, process.returncode, *map("".join, said.values()))
