"""The calibrated fingerprint from twins alone: what it asks, how it scores, whom it flags, what it cannot say."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from fingerprinting.calibrated import fitting, twins, verdicts
from fingerprinting.calibrated.contents import MATCHED, OTHER, SAME, CalibratedFingerprint
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.evaluation import ablation
from fingerprinting.fingerprints import minus_twins, store
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import judge
from fingerprinting.methods import METHODS, and_minus_twins, readable
from fingerprinting.models import mistakes, reference, source_model, suspects, trained
from fingerprinting.models import twins as training
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study
from fingerprinting.training.trainer import predict

RECIPE = dict(epochs=1, learning_rate=1e-2)
MOVED = dict(transfer_copies=3, transfer_epochs=1, transfer_learning_rate=1e-2)
UNMOVED = {**MOVED, "transfer_copies": 0}
SIZE = dict(size="twins", n=30, controls=20)
LEVELS = dict(alpha=0.05, beta=0.05, tail="student")


@pytest.fixture(scope="module")
def small(folder) -> Study:
    """A source, four twins and the calibration models of vision's digits, hardly trained, and their fingerprint."""
    study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=20, workers=1)
    source_model.source(study, weights="", **RECIPE)
    training.twins(study, copies=4, other_copies=0, other_epochs=1, **MOVED, **RECIPE)
    own = dict(copies=1, shares=(0.5,), share_copies=1, epsilon=0.1, pgd_steps=1)
    reference.calibration(study, reference_copies=2, **own, **{**MOVED, "transfer_copies": 1}, **RECIPE)
    assert fitting.calibrated(study, **SIZE) is None
    return study


def opened(study: Study) -> Fingerprint:
    return store.load(study, "calibrated", trained.weights_sha256(study, study.source_id))


def labels_of(study: Study, model: suspects.Suspect, inputs: torch.Tensor) -> np.ndarray:
    return predict(trained.open_model(study, model.model), inputs, study.device).argmax(1).numpy()


def rows(inputs: torch.Tensor) -> list[bytes]:
    return [row.numpy().tobytes() for row in inputs]


def test_it_asks_what_the_source_gets_wrong(small, outputs):
    made, offered = opened(small), mistakes.candidates(small, SIZE["n"])
    inputs, truth, group = offered.inputs, offered.truth, offered.group
    assert len(made) == min(SIZE["n"], len(inputs)) and (made.labels != made.truth).all()
    wrong = {row.numpy().tobytes(): int(label) for row, label in zip(inputs, truth, strict=True)}
    assert all(wrong[row.numpy().tobytes()] == label for row, label in zip(made.inputs, made.truth, strict=True))
    parts = [small.parts[name] for name in ("dev", "reference", "owner")]
    asked = [labels_of(small, suspects.source_of(small), part.inputs) != part.targets.numpy() for part in parts]
    assert len(inputs) == sum(found.sum() for found in asked)
    held_out = {row.numpy().tobytes() for row in inputs[group == 0]}
    first = [row.numpy().tobytes() in held_out for row in made.inputs]
    assert first == sorted(first, reverse=True) and sum(first) == min(len(held_out), SIZE["n"])


def test_it_keeps_what_twins_and_calibration_models_respond(small, outputs):
    made = opened(small)
    held = CalibratedFingerprint.of(made)
    assert held.of_twins
    for twin, kept in zip(suspects.there(small, "twin"), held.source.twins, strict=True):
        assert (labels_of(small, twin, made.inputs) == kept).all()
    judges, seen = twins.calibrating(small), set(rows(physical(small.parts["reference"].inputs)))
    of_other = [suspects.part(model) == "reference" for model in judges]
    matched = [suspects.share(model) == reference.matched_share(small) for model in judges]
    assert (held.source.data == np.where(of_other, OTHER, np.where(matched, MATCHED, SAME))).all()
    assert [len(own) for own in held.source.groups] == [4, 8, 8]
    assert 0 < held.source.learned[held.source.data == OTHER].mean() < 1
    assert 0 < len(judges) == len(held.source.independent) < len(suspects.of_use(small, "calibration"))
    for model, score, accuracy in zip(judges, held.source.independent, held.controls.accuracy, strict=True):
        labels = labels_of(small, model, made.inputs)
        whole = suspects.part(model) == "owner" and suspects.share(model) == 1
        kept = slice(None) if whole else [row not in seen for row in rows(made.inputs)]
        asked = (labels[kept], made.labels.numpy()[kept], held.source.twins[:, kept], held.source.subtracted[:, kept])
        assert score == pytest.approx(minus_twins.score(*asked))
        right = labels_of(small, model, held.controls.inputs) == held.controls.truth.numpy()
        assert accuracy == pytest.approx(right.mean())


