"""Engines without a cluster: what they refuse, and what goes to another machine and comes back."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.engines import dask_scheduler, engine, processes, slurm
from fingerprinting.engines.machines import Machines
from fingerprinting.models import build, elsewhere
from fingerprinting.models.elsewhere import Parcel
from fingerprinting.models.kinds import Job
from fingerprinting.study.study import SKIPPED
from tests.engines.steps import COPIES, begun, digests, jobs_of, noted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(engine="ray://host"), "unknown ENGINE=ray://host; take local, dask://host:8786 or slurm"),
        (dict(cpus=0), "CPUS_PER_JOB=0 leaves a job none"),
        (
            dict(gpus=1),
            "GPUS_PER_JOB, MEMORY_PER_JOB and SHARED are for ENGINE=dask://host:8786 or slurm; leave them out",
        ),
        (dict(shared=False), "are for ENGINE=dask://host:8786 or slurm"),
        (dict(engine="slurm", shared=False), "by files that all nodes see; leave SHARED=False out"),
    ],
)
def test_engines_that_are_none_or_do_not_fit_are_refused(given, said):
    with pytest.raises(UserError, match=said):
        Machines(**given)


def test_what_an_engine_needs_is_said(quick, monkeypatch):
    there = importlib.util.find_spec
    for name, package in (("dask://127.0.0.1:1", "distributed"), ("slurm", "submitit")):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda found, hidden=package: None if found == hidden else there(found)
        )
        with pytest.raises(
            UserError, match=f"needs {package}, which is not installed; run pip install -e '.\\[cluster\\]'"
        ):
            build.train(replace(quick, machines=Machines(name)), "irrelevant", jobs_of(quick))
    monkeypatch.setattr(importlib.util, "find_spec", lambda found: object())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "submitit", object())
    with pytest.raises(UserError, match="ENGINE=slurm needs sbatch, which is not on this machine"):
        next(slurm.run(Machines("slurm"), str, [1], 0, Path(), str))
    assert not (quick.artifacts / "models").exists()


def test_processes_give_what_they_made_as_it_comes_and_end_with_who_waits():
    assert sorted(processes.run(str, [1, 2, 3], 2)) == ["1", "2", "3"]
    assert list(engine.run(Machines(), str, [], 2)) == []
    some = engine.run(Machines(), time.sleep, [0.3] * 6, 2)
    next(some)
    some.close()
    assert sorted(processes.run(str, [4, 5], 2)) == ["4", "5"]


def where(_: int) -> tuple[int, str, str | None]:
    time.sleep(0.2)
    return os.getpid(), os.environ["OMP_NUM_THREADS"], os.environ.get("ARTIFACTS_DIR")


def test_workers_live_through_all_steps_and_have_the_environment_of_whoever_asks(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    first, again = (list(processes.run(where, [0] * 6, 2)) for _ in range(2))
    assert {pid for pid, *_ in first} == {pid for pid, *_ in again} and os.getpid() not in {pid for pid, *_ in first}
    monkeypatch.setenv("ARTIFACTS_DIR", "/elsewhere")
    assert {found[1:] for found in processes.run(where, [0, 0], 2)} == {("1", "/elsewhere")}
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_one_item_is_worked_on_here():
    assert [pid for pid, *_ in processes.run(where, [0], 2)] == [os.getpid()]


def killed(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_said():
    with pytest.raises(UserError, match="a process that trained models was killed, perhaps for want of memory"):
        list(processes.run(killed, [0, 1], 2))
    assert sorted(processes.run(str, [4, 5], 2)) == ["4", "5"]


def noted_and_asleep(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(60)


def test_workers_outlive_no_parent(tmp_path):
    code = (
        "from pathlib import Path\nfrom fingerprinting.engines import processes\n"
        "from tests.engines.test_engines import noted_and_asleep\n"
        f"list(processes.run(noted_and_asleep, [Path({str(tmp_path)!r}, name) for name in 'ab'], 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=places.REPOSITORY)
    patience = time.monotonic() + 600  # of machines that do much else
    while len(pids := [path.read_text() for path in tmp_path.iterdir()]) < 2 or not all(pids):
        assert time.monotonic() < patience and parent.poll() is None
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    while any(Path("/proc", pid).exists() for pid in pids):
        assert time.monotonic() < patience
        time.sleep(0.1)


@pytest.fixture
def double(monkeypatch) -> Machines:
    """A cluster's machines, whose jobs run here; what they do to this process is taken back."""

    def run(machines, function, items, name):
        assert [name(item) for item in items] == [item.job.model.name for item in items]
        function(items[0])  # twice, as where a machine died with its result
        yield from map(function, items)

    monkeypatch.setattr(dask_scheduler, "run", run)
    for variable, folder in (("ARTIFACTS_DIR", places.artifacts_dir()), ("DATA_DIR", places.data_dir())):
        monkeypatch.setenv(variable, str(folder))
    return Machines("dask://double:1")


