"""reproduce.py PLAN=True: what each step would make, compute and store, without running any and without data."""

import contextlib
import io
import pkgutil
import re
import runpy
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from fingerprinting import cli
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.models import plan
from fingerprinting.models.plan import Cost
from fingerprinting.study.domain import DOMAINS
from fingerprinting.study.planned import PlannedStudy
from fingerprinting.study.study import Study

NOT_COUNTED = "not counted"
CALLED = re.compile(r'cli\.run\("([\w.:]+)"')  # the step of a script
TRAINING = "fingerprinting.models."  # where the steps stand that train models
COLUMNS = ("step", "models", "epochs", "images", "operations", "memory, GB", "disk, GB", "hours")


def show(steps: Iterable[tuple[str, list[str]]], rate: float) -> None:
    """steps: each script and its words, in order. rate: operations a second, for the hours."""
    print(f"hours at {rate:.3g} operations a second (RATE=), one model after another")
    print("epochs and memory: the largest; operations: an addition and a multiplication counted apart")
    print(f"{COLUMNS[0]:<28}" + "".join(f"{name:>15}" for name in COLUMNS[1:]))
    total = Cost()
    studies: dict[str, PlannedStudy] = {}
    for script, words in steps:
        try:
            cost = _cost(script, words, studies)
            said = f"   {NOT_COUNTED}" if cost is None else _columns(cost, rate)
        except UserError as error:
            cost, said = None, f"   {NOT_COUNTED}: {error}"
        print(f"{script:<28}{said}", flush=True)
        total += cost or Cost()
    print(f"{'all that is counted':<28}{_columns(total, rate)}")


def _columns(cost: Cost, rate: float) -> str:
    counts = (f"{cost.models:,}", f"{cost.epochs:,}", f"{cost.images:,.0f}", f"{cost.operations:.2e}")
    sizes = (f"{cost.memory / 1e9:.2f}", f"{cost.disk / 1e9:.2f}", f"{cost.operations / rate / 3600:.2f}")
    return "".join(f"{text:>15}" for text in (*counts, *sizes))


def _cost(script: str, words: list[str], studies: dict[str, PlannedStudy]) -> Cost | None:
    """None where nothing says what a step computes."""
    path = REPOSITORY / script
    folder = script.split("/")[0]
    found, constants = cli.resolve(runpy.run_path(str(path), run_name=path.stem), folder * (folder in DOMAINS), words)
    study = studies.setdefault(found.folder, _planned(found))
    called = CALLED.search(path.read_text(encoding="utf-8"))
    if called and folder in DOMAINS and called[1].startswith(TRAINING):
        return _of_training(study, called[1], path, constants)
    if path.stem == "primary":
        own = len(study.parts["owner"])
        return Cost(images=own, operations=own * plan.network(study, study.source_architecture).asked)
    if path.stem == "deepcore":
        moved = constants["steps"] * constants["points"] * len(study.classes)
        return Cost(images=moved, operations=moved * plan.network(study, study.source_architecture).trained)
    return None


def _of_training(study: PlannedStudy, step: str, path: Path, constants: dict) -> Cost:
    with contextlib.redirect_stdout(io.StringIO()):  # of what is left out; the real step says it
        pkgutil.resolve_name(step)(study, **constants)
    return plan.of_step(study, path.stem)


def _planned(study: Study) -> PlannedStudy:
    return PlannedStudy(**{part.name: getattr(study, part.name) for part in fields(Study)})
