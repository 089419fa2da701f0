"""The labels that are kept of a study, and what a verdict costs by them: nothing needs a model any more."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from fingerprinting.calibrated import p_values
from fingerprinting.calibrated.contents import means
from fingerprinting.core.errors import UserError
from fingerprinting.evaluation import labels, price, price_beside, price_level
from fingerprinting.evaluation.labels import CANDIDATES, Labels
from fingerprinting.fingerprints import minus_twins
from fingerprinting.models import independent, reference, source_model, stolen, suspects, trained, twins
from fingerprinting.reports.sections import price as section
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

RECIPE = dict(epochs=1, learning_rate=1e-2)
UNMOVED = dict(transfer_copies=0, transfer_epochs=1, transfer_learning_rate=1e-2)
STEPS = dict(twins=(0, 1, 3), queries=(5, 20), alphas=(0.05,), draws=2)


@pytest.fixture
def small(study: Study) -> Study:
    """A source, three twins, an independent model and one stolen model of vision's digits."""
    source_model.source(study, weights="", **RECIPE)
    twins.twins(study, copies=3, other_copies=0, other_epochs=1, **UNMOVED, **RECIPE)
    independent.homologous(
        study, overlaps=(1.0,), same_copies=0, other_copies=1, adversarial_copies=0, epsilon=0.1, pgd_steps=1, **RECIPE
    )
    stolen.fine_tune(study, layers=("all",), copies=2, **RECIPE)
    return study


def test_every_model_is_kept_with_its_labels_on_every_candidate(small):
    kept = labels.record(small)
    models = [suspects.source_of(small), *suspects.there(small, "twin")]
    assert set(kept.kinds) == {"source", "twin", "homologous", "fine_tune_all"} and kept.labels.dtype == np.uint8
    owner = labels.Owner(small, "labels")
    queries, _ = labels.candidates(owner, models[1:])
    for model in models:
        (row,) = kept.labels[kept.models == model.model.name]
        asked = predict(trained.open_model(small, model.model), queries.inputs, small.device)
        assert (row == asked.argmax(1).numpy()).all()
    assert (kept.truth == queries.truth.numpy()).all()
    reread = labels.read(small.folder)
    assert all((getattr(kept, name) == getattr(reread, name)).all() for name in Labels.__dataclass_fields__)


def test_the_candidates_are_what_their_kind_says(small):
    kept = labels.record(small)
    wrong = (kept.of("source", "twin") != kept.truth).any(0)
    assert wrong[kept.among("dev", "reference")].all(), "the source or a twin gets each of them wrong"
    assert (kept.source != kept.truth)[kept.among("trained")].all()
    assert not wrong[kept.among("ordinary")].all()
    assert set(np.unique(kept.kind)) <= set(range(len(CANDIDATES)))


def test_a_price_is_scored_again_without_any_model(small):
    price.price(small, **STEPS)
    before = Records.of(small, "price").rows()
    assert {row["twins"] for row in before if row["study"] == "twins and queries"} == {0, 1, 3}
    shutil.rmtree(small.artifacts)
    price.price(small, **STEPS)
    assert Records.of(small, "price").rows() == before


def test_models_are_flagged_against_the_calibration_models(small):
    recipe = dict(transfer_epochs=1, transfer_learning_rate=1e-2, epsilon=0.1, pgd_steps=1, **RECIPE)
    reference.calibration(
        small, copies=1, reference_copies=1, shares=(0.5,), share_copies=1, transfer_copies=0, **recipe
    )
    price.price(small, **{**STEPS, "alphas": (0.05, 0.5)})
    rows = Records.of(small, "price_verdicts").rows()
    kept = labels.read(small.folder)
    of_all = np.isin(kept.kinds, price.CALIBRATION) & (kept.share == 1)
    same, other, matched = price.calibrating(kept)
    count, share = int(same.sum()), reference.matched_share(small)
    assert ((same | other) == of_all).all() and set(kept.share[matched]) == {share} and matched.sum() == other.sum() > 0
    assert np.ptp(kept.examples[other | matched]) <= 1
    left_out = price.learned(kept)
    assert (left_out.any(1) >= (other | matched)).all() and not left_out[:, ~kept.among("reference")].any()
    assert not left_out[same].any()
    assert count < np.isin(kept.kinds, price.CALIBRATION).sum() and set(kept.share) == {0.5, share, 1.0}
    assert {row["n_calibration"] for row in rows} == {count} and count > 2
    assert {(row["tail"], row["alpha"]) for row in rows} == {
        (tail, alpha) for tail in ("conformal", "student") for alpha in (0.05, 0.5)
    }
    for row in rows:
        assert row["extrapolated"] == (row["alpha"] < 1 / (1 + count))
        if row["tail"] == "conformal" and row["extrapolated"]:
            assert row["flagged_stolen"] == row["flagged_independent"] == 0
        assert row["n_stolen"] == row["n_independent"] == 2
    stopped = Records.of(small, "price_stopping").rows()
    assert {(row["twins"], row["alpha"]) for row in stopped} >= {(1, 0.05), (3, 0.5)}
    assert all(0 < row["asked_stolen"] <= row["queries"] and row["n_stolen"] == 2 for row in stopped)


