"""A step's models through a real Dask scheduler: the same as here, whatever dies meanwhile."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fingerprinting.core.errors import UserError
from fingerprinting.engines.machines import Machines
from fingerprinting.models import build
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study
from tests.engines.steps import COPIES, alone, begun, digests, in_a_process_of_its_own, jobs_of, noted
from tests.ports import free_port

pytestmark = pytest.mark.external
PATIENCE = 60  # seconds until a worker runs


class Cluster:
    """A scheduler and workers of one thread, as processes of this machine."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("distributed")
        self.folder, self.workers = folder, []
        self.port = free_port()
        self.engine = f"dask://127.0.0.1:{self.port}"
        self.scheduler = self._begin("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")

    def _begin(self, *words: str, **environment: str) -> subprocess.Popen:
        place = self.folder / f"{words[0]}-{len(self.workers)}"
        place.mkdir(exist_ok=True)
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words],
            cwd=place,
            env={**os.environ, "PYTHONPATH": path, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1", **environment},
            stdout=(place / "log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def worker(self, *words: str, threads: int = 1, **environment: str) -> subprocess.Popen:
        address = f"tcp://127.0.0.1:{self.port}"
        fixed = ("--nthreads", str(threads), "--no-dashboard", "--no-nanny")
        self.workers.append(self._begin("worker", address, *fixed, *words, **environment))
        return self.workers[-1]

    def wait_for(self, count: int) -> None:
        from distributed import Client

        with Client(f"tcp://127.0.0.1:{self.port}", timeout=PATIENCE) as client:
            client.wait_for_workers(count, timeout=PATIENCE)

    def end(self) -> None:
        for process in [*self.workers, self.scheduler]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.end()


def kill_once_begun(process: subprocess.Popen, notes: Path, count: int) -> None:
    """When so many models were begun."""

    def kill() -> None:
        while len(begun(notes)) < count:
            time.sleep(0.05)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)

    in_a_process_of_its_own(kill)


def test_a_killed_worker_costs_nothing_but_time(quick, cluster, tmp_path, monkeypatch):
    expected = alone(quick, tmp_path, monkeypatch)
    first, _ = cluster.worker(), cluster.worker()
    cluster.wait_for(2)
    notes, there = tmp_path / "notes", replace(quick, machines=Machines(cluster.engine))
    kill_once_begun(first, notes, 4)
    build.train(there, "irrelevant", jobs_of(there), partial(noted, str(notes), 0.5))
    assert digests(there) == expected
    assert {row["key"] for row in Records.of(there, "models").rows()} == set(expected)
    names, processes = zip(*begun(notes), strict=True)
    assert set(names) == set(expected) and len(set(processes)) == 2
    assert len(names) <= COPIES + 1, "only what the killed worker had begun is begun again"
    assert build.train(there, "irrelevant", jobs_of(there)) is SKIPPED


def test_models_come_back_from_workers_that_share_no_folder(quick, cluster, tmp_path, monkeypatch):
    expected = alone(quick, tmp_path, monkeypatch)
    cluster.worker(ARTIFACTS_DIR=str(tmp_path / "theirs"))
    there = replace(quick, machines=Machines(cluster.engine, shared=False))
    build.train(there, "irrelevant", jobs_of(there))
    assert digests(there) == expected and not (tmp_path / "theirs").exists()


def test_a_scheduler_that_goes_away_ends_it_in_one_sentence_and_it_is_gone_on_with(quick, cluster, tmp_path, capfd):
    cluster.worker()
    cluster.wait_for(1)
    notes, there = tmp_path / "notes", replace(quick, machines=Machines(cluster.engine))
    kill_once_begun(cluster.scheduler, notes, 3)
    with pytest.raises(UserError, match="went away; what is finished is kept: run the same command again"):
        build.train(there, "irrelevant", jobs_of(there), partial(noted, str(notes), 1.0))
    assert "Traceback" not in capfd.readouterr().err
    finished = sum(job.model.path.is_file() for job in jobs_of(there))
    assert 0 < finished < COPIES
    cluster.end()
    capfd.readouterr()
    build.train(quick, "irrelevant", jobs_of(quick))
    assert f"{finished} of {COPIES} models are finished already" in capfd.readouterr().out


def dying(study: Study, job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_of_a_model_are_said(quick, cluster):
    for _ in range(2):
        cluster.worker()
    cluster.wait_for(2)
    there = replace(quick, machines=Machines(cluster.engine))
    with pytest.raises(UserError, match="2 workers died while they trained .*/irrelevant/mlp-0; look at their memory"):
        build.train(there, "irrelevant", jobs_of(there)[:1], dying)


def test_workers_that_cannot_do_it_say_why(quick, cluster, tmp_path):
    there = replace(quick, machines=Machines(cluster.engine))
    worker = cluster.worker(threads=2)
    cluster.wait_for(1)
    with pytest.raises(UserError, match="1 of 1 workers .* have several threads, .* --nworkers N --nthreads 1"):
        build.train(there, "irrelevant", jobs_of(there))
    os.killpg(worker.pid, signal.SIGKILL)
    other = tmp_path / "other" / "sitecustomize.py"
    other.parent.mkdir()
    other.write_text("import torch\n\ntorch.__version__ = '2.0.0'\n")
    cluster.worker(PYTHONPATH=f"{other.parent}{os.pathsep}{Path(__file__).parents[2]}")
    time.sleep(1)
    with pytest.raises(UserError, match="has torch 2.0.0 and this machine .*; install the same requirements.txt there"):
        build.train(there, "irrelevant", jobs_of(there))


def test_nobody_at_the_address_is_said(quick, monkeypatch):
    pytest.importorskip("distributed")
    from fingerprinting.engines import dask_scheduler

    monkeypatch.setattr(dask_scheduler, "PATIENCE", 1)
    there = replace(quick, machines=Machines("dask://127.0.0.1:1"))
    with pytest.raises(UserError, match="no Dask scheduler is at dask://127.0.0.1:1 .*; start one by dask scheduler"):
        build.train(there, "irrelevant", jobs_of(there))
