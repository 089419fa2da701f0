"""Suspects behind servers that people use: MLServer and KServe over the Open Inference Protocol, LitServe over JSON.

They run in .venv-servers and .venv-kserve, which the first test of each makes (some minutes, from the package
registry); pytest -m external. Over gRPC they are asked where grpcio is installed.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fingerprinting.asking import journal
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.judging import judge as judging
from fingerprinting.judging.queries import INPUTS, VERDICT
from fingerprinting.study.study import Study
from tests.judging.protection import LEVELS, keep
from tests.ports import free_port

pytestmark = pytest.mark.external
HERE = Path(__file__).parent
FORMS = pytest.mark.parametrize("form", ["rest", "grpc"])
PATIENCE = 90  # seconds until a server runs
WEIGHTS = np.random.default_rng(1).normal(size=(64, 10))


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of an environment with MLServer and LitServe."""
    return environment(".venv-servers", "mlserver, litserve", "requirements.txt")


@pytest.fixture(scope="module")
def with_kserve() -> str:
    """The interpreter of an environment with KServe."""
    return environment(".venv-kserve", "kserve", "requirements-kserve.txt")


def environment(name: str, needed: str, requirements: str) -> str:
    folder = REPOSITORY / name
    found = folder / "bin" / "python"
    ready = [str(found), "-c", f"import {needed}"]
    if not found.is_file() or subprocess.run(ready, capture_output=True).returncode:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(found), "-m", "pip", "install", "-q", "-r", str(HERE / requirements)], check=True)
    return str(found)


@contextlib.contextmanager
def running(words: list[str], folder: Path, ready: str) -> Iterator[None]:
    """A server in a folder, ended with all that it started."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            until = time.monotonic() + PATIENCE
            while not responds(ready):
                said = (folder / "log").read_text()[-2000:]
                assert process.poll() is None and time.monotonic() < until, said
                time.sleep(0.2)
            yield
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def responds(address: str) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(address, timeout=2).status == 200
    return False


def judged(study: Study, folder: Path, **changes) -> dict:
    given = {"queries": str(folder), "responses": "", "other_task": False, **LEVELS, **changes}
    judging.judge(study, **given)
    return json.loads((folder / VERDICT).read_text())


def in_process(study: Study, folder: Path) -> dict:
    """The verdict on the same model's labels, read from a file."""
    folder.mkdir()
    judging.judge(study, queries=str(folder), responses="", other_task=False, **LEVELS)
    x = np.load(folder / INPUTS)
    labels = (x.reshape(len(x), -1) @ WEIGHTS).argmax(1)
    (folder / "responses.txt").write_text("".join(f"{label}\n" for label in labels))
    return judged(study, folder, responses=str(folder / "responses.txt"))


def the_same(asked: dict, read: dict) -> bool:
    return {name: asked[name] for name in read} == read


@pytest.fixture
def served(protected, tmp_path) -> Path:
    """A fingerprint of many queries, and a folder for the server with the model in it."""
    keep(protected, queries=100, truth=[place % 10 for place in range(30)])
    folder = tmp_path / "server"
    folder.mkdir()
    np.save(folder / "weights.npy", WEIGHTS)
    return folder


@contextlib.contextmanager
def mlserver(python: str, served: Path) -> Iterator[dict[str, int]]:
    """MLServer with the model in a folder; its ports."""
    shutil.copy(HERE / "mlserver_net.py", served / "mlserver_net.py")
    ports = {f"{name}_port": free_port() for name in ("http", "grpc", "metrics")}
    settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
    (served / "settings.json").write_text(json.dumps(settings))
    x = {"name": "x", "datatype": "FP32", "shape": [-1, 1, 8, 8]}
    about = {"name": "net", "implementation": "mlserver_net.Net", "inputs": [x]}
    (served / "model-settings.json").write_text(json.dumps(about))
    words = [str(Path(python).parent / "mlserver"), "start", "."]
    with running(words, served, f"http://127.0.0.1:{ports['http_port']}/v2/models/net/ready"):
        yield ports


@contextlib.contextmanager
def kserve(python: str, served: Path) -> Iterator[dict[str, int]]:
    """The same of KServe."""
    shutil.copy(HERE / "kserve_net.py", served / "kserve_net.py")
    ports = {f"{name}_port": free_port() for name in ("http", "grpc")}
    words = [python, "kserve_net.py", *map(str, ports.values())]
    with running(words, served, f"http://127.0.0.1:{ports['http_port']}/v2/models/net/ready"):
        yield ports


def address(form: str, ports: dict[str, int]) -> str:
    if form == "rest":
        return f"oip+http://127.0.0.1:{ports['http_port']}/v2/models/net"
    pytest.importorskip("grpc")
    return f"oip+grpc://127.0.0.1:{ports['grpc_port']}/net"


@FORMS
@pytest.mark.parametrize("output", ["label", "scores", ""])
def test_mlserver(protected, served, tmp_path, python, output, form):
    with mlserver(python, served) as ports:
        found = judged(protected, tmp_path / "q", suspect=address(form, ports), output=output)
    assert the_same({**found, "findings": []}, in_process(protected, tmp_path / "file"))
    kept = journal.read(tmp_path / "q" / journal.NAME)
    assert len(kept.responses) == 130 and all(entry.attempts == 1 for entry in kept.entries)
    assert bool(found["findings"]) == (output != "label")  # how labels were made of numbers


@FORMS
@pytest.mark.parametrize("output", ["scores", ""])
def test_kserve(protected, served, tmp_path, with_kserve, output, form):
    with kserve(with_kserve, served) as ports:
        found = judged(protected, tmp_path / "q", suspect=address(form, ports), output=output)
    assert the_same({**found, "findings": []}, in_process(protected, tmp_path / "file"))
    kept = journal.read(tmp_path / "q" / journal.NAME)
    assert len(kept.responses) == 130 and all(entry.attempts == 1 for entry in kept.entries)


def test_what_mlserver_refuses_over_grpc_ends_with_its_words(protected, served, tmp_path, python):
    with mlserver(python, served) as ports:
        known = address("grpc", ports)
        with pytest.raises(UserError, match="responded with NOT_FOUND: Model other with version .*not found"):
            judged(protected, tmp_path / "other", suspect=known.replace("/net", "/other"))
        with pytest.raises(UserError, match="has no input z; give INPUT= one of x"):
            judged(protected, tmp_path / "q", suspect=known, input="z")


@pytest.mark.parametrize("path", ["$.predictions[*].class", "$.predictions[*].scores"])
def test_litserve(protected, served, tmp_path, python, path):
    shutil.copy(HERE / "litserve_net.py", served / "litserve_net.py")
    port = free_port()
    described = {"uri": f"http://127.0.0.1:{port}/predict", "request": {"images": "{inputs}"}, "response": path}
    (tmp_path / "my_api.json").write_text(json.dumps(described))
    with running([python, "litserve_net.py", str(port)], served, f"http://127.0.0.1:{port}/health"):
        found = judged(protected, tmp_path / "q", suspect=str(tmp_path / "my_api.json"))
    assert the_same({**found, "findings": []}, in_process(protected, tmp_path / "file"))
