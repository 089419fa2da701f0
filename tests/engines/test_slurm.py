"""A step's models as jobs of a real Slurm, begun and ended here: Debian's slurmctld, slurmd and munge."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.engines import slurm
from fingerprinting.engines.machines import Machines
from fingerprinting.models import build
from fingerprinting.study.study import SKIPPED
from tests.engines.steps import COPIES, alone, begun, digests, in_a_process_of_its_own, jobs_of, noted
from tests.ports import free_port

pytestmark = pytest.mark.external
PATIENCE = 60  # seconds until a node is there
PROGRAMS = ("munged", "slurmctld", "slurmd")


class Cluster:
    """One node, this machine, with its own key, folders and ports."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        (folder / "slurm.conf").write_text(self._configuration())
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        paths = {
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munge.seed",
        }
        self._run(
            "munged", "--force", f"--key-file={key}", *(f"--{name}={folder / path}" for name, path in paths.items())
        )
        self._run("slurmctld")
        self._run("slurmd")
        ended = time.monotonic() + PATIENCE
        while "idle" not in self._run("sinfo", "-h", "-o", "%T").stdout:
            assert time.monotonic() < ended, (folder / "slurmctld.log").read_text()
            time.sleep(0.5)

    def _configuration(self) -> str:
        control, node, folder = free_port(), free_port(), self.folder
        lines = [
            f"ClusterName=test\nSlurmctldHost={self.host}(127.0.0.1)\nSlurmUser=root",
            f"SlurmctldPort={control}\nSlurmdPort={node}",
            f"AuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket",
            f"StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool",
            f"SlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid",
            f"SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd.log",
            "ProctrackType=proctrack/pgid\nTaskPlugin=task/none\nMpiDefault=none\nKillWait=2\nReturnToService=2",
            "SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU",
            f"NodeName={self.host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN",
            "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        ]
        return "".join(f"{line}\n" for line in lines)

    def _run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)

    def jobs(self) -> list[str]:
        return self._run("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").stdout.split()

    def requeue(self, job: str) -> None:
        """Without the two minutes that Slurm waits before it begins it again."""
        self._run("scontrol", "requeue", job)
        while job not in self._run("squeue", "-h", "-r", "-t", "PENDING", "-o", "%i").stdout.split():
            time.sleep(0.5)
        self._run("scontrol", "update", f"jobid={job}", "StartTime=now")

    def cancel(self, job: str) -> None:
        self._run("scancel", job)

    def end_jobs(self) -> None:
        """Jobs and what looks after them outlive the daemons; they are known by the cluster that they were told of."""
        of_this = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode()
        for told in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if of_this in told.read_bytes().split(b"\0"):
                    os.kill(int(told.parent.name), signal.SIGKILL)

    def end(self, *programs: str) -> None:
        for name in programs or PROGRAMS[::-1]:
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Iterator[Cluster]:
    pytest.importorskip("submitit")
    if not all(map(shutil.which, PROGRAMS)) or os.geteuid():
        pytest.skip("needs Debian's slurmctld, slurmd, slurm-client and munge, and root")
    monkeypatch.setenv("SLURM_CONF", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    for name, seconds in (("PAUSE", 0.5), ("LOOK", 2.0), ("PATIENCE", 5.0)):
        monkeypatch.setattr(slurm, name, seconds)
    (tmp_path / "slurm").mkdir()
    found = Cluster(tmp_path / "slurm")
    yield found
    found.end()
    found.end_jobs()


def test_a_job_that_is_requeued_ends_as_all_others(quick, cluster, tmp_path, monkeypatch):
    expected = alone(quick, tmp_path, monkeypatch)
    notes, there = tmp_path / "notes", replace(quick, machines=Machines("slurm"), workers=2)

    def requeue() -> None:
        while not begun(notes):
            time.sleep(0.1)
        (name, _), *_ = begun(notes)
        cluster.requeue(f"1_{list(expected).index(name)}")

    in_a_process_of_its_own(requeue)
    build.train(there, "irrelevant", jobs_of(there), partial(noted, str(notes), 3.0))
    assert digests(there) == expected
    names = [name for name, _ in begun(notes)]
    assert set(names) == set(expected) and len(names) == COPIES + 1
    assert build.train(there, "irrelevant", jobs_of(there)) is SKIPPED


def test_a_job_that_is_cancelled_ends_it_in_one_sentence_and_it_is_gone_on_with(quick, cluster, tmp_path):
    notes, there = tmp_path / "notes", replace(quick, machines=Machines("slurm"), workers=1)

    def cancel() -> None:
        while len(begun(notes)) < 2:
            time.sleep(0.1)
        cluster.cancel(cluster.jobs()[0])

    in_a_process_of_its_own(cancel)
    with pytest.raises(UserError, match="Slurm's job .* ended before .* was trained; its output is in"):
        build.train(there, "irrelevant", jobs_of(there), partial(noted, str(notes), 3.0))
    finished = [job.model.path for job in jobs_of(there) if job.model.path.is_file()]
    assert 0 < len(finished) < COPIES
    before = [path.stat().st_mtime_ns for path in finished]
    build.train(there, "irrelevant", jobs_of(there))
    assert [path.stat().st_mtime_ns for path in finished] == before and len(digests(there)) == COPIES


def test_slurm_that_is_not_there_is_said(quick, cluster):
    there = replace(quick, machines=Machines("slurm"))
    cluster.end("slurmctld")
    with pytest.raises(
        UserError, match="Slurm takes no jobs: .*; what is finished is kept: run the same command again"
    ):
        build.train(there, "irrelevant", jobs_of(there))


def test_slurm_that_goes_away_ends_it_in_one_sentence(quick, cluster, tmp_path):
    notes, there = tmp_path / "notes", replace(quick, machines=Machines("slurm"), workers=1)

    def end() -> None:
        while not begun(notes):
            time.sleep(0.1)
        cluster.end("slurmctld")

    in_a_process_of_its_own(end)
    with pytest.raises(UserError, match="Slurm went away .*; what is finished is kept: run the same command again"):
        build.train(there, "irrelevant", jobs_of(there), partial(noted, str(notes), 1.0))