def test_controls_are_held_out_examples_of_all_classes_whatever_the_source_says_to_them(small, outputs):
    made, dev = opened(small), small.parts["dev"]
    controls = CalibratedFingerprint.of(made).controls
    counts = controls.truth.unique(return_counts=True)[1]
    assert len(controls) == SIZE["controls"] and counts.max() - counts.min() <= 1
    assert set(rows(controls.inputs)) <= set(rows(physical(dev.inputs)))
    source = suspects.source_of(small)
    everything = twins._controls(Owner(small, "calibrated"), [source], len(dev))
    right = labels_of(small, source, dev.inputs) == dev.targets.numpy()
    assert everything.accuracy.tolist() == pytest.approx([right.mean()]) and 0 < right.mean() < 1
    assert torch.equal(controls.inputs, everything.inputs[: len(controls)])


def test_the_source_itself_is_stolen_and_no_calibration_model_is(small, outputs):
    made = opened(small)
    models = [suspects.source_of(small), *twins.calibrating(small)]
    verdicts.judge(small, made, models, **LEVELS)
    outcomes = {row["kind"]: verdicts.passed(row) for row in Records.of(small, "verdicts").rows()}
    assert outcomes.pop("source") == "stolen" and set(outcomes.values()) == {"inconclusive"}
    (of_source,) = [row for row in Records.of(small, "verdicts").rows() if row["kind"] == "source"]
    assert of_source["extrapolated"] and of_source["n_stolen"] == 0 and of_source["p_stolen"] == 1


def test_who_responds_in_its_own_way_more_often_than_calibration_models_is_not_judged_by_them(small, outputs):
    """A copy of which ever more responses are a class that neither the source nor a twin gives."""
    made = opened(small)
    held = CalibratedFingerprint.of(made)
    judges = held.source.contributions[held.source.data == SAME]
    assert len(judges) < 20  # so that of all of them the most
    assert held.source.most_own_responses == pytest.approx(max((own == 0).mean() for own in judges))
    source, there = made.labels.numpy(), held.source.twins
    nobodys = np.array([min(set(range(10)) - {label, *others}) for label, others in zip(source, there.T, strict=True)])
    seen = set()
    for count in range(len(made) + 1):
        labels = np.where(np.arange(len(made)) < count, nobodys, source)
        found = verdicts.measured(made, torch.from_numpy(labels), held.controls.truth, **LEVELS)
        uninformative = ((there == source) | ~held.source.subtracted).all(0)
        own = np.mean((labels == nobodys) | uninformative)
        assert found["own_responses"] == pytest.approx(own)
        assert found["most_own_responses"] == held.source.most_own_responses
        less_able = own > held.source.most_own_responses
        assert found["in_range"] == (not less_able)
        if less_able:
            assert verdicts.passed(found) == "inconclusive" and "less able models" in verdicts.why(found)
        seen.add(bool(less_able))
    assert seen == {False, True}
    # Calibration models that respond as the twins do: beside their scores the last suspect would be flagged.
    draw = np.random.default_rng(0)
    contributions = torch.from_numpy(draw.choice([-0.5, -1.0], held.source.contributions.shape))
    changed = {"contributions": contributions, "honest": contributions.mean(1)}
    found = verdicts.measured(
        replace(made, extra=made.extra | changed), torch.from_numpy(nobodys), held.controls.truth, **LEVELS
    )
    assert found["p_independent"] <= LEVELS["alpha"] and verdicts.passed(found) == "inconclusive"