def test_the_audit_is_counted_by_one_owners_fingerprint(small):
    recipe = dict(transfer_epochs=1, transfer_learning_rate=1e-2, epsilon=0.1, pgd_steps=1, **RECIPE)
    reference.calibration(small, copies=1, reference_copies=0, shares=(), share_copies=0, transfer_copies=0, **recipe)
    reference.audit(small, copies=1, shares=(0.5,), share_copies=1, transfer_copies=0, **recipe)
    price.price(small, **{**STEPS, "alphas": (0.05, 0.9)})
    kept = labels.read(small.folder)
    groups = dict(price.audited(kept))
    assert set(groups) == set(price.AUDITED) and (sum(groups.values()) == np.isin(kept.kinds, price.AUDIT)).all()
    assert set(kept.share[groups["less able"]]) == {0.5} and set(kept.share[groups["irrelevant"]]) == {1.0}
    for row in Records.of(small, "price_verdicts").rows():
        assert {name: n for name, (_, n) in row["audit"].items()} == {name: own.sum() for name, own in groups.items()}
        first, calibrating = price.scores_of(small, kept, next(_variants_of(row)), 0), price.calibrating(kept)
        alone, own = first.scores[:, -1], first.own[:, -1]
        p = p_values.beside(alone, [alone[group] for group in calibrating], row["tail"])
        flags = (p <= row["alpha"]) & (own <= minus_twins.most_own_responses(own[calibrating[0]]))
        assert row["audit"] == {name: [flags[group].sum(), group.sum()] for name, group in groups.items()}


def _variants_of(row: dict):
    """The variant of price.py that gave this row."""
    for variant in price._variants(STEPS["twins"], STEPS["queries"]):
        place = (variant.twins, variant.pairs, variant.queries)
        if variant.study in (price.GRID, price.WITH_PAIRS) and f"/{variant.value}/{variant.queries}/" in row["key"]:
            assert place[:2] == (row["twins"], row["pairs"])
            yield variant


def test_each_twin_takes_the_sources_place(small):
    """The last twin as the source is asked all that it gets wrong; the larger p-value flags no more than either."""
    recipe = dict(transfer_epochs=1, transfer_learning_rate=1e-2, epsilon=0.1, pgd_steps=1, **RECIPE)
    reference.calibration(small, copies=1, reference_copies=1, shares=(), share_copies=0, transfer_copies=0, **recipe)
    price.price(small, **{**STEPS, "alphas": (0.3,), "draws": 2})
    rows, kept = Records.of(small, "price_level").rows(), labels.read(small.folder)
    family = kept.models[np.isin(kept.kinds, ("source", "twin"))]
    assert {row["model"] for row in rows} == set(family) and len(family) == 4
    assert {row["compared_with"] for row in rows} == set(price_level.COMPARED)
    own = [row for row in rows if row["model"] == family[-1] and row["budget"] == 800]
    place = int(np.flatnonzero(kept.models == family[-1])[0])
    wrong = kept.among("dev", "reference") & (kept.labels[place] != kept.truth)
    assert {(row["queries"], row["mistakes"]) for row in own} == {(wrong.sum(), wrong.sum())} and wrong.sum() < 800
    assert {row["accuracy"] for row in own} == {kept.accuracy[place]}
    flagged = {row["compared_with"]: row["flagged_homologous"] for row in own}
    assert max(flagged["larger p-value"], flagged["same and other data"]) <= flagged["same data"]
    assert {row["n_calibration"] for row in own} == {int(price.calibrating(kept)[0].sum())}


