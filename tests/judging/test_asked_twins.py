"""Suspects of trained models, judged by twins: asked through a function, in part, with refusals, one after another."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fingerprinting.asking import journal, python_function
from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated import fitting, twins, verdicts
from fingerprinting.calibrated.contents import CONTRIBUTIONS, CalibratedFingerprint
from fingerprinting.core.runtime import UserError
from fingerprinting.fingerprints import minus_twins
from fingerprinting.judging import judge as judging
from fingerprinting.judging.queries import INPUTS, VERDICT
from fingerprinting.models import build, reference, source_model, stolen, suspects, trained
from fingerprinting.models import twins as training
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict
from tests.judging.protection import opened

RECIPE = dict(epochs=1, learning_rate=1e-2)
UNMOVED = dict(transfer_copies=0, transfer_epochs=1, transfer_learning_rate=1e-2)
LEVELS = dict(alpha=0.05, beta=0.05, tail="student")
CONTROLS = 20


@pytest.fixture(scope="module")
def small(folder) -> Study:
    """A source, four twins, calibration models, copies and students of vision's digits, hardly trained."""
    study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=20, workers=1)
    source_model.source(study, weights="", **RECIPE)
    training.twins(study, copies=4, other_copies=0, other_epochs=1, **UNMOVED, **RECIPE)
    own = dict(copies=1, shares=(0.5,), share_copies=1, epsilon=0.1, pgd_steps=1)
    reference.calibration(study, reference_copies=1, **own, **UNMOVED, **RECIPE)
    stolen.extract(study, copies=1, temperature=2.0, epsilon=0.1, pgd_steps=1, **RECIPE)
    assert fitting.calibrated(study, size="twins", n=60, controls=CONTROLS) is None
    return study


def models(study: Study) -> list[Suspect]:
    """The source, a copy in all but name, students of it, and models that never saw it."""
    planned = build.planned(study)["extract"]
    students = [Suspect(model, trained.metadata_of(study, model)) for model in planned]
    return [suspects.source_of(study), *students, *twins.calibrating(study)]


def labels_of(study: Study, model: Suspect, inputs: torch.Tensor) -> np.ndarray:
    return predict(trained.open_model(study, model.model), inputs, study.device).argmax(1).numpy()


@pytest.fixture
def asking(monkeypatch):
    """asking(ask) -> an address behind which that function is asked, and the indices that it was sent."""

    def put(ask: Callable[[np.ndarray], list]) -> str:
        monkeypatch.setattr(python_function, "loaded", lambda _address: ask)
        return "suspect:ask"

    return put


def judged(study: Study, folder: Path, **changes) -> dict:
    given = {"queries": str(folder), "responses": "", "other_task": False, **LEVELS, **changes}
    judging.judge(study, **given)
    return json.loads((folder / VERDICT).read_text())


def test_every_models_verdict_is_that_in_process(small, outputs, tmp_path, asking):
    made = opened(small)
    held = CalibratedFingerprint.of(made)
    outcomes = []
    for number, model in enumerate(models(small)):
        address = asking(lambda x, model=model: labels_of(small, model, torch.from_numpy(x)))
        found = judged(small, tmp_path / str(number), suspect=address)
        labels, controls = (
            torch.from_numpy(labels_of(small, model, one)) for one in (made.inputs, held.controls.inputs)
        )
        expected = verdicts.measured(made, labels, controls, *LEVELS.values())
        assert {name: found[name] for name in expected} == expected
        assert found["outcome"] == verdicts.passed(expected) and found["findings"] == []
        outcomes.append(found["outcome"])
    assert outcomes[0] == "stolen" and len(outcomes) > 2


def test_a_budget_leaves_a_verdict_on_exactly_the_queries_it_allows(small, outputs, tmp_path, asking):
    """Calibration models are scored on the same queries, here by their own responses."""
    made = opened(small)
    held, n = CalibratedFingerprint.of(made), len(made)
    sent: list[int] = []
    source = suspects.source_of(small)

    def ask(x: np.ndarray) -> list:
        sent.append(len(x))
        return labels_of(small, source, torch.from_numpy(x)).tolist()

    found = judged(small, tmp_path, suspect=asking(ask), budget=42)
    assert (
        sum(sent) == 42 == found["suspect"]["sent"] and found["suspect"]["repeated"] == 2 and found["queries"] == 20 < n
    )
    kept = journal.read(tmp_path / journal.NAME)
    assert list(kept.responses) == [*range(20), *range(n, n + CONTROLS)]
    for model, score in zip(twins.calibrating(small), held.source.contributions[:, :20].mean(1), strict=True):
        own = labels_of(small, model, made.inputs[:20])
        subtracted = held.source.subtracted[:, :20]
        assert score == pytest.approx(
            minus_twins.score(own, made.labels[:20].numpy(), held.source.twins[:, :20], subtracted)
        )
    assert found["outcome"] == "stolen" and found["control_accuracy"] > 0
    more = judged(small, tmp_path, suspect=asking(ask), budget=0)
    assert sum(sent) == n + CONTROLS + 4 and more["queries"] == n


