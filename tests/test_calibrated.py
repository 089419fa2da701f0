"""The calibrated fingerprint: formulas against independent references, and a small zoo of digits from end to end."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_ind, ttest_ind_from_stats
from sklearn.linear_model import LogisticRegression

from fingerprinting import (
    attacks,
    calibrated,
    checkpoints,
    evidence,
    files,
    fingerprints,
    generalisation,
    generation,
    own_models,
    steps,
    suspects,
)
from fingerprinting import judging as asking
from fingerprinting import verdicts as judging
from fingerprinting.alternatives import SCORES, Answers
from fingerprinting.attacks import KINDS
from fingerprinting.evidence import EXTRACTED, HONEST, TAMPERED, Weights
from fingerprinting.examples import physical
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.generalisation import Variant
from fingerprinting.methods import METHODS, readable
from fingerprinting.owner import Owner, UnsuitedError
from fingerprinting.queries.calibrated import CANDIDATES, Making, contrast
from fingerprinting.records import Records
from fingerprinting.runtime import UserError
from fingerprinting.study import SKIPPED, ModelId, Study
from fingerprinting.suspects import Suspect

ROWS = {method.representation.__name__: method for method in METHODS if method.name == "calibrated"}
LEVELS = {"level": 0.2, "cleared": 0.2}


# Formulas


def drawn_bits(counts: dict[int, int], n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bits (models, n) of so many models of each origin, each origin with its own chance per query; their origins."""
    draw = np.random.default_rng(seed)
    origins = draw.permutation(np.repeat(list(counts), list(counts.values())))
    chances = {origin: draw.uniform(0.1, 0.9, n) for origin in sorted(counts)}
    return np.stack([draw.random(n) < chances[origin] for origin in origins]).astype(float), origins


def test_separation_is_welchs_t_of_population_variances(monkeypatch):
    """Of two samples of one size m scipy's variances, which divide by m - 1, are all larger by m / (m - 1)."""
    monkeypatch.setattr(evidence, "SPREAD", 1e-15)
    draw, m = np.random.default_rng(0), 12
    stolen, honest = (draw.random((m, 30)) < draw.random(30) for _ in range(2))
    stolen[0], stolen[1], honest[0], honest[1] = True, False, True, False
    found = evidence.separation(stolen.astype(float), honest.astype(float))
    expected = ttest_ind(stolen.astype(float), honest.astype(float), equal_var=False).statistic
    assert found == pytest.approx(expected * np.sqrt(m / (m - 1)), rel=1e-6, abs=1e-9)


def test_separation_divides_each_variance_by_its_own_number_of_models(monkeypatch):
    monkeypatch.setattr(evidence, "SPREAD", 1e-15)
    stolen, honest = np.array([[1.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [0.0], [0.0], [0.0], [1.0], [0.0]])
    moments = (stolen.mean(), stolen.std(), 3, honest.mean(), honest.std(), 7)
    assert evidence.separation(stolen, honest) == pytest.approx(ttest_ind_from_stats(*moments, False).statistic)


def test_a_query_on_which_few_models_agree_by_chance_is_no_sure_query():
    """Two thefts that never differ have no variance; what is known of many models counts for more."""
    few = evidence.separation(np.ones((2, 1)), np.zeros((2, 1)))
    assert np.isfinite(few).all() and few == pytest.approx(1 / np.sqrt(evidence.SPREAD))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75, 1.0])
def test_queries_are_the_best_against_extraction_and_then_against_tampering(share):
    bits, origins = drawn_bits({HONEST: 9, EXTRACTED: 7, TAMPERED: 8}, n=40)
    chosen = evidence.choose(bits, origins, 12, share)
    assert len(chosen) == len(set(chosen.tolist())) == 12

    def merits(origin: int) -> np.ndarray:
        return np.abs(evidence.separation(bits[origins == origin], bits[origins == HONEST]))

    for_extraction = round(12 * share)
    first, second = set(chosen[:for_extraction].tolist()), set(chosen[for_extraction:].tolist())
    everything = set(range(40))
    for picked, offered, origin in (
        (first, everything, EXTRACTED),
        (second, everything - first, TAMPERED),
    ):
        left = offered - picked
        if picked and left:
            assert min(merits(origin)[[*picked]]) >= max(merits(origin)[[*left]])


def test_no_query_is_chosen_twice_when_both_thefts_want_the_same():
    bits, origins = drawn_bits({HONEST: 6, EXTRACTED: 6}, n=10)
    twice, both = np.concatenate([bits, bits[origins == EXTRACTED]]), np.append(origins, [TAMPERED] * 6)
    chosen = evidence.choose(twice, both, 6, 0.5)
    assert len(set(chosen.tolist())) == 6
    assert sorted(chosen) == sorted(evidence.choose(bits, origins, 6, 0.5))


@pytest.mark.parametrize("theft", [EXTRACTED, TAMPERED])
def test_one_kind_of_theft_gets_all_queries_where_the_other_is_absent(theft):
    bits, origins = drawn_bits({HONEST: 6, theft: 6}, n=20)
    merits = np.abs(evidence.separation(bits[origins == theft], bits[origins == HONEST]))
    chosen = evidence.choose(bits, origins, 7, 0.75)
    assert len(set(chosen.tolist())) == 7 and sorted(merits[chosen]) == sorted(np.sort(merits)[-7:])


def test_more_queries_than_candidates_are_all_candidates():
    bits, origins = drawn_bits({HONEST: 5, EXTRACTED: 5, TAMPERED: 5}, n=8)
    assert sorted(evidence.choose(bits, origins, 50, 0.75)) == list(range(8))