def test_the_score_in_a_twins_place_is_that_of_its_own_mistakes():
    """Two twins and a source of no chooser each but one; a suspect that repeats the first twin's mistakes alone."""
    found = SimpleNamespace(
        models=np.array(["source", "a", "b", "suspect"]),
        labels=np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 2, 0], [1, 1, 0, 2]]),
    )
    nothing = np.zeros((4, 4), bool)
    study = SimpleNamespace(folder="toy")
    queries, shared = price_level._contributions(study, found, 1, [0, 2], np.array([0, 1]), 2, 0)
    assert means(shared, nothing[:, queries]).tolist() == [-1, 1, -1, 1]
    first = np.array([[False] * 4, [False] * 4, [False] * 4, [True, False, False, False]])
    found.labels[3, 1] = 0
    queries, shared = price_level._contributions(study, found, 1, [0, 2], np.array([0, 1]), 2, 0)
    assert means(shared, first[:, queries])[3] == -1


def test_who_is_flagged_at_a_look_is_asked_no_further_by_hand():
    """Of two looks the first spends a tenth of alpha, the other the rest; calibration models score -1, 0 and 1."""
    calibrating = np.array([False] * 3 + [True] * 3)
    scores = np.array([[100, 0], [3, 100], [0, 0], [-1, -1], [0, 0], [1, 1]], dtype=float)
    own = np.full((6, 2), 0.1)
    flagged, asked = price.stops(price.Looked(scores, own, (25, 40)), [calibrating], 0.05)
    assert flagged.tolist() == [True, True, False, False, False, False]
    assert asked.tolist() == [25, 40, 40, 40, 40, 40]
    own[0], own[1, 1] = (0.2, 0.1), 0.2  # more responses of its own than calibration models have, at either look
    flagged, asked = price.stops(price.Looked(scores, own, (25, 40)), [calibrating], 0.05)
    assert flagged.tolist() == [True, False, False, False, False, False]
    assert asked.tolist() == [40] * 6


def test_labels_that_are_missing_or_damaged_are_said_so(study):
    with pytest.raises(UserError, match="labels.npz is missing; run python price.py, which asks the models"):
        price.price(study, **STEPS)
    path = labels.path_of(study.folder)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\3\4 no archive")
    with pytest.raises(UserError, match="labels.npz is damaged; restore it from git"):
        price.price(study, **STEPS)


def test_labels_of_an_earlier_version_are_said_to_be_so(small):
    kept = labels.record(small)
    older = {name: value for name, value in vars(kept).items() if name not in ("architecture", "share")}
    np.savez_compressed(labels.path_of(small.folder), **older)
    with pytest.raises(UserError, match="labels.npz is older and lacks architecture, share; run python price.py with"):
        labels.read(small.folder)


def test_unseen_attacks_and_architectures_stand_beside_the_means(small, monkeypatch):
    stolen.unseen(small, copies=1, quantise_copies=1, range_examples=64, **RECIPE)
    monkeypatch.setattr(price, "USUAL_TWINS", 3)
    kept, rows = labels.record(small), []
    for count in (1, 3):
        variant = price.Variant(price.GRID, f"{count}/20", count, 20)
        looked = [price.scores_of(small, kept, variant, number) for number in range(2)]
        rows += price._rows(small, kept, variant, looked)
    assert all(set(row["auc_by_unseen_attack"]) == {*price_beside.UNSEEN} for row in rows)
    assert all(row["n_pirated"] == 2 and set(row["auc_by_attack"]) == {"fine_tune_all"} for row in rows)
    assert (kept.architecture == np.array([name.split("/")[-1].rpartition("-")[0] for name in kept.models]))[
        kept.kinds != "homologous"  # whose variant has a dash too
    ].all()
    usual = [row for row in rows if "auc_of_stolen_by_architecture" in row]
    assert {(row["study"], row["twins"]) for row in usual} == {("twins and queries", 3)}
    for row in usual:
        assert set(row["n_stolen_by_architecture"]) == {"conv3"}
        assert set(row["n_independent_by_architecture"]) == set(kept.architecture[kept.kinds == "homologous"])


def test_alphas_are_shares(study):
    with pytest.raises(UserError, match="ALPHAS=.* are shares of models"):
        price.price(study, **{**STEPS, "alphas": (0.0,)})


@pytest.mark.parametrize("wrong", [dict(draws=0), dict(queries=(0,)), dict(twins=(-1,))])
def test_counts_that_make_no_price_are_refused(study, wrong):
    with pytest.raises(UserError, match="must be 1 or more, and TWINS=.* 0 or more"):
        price.price(study, **{**STEPS, **wrong})