def test_without_calibration_models_of_other_data_nobody_is_flagged_and_that_is_said_before(small, outputs):
    fingerprint = opened(small)
    controls = CalibratedFingerprint.of(fingerprint).controls.truth
    of_one_data = {"data": torch.zeros_like(fingerprint.extra["data"])}
    for changed, expected in ((of_one_data, "inconclusive"), ({}, "stolen")):
        asked = replace(fingerprint, extra=fingerprint.extra | changed)
        found = verdicts.measured(asked, asked.labels, controls, 0.2, 0.2)
        assert verdicts.passed(found) == expected
        said = judge.warnings_of(small.tier, asked, False, 0.2)
        limited = any("is inconclusive: it has no calibration models of other data" in one for one in said)
        assert limited == bool(changed)


def test_of_two_classes_nobody_is_flagged_and_that_is_said_before(small, outputs):
    fingerprint = opened(small)
    controls = CalibratedFingerprint.of(fingerprint).controls.truth
    for classes, expected in ((2, "inconclusive"), (10, "stolen")):
        asked = replace(fingerprint, metadata={**fingerprint.metadata, "classes": classes})
        found = verdicts.measured(asked, asked.labels, controls, 0.2, 0.2)
        assert verdicts.passed(found) == expected
        said = judge.warnings_of(small.tier, asked, False, 0.2)
        assert any("every verdict is inconclusive: of two classes" in one for one in said) == (classes == 2)


def test_who_can_only_be_asked_gets_that_verdict_and_is_told_what_it_rests_on(small, outputs, tmp_path, capsys):
    asked = dict(queries=str(tmp_path), other_task=False, **LEVELS)
    judge.judge(small, responses="", **asked)
    said = capsys.readouterr().out
    count = CalibratedFingerprint.of(opened(small)).source.ranked
    assert f"ALPHA=0.05 is extrapolated: {count} calibration models support no ALPHA below" in said
    inputs = torch.from_numpy(np.load(tmp_path / judge.INPUTS))
    responses = tmp_path / "responses.txt"
    responses.write_text("\n".join(map(str, labels_of(small, suspects.source_of(small), inputs))))
    judge.judge(small, responses=str(responses), **asked)
    said, found = capsys.readouterr().out, json.loads((tmp_path / judge.VERDICT).read_text())
    assert found["outcome"] == "stolen" and found["extrapolated"]
    assert "it is compared with no stolen models, which SIZE=full trains" in said


def test_who_is_asked_one_query_after_another_gets_a_verdict_at_each_look(small, outputs, tmp_path, capsys):
    asked = dict(queries=str(tmp_path), other_task=False, early=True, **LEVELS)
    judge.judge(small, responses="", **asked)
    made, controls = opened(small), SIZE["controls"]
    enough = [controls + 25, controls + len(made)]
    assert f"Ask as many as {enough[0]} or {enough[1]} of them" in capsys.readouterr().out
    inputs = torch.from_numpy(np.load(tmp_path / judge.INPUTS))
    assert (inputs[:controls] == CalibratedFingerprint.of(made).controls.inputs).all()
    assert (inputs[controls:] == made.inputs).all()
    said = labels_of(small, suspects.source_of(small), inputs).tolist()
    responses, found = tmp_path / "responses.txt", []
    for count in enough:
        responses.write_text("\n".join(map(str, said[:count])))
        judge.judge(small, responses=str(responses), **asked)
        found.append(json.loads((tmp_path / judge.VERDICT).read_text()))
    assert [one["queries"] for one in found] == [25, len(made)] and found[0]["looks"] == [25, len(made)]
    assert found[1]["outcome"] == "stolen" and found[1]["p_independent"] <= found[0]["p_independent"]
    assert "the p-value is of all looks so far" in capsys.readouterr().out
    responses.write_text("\n".join(map(str, said[: enough[0] - 1])))
    with pytest.raises(
        UserError, match=f"has {enough[0] - 1} responses; EARLY=True passes a verdict on {enough[0]} or"
    ):
        judge.judge(small, responses=str(responses), **asked)
    with pytest.raises(UserError, match="were written with EARLY=True, in another order; give the same"):
        judge.judge(small, responses=str(responses), **{**asked, "early": False})


