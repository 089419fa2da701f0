"""CIFAR-100 as a study of its own: from files in its layout, a hundred classes of patterns, to AUCs and tables."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from fingerprinting import cli
from fingerprinting.core.runtime import REPOSITORY
from fingerprinting.deepcore import identification
from fingerprinting.evaluation import match
from fingerprinting.fingerprints import baselines, generate
from fingerprinting.models import independent, source_model, stolen
from fingerprinting.reports.papers import deepcore_tables
from fingerprinting.reports.sections import study_page
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from tests.cv.test_cv_data import python3, written

pytestmark = pytest.mark.slow  # models are trained

CLASSES, A_CLASS = 100, 12
STEPS = (  # module's function, script, and what makes it small
    (source_model.source, "cv/source.py", ["EPOCHS=12"]),
    (independent.irrelevant, "cv/irrelevant.py", ["ADVERSARIAL_COPIES=0"]),
    (independent.homologous, "cv/homologous.py", ["ADVERSARIAL_COPIES=0", "OTHER_COPIES=0"]),
    (independent.overlap, "cv/overlap.py", ["OVERLAPS=0.0,1.0", "OTHER_COPIES=1"]),
    (stolen.fine_tune, "cv/fine_tune.py", ["COPIES=1"]),
    (stolen.prune, "cv/prune.py", ["RATIOS=0.3"]),
    (stolen.adversarial, "cv/adversarial.py", ["COPIES=1"]),
    (stolen.transfer, "cv/transfer.py", ["COPIES=1", "IRRELEVANT_COPIES=1", "HOMOLOGOUS_COPIES=1"]),
    (stolen.extract, "cv/extract.py", []),
    (generate.primary, "primary.py", ["N=10", "FEWER=True"]),
    (baselines.baselines, "baselines.py", ["METHOD=akh"]),
    (identification.deepcore, "deepcore.py", ["STEPS=4", "LENGTHS=0,4", "RADIUS_EVERY=4", "BOUNDARY_STEPS=1"]),
    (match.match, "model_finger_match.py", []),
)


def patterned(count: int, classes: int, labels: str, seed: int) -> dict:
    """A pattern for each class under noise, in the layout of CIFAR's files; of train every sixth label is another.

    A source that makes no mistake leaves AKH nothing to ask.
    """
    patterns = np.random.default_rng(9).integers(40, 216, (CLASSES, 3, 8, 8)).repeat(4, 2).repeat(4, 3)
    truth = np.arange(count) % classes
    noise = np.random.default_rng(seed).normal(0, 12, (count, 3, 32, 32))
    images = (patterns[truth] + noise).clip(0, 255).astype(np.uint8)
    said = np.where((np.arange(count) % 6 == 5) & (seed == 0), (truth + 3) % classes, truth)
    return {labels: said.tolist(), "data": images.reshape(count, 3072)}


@pytest.fixture
def files(data_dir: Path) -> None:
    names = {"fine_label_names": [f"class {number}" for number in range(CLASSES)]}
    parts = {"train": (A_CLASS * CLASSES, 0), "test": (2 * CLASSES, 1)}
    fine = {part: patterned(count, CLASSES, "fine_labels", seed) for part, (count, seed) in parts.items()}
    written(data_dir / "cifar-100-python", {**fine, "meta": names}, python3)
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    ten = {name: patterned(60, 10, "labels", 10 + number) for number, name in enumerate(batches)}
    written(data_dir / "cifar-10-batches-py", ten, python3)


def test_a_study_of_a_hundred_classes_goes_from_files_to_tables(files):
    study: Study | None = None
    for step, script, words in STEPS:
        found = runpy.run_path(str(REPOSITORY / script))
        common = ["DATASET=cifar100", "TIER=smoke", "DEVICE=cpu", "WORKERS=1", *words]
        study, constants = cli.resolve(found, "cv" if script.startswith("cv/") else "", common)
        step(study, **constants)
    assert study is not None and study.target == "cifar10" and len(study.classes) == CLASSES
    models = {row["key"]: row for row in Records.of(study, "models").rows()}
    assert models[study.source_id.name]["test_accuracy"] > 0.5  # chance is 0.01
    assert {row["classes"] for row in models.values() if row["kind"] == "transfer"} == {10}
    aucs = {
        (row["method"], row["representation"], row["attack"]): row["auc"]
        for row in Records.of(study, "auc").rows()
        if row["negatives"] == "all"
    }
    assert aucs["deepcore", "own_class", "fine_tune_last"] == 1
    assert {method for method, *_ in aucs} == {"primary", "akh", "deepcore"}
    assert {attack for *_, attack in aucs} >= {"mean_same_task", "transfer"}
    labels = {row["label"] for row in Records.of(study, "deepcore_labels").rows()}
    assert labels == set(range(CLASSES))
    types = {row["type"] for row in Records.of(study, "deepcore_types").rows()}
    assert types >= {"source", "HM_SA", "HM_DA", "PM_P", "PM_Adv", "EM_SA_L", "EM_DA_Pr"}
    study_page.write(study.folder)
    assert "# cv, cifar100, smoke tier" in study_page.page(study.folder)
    assert all(len(table([study.folder])) > 5 for table in (deepcore_tables.table_2, deepcore_tables.table_3))