@pytest.fixture
def expected(quick, tmp_path, monkeypatch) -> dict[str, str]:
    with monkeypatch.context() as patch:
        patch.setenv("ARTIFACTS_DIR", str(tmp_path / "alone"))
        build.train(quick, "irrelevant", jobs_of(quick))
        return digests(quick)


def test_models_from_elsewhere_are_those_from_here_and_none_is_trained_twice(quick, expected, double, tmp_path):
    there, notes = replace(quick, machines=double), tmp_path / "notes"
    build.train(there, "irrelevant", jobs_of(there), partial(noted, str(notes), 0.0))
    assert digests(there) == expected and len(begun(notes)) == COPIES
    assert build.train(there, "irrelevant", jobs_of(there)) is SKIPPED
    build.train(replace(there, force=True), "irrelevant", jobs_of(there), partial(noted, str(notes), 0.0))
    assert len(begun(notes)) == 2 * COPIES
    assert not list(places.artifacts_dir().rglob("*.seen"))


def test_what_shares_no_folder_gets_what_it_starts_from_and_sends_back_what_it_made(
    quick, expected, double, monkeypatch
):
    there, here = replace(quick, machines=replace(double, shared=False)), os.environ["ARTIFACTS_DIR"]
    run = dask_scheduler.run

    def back_again(*given):
        for found in run(*given):
            assert os.environ["ARTIFACTS_DIR"] != here
            monkeypatch.setenv("ARTIFACTS_DIR", here)  # of this process, which is both
            yield found

    monkeypatch.setattr(dask_scheduler, "run", back_again)
    build.train(there, "irrelevant", jobs_of(there))
    assert digests(there) == expected
    (first, *_) = jobs_of(there)
    made = Job(there.model_id("fine_tune_all", "mlp", 0), first.recipe, {}, first.model)
    assert list(elsewhere.parcel(there, made).files) == [str(first.model.path.relative_to(places.artifacts_dir()))]
    assert elsewhere.parcel(quick, made).files == {}


def test_a_machine_that_is_unlike_this_one_says_so(quick, double):
    (job, *_) = jobs_of(quick)
    there = replace(quick, machines=double)
    with elsewhere.visit(there) as visit:
        for other, said in (
            (dict(torch="1.0"), "has torch .* and this machine 1.0; install the same requirements.txt there"),
            (dict(code="other"), "has other code than this machine, or had when its worker began; bring it up to date"),
            (dict(token="/nowhere/token"), "does not see /nowhere; let ARTIFACTS_DIR name a folder that all machines"),
        ):
            found = elsewhere.train(replace(visit, **other), there, lambda job: {}, Parcel(job))
            assert re.search(said, found["user_error"])
        assert elsewhere.train(visit, there, lambda job: {"name": job.model.name}, Parcel(job)) == {
            "name": job.model.name
        }


def test_a_mistake_elsewhere_ends_the_step_in_its_sentence(quick, double):
    def refusing(study, job):
        raise UserError("training diverged; lower LEARNING_RATE")

    with pytest.raises(UserError, match="training diverged; lower LEARNING_RATE"):
        build.train(replace(quick, machines=double), "irrelevant", jobs_of(quick), refusing)