def test_without_scored_models_there_is_no_price(study):
    source_model.source(study, weights="", **RECIPE)
    twins.twins(study, copies=1, other_copies=0, other_epochs=1, **UNMOVED, **RECIPE)
    with pytest.raises(UserError, match="a price is scored on stolen and independent models; run the steps that train"):
        price.price(study, **STEPS)


def test_without_twins_there_is_no_price(study):
    source_model.source(study, weights="", **RECIPE)
    with pytest.raises(UserError, match="a price is counted in twins, and there are none; run python cv/twins.py"):
        price.price(study, **STEPS)


def test_the_table_has_a_line_for_each_number_of_twins():
    def row(twins: int, queries: int, auc: float) -> dict:
        return {
            **dict(
                study="twins and queries",
                negatives="all",
                pairs=0,
                twins=twins,
                queries=queries,
                auc=auc,
                auc_least=auc / 2,
            ),
            **dict(n_pirated=4, n_independent=5, draws=2),
        }

    lines = section.section([row(1, 50, 0.8), row(0, 50, 0.6), row(0, 25, 0.5)])
    assert lines[2:6] == [
        "| twins | 25 queries | 50 queries |",
        "| --- | --- | --- |",
        "| 0 | 0.500 (0.250) | 0.600 (0.300) |",
        "| 1 |  | 0.800 (0.400) |",
    ]
    assert section.section([]) == []


def test_candidates_that_a_source_has_none_of_are_left_out(small, monkeypatch):
    def values() -> set[str]:
        price.price(small, **STEPS)
        return {row["value"] for row in Records.of(small, "price").rows()}

    monkeypatch.setattr(price, "USUAL_TWINS", 3)
    training = "training mistakes only: nothing is held out"
    kept = labels.record(small)
    assert (training in values()) == kept.among("trained").any()
    others = ~kept.among("trained")
    per_candidate = {name: getattr(kept, name)[..., others] for name in ("labels", "kind", "truth", "margin")}
    np.savez_compressed(labels.path_of(small.folder), **{**vars(kept), **per_candidate})
    shutil.rmtree(small.artifacts)
    assert training not in values()


def test_other_fingerprints_stand_beside_with_what_they_were_given(small):
    def auc(attack: str, value: float, negatives: str = "all") -> dict:
        place = dict(method="fuap", output="probabilities", representation="code", negatives=negatives)
        return {
            "key": f"{attack}/{negatives}",
            "attack": attack,
            "auc": value,
            "n_pirated": 2,
            "n_independent": 3,
        } | place

    Records.of(small, "auc").put(
        [auc("mean_same_task", 0.9), auc("prune", 0.8), auc("fine_tune_all", 1.0), auc("transfer", 0.1)]
        + [auc("prune", 0.2, "homologous")]
    )
    Records.of(small, "timing").put(
        [{"key": "fuap", "method": "fuap", "queries": 100, "extra_models": 22, "extra_models_s": 60.0}]
    )
    price.price(small, **STEPS)
    (row,) = Records.of(small, "price_baselines").rows()
    assert (row["method"], row["auc"], row["auc_least"], row["extra_models"]) == ("fuap", 0.9, 0.8, 22)
    beside = {**row, "representation": "code_minus_twins", "auc": 0.95}
    assert section.of_baseline("study", row, beside) == (
        [
            "study",
            "fuap",
            "100",
            "22 (60 s)",
            "0.900 (0.800), code, probabilities",
            "0.950 (0.800), code, probabilities",
        ]
    )
    assert section.of_baseline("study", {**row, "extra_models": 0}, None)[3:] == [
        "0",
        "0.900 (0.800), code, probabilities",
        "",
    ]


def test_unseen_attacks_and_architectures_have_tables_where_there_are_some(monkeypatch):
    grid = dict(study="twins and queries", negatives="all", twins=6, pairs=0, queries=800)
    unseen = dict(
        auc_by_unseen_attack={"quantise_int8": 0.9},
        n_by_unseen_attack={"quantise_int8": 2},
        accuracy_by_unseen_attack={"quantise_int8": 0.75},
    )
    sides = dict(
        auc_of_stolen_by_architecture={"mlp": 0.8},
        n_stolen_by_architecture={"mlp": 3},
        auc_of_independent_by_architecture={"conv3": 0.7},
        n_independent_by_architecture={"conv3": 4},
    )
    records = {"cv/digits/cpu": [grid | unseen | sides], "nlp/thuocl/cpu": [grid]}
    monkeypatch.setattr(section, "committed", lambda: list(records))
    monkeypatch.setattr(section, "rows_of", records.__getitem__)
    assert section.unseen()[2:] == [
        "| attack | twins | queries | cv digits |",
        "| --- | --- | --- | --- |",
        "| quantise_int8 | 6 | 800 | 0.900 (n = 2, accuracy 0.75) |",
    ]
    assert section.architectures()[2:] == [
        "| study | architecture | its stolen models | its independent models |",
        "| --- | --- | --- | --- |",
        "| cv digits | mlp | 0.800 (n = 3) |  |",
        "| cv digits | conv3 |  | 0.700 (n = 4) |",
    ]
    del records["cv/digits/cpu"]
    assert section.unseen() == section.architectures() == []