def test_weights_are_where_the_penalised_likelihood_is_flat():
    """Three origins of different sizes: the gradient of C sum w (log-loss) + |W|^2 / 2, written out, vanishes."""
    bits, origins = drawn_bits({HONEST: 30, EXTRACTED: 12, TAMPERED: 18}, n=6)
    found = evidence.fit(bits, origins)
    assert found.centre == pytest.approx(bits[origins == HONEST].mean(0))
    assert found.coefficients.shape == (2, 6) and found.intercepts.shape == (2,)
    seen = bits - found.centre
    # The penalty is least where the origins' coefficients sum to 0.
    honest = -found.coefficients.sum(0) / 3
    coefficients = np.stack([honest, *(honest + found.coefficients)])
    odds = np.exp(np.column_stack([np.zeros(len(bits)), found.evidence(bits)]))
    missed = odds / odds.sum(1, keepdims=True) - np.eye(3)[origins]
    missed *= (len(bits) / (3 * np.bincount(origins)))[origins][:, None]
    flat = 2e-4 * len(bits)
    assert np.abs(evidence.STRENGTH / 6 * missed.T @ seen + coefficients).max() < flat
    assert np.abs(missed.sum(0)).max() < flat
    assert np.abs(coefficients).max() > 10 * flat


@pytest.mark.parametrize("counts", [{HONEST: 9, EXTRACTED: 5, TAMPERED: 7}, {HONEST: 9, TAMPERED: 4}])
def test_evidence_is_the_log_odds_against_independence(counts):
    """Whatever the features were centred at: adding a constant to them all moves the intercepts only."""
    bits, origins = drawn_bits(counts, n=5)
    model = LogisticRegression(C=evidence.STRENGTH / 5, class_weight="balanced", max_iter=5_000).fit(bits, origins)
    logs = model.predict_log_proba(bits)
    assert evidence.fit(bits, origins).evidence(bits) == pytest.approx(logs[:, 1:] - logs[:, :1], abs=0.02)


def test_the_query_that_tells_weighs_most():
    draw = np.random.default_rng(1)
    origins = np.repeat([HONEST, EXTRACTED, TAMPERED], 20)
    bits = draw.integers(0, 2, (60, 5)).astype(float)
    bits[:, 1], bits[:, 3] = origins == EXTRACTED, origins == TAMPERED
    found = evidence.fit(bits, origins)
    assert np.abs(found.coefficients).argmax(1).tolist() == [1, 3] and (found.coefficients[[0, 1], [1, 3]] > 0).all()
    assert (found.evidence(bits[origins == HONEST]) < 0).all()


def test_with_one_kind_of_theft_its_log_odds_are_the_evidence():
    bits, origins = drawn_bits({HONEST: 9, EXTRACTED: 6}, n=4)
    found = evidence.fit(bits, origins)
    assert found.coefficients.shape == (1, 4) and found.intercepts.shape == (1,)
    assert evidence.combined(found.evidence(bits)) == pytest.approx(found.evidence(bits)[:, 0])


@given(arrays(float, (4, 2), elements=st.floats(-30, 30)))
def test_combined_evidence_is_of_either_theft(found):
    assert evidence.combined(found) == pytest.approx(np.log(np.exp(found).sum(1)))


def test_cross_fitted_evidence_comes_from_the_other_folds():
    bits, origins = drawn_bits({HONEST: 12, EXTRACTED: 9, TAMPERED: 9}, n=6)
    found = evidence.cross_fitted(bits, origins, 3)
    for number in range(len(bits)):
        others = np.array([other for other in range(len(bits)) if other % 3 != number % 3])
        fitted = evidence.fit(bits[others], origins[others])
        assert found[number] == pytest.approx(float(evidence.combined(fitted.evidence(bits[number]))))


def test_a_held_out_fold_has_no_say_in_what_it_is_asked():
    bits, origins = drawn_bits({HONEST: 12, EXTRACTED: 9, TAMPERED: 9}, n=20)
    choice = partial(evidence.choose, n=5, extraction_share=0.6)
    found = evidence.cross_fitted(bits, origins, 3, choice)
    for number in range(len(bits)):
        others = np.arange(len(bits)) % 3 != number % 3
        chosen = evidence.choose(bits[others], origins[others], 5, 0.6)
        fitted = evidence.fit(bits[others][:, chosen], origins[others])
        assert found[number] == pytest.approx(float(evidence.combined(fitted.evidence(bits[number, chosen]))))


def test_a_models_own_fold_does_not_see_it():
    """Another origin and other answers of one model move the evidence of the other folds' models only."""
    bits, origins = drawn_bits({HONEST: 12, EXTRACTED: 9, TAMPERED: 9}, n=6)
    changed, mislabelled, one = bits.copy(), origins.copy(), 4
    changed[one], mislabelled[one] = 1 - bits[one], (origins[one] + 1) % 3
    before, after = evidence.cross_fitted(bits, origins, 3), evidence.cross_fitted(changed, mislabelled, 3)
    fold = np.arange(30) % 3
    own = (fold == one % 3) & (np.arange(30) != one)
    assert (before[own] == after[own]).all() and (before[fold != one % 3] != after[fold != one % 3]).all()


def test_standardised_log_odds_are_in_deviations_of_held_out_honest_models():
    """By hand: three folds, every third model in each, and honest models' log-odds by what the other two fit."""
    bits, origins = drawn_bits({HONEST: 15, EXTRACTED: 9, TAMPERED: 9}, n=6)
    held_out = []
    for number in np.flatnonzero(origins == HONEST):
        others = np.arange(len(bits)) % 3 != number % 3
        held_out.append(evidence.fit(bits[others], origins[others]).evidence(bits[number]))
    plain, found = (of(bits, origins).evidence(bits) for of in (evidence.fit, evidence.fit_standardised))
    assert found == pytest.approx((plain - np.mean(held_out, axis=0)) / np.std(held_out, axis=0))
    assert (np.std(held_out, axis=0) > 0.1).all()