def test_what_no_early_verdict_can_be_passed_on_is_refused(small, outputs, tmp_path, monkeypatch):
    asked = dict(queries=str(tmp_path), responses="", other_task=False, early=True)
    with pytest.raises(UserError, match="EARLY=True spends ALPHA in parts, and .* rank none so low; TAIL=student"):
        judge.judge(small, **asked, alpha=0.5, beta=0.05, tail="conformal")
    with pytest.raises(UserError, match="EARLY=True is for suspects of the source's classes; ask all queries"):
        judge.judge(small, **{**asked, "other_task": True}, **LEVELS)
    made = opened(small)
    before = replace(made, extra={name: value for name, value in made.extra.items() if name != "contributions"})
    monkeypatch.setattr(judge.store, "load", lambda *_: before)
    with pytest.raises(UserError, match="does not hold what independent models respond to each query"):
        judge.judge(small, **asked, **LEVELS)


def test_conformal_p_values_refuse_what_they_cannot_support(small, outputs, tmp_path):
    with pytest.raises(UserError, match="calibration models support no ALPHA below"):
        judge.judge(small, queries=str(tmp_path), responses="", other_task=False, **{**LEVELS, "tail": "conformal"})


def test_without_models_moved_to_another_task_its_suspects_are_refused(small, outputs):
    held = replace(CalibratedFingerprint.of(opened(small)), transfer=None)
    with pytest.raises(UserError, match="to compare with; give twins.py and calibration.py TRANSFER_COPIES above 0"):
        held.calibration(other_task=True)


def test_suspects_of_another_task_are_compared_with_the_source_and_twins_that_the_owner_moved(small, outputs, tmp_path):
    made = opened(small)
    held = CalibratedFingerprint.of(made).calibration(other_task=True)
    source, *moved = suspects.there(small, "transferred")
    assert [model.model.kind for model in (source, *moved)] == ["source_transfer", *["twin_transfer"] * 3]
    assert (labels_of(small, source, made.inputs) == held.source).all() and len(held.twins) == 3
    judges = twins.calibrating(small, on_target=True)
    assert len(held.independent) == len(judges) > 0
    for model, score in zip(judges, held.independent, strict=True):
        labels = labels_of(small, model, made.inputs)
        assert score == minus_twins.pattern(labels, held.source, held.twins, held.subtracted)
    assert held.subtracted.all()
    judge.judge(small, queries=str(tmp_path), responses="", other_task=True, **LEVELS)
    responses = tmp_path / "responses.txt"
    words = [f"other {label}" for label in held.source.tolist()] + ["any"] * SIZE["controls"]
    responses.write_text("\n".join(words))
    judge.judge(small, queries=str(tmp_path), responses=str(responses), other_task=True, **LEVELS)
    found = json.loads((tmp_path / judge.VERDICT).read_text())
    assert found["n_calibration"] == len(judges) and found["evidence"] > max(held.independent)


def test_it_is_read_in_its_own_two_ways(small, outputs):
    made = opened(small)
    ways = readable({"calibrated": made})
    assert [method.representation_name for method in ways] == ["agreement_minus_twins", "pattern_minus_twins"]
    assert and_minus_twins(ways) == ways, "twins are not subtracted twice"
    agreement, pattern = ways
    twin = suspects.there(small, "twin")[0]
    assert agreement.score(made.source_logits, made) == 0
    assert agreement.score(suspects.ask(small, twin, made.inputs), made) > 0
    assert pattern.score(made.source_logits.flip(1), made) == 0, "it does not know what labels are called"
    assert len([method for method in METHODS if method.name == "calibrated"]) == 4


def test_what_its_models_cost_is_said(small, outputs, capsys):
    assert fitting.calibrated(small, **{**SIZE, "n": 25}) is None
    count = 8 + len(twins.calibrating(small)) + len(twins.calibrating(small, on_target=True))
    assert re.search(rf"SIZE=twins: {count} models took [\d.]+ x the source's training of", capsys.readouterr().out)
    assert fitting.calibrated(small, **SIZE) is None


def test_a_finished_one_is_left_as_it_is_until_a_twin_changes(small, outputs):
    assert fitting.calibrated(small, **SIZE) is SKIPPED
    judges = [*twins.calibrating(small), *twins.calibrating(small, on_target=True)]
    assert opened(small).metadata["extra_models"] == 4 + 4 + len(judges)