def test_what_is_unanswered_is_left_out_of_the_comparison(small, outputs, tmp_path, asking):
    made, source = opened(small), suspects.source_of(small)
    held, n = CalibratedFingerprint.of(made), len(made)
    missing = [1, 5, n + 2]
    judging.judge(small, queries=str(tmp_path), responses="", other_task=False, **LEVELS)
    inputs = np.load(tmp_path / INPUTS)
    said = [
        None if index in missing else int(one)
        for index, one in enumerate(labels_of(small, source, torch.from_numpy(inputs)))
    ]
    table = {one.tobytes(): label for one, label in zip(inputs, said, strict=True)}
    found = judged(small, tmp_path, suspect=asking(lambda x: [table[one.tobytes()] for one in x]))
    kept = np.delete(np.arange(n), missing[:2])
    score = held.source.traces(made.labels.numpy(), made.labels.numpy(), other_task=False)
    assert found["unanswered"] == 3 and found["outcome"] == "stolen"
    expected = minus_twins.score(
        made.labels.numpy()[kept],
        made.labels.numpy()[kept],
        held.source.twins[:, kept],
        held.source.subtracted[:, kept],
    )
    assert found["evidence"] == pytest.approx(expected) and found["evidence"] != pytest.approx(score[0])
    assert "3 responses are refusals or name no class" in found["findings"][0]


def test_too_many_refusals_are_inconclusive(small, outputs, tmp_path, asking):
    made = opened(small)
    count = (len(made) + CONTROLS) // 5
    silent = {one.numpy().tobytes() for one in made.inputs[:count]}
    source = suspects.source_of(small)

    def ask(x: np.ndarray) -> list:
        labels = labels_of(small, source, torch.from_numpy(x))
        return ["no" if one.tobytes() in silent else int(label) for one, label in zip(x, labels, strict=True)]

    found = judged(small, tmp_path, suspect=asking(ask))
    assert found["outcome"] == "inconclusive" and found["unanswered"] == count
    assert found["why"].startswith("20% of the queries are unanswered, above 10%: these may be those that would tell")


def test_who_refuses_everything_is_inconclusive(small, outputs, tmp_path, asking):
    found = judged(small, tmp_path, suspect=asking(lambda x: ["no"] * len(x)))
    assert found["outcome"] == "inconclusive" and found["unanswered_share"] == 1


def test_asked_early_it_stops_as_soon_as_it_is_flagged(small, outputs, tmp_path, asking):
    source = suspects.source_of(small)
    found = judged(small, tmp_path, suspect=asking(lambda x: labels_of(small, source, torch.from_numpy(x))), early=True)
    made = opened(small)
    looks = found["looks"]
    assert found["queries"] in looks and found["outcome"] == (
        "stolen" if found["queries"] < len(made) else found["outcome"]
    )
    kept = journal.read(tmp_path / journal.NAME)
    assert list(kept.responses) == list(range(CONTROLS + found["queries"]))


def test_refusals_at_a_look_are_left_out_of_it(small, outputs):
    made = opened(small)
    held = CalibratedFingerprint.of(made)
    labels = made.labels.clone()
    labels[3] = UNANSWERED
    found = verdicts.measured_so_far(made, labels[:25], held.controls.truth, *LEVELS.values())
    whole = verdicts.measured_so_far(made, made.labels[:25], held.controls.truth, *LEVELS.values())
    assert found["unanswered"] == 1 and 0 < found["p_independent"] <= 1
    assert found["p_independent"] != whole["p_independent"] and found["looks"] == whole["looks"]


def test_what_twins_cannot_say_of_a_part_is_refused(small, outputs):
    """Older fingerprints lack contributions; patterns of another task are known of all queries alone."""
    made = opened(small)
    labels = made.labels.clone()
    labels[3] = UNANSWERED
    older = replace(made, extra={name: value for name, value in made.extra.items() if name != CONTRIBUTIONS})
    with pytest.raises(
        UserError, match="does not hold what independent models respond to each query, which a verdict on"
    ):
        verdicts.measured(older, labels, CalibratedFingerprint.of(made).controls.truth, *LEVELS.values())
    names = (*CalibratedFingerprint.of(made).source.written(""), "source")
    moved = {f"transfer_{name}": made.extra.get(name, made.labels) for name in names if name != CONTRIBUTIONS}
    with pytest.raises(
        UserError, match="the pattern of labels of another task is compared on all queries by twins, and"
    ):
        verdicts.measured(replace(made, extra={**made.extra, **moved}), labels, None, *LEVELS.values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": 21}, "BUDGET=21 leaves no query beside 20 control queries; give more"),
        ({"budget": 42, "early": True}, "EARLY=True asks as few queries as a verdict needs; give no BUDGET with it"),
    ],
)
def test_budgets_that_make_no_verdict_are_refused(small, outputs, tmp_path, asking, changes, said):
    with pytest.raises(UserError, match=said):
        judged(small, tmp_path, suspect=asking(lambda x: [0] * len(x)), **changes)