@pytest.mark.parametrize("counts", [{HONEST: 9, EXTRACTED: 6}, {HONEST: 8, EXTRACTED: 6, TAMPERED: 1}])
def test_a_theft_that_a_fold_lacks_is_not_standardised_by_it(counts):
    """One theft alone is; of a theft of one model, the two folds that know it say how far honest models stray."""
    bits, origins = drawn_bits(counts, n=5)
    lone = np.flatnonzero(origins == TAMPERED)
    held_out = [
        evidence.fit(bits[others], origins[others]).evidence(bits[number])
        for number in np.flatnonzero(origins == HONEST)
        if (others := np.arange(len(bits)) % 3 != number % 3)[lone].all()
    ]
    plain, found = (of(bits, origins).evidence(bits) for of in (evidence.fit, evidence.fit_standardised))
    assert found == pytest.approx((plain - np.mean(held_out, axis=0)) / np.std(held_out, axis=0))


def test_models_of_which_each_is_a_fold_of_its_own_are_left_plain():
    """Three models, one of each origin: no fold knows all thefts."""
    bits, origins = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([HONEST, EXTRACTED, TAMPERED])
    plain, found = (of(bits, origins) for of in (evidence.fit, evidence.fit_standardised))
    assert (found.coefficients == plain.coefficients).all() and (found.intercepts == plain.intercepts).all()


answers = arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 7)), elements=st.integers(0, 4))


@given(answers)
def test_same_answer_compares_every_pair_of_queries_once(labels):
    expected = [[float(row[i] == row[j]) for i, j in combinations(range(len(row)), 2)] for row in labels]
    assert evidence.same_answer(labels).tolist() == expected
    assert evidence.same_answer(labels[0]).tolist() == expected[0]


@given(answers, st.permutations(range(5)))
def test_same_answer_does_not_know_what_labels_are_called(labels, renamed):
    assert (evidence.same_answer(np.array(renamed)[labels]) == evidence.same_answer(labels)).all()


shown = st.sampled_from([-1.0, 0.0, 0.5]) | st.floats(-5, 5)


@given(shown, st.lists(shown, max_size=12))
def test_a_p_value_counts_honest_models_with_as_much_evidence(found, honest):
    expected = (1 + len([value for value in honest if value >= found])) / (1 + len(honest))
    assert evidence.p_value(found, honest) == evidence.p_value(found, np.array(honest)) == expected


@given(st.lists(shown, min_size=1, max_size=12), st.floats(0, 1))
def test_no_level_accuses_more_honest_models_than_it_says(drawn, level):
    """Each of the draws may be the suspect and the others calibrate: exact over the ranks, ties included."""
    values = [evidence.p_value(one, drawn[:place] + drawn[place + 1 :]) for place, one in enumerate(drawn)]
    for limit in (level, *values):
        assert sum(value <= limit for value in values) <= limit * len(drawn) + 1e-9
    if len(set(drawn)) == len(drawn):
        assert sorted(values) == pytest.approx([rank / len(drawn) for rank in range(1, len(drawn) + 1)])


@pytest.mark.parametrize(
    ("p_honest", "p_stolen", "expected"),
    [
        (0.01, 0.90, "stolen"),
        (0.05, 0.90, "stolen"),
        (0.05, 0.01, "stolen"),
        (0.06, 0.90, "inconclusive"),
        (0.06, 0.01, "inconclusive"),
        (0.50, 0.01, "inconclusive"),
        (0.51, 0.01, "independent"),
        (0.90, 0.10, "independent"),
        (0.90, 0.11, "inconclusive"),
        (1.00, 1.00, "inconclusive"),
    ],
)
def test_verdicts_at_stated_levels(p_honest, p_stolen, expected):
    assert judging.outcome(p_honest, p_stolen, level=0.05, cleared=0.10) == expected


def weighed(n: int = 6, classes: int = 4) -> Fingerprint:
    """Answers of a source to n queries, and random weights of both readings that agreement with it makes heavier."""
    draw = np.random.default_rng(0)
    logits = torch.from_numpy(draw.normal(size=(n, classes)))
    sizes = {"": n, "transfer_": n * (n - 1) // 2}
    extra = {}
    for prefix, size in sizes.items():
        same = 1.0 if not prefix else evidence.same_answer(logits.argmax(1).numpy()) - 0.5
        parts = (draw.random(size), draw.uniform(0.5, 1, (2, size)) * same, draw.normal(size=2))
        extra |= {prefix + name: torch.from_numpy(value) for name, value in zip(evidence.PARTS, parts, strict=True)}
    return Fingerprint(torch.zeros(n, 1), logits.argmax(1), torch.zeros(n), torch.full((n,), -1), logits, {}, extra)


@pytest.mark.parametrize("name", ["theft_evidence", "transfer_evidence"])
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
    assert ROWS["theft_evidence"].suits(on_target=False) and not ROWS["theft_evidence"].suits(on_target=True)


def test_without_moved_references_there_is_no_reading_of_transfers():
    asked = weighed()
    assert set(readable({"calibrated": asked})) == set(ROWS.values())
    del asked.extra["transfer_centre"]
    assert readable({"calibrated": asked}) == [ROWS["theft_evidence"]]


# Ability


def test_controls_are_what_the_able_get_right_and_the_less_able_do_not():
    able = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], dtype=float)
    less = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 0, 0]], dtype=float)
    assert evidence.controls(able, less, 1).tolist() == [0]
    assert set(evidence.controls(able, less, 2).tolist()) == {0, 3}


# A small zoo


def making(count: int) -> Making:
    return Making(count, count, 5, 0.03, 0.15, 2)