def test_fewer_mistakes_than_queries_are_said(small, outputs, capsys):
    found = twins.chosen(Owner(small, "calibrated"), suspects.there(small, "twin"), [], 10_000)
    assert f"calibrated: {len(found.queries.inputs)} queries instead of N=10000" in capsys.readouterr().out
    of_twins = (found.twins.shape[1], found.subtracted.shape[1])
    lengths = {len(found.queries.truth), *of_twins, len(found.queries.of_reference)}
    assert lengths == {len(found.queries.inputs)}


def test_mixtures_are_asked_after_all_mistakes(small, outputs):
    count = len(mistakes.of_source(small, trained.open_model(small, small.source_id)))
    inputs = twins.chosen(Owner(small, "calibrated"), suspects.there(small, "twin"), [], count + 5).queries.inputs
    offered = mistakes.candidates(small, count + 5)
    group = {row.numpy().tobytes(): own for row, own in zip(offered.inputs, offered.group, strict=True)}
    asked = [group[row.numpy().tobytes()] for row in inputs]
    assert asked == sorted(asked) and asked.count(mistakes.OF_MIXTURES) == 5


def test_a_source_without_enough_mistakes_is_refused_before_twins_are_asked_for(study, monkeypatch):
    source_model.source(study, weights="", **RECIPE)
    monkeypatch.setattr(mistakes, "FEWEST", 10_000)
    with pytest.raises(UserError, match="hold out more data"):
        fitting.calibrated(study, **SIZE)


def test_there_is_nothing_to_ablate(small, outputs):
    with pytest.raises(UserError, match="is of SIZE=twins, which has nothing fitted to leave out"):
        ablation.ablate(small, budgets=(), references=())


def test_without_twins_or_calibration_models_it_says_what_to_run(study):
    source_model.source(study, weights="", **RECIPE)
    with pytest.raises(UserError, match="SIZE=twins compares with twins of the source; run python cv/twins.py"):
        fitting.calibrated(study, **SIZE)
    training.twins(study, copies=1, other_copies=0, other_epochs=1, **UNMOVED, **RECIPE)
    with pytest.raises(UserError, match="calibration.py"):
        fitting.calibrated(study, **SIZE)
    moved = dict(transfer_copies=0, transfer_epochs=1, transfer_learning_rate=1e-2, epsilon=0.1, pgd_steps=1)
    for given in (dict(copies=0, reference_copies=1), dict(copies=1, reference_copies=0)):
        reference.calibration(study, shares=(), share_copies=0, **given, **moved, **RECIPE)
        with pytest.raises(UserError, match="of the source's data and of others; give the calibration COPIES and REF"):
            fitting.calibrated(study, **SIZE)


def test_pairs_move_the_choice_to_what_tells_origin(small, outputs):
    training.pairs(small, copies=1, students=2, parts=("owner+reference",), shares=(1.0,), **RECIPE)
    pairs, models = suspects.there(small, "pair"), suspects.there(small, "twin")
    owner = Owner(small, "calibrated")
    alone, with_them = (twins.chosen(owner, models, own, 10) for own in ([], pairs))
    source = suspects.source_of(small)

    def told(inputs: torch.Tensor) -> float:
        """By how much more the pairs' stolen models agree with the source than their partners."""
        labels = labels_of(small, source, inputs)
        agreed = {
            kind: np.mean([labels_of(small, m, inputs) == labels for m in pairs if m.model.kind == kind])
            for kind in training.PAIR
        }
        return agreed["pair_stolen"] - agreed["pair_independent"]

    assert told(with_them.queries.inputs) > told(alone.queries.inputs)
    assert fitting.calibrated(small, **{**SIZE, "size": "pairs"}) is None
    made = opened(small)
    assert made.metadata["n_pairs"] == 2 and made.metadata["settings"]["size"] == "pairs"
    assert fitting.calibrated(small, **SIZE) is None, "and back to twins alone"


def test_the_size_of_pairs_wants_pairs(study):
    source_model.source(study, weights="", **RECIPE)
    training.twins(study, copies=1, other_copies=0, other_epochs=1, **UNMOVED, **RECIPE)
    with pytest.raises(UserError, match="SIZE=pairs chooses queries with matched pairs; run python cv/pairs.py"):
        fitting.calibrated(study, **{**SIZE, "size": "pairs"})
