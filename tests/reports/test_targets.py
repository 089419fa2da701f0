"""What was to be reached, against records made by hand."""

import pytest

from fingerprinting.reports.sections import targets, verdicts
from fingerprinting.reports.sections.targets import TARGETS, Aim
from fingerprinting.study.records import Records

ATTACKS = {"fine_tune_last": 1.0, "prune": 0.97, "extract_labels": 0.91, "mean_same_task": 0.96}


def put(study: str, topic: str, *rows: dict) -> None:
    Records.at(study, topic).put({"key": str(number), **row} for number, row in enumerate(rows))


@pytest.fixture
def judged():
    """A study with AUCs, one of them by another reading, one against other independents, and an audit of four."""
    found = [
        dict(representation="stealing_evidence", negatives="all", attack=name, auc=auc) for name, auc in ATTACKS.items()
    ]
    others = [
        {**found[1], "representation": "transfer_evidence", "attack": "transfer", "auc": 0.9},
        {**found[1], "representation": "responses", "auc": 0.1},
        {**found[1], "negatives": "homologous", "auc": 0.2},
    ]
    put("bci/own/cpu", "auc", *found, *others)
    budgets = [dict(study="queries", value=value, attack="mean", auc=auc) for value, auc in (("25", 0.7), ("50", 0.8))]
    put("bci/own/cpu", "ablation", *budgets)
    model = dict(kind="audit_irrelevant", role="independent", use="audit", share=1, alpha=0.01, beta=0.05)
    model |= dict(n_calibration=102, n_stolen=90, in_range=True)
    values = ((0.01, 0.5), (0.01, 0.5), (0.01, 0.5), (0.7, 0.01))  # three that are flagged, and one cleared
    fresh = [
        {**model, "p_independent": independent, "p_stolen": stolen, "evidence": evidence}
        for (independent, stolen), evidence in zip(values, (0.1, 0.2, 0.3, 0.4), strict=True)
    ]
    less_accurate = {**fresh[0], "share": 0.1, "evidence": 9.0}
    stolen = [
        {**fresh[0], "kind": kind, "role": "pirated", "use": "scored", "evidence": evidence}
        for kind, evidence in (("prune", 0.25), ("prune", 0.5), ("extract_labels", 0.05))
    ]
    put("bci/own/cpu", "verdicts", *fresh, less_accurate, *stolen)
    return "bci/own/cpu"


def test_figures_are_those_of_labels_against_all_independents(judged):
    assert targets.mean(judged) == 0.96
    assert targets.mean_at_50(judged) == 0.8
    assert targets.least(judged) == 0.9
    assert targets.least_that_keeps_the_weights(judged) == 0.9
    assert targets.mean_of_audit(judged) == pytest.approx(((2 / 4 + 4 / 4) / 2 + 0 / 4) / 2)
    assert targets.least_of_audit(judged) == 0
    assert targets.flagged(judged) == pytest.approx(0.1941, abs=1e-4)  # Clopper and Pearson's interval of 3 in 4


@pytest.mark.parametrize(
    ("n_calibration", "n_stolen", "possible"),
    [
        (99, 19, {"stolen", "independent", "stolen_at_5"}),
        (98, 18, {"stolen_at_5"}),
        (19, 19, {"independent", "stolen_at_5"}),
        (18, 5, set()),
    ],
)
def test_a_verdict_that_too_few_models_allow_is_no_share(judged, n_calibration, n_stolen, possible):
    """The least p-value of n models is 1 / (n + 1)."""
    found = Records.at(judged, "verdicts")
    found.put({**row, "n_calibration": n_calibration, "n_stolen": n_stolen} for row in found.rows())
    rows = verdicts.rows(found.rows())
    assert all({"stolen", "independent", "stolen_at_5"} & set(row) == possible for row in rows)
    assert all("not possible" in line for line in verdicts.section(found.rows())[4:-1]) == (len(possible) < 3)
    assert (targets.flagged(judged) is None) == ("stolen" not in possible)


def test_what_is_missing_stands_beside_the_figure(judged):
    transfer = ["0.900, **shortfall 0.090**", "0.900, **shortfall 0.050**"]
    assert [aim.cell(judged) for aim in TARGETS] == ["", "", "", *transfer, "0.000, **shortfall 0.950**"] + [
        "0.194, **excess 0.184**",
        "",
        "",
    ]


def test_references_are_timed_by_the_clock_where_that_was_two_cores_and_else_by_their_models(judged):
    models = (("reference_prune", 500.0), ("reference_transfer", 400.0), ("prune", 9.0), ("audit_irrelevant", 9.0))
    put(judged, "models", *(dict(kind=kind, seconds=seconds) for kind, seconds in models))
    on_four = dict(seconds=100.0, cores=4)
    Records.at(judged, "steps").put([{"key": "bci/references.py", **on_four}, {"key": "bci/prune.py", **on_four}])
    cost = TARGETS[-2]
    assert cost.cell(judged) == "450, **excess 90**"
    Records.at(judged, "steps").put([{"key": "bci/references.py", "seconds": 359.6, "cores": 2}])
    assert cost.cell(judged) == "360"


def test_queries_are_timed_without_the_models_they_need(judged):
    times = (("calibrated", 31.4), ("primary", 2.0))
    put(judged, "fingerprints", *(dict(method=method, seconds=seconds) for method, seconds in times))
    assert TARGETS[-1].cell(judged) == "31, **excess 1**"


def test_what_is_reached_or_was_not_measured_or_is_no_aim_of_the_domain(judged):
    reached = Aim("words", ("bci",), lambda study: 0.95, 0.95)
    assert reached.cell(judged) == "0.950"
    assert reached.cell("cv/own/cpu") == ""
    assert all(aim.cell("bci/nothing/cpu") == "" for aim in TARGETS)
