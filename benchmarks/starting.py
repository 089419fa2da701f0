"""How long a script takes to say something: --help, a mistake, and what importing torch alone takes, in turns.

    python benchmarks/starting.py

Each is a process of its own, after a warm-up that brings files into memory.
"""

import subprocess
import sys
from collections.abc import Callable

import torch

from fingerprinting import cli
from fingerprinting.core import places, runtime
from fingerprinting.core.timing import in_turns, ratio, shown
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

DOMAIN = "cv"
SCRIPTS = ("cv/prune.py", "baselines.py", "model_finger_match.py", "judge.py", "protect.py", "reproduce.py")
REPEATS = dict(smoke=1, quick=5, cpu=5, paper=5)


def measure(study: Study, *, scripts: tuple[str, ...], repeats: int) -> None:
    """Time each script's --help and a mistake, beside torch's import."""

    def started(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], cwd=places.REPOSITORY, capture_output=True, check=False)

    ways = {"torch": started("-c", "import torch")}
    for script in scripts:
        ways |= {f"help {script}": started(script, "--help"), f"mistake {script}": started(script, "NOWHERE=1")}
    seconds = in_turns(torch.device("cpu"), repeats, ways)
    for script in scripts:
        row = {
            "key": f"{study.folder}/starting/{script}",
            "script": script,
            "seconds": {name: seconds[name] for name in ("torch", f"help {script}", f"mistake {script}")},
            "help_to_torch_import": ratio(seconds, f"help {script}", "torch"),
            "mistake_to_torch_import": ratio(seconds, f"mistake {script}", "torch"),
            "provenance": runtime.provenance(torch.device("cpu")),
        }
        Records.of(study, "benchmarks").put([row])
        told = (f"{what} {min(row['seconds'][f'{what} {script}']):.2f} s" for what in ("help", "mistake"))
        print(f"{script}: {', '.join(told)}; --help to torch's import {shown(row['help_to_torch_import'])}")


if __name__ == "__main__":
    cli.run(measure, globals())