KIND_NAMES = ("primary", "wrong", "boundary", "mixed", "patched", "contrasted_extraction", "contrasted_tampering")
MAKING = {"candidates": 30, "contrasted": 12, "steps": 5, "step_size": 0.03, "epsilon": 0.15, "sampled": 2}
SETTINGS = {"n": 24, "controls": 10, "kinds": KIND_NAMES, "extraction_share": 0.75, **MAKING}
SETTINGS |= {"standardised": True, "folds": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("calibrated")


@pytest.fixture
def outputs(folder, monkeypatch) -> None:
    monkeypatch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
    monkeypatch.setenv("RESULTS_DIR", str(folder / "results"))


@pytest.fixture(scope="module")
def small(folder) -> Study:
    """The owner's models of the smallest zoo, hardly trained, and their calibrated fingerprint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
        patch.setenv("RESULTS_DIR", str(folder / "results"))
        study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=5, workers=1)
        steps.source(study, epochs=1, learning_rate=1e-2, weights="")
        shared = {"copies": 1, "epochs": 1, "learning_rate": 1e-2, "epsilon": 0.03, "pgd_steps": 1}
        thefts = {"students": 1, "ratios": (0.5,), "temperature": 2.0}
        thefts |= {"tamper_epochs": 1, "tamper_learning_rates": (1e-3, 3e-3), "drawn": 0.0}
        moved = {"transfer_copies": 1, "transfer_epochs": 1, "transfer_learning_rate": 1e-3}
        own_models.references(study, **shared, **thefts, **moved)
        own_models.thirds(study, **shared, **thefts)
        own_models.calibration(study, **shared, **moved, shares=(0.5,), share_copies=1)
        generation.primary(study, n=5, labels="source", fewer=True)
        assert calibrated.calibrated(study, **SETTINGS) is None
    return study


def opened(study: Study) -> Fingerprint:
    return fingerprints.load(study, "calibrated", attacks.weights_sha256(study, study.source_id))


def labels_by_hand(study: Study, name: str, kinds: tuple[str, ...], inputs: torch.Tensor) -> np.ndarray:
    """Of the plan's models of those kinds, in its order."""
    plan = json.loads((study.artifacts / "plans" / f"{name}.json").read_text())
    models = [study.model_id(row["kind"], row["architecture"], row["copy"], row["variant"]) for row in plan]
    found = [attacks.open_model(study, model).eval() for model in models if model.kind in kinds]
    with torch.no_grad():
        return np.stack([model(inputs).argmax(1).numpy() for model in found])


def kinds_of(use: str, *, on_target: bool) -> tuple[str, ...]:
    return tuple(name for name, kind in KINDS.items() if kind.use == use and kind.on_target == on_target)


def test_the_file_holds_n_different_queries_and_how_they_came(small, outputs):
    found = opened(small)
    assert len(found) == 24 == len({row.numpy().tobytes() for row in found.inputs})
    (row,) = [row for row in Records.of(small, "fingerprints").rows() if row["method"] == "calibrated"]
    assert sum(row["query_kinds"].values()) == 24 and set(row["query_kinds"]) <= set(KIND_NAMES)
    assert all(count <= row["offered_kinds"][kind] for kind, count in row["query_kinds"].items())
    used = [*suspects.of_use(small, "reference"), *suspects.of_use(small, "calibration")]
    used += suspects.thirds(small)
    assert row["extra_models"] == len(used) == row["n_reference"] + row["n_thirds"] + row["n_calibration"]
    assert row["extra_models_seconds"] == pytest.approx(sum(model.metadata["seconds"] for model in used))


def test_a_candidate_that_two_kinds_offer_stays_once_with_the_first(small, outputs):
    owner = Owner(small, "calibrated")
    found, kind = calibrated.offer(owner, ("boundary", "mixed", "boundary"), making(20))
    alone, _ = calibrated.offer(owner, ("boundary",), making(20))
    assert Counter(kind.tolist()) == {0: 20, 1: 20}
    assert torch.equal(found.inputs[:20], alone.inputs) and torch.equal(found.truth[:20], alone.truth)


def test_mistaken_and_doubtful_candidates_are_those(small, outputs):
    owner = Owner(small, "calibrated")
    mistaken, doubtful = (CANDIDATES[kind](owner, making(30)) for kind in ("wrong", "boundary"))

    def lead(inputs: torch.Tensor) -> torch.Tensor:
        """Of the source's most probable class over the next."""
        first, second = owner.source(inputs).softmax(1).topk(2).values.unbind(1)
        return first - second

    assert len(mistaken.inputs) and (owner.source(mistaken.inputs).argmax(1) != mistaken.truth).all()
    least = lead(owner.inputs(torch.arange(len(owner.part)))).sort().values[:30]
    assert lead(doubtful.inputs).tolist() == pytest.approx(least.tolist(), abs=1e-5)


def test_mixed_mistakes_are_laid_of_mistakes_alone(small, outputs, monkeypatch):
    owner, laid = Owner(small, "calibrated"), []
    monkeypatch.setattr(Owner, "mixed", lambda self, *pair: laid.extend(pair[:2]) or pair[0])
    queries = CANDIDATES["mixed_mistakes"](owner, making(30))
    wrong = owner.source_logits.argmax(1) != owner.part.targets
    known = {row.numpy().tobytes() for row in physical(owner.part.inputs[wrong])}
    assert all(row.numpy().tobytes() in known for part in laid for row in part)
    assert torch.equal(queries.inputs, laid[0]) and not torch.equal(*laid)


def test_every_piece_of_a_patched_query_is_some_examples_piece_of_that_place(small, outputs):
    owner = Owner(small, "calibrated")
    examples, found = owner.inputs(torch.arange(len(owner.part))), CANDIDATES["patched"](owner, making(5))
    for columns in torch.arange(examples.shape[-1]).tensor_split(8):
        pieces = examples[..., columns].flatten(1)
        assert all((pieces == query.flatten()).all(1).any() for query in found.inputs[..., columns])
    whole = examples.flatten(1)
    assert not any((whole == query.flatten()).all(1).any() for query in found.inputs)
    assert found.truth.tolist() == [-1] * 5


def test_contrast_by_hand():
    """Two inputs, three classes: the source answers 2 and 0; shares of exp."""
    source = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]])
    stolen = torch.tensor([[[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
    honest = torch.tensor([[[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])

    def share(logits: torch.Tensor, answer: int) -> float:
        values = np.exp(logits.numpy())
        return values[answer] / values.sum()

    expected = [
        share(honest[0, i], a) - np.mean([share(model[i], a) for model in stolen]) - 0.1 * share(source[i], a)
        for i, a in enumerate((2, 0))
    ]
    assert contrast(source, stolen, honest).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "theft"), [("contrasted_extraction", EXTRACTED), ("contrasted_tampering", TAMPERED)])
def test_contrasted_queries_part_the_models_that_they_are_made_with(small, outputs, kind, theft):
    owner = Owner(small, "calibrated")
    models = {of: [model for model in suspects.thirds(small) if suspects.origin(model) == of] for of in range(3)}

    def gap(inputs: torch.Tensor) -> float:
        with torch.no_grad():
            answers = owner.source(inputs).argmax(1)
            shares = [
                np.mean([(owner.opened(model)(inputs).argmax(1) == answers).double().mean() for model in models[of]])
                for of in (theft, HONEST)
            ]
        return shares[0] - shares[1]

    found = CANDIDATES[kind](owner, Making(0, 40, 40, 0.1, 0.5, 2))
    drawn = torch.randperm(len(owner.part), generator=owner.generator(f"contrasted {theft} from"))[:40]
    examples = owner.inputs(drawn)
    assert gap(found.inputs) > gap(examples) + 0.05
    assert found.inputs.min() >= 0 and found.inputs.max() <= 1 and (found.inputs - examples).abs().max() <= 0.5 + 1e-6
    assert torch.equal(found.truth, owner.part.targets[drawn])


def test_the_shift_of_contrasted_queries_is_smooth(small, outputs):
    """Where no bound of the inputs is met: what a grid of 2 x 2 gives by bilinear interpolation to 8 x 8."""
    owner = Owner(small, "calibrated")
    found = CANDIDATES["contrasted_extraction"](owner, Making(0, 40, 10, 0.03, 0.15, 2))
    drawn = torch.randperm(len(owner.part), generator=owner.generator("contrasted 1 from"))[:40]
    shift = found.inputs - owner.inputs(drawn)
    free = (found.inputs > 0) & (found.inputs < 1)
    assert 0 < shift.abs().max() <= 0.15 + 1e-6 and free.double().mean() > 0.3
    share = torch.tensor([max(0.0, min(1.0, (place + 0.5) / 4 - 0.5)) for place in range(8)])
    ends = torch.stack([1 - share, share], 1)  # (8, 2): how much of each row of the grid an input's row takes
    basis = torch.einsum("ia,jb->ijab", ends, ends).reshape(64, 4)
    for one, kept in zip(shift.flatten(1), free.flatten(1), strict=True):
        if kept.sum() > 8:
            solved = torch.linalg.lstsq(basis[kept], one[kept, None], driver="gelsd").solution
            torch.testing.assert_close(basis[kept] @ solved, one[kept, None], atol=1e-5, rtol=1e-4)


def test_contrasting_needs_models_of_both_sides(small, outputs, monkeypatch):
    monkeypatch.setattr(suspects, "thirds", lambda study: [])
    with pytest.raises(UnsuitedError, match="give thirds.py COPIES above 0"):
        CANDIDATES["contrasted_extraction"](Owner(small, "calibrated"), making(5))


@pytest.mark.parametrize("kind", ["patched", "contrasted_extraction"])
def test_text_is_not_taken_for_numbers(kind):
    with pytest.raises(UserError, match="moves inputs as numbers"):
        CANDIDATES[kind](Owner(Study("nlp", "thuocl", "smoke"), "calibrated"), making(5))


@pytest.mark.parametrize("prefix", ["", "transfer_"])
def test_what_is_stored_can_be_computed_by_hand(small, outputs, prefix):
    """Honest models, their evidence and that of held-out thefts, from the models' own answers to the stored queries."""
    found, on_target = opened(small), bool(prefix)
    seen = {}
    for use, step in (("reference", "references"), ("calibration", "calibration")):
        labels = labels_by_hand(small, step, kinds_of(use, on_target=on_target), found.inputs)
        seen[use] = evidence.same_answer(labels) if on_target else (labels == found.labels.numpy()).astype(float)
    plan = json.loads((small.artifacts / "plans" / "references.json").read_text())
    names = [row["kind"] for row in plan if KINDS[row["kind"]].on_target == on_target]
    honest = np.array([KINDS[name].role == "independent" for name in names])
    extracted = np.array(["extract" in name for name in names])
    origins = np.where(honest, HONEST, np.where(extracted, EXTRACTED, TAMPERED))
    weights = Weights(*(found.extra[prefix + name].numpy() for name in evidence.PARTS))
    assert weights.centre == pytest.approx(seen["reference"][honest].mean(0))
    scores = np.zeros(len(seen["calibration"]))
    for coefficients, intercept in zip(weights.coefficients, weights.intercepts, strict=True):
        scores += np.exp(((seen["calibration"] - weights.centre) * coefficients).sum(1) + intercept)
    assert found.extra[prefix + "honest"].numpy() == pytest.approx(np.log(scores), rel=1e-6, abs=1e-6)
    if on_target:
        held_out = evidence.cross_fitted(seen["reference"], origins, 3)
    else:  # queries are chosen without the fold's models too, among all candidates
        offered, _ = calibrated.offer(Owner(small, "calibrated"), KIND_NAMES, Making(**MAKING))
        source = labels_by_hand(small, "source", ("source",), offered.inputs)[0]
        labels = labels_by_hand(small, "references", kinds_of("reference", on_target=False), offered.inputs)
        choice = partial(evidence.choose, n=SETTINGS["n"], extraction_share=SETTINGS["extraction_share"])
        held_out = evidence.cross_fitted(
            (labels == source).astype(float), origins, 3, choice, evidence.fit_standardised
        )
        assert weights.intercepts == pytest.approx(
            evidence.fit_standardised(seen["reference"], origins).intercepts, abs=1e-6
        )
    assert found.extra[prefix + "thefts"].numpy() == pytest.approx(held_out[~honest])


def test_control_questions_tell_able_references_from_less_able_ones(small, outputs):
    """By hand: the dev examples with the largest Welch t between what both get right, and how calibration models do."""
    found, dev = opened(small), small.parts["dev"]
    right = {}
    for use, step in (("reference", "references"), ("third", "thirds")):
        kinds = tuple(name for name in kinds_of(use, on_target=False) if KINDS[name].role == "independent")
        right[use] = labels_by_hand(small, step, kinds, physical(dev.inputs)) == dev.targets.numpy()
    ranked = evidence.separation(right["reference"], right["third"])
    expected = dev.inputs[np.argsort(ranked, kind="stable")[::-1][:10].copy()]
    assert torch.equal(found.extra["control_inputs"], physical(expected))
    labels = labels_by_hand(small, "calibration", kinds_of("calibration", on_target=False), physical(expected))
    by_hand = (labels == found.extra["control_truth"].numpy()).mean(1)
    assert found.extra["honest_ability"].numpy() == pytest.approx(by_hand)


def test_it_is_finished_the_second_time(small, outputs):
    path = fingerprints.path_of(small, "calibrated")
    before = path.stat().st_mtime_ns
    assert calibrated.calibrated(small, **SETTINGS) is SKIPPED and path.stat().st_mtime_ns == before


def models_of(small: Study, use: str) -> list[ModelId]:
    return [found.model for found in suspects.of_use(small, use)]


@contextlib.contextmanager
def as_it_was(*paths) -> Iterator[None]:
    kept = {path: path.read_bytes() for path in paths}
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@pytest.mark.parametrize("use", ["reference", "calibration"])
def test_another_reference_or_calibration_model_makes_it_again(small, outputs, use):
    changed = next(model for model in models_of(small, use) if model.kind.endswith("homologous_adversarial"))
    path = fingerprints.path_of(small, "calibrated")
    with as_it_was(changed.path, path):
        model, metadata = checkpoints.load(small.domain, changed.path)
        before = opened(small).metadata["settings"]
        with torch.no_grad():
            next(iter(model.parameters())).mul_(-1)
        checkpoints.save(changed.path, model, metadata)
        assert calibrated.calibrated(small, **SETTINGS) is None
        after = opened(small).metadata["settings"]
    assert {name for name in before if before[name] != after[name]} == {"models_sha256"}
    assert calibrated.calibrated(small, **SETTINGS) is SKIPPED


def test_verdicts_are_of_the_stored_calibration(small, outputs):
    """A calibration model is as usual as its rank among them says; the source's own evidence is what is stored."""
    found, models = opened(small), suspects.of_use(small, "calibration")
    judging.judge(small, found, [suspects.source_of(small), *models], **LEVELS)
    rows = {row["key"]: row for row in Records.of(small, "verdicts").rows()}
    assert set(rows) == {small.source_id.name, *(model.model.name for model in models)}
    for model in models:
        row, prefix = rows[model.model.name], "transfer_" if model.kind.on_target else ""
        honest = found.extra[prefix + "honest"].numpy()
        assert min(abs(honest - row["evidence"])) < 1e-6 and row["n_calibration"] == len(honest)
        assert row["p_honest"] == evidence.p_value(row["evidence"], honest)
        assert row["p_stolen"] == pytest.approx(
            (1 + (found.extra[prefix + "thefts"].numpy() <= row["evidence"]).sum()) / (1 + row["n_thefts"])
        )
        assert row["outcome"] == judging.outcome(row["p_honest"], row["p_stolen"], **LEVELS) and row["in_range"]
    source = rows[small.source_id.name]
    total = np.log(np.exp(source["evidence_of_extraction"]) + np.exp(source["evidence_of_tampering"]))
    assert source["evidence"] == pytest.approx(total)


def test_nobody_less_able_than_all_calibration_models_is_accused(small, outputs):
    """The source itself, had it been right on none of the control questions."""
    found, source = opened(small), suspects.source_of(small)
    found.extra["honest"][:] = -1e3  # as if every honest model showed no evidence at all
    found.extra["honest_ability"][:] = 0.2
    outcomes = []
    for truth in (found.extra["control_truth"], torch.full_like(found.extra["control_truth"], -1)):
        found.extra["control_truth"] = truth
        judging.judge(small, found, [source], level=0.2, cleared=0.2)
        (row,) = Records.of(small, "verdicts").rows()
        outcomes.append((row["outcome"], row["in_range"]))
    assert outcomes == [(judging.STOLEN, True), (judging.INCONCLUSIVE, False)]


def test_who_can_only_be_asked_gets_the_same_verdict(small, outputs, tmp_path):
    """judge.py from the answers to its questions, and the zoo's matching from the models."""
    found, levels = opened(small), {"level": 0.5, "cleared": 0.5}
    models = [suspects.source_of(small), *suspects.of_use(small, "calibration"), *suspects.references(small)]
    judging.judge(small, found, models, **levels)
    asking.judge(small, questions=str(tmp_path), answers="", other_task=False, **levels)
    questions = torch.from_numpy(np.load(tmp_path / asking.INPUTS))
    outcomes = set()
    for row in Records.of(small, "verdicts").rows():
        (model,) = [model for model in models if model.model.name == row["key"]]
        answers = tmp_path / "answers.txt"
        labels = suspects.ask(small, model, questions).argmax(1).tolist()
        answers.write_text("".join(f"{label}\n" for label in labels))
        asking.judge(small, questions=str(tmp_path), answers=str(answers), other_task=model.kind.on_target, **levels)
        said = json.loads((tmp_path / asking.VERDICT).read_text())
        assert all(said[name] == row[name] for name in set(said) & set(row)) and said["outcome"] == row["outcome"]
        outcomes.add(said["outcome"])
    assert len(outcomes) > 1


def test_without_moved_references_models_of_another_task_are_not_judged(small, outputs):
    found = opened(small)
    found.extra.pop("transfer_centre")
    models = suspects.of_use(small, "calibration")
    judging.judge(small, found, models, **LEVELS)
    same_task = {model.model.name for model in models if not model.kind.on_target}
    assert {row["key"] for row in Records.of(small, "verdicts").rows()} == same_task != set()


def test_without_a_calibrated_fingerprint_no_verdict_of_an_earlier_match_stays(small, outputs):
    models = suspects.of_use(small, "calibration")
    judging.judge(small, opened(small), models, **LEVELS)
    assert Records.of(small, "verdicts").rows()
    judging.judge(small, None, models, **LEVELS)
    assert Records.of(small, "verdicts").rows() == []


def test_reference_calibration_and_scored_models_share_no_name_and_no_seed(small, outputs):
    """Names are seeds. Of uses here by what was trained; of scored ones by what they would be called."""
    rows = [row for row in Records.of(small, "models").rows() if row["kind"] != "source"]
    by_use = {
        use: {row[part] for row in rows if KINDS[row["kind"]].use == use for part in ("key", "sha256")}
        for use in ("reference", "third", "calibration")
    }
    assert all(by_use.values()) and all(not one & other for one, other in combinations(by_use.values(), 2))
    assert all(f"/{KINDS[row['kind']].use}_" in row["key"] for row in rows)
    assert not any(
        name.startswith(("reference_", "third_", "calibration_"))
        for name, about in KINDS.items()
        if about.use == "scored"
    )


# What is refused


def test_generalisation_wants_the_models_and_fingerprints_that_it_was_made_of(small, outputs):
    path = fingerprints.path_of(small, "primary")
    with as_it_was(path):
        generation.primary(small, n=6, labels="source", fewer=True)
        with pytest.raises(UserError, match="made of other models .* run python calibrated.py DOMAIN=cv"):
            generalisation.generalisation(small, budgets=(), references=())


@pytest.mark.parametrize("part", ["inputs", "source_logits", "extra"])
def test_values_that_are_no_numbers_make_no_fingerprint(small, outputs, part):
    found, path = opened(small), fingerprints.path_of(small, "broken")
    broken = {"centre": found.extra["centre"] * np.nan} if part == "extra" else getattr(found, part) / 0
    with pytest.raises(UserError, match="broken fingerprint came out with values that are no numbers"):
        generation.finish(small, "broken", replace(found, **{part: broken}), {}, 0.0, {})
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kinds": ("mixed", "noise", "chaos")}, "unknown candidates chaos, noise; KINDS takes primary, evolved"),
        ({"n": 0}, "N=0 must be 1 or more"),
        ({"extraction_share": 2.0}, "EXTRACTION_SHARE=2.0 between 0 and 1"),
        ({"kinds": ()}, "KINDS is empty; it takes primary, evolved"),
        ({"candidates": 0}, "CANDIDATES=0 and CONTROLS=10 must be 1 or more"),
        ({"controls": 0}, "CONTROLS=0 must be 1 or more"),
        ({"sampled": 0}, "SAMPLED=0 must be 1 or more"),
        ({"folds": 1}, "FOLDS=1 2 or more"),
        ({"folds": 0}, "FOLDS=0 2 or more"),
        ({}, "the zoo lacks the models of python cv/references.py DATASET=digits TIER=smoke; run it first"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(study, changes, said):
    with pytest.raises(UserError) as refused:
        calibrated.calibrated(study, **{**SETTINGS, **changes})
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_missing_calibration_models_are_named_by_their_script(small, outputs):
    plan = small.artifacts / "plans" / "calibration.json"
    with as_it_was(plan):
        plan.unlink()
        with pytest.raises(UserError, match="lacks the models of python cv/calibration.py DATASET=digits TIER=smoke"):
            calibrated.calibrated(small, **SETTINGS)
    with as_it_was(plan):
        models = json.loads(plan.read_text())
        further = asdict(small.model_id("calibration_homologous", "conv3", 99))
        files.write_text(plan, json.dumps([*models, further]))
        with pytest.raises(UserError, match=f"1 of {len(models) + 1} models of python cv/calibration.py .* missing"):
            calibrated.calibrated(small, **SETTINGS)


@pytest.mark.parametrize(
    ("step", "said"), [("references", "the references COPIES"), ("calibration", "the calibration")]
)
def test_a_step_that_made_no_models_is_named(small, outputs, step, said):
    plan = small.artifacts / "plans" / f"{step}.json"
    with as_it_was(plan):
        files.write_text(plan, "[]")
        with pytest.raises(UserError, match=f"give {said}.* above 0"):
            calibrated.calibrated(small, **SETTINGS)


def test_moved_references_without_moved_calibration_models_weigh_nothing(small, outputs):
    plan, path = small.artifacts / "plans" / "calibration.json", fingerprints.path_of(small, "calibrated")
    with as_it_was(plan, path):
        models = json.loads(plan.read_text())
        files.write_text(plan, json.dumps([model for model in models if not KINDS[model["kind"]].on_target]))
        assert calibrated.calibrated(small, **SETTINGS) is None
        assert "honest" in opened(small).extra and "transfer_honest" not in opened(small).extra


def test_another_evolved_fingerprint_makes_it_again(small, outputs):
    primary, evolved = (fingerprints.path_of(small, method) for method in ("primary", "evolved"))
    path = fingerprints.path_of(small, "calibrated")
    with as_it_was(path):
        evolved.write_bytes(primary.read_bytes())
        try:
            assert calibrated.calibrated(small, **SETTINGS) is None
        finally:
            evolved.unlink()


def test_a_source_that_is_never_wrong_leaves_no_candidates_to_choose_from(small, outputs, monkeypatch):
    def none(_owner: Owner, _count: int) -> None:
        raise UnsuitedError("it gets none wrong")

    monkeypatch.setitem(CANDIDATES, "wrong", none)
    with pytest.raises(UserError, match="calibrated finds no candidates of wrong"):
        calibrated.calibrated(small, **{**SETTINGS, "kinds": ("wrong",)})


def test_candidates_of_a_missing_fingerprint_name_its_script(small, outputs):
    with pytest.raises(UserError, match="the evolved fingerprint is missing .* run python evolved.py DOMAIN=cv"):
        calibrated.calibrated(small, **{**SETTINGS, "kinds": ("evolved", "mixed")})


@pytest.mark.parametrize("levels", [{"level": 0.0}, {"level": 1.0}, {"cleared": 0.0}, {"cleared": 1.0}])
def test_levels_are_shares(study, levels):
    (name,) = levels
    with pytest.raises(UserError, match=f"{name.upper()}={levels[name]} .*give more than 0 and less than 1"):
        judging.judge(study, weighed(), [], **{**LEVELS, **levels})


def test_fewer_references_are_the_same_ones_in_every_process(study):
    """Equal ranks keep the models' order, which no hash of a process decides."""
    kinds = [f"reference_{kind}" for kind in ("extract_labels", "irrelevant", "homologous", "prune", "adversarial")]
    models = [Suspect(study.model_id(kind, "mlp", 0), {}) for kind in kinds]
    answers = Answers(models, np.zeros((len(models), 3), int))
    usual = Variant("all references", "", answers, answers, 2, 0.5, np.arange(3), "two log-odds")
    kept = [[model.model.kind for model in few.fitted.models] for few in generalisation._fewer(usual, (2, 3, 4))]
    assert kept == [kinds[:2], kinds[:3], kinds[:4]]


def test_references_that_differ_less_leave_out_what_their_name_says(small, outputs):
    models = suspects.references(small)
    answers = Answers(models, np.zeros((len(models), 3), int))
    usual = Variant("all references", "", answers, answers, 2, 0.5, np.arange(3), "two log-odds")
    names = {model.model.name for model in models}
    left_out = {
        variant.value: names - {model.model.name for model in variant.fitted.models}
        for variant in generalisation._alike(usual)
    }
    assert all("rate_0.003" in name for name in left_out["one rate of tampering"])
    students = {name for name in names if "/reference_extract" in name}
    few = {name for name in students if name.endswith("of_reference")}
    assert left_out["students of many answers"] == few and left_out["students of few answers"] == students - few
    assert all(left_out.values()) and few


def ten_of_each(study: Study, prefix: str = "") -> tuple[list[Suspect], np.ndarray]:
    """Ten models of each origin, and their origins."""
    kinds = {HONEST: "irrelevant", EXTRACTED: "extract_labels", TAMPERED: "prune"}
    origins = np.repeat(list(kinds), 10)
    models = [Suspect(study.model_id(prefix + kinds[one], "mlp", copy), {}) for copy, one in enumerate(origins)]
    return models, origins


def told_apart(study: Study, prefix: str = "") -> Answers:
    """Thefts answer all of 60 queries as the source does, honest models the truth."""
    models, origins = ten_of_each(study, prefix)
    return Answers(models, np.where(origins[:, None] == HONEST, 1, 0).repeat(60, 1))


@pytest.mark.parametrize("name", SCORES)
def test_every_score_says_that_who_answers_as_the_source_stole_it(study, name):
    fitted, judged = told_apart(study, "reference_"), told_apart(study)
    rows = generalisation._rows(study, Variant("score", name, fitted, judged, 40, 0.5, np.arange(60), score=name))
    assert {row["attack"]: row["auc"] for row in rows} == {"extract_labels": 1, "prune": 1, "mean": 1}


def test_what_is_left_out_is_not_fitted_and_is_judged_alone(study):
    def kinds(found: Answers) -> set[str]:
        return {model.model.kind for model in found.models}

    usual = Variant(
        "all", "", told_apart(study, "reference_"), told_apart(study), 2, 0.5, np.arange(60), "two log-odds"
    )
    left = {one.value: one for one in generalisation._without(usual) if one.study == "theft left out"}
    assert set(left) == {"extract_labels", "prune"}
    for theft, variant in left.items():
        assert kinds(usual.fitted) - kinds(variant.fitted) == {f"reference_{theft}"}
        assert kinds(variant.judged) == {theft, "irrelevant"}


def test_each_test_alone_sees_its_own_theft(study):
    """Queries 0 to 2 tell extraction, 3 to 5 tampering; what was never fitted says nothing."""
    models, origins = ten_of_each(study, "reference_")
    bits = np.zeros((30, 6), bool)
    bits[origins == EXTRACTED, :3] = bits[origins == TAMPERED, 3:] = True
    answers = Answers(models, np.where(bits, 0, 1))
    for name, own in (("extraction's log-odds", EXTRACTED), ("tampering's log-odds", TAMPERED)):
        score = SCORES[name]
        found = score(answers, answers)
        assert found[origins == own].min() > found[origins != own].max()
        without = answers.where(lambda model, own=own: suspects.origin(model) != own)
        assert not score(without, answers).any()


def test_peers_get_the_mild_thefts_and_every_independent(small, outputs):
    owner = Owner(small, "sac_w")
    names = {model.model.name for role in ("pirated", "independent") for model in owner.references(role)}
    left_out = {model.model.name for model in suspects.references(small)} - names
    assert sum("/reference_extract" in name for name in names) == sum("/reference_extract" in name for name in left_out)
    assert all("rate_0.003" in name or "/reference_extract" in name for name in left_out)
    assert not any(name.endswith("of_reference") for name in left_out) and left_out
