"""Verdicts: what two p-values and a suspect's control accuracy come to, and how few models that rests on."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binom

from fingerprinting.calibrated import evidence, verdicts
from fingerprinting.calibrated.contents import WEIGHTS
from fingerprinting.calibrated.verdicts import INCONCLUSIVE, INDEPENDENT, STOLEN
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, readable
from fingerprinting.reports.pages import with_records
from fingerprinting.reports.sections import audit
from fingerprinting.reports.sections import verdicts as shares
from fingerprinting.study.records import Records

ROWS = {method.representation.__name__: method for method in METHODS if method.name == "calibrated"}
LEVELS = {"alpha": 0.2, "beta": 0.2, "tail": "conformal"}


@pytest.mark.parametrize(
    ("p_independent", "p_stolen", "expected"),
    [
        (0.01, 0.90, "stolen"),
        (0.05, 0.90, "stolen"),
        (0.05, 0.11, "stolen"),
        (0.05, 0.10, "inconclusive"),
        (0.01, 0.01, "inconclusive"),
        (0.06, 0.90, "inconclusive"),
        (0.06, 0.01, "inconclusive"),
        (0.50, 0.01, "inconclusive"),
        (0.51, 0.01, "independent"),
        (0.90, 0.10, "independent"),
        (0.90, 0.11, "inconclusive"),
        (1.00, 1.00, "inconclusive"),
    ],
)
def test_verdicts_at_stated_levels(p_independent, p_stolen, expected):
    assert verdicts.outcome(p_independent, p_stolen, alpha=0.05, beta=0.10) == expected


share = st.floats(0, 1) | st.sampled_from([0.01, 0.05, 0.5, 1 / 103, 1 / 118])
alpha = st.floats(1e-6, 1 - 1e-6) | st.sampled_from([0.01, 0.05, 0.5])


@given(share, share, alpha, alpha)
@example(0.0, 0.0, 0.01, 0.05)
@example(0.6, 0.01, 0.7, 0.05)
def test_nobody_is_flagged_who_shows_as_little_as_no_stolen_model_nor_cleared_who_shows_as_much_as_no_independent_one(
    p_independent, p_stolen, alpha, beta
):
    found = verdicts.outcome(p_independent, p_stolen, alpha, beta)
    assert (found == STOLEN) == (p_independent <= alpha and p_stolen > beta)
    assert (found == INDEPENDENT) == (p_independent > 0.5 and p_independent > alpha and p_stolen <= beta)
    assert found in (STOLEN, INDEPENDENT, INCONCLUSIVE)
    if found == STOLEN:  # more evidence flags too, less of it never clears at once
        assert verdicts.outcome(p_independent / 2, (1 + p_stolen) / 2, alpha, beta) == STOLEN


@given(share, share, alpha, alpha, st.booleans(), st.sampled_from([None, True, False]), share, st.integers(0, 9))
def test_whatever_is_inconclusive_says_why(
    p_independent, p_stolen, alpha, beta, in_range, one_response, control_accuracy, n_stolen
):
    p_stolen = p_stolen if n_stolen else 1.0
    found = dict(p_independent=p_independent, p_stolen=p_stolen, alpha=alpha, beta=beta, in_range=in_range)
    found |= dict(n_stolen=n_stolen, control_accuracy=control_accuracy, control_accuracy_range=[0.4, 0.6])
    found |= {} if one_response is None else {"one_response": one_response}  # older records do not have it
    passed, why = verdicts.passed(found), verdicts.why(found)
    usual = verdicts.outcome(p_independent, p_stolen, alpha, beta)
    assert passed == (usual if in_range and not one_response else INCONCLUSIVE)
    assert bool(why) == (passed == INCONCLUSIVE)
    if p_independent <= alpha and p_stolen <= beta and in_range and not one_response:
        assert why.endswith("it is like neither")
    if "may be either" in why or "no stolen models" in why:
        assert ("no stolen models" in why) == (not n_stolen)


@given(st.integers(1, 300), st.data())
def test_how_many_independent_models_a_level_flags_at_most(n, data):
    """Beta and binomial: k of n calibration models or more lie above a bound that so many independents pass, surely."""
    k = data.draw(st.integers(1, n))
    bound = verdicts.flagged_at_most(k / (n + 1), n)
    assert binom.sf(k - 1, n, bound) == pytest.approx(0.95, abs=1e-6)
    assert verdicts.flagged_at_most(1.0, n) == 1 and verdicts.flagged_at_most(0.5 / (n + 1), n) == 0


def test_committed_records_hold_p_values_and_no_outcome(monkeypatch):
    """What they come to is this rule's, today's and whatever it will be."""
    monkeypatch.delenv("RESULTS_DIR")
    found = [row for name in with_records("verdicts") for row in Records.at(name, "verdicts").rows()]
    assert len(found) > 2_000 and not any("outcome" in row for row in found)
    assert {verdicts.passed(row) for row in found} == {STOLEN, INDEPENDENT, INCONCLUSIVE}


def test_shares_are_of_outcomes_by_the_rule():
    """Of four models of an audit: one is flagged, one is like neither, one is out of range, one is cleared."""
    model = dict(use="audit", kind="audit_irrelevant", role="independent", share=1.0, alpha=0.01, beta=0.05)
    model |= dict(n_calibration=102, n_stolen=117, in_range=True, p_independent=0.01, p_stolen=0.5)
    changes = ({}, {"p_stolen": 0.01}, {"in_range": False}, {"p_independent": 0.9, "p_stolen": 0.01})
    found = [{**model, **change} for change in changes]
    for row in shares.rows(found):
        assert [row[name] for name in (STOLEN, "stolen_at_5", INDEPENDENT, INCONCLUSIVE)] == [0.25, 0.25, 0.25, 0.5]
    (said,) = audit.flagged(found, "irrelevant").values()
    assert said.startswith("0.250 [")
    assert "**" not in shares.section(found)[0]
    few = [{**row, "n_calibration": 9, "alpha": 0.1} for row in found]
    assert "**The p-values rest on 9 calibration models only.**" in shares.section(few)[0]


def test_beyond_the_calibration_models_a_normal_tail_flags_and_without_stolen_models_nobody_is_cleared():
    model = dict(use="scored", kind="prune", role="pirated", share=1.0, alpha=0.01, beta=0.05, tail="student")
    found = [model | dict(n_calibration=18, n_stolen=0, in_range=True, p_independent=0.001, p_stolen=1.0)]
    for row in shares.rows(found):
        assert row[STOLEN] == 1 and INDEPENDENT not in row
    said = shares.section(found)
    assert "by a normal tail" in said[0] and "no model is cleared" in said[0] and "held-out stolen" not in said[0]
    assert "| 1.000 [0.025, 1.000] | not possible |" in said[-2]


def weighed(n: int = 6, classes: int = 4) -> Fingerprint:
    """Responses of a source to n queries, and random weights of both readings that agreement with it makes heavier."""
    draw = np.random.default_rng(0)
    logits = torch.from_numpy(draw.normal(size=(n, classes)))
    sizes = {"": n, "transfer_": n * (n - 1) // 2}
    extra = {"control_inputs": torch.zeros(4, 1), "control_truth": torch.tensor([0, 0, 0, 1])}
    extra["honest_ability"] = torch.tensor([0.5, 0.75])
    for prefix, size in sizes.items():
        same = 1.0 if not prefix else evidence.same_response(logits.argmax(1).numpy()) - 0.5
        parts = (draw.random(size), draw.uniform(0.5, 1, (2, size)) * same, draw.normal(size=2))
        extra |= {prefix + name: torch.from_numpy(value) for name, value in zip(WEIGHTS, parts, strict=True)}
        extra |= {prefix + name: torch.linspace(-9, 9, 19) for name in ("honest", "thefts")}
    return Fingerprint(torch.zeros(n, 1), logits.argmax(1), torch.zeros(n), torch.full((n,), -1), logits, {}, extra)


@pytest.mark.parametrize("name", ["stealing_evidence", "transfer_evidence"])
def test_the_source_is_at_no_distance_from_itself_and_whoever_differs_is(name):
    asked = weighed()
    assert ROWS[name].score(asked.source_logits, asked) == 0
    other = asked.source_logits.clone()
    other[0] = -other[0]
    assert ROWS[name].score(other, asked) > 0


def test_evidence_of_a_transfer_does_not_know_what_labels_are_called():
    asked = weighed()
    moved = torch.cat([asked.source_logits.flip(1), torch.full((len(asked), 3), -9.0)], 1)
    assert ROWS["transfer_evidence"].score(moved, asked) == 0
    assert ROWS["transfer_evidence"].suits(on_target=True) and not ROWS["transfer_evidence"].suits(on_target=False)
    assert ROWS["stealing_evidence"].suits(on_target=False) and not ROWS["stealing_evidence"].suits(on_target=True)


def test_without_moved_references_there_is_no_representation_of_transfers():
    asked = weighed()
    assert set(readable({"calibrated": asked})) == {ROWS["stealing_evidence"], ROWS["transfer_evidence"]}
    del asked.extra["transfer_centre"]
    assert readable({"calibrated": asked}) == [ROWS["stealing_evidence"]]


@pytest.mark.parametrize("levels", [{"alpha": 0.0}, {"alpha": 1.0}, {"beta": 0.0}, {"beta": 1.0}])
def test_levels_are_shares(study, levels):
    (name,) = levels
    with pytest.raises(UserError, match=f"{name.upper()}={levels[name]} .*give more than 0 and less than 1"):
        verdicts.judge(study, weighed(), [], **{**LEVELS, **levels})


def test_an_unknown_tail_is_refused(study):
    with pytest.raises(UserError, match="unknown TAIL=fat; take conformal or student"):
        verdicts.judge(study, weighed(), [], **{**LEVELS, "tail": "fat"})


def measured(labels: list[int], controls: list[int]) -> dict:
    return verdicts.measured(weighed(), torch.tensor(labels), torch.tensor(controls), **LEVELS)


def test_one_response_to_all_queries_is_no_models():
    """Though it is as accurate as others on control queries of which most are of one class."""
    found = measured([0] * 6, [0] * 4)
    assert found["in_range"] and found["one_response"] and verdicts.passed(found) == INCONCLUSIVE
    assert verdicts.why(found) == "the same response to all queries says nothing about a model's origin"
    assert not measured([0] * 6, [0, 0, 0, 1])["one_response"] and not measured([0] * 5 + [1], [0] * 4)["one_response"]