def test_a_cell_says_who_is_flagged_at_looks_and_after_how_many_queries():
    row = dict(flagged_stolen=0.5, flagged_independent=0.01, asked_flagged=33.3)
    assert section._stopped(row, 0.6) == "0.50 (0.60) / 0.010, 33 queries"
    assert section._stopped(row | {"asked_flagged": None}, 0.6) == "0.50 (0.60) / 0.010"
    assert section._stopped(None, None) == ""


def test_audits_have_a_line_for_each_study_and_one_for_all(monkeypatch):
    row = dict(tail="student", twins=6, pairs=0, queries=800, alpha=0.01)
    groups = {"irrelevant": [1, 90], "homologous": [0, 90], "adversarially trained": [1, 36], "less able": [0, 48]}
    records = {"cv/digits/cpu": [row | {"audit": groups}], "nlp/thuocl/cpu": [row | {"audit": {"irrelevant": [0, 36]}}]}
    records["bci/scp1/cpu"] = [row | {"audit": {}}]
    monkeypatch.setattr(section, "committed", lambda: list(records))
    monkeypatch.setattr(section.Records, "at", lambda study, _: SimpleNamespace(rows=lambda: records[study]))
    first, second, together = section.audits()[4:]
    assert first == ("| 6 twins | 800 | 0.01 | cv digits | 2 of 264 (0.027) | 1 of 90 | 0 of 90 | 1 of 36 | 0 of 48 |")
    high = 1 - 0.025 ** (1 / 36)  # of none in 36, exactly
    assert second == f"| 6 twins | 800 | 0.01 | nlp thuocl | 0 of 36 ({high:.3f}) | 0 of 36 |  |  |  |"
    assert together.startswith("| 6 twins | 800 | 0.01 | all | 2 of 300 (0.024) | 1 of 126 | 0 of 90 |")
    del records["cv/digits/cpu"], records["nlp/thuocl/cpu"]
    assert section.audits() == []


def test_less_data_of_attackers_and_owners_has_tables_where_it_was_studied(monkeypatch):
    grid = dict(study="twins and queries", negatives="all", twins=6, pairs=0, queries=800, auc=0.9, auc_least=0.8)
    asked = dict(
        auc_by_attackers_examples={"2000": 0.75, "600": 0.5},
        n_by_attackers_examples={"2000": 4, "600": 3},
        accuracy_by_attackers_examples={"2000": 0.85, "600": 0.8},
    )
    few = grid | dict(queries=300, auc=0.7, auc_least=0.6, source_examples=149)
    records = {
        "bci/eyes/cpu": [grid | dict(source_examples=3484), grid | dict(queries=1600, source_examples=3484)],
        "bci/eyes/cpu-pool_372": [few],
        "bci/eyes/cpu-split_1": [grid | dict(source_examples=3484)],
        "cv/digits/cpu": [grid | asked | dict(source_examples=50)],
    }
    monkeypatch.setattr(section, "committed", lambda: list(records))
    monkeypatch.setattr(section, "rows_of", records.__getitem__)
    assert section.attackers_data()[2:] == [
        "| study | inputs | n | accuracy | 1 twin, 1600 queries | 6 twins, 800 queries |",
        "| --- | --- | --- | --- | --- | --- |",
        "| cv digits | 600 | 3 | 0.80 |  | 0.500 |",
        "| cv digits | 2000 | 4 | 0.85 |  | 0.750 |",
    ]
    assert section.owners_data()[2:] == [
        "| data set | owner's training examples | queries | 0 twins | 1 twin | 6 twins |",
        "| --- | --- | --- | --- | --- | --- |",
        "| bci eyes | 149 | 300 |  |  | 0.700 (0.600) |",
        "| bci eyes | 3484 | 800 |  |  | 0.900 (0.800) |",
    ]
