"""The calibrated fingerprint: a small zoo of digits from end to end."""

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

from fingerprinting.calibrated import evidence, fitting, p_values, verdicts
from fingerprinting.calibrated.candidates import CANDIDATES, Making
from fingerprinting.calibrated.contents import WEIGHTS
from fingerprinting.calibrated.evidence import Weights
from fingerprinting.core import storage
from fingerprinting.core.runtime import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.evaluation import ablation
from fingerprinting.evaluation.ablation import Variant
from fingerprinting.evaluation.score_combinations import Responses
from fingerprinting.fingerprints import generate, store
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import judge
from fingerprinting.methods import METHODS
from fingerprinting.models import reference, source_model, suspects, trained
from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, KINDS, MODIFIED
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, ModelId, Study

ROWS = {method.representation.__name__: method for method in METHODS if method.name == "calibrated"}
LEVELS = {"alpha": 0.2, "beta": 0.2, "tail": "conformal"}


def making(count: int) -> Making:
    return Making(count, count, 5, 0.03, 0.15, 2)


KIND_NAMES = ("primary", "wrong", "boundary", "mixed", "patched", "contrasted_extraction", "contrasted_modification")
MAKING = {"candidates": 30, "contrasted": 12, "steps": 5, "step_size": 0.03, "epsilon": 0.15, "sampled": 2}
SETTINGS = {"size": "full", "n": 24, "controls": 10, "kinds": KIND_NAMES, "extraction_share": 0.75, **MAKING}
SETTINGS |= {"standardised": True, "folds": 3}


@pytest.fixture(scope="module")
def small(folder) -> Study:
    """The owner's models of the smallest zoo, hardly trained, and their calibrated fingerprint."""
    study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=5, workers=1)
    source_model.source(study, epochs=1, learning_rate=1e-2, weights="")
    shared = {"copies": 1, "epochs": 1, "learning_rate": 1e-2, "epsilon": 0.03, "pgd_steps": 1}
    stolen = {"students": 1, "ratios": (0.5,), "temperature": 2.0}
    stolen |= {"modification_epochs": 1, "modification_learning_rates": (1e-3, 3e-3), "drawn": 0.0}
    moved = {"transfer_copies": 1, "transfer_epochs": 1, "transfer_learning_rate": 1e-3}
    reference.references(study, **shared, **stolen, **moved)
    reference.low_data_references(study, **shared, **stolen)
    reference.calibration(study, reference_copies=1, **shared, **moved, shares=(0.5,), share_copies=1)
    generate.primary(study, n=5, labels="source", fewer=True)
    assert fitting.calibrated(study, **SETTINGS) is None
    return study


def opened(study: Study) -> Fingerprint:
    return store.load(study, "calibrated", trained.weights_sha256(study, study.source_id))


def labels_by_hand(study: Study, name: str, kinds: tuple[str, ...], inputs: torch.Tensor) -> np.ndarray:
    """Of the plan's models of those kinds, in its order."""
    plan = json.loads((study.artifacts / "plans" / f"{name}.json").read_text())
    models = [study.model_id(row["kind"], row["architecture"], row["copy"], row["variant"]) for row in plan]
    found = [trained.open_model(study, model).eval() for model in models if model.kind in kinds]
    with torch.no_grad():
        return np.stack([model(inputs).argmax(1).numpy() for model in found])


def kinds_of(use: str, *, on_target: bool) -> tuple[str, ...]:
    """Those that this fingerprint has a use for: no calibration model of the part that references train on."""
    of_reference = {"calibration_irrelevant", "calibration_irrelevant_adversarial"}
    found = [name for name, kind in KINDS.items() if kind.use == use and kind.on_target == on_target]
    return tuple(name for name in found if name not in of_reference)


def calibrating(study: Study) -> list[suspects.Suspect]:
    kinds = {*kinds_of("calibration", on_target=False), *kinds_of("calibration", on_target=True)}
    return [model for model in suspects.of_use(study, "calibration") if model.model.kind in kinds]


def test_the_file_holds_n_different_queries_and_how_they_came(small, outputs):
    found = opened(small)
    assert len(found) == 24 == len({row.numpy().tobytes() for row in found.inputs})
    (row,) = [row for row in Records.of(small, "fingerprints").rows() if row["method"] == "calibrated"]
    assert sum(row["query_kinds"].values()) == 24 and set(row["query_kinds"]) <= set(KIND_NAMES)
    assert all(count <= row["offered_kinds"][kind] for kind, count in row["query_kinds"].items())
    used = [*suspects.of_use(small, "reference"), *calibrating(small)]
    used += suspects.low_data_references(small)
    assert len(calibrating(small)) < len(suspects.of_use(small, "calibration"))
    assert row["extra_models"] == len(used) == row["n_reference"] + row["n_low_data"] + row["n_calibration"]
    assert row["extra_models_seconds"] == pytest.approx(sum(model.metadata["seconds"] for model in used))


def test_a_candidate_that_two_kinds_offer_stays_once_with_the_first(small, outputs):
    owner = Owner(small, "calibrated")
    found, kind = fitting.offer(owner, ("boundary", "mixed", "boundary"), making(20))
    alone, _ = fitting.offer(owner, ("boundary",), making(20))
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


@pytest.mark.parametrize(
    ("kind", "attack"), [("contrasted_extraction", EXTRACTED), ("contrasted_modification", MODIFIED)]
)
def test_contrasted_queries_part_the_models_that_they_are_made_with(small, outputs, kind, attack):
    owner = Owner(small, "calibrated")
    models = {
        of: [model for model in suspects.low_data_references(small) if suspects.origin(model) == of] for of in range(3)
    }

    def gap(inputs: torch.Tensor) -> float:
        with torch.no_grad():
            responses = owner.source(inputs).argmax(1)
            shares = [
                np.mean([(owner.opened(model)(inputs).argmax(1) == responses).double().mean() for model in models[of]])
                for of in (attack, INDEPENDENT)
            ]
        return shares[0] - shares[1]

    found = CANDIDATES[kind](owner, Making(0, 40, 40, 0.1, 0.5, 2))
    drawn = torch.randperm(len(owner.part), generator=owner.generator(f"contrasted {attack} from"))[:40]
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
    monkeypatch.setattr(suspects, "low_data_references", lambda study: [])
    with pytest.raises(UnsuitedError, match="give low_data_references.py COPIES above 0"):
        CANDIDATES["contrasted_extraction"](Owner(small, "calibrated"), making(5))


@pytest.mark.parametrize("prefix", ["", "transfer_"])
def test_what_is_stored_can_be_computed_by_hand(small, outputs, prefix):
    """Independent models, their evidence and that of held-out stolen ones, from what models answer."""
    found, on_target = opened(small), bool(prefix)
    seen = {}
    for use, step in (("reference", "references"), ("calibration", "calibration")):
        labels = labels_by_hand(small, step, kinds_of(use, on_target=on_target), found.inputs)
        seen[use] = evidence.same_response(labels) if on_target else (labels == found.labels.numpy()).astype(float)
    plan = json.loads((small.artifacts / "plans" / "references.json").read_text())
    names = [row["kind"] for row in plan if KINDS[row["kind"]].on_target == on_target]
    independent = np.array([KINDS[name].role == "independent" for name in names])
    extracted = np.array(["extract" in name for name in names])
    origins = np.where(independent, INDEPENDENT, np.where(extracted, EXTRACTED, MODIFIED))
    weights = Weights(*(found.extra[prefix + name].numpy() for name in WEIGHTS))
    assert weights.centre == pytest.approx(seen["reference"][independent].mean(0))
    scores = np.zeros(len(seen["calibration"]))
    for coefficients, intercept in zip(weights.coefficients, weights.intercepts, strict=True):
        scores += np.exp(((seen["calibration"] - weights.centre) * coefficients).sum(1) + intercept)
    assert found.extra[prefix + "honest"].numpy() == pytest.approx(np.log(scores), rel=1e-6, abs=1e-6)
    if on_target:
        held_out = evidence.cross_fitted(seen["reference"], origins, 3)
    else:  # queries are chosen without the fold's models too, among all candidates
        offered, _ = fitting.offer(Owner(small, "calibrated"), KIND_NAMES, Making(**MAKING))
        source = labels_by_hand(small, "source", ("source",), offered.inputs)[0]
        labels = labels_by_hand(small, "references", kinds_of("reference", on_target=False), offered.inputs)
        choice = partial(evidence.choose, n=SETTINGS["n"], extraction_share=SETTINGS["extraction_share"])
        held_out = evidence.cross_fitted(
            (labels == source).astype(float), origins, 3, choice, evidence.fit_standardised
        )
        assert weights.intercepts == pytest.approx(
            evidence.fit_standardised(seen["reference"], origins).intercepts, abs=1e-6
        )
    assert found.extra[prefix + "thefts"].numpy() == pytest.approx(held_out[~independent])


def test_control_queries_tell_accurate_references_from_less_accurate_ones(small, outputs):
    """By hand: each class's dev examples with the largest Welch t between what both get right, class after class."""
    found, dev = opened(small), small.parts["dev"]
    right = {}
    for use, step in (("reference", "references"), ("low_data", "low_data_references")):
        kinds = tuple(name for name in kinds_of(use, on_target=False) if KINDS[name].role == "independent")
        right[use] = labels_by_hand(small, step, kinds, physical(dev.inputs)) == dev.targets.numpy()
    telling = evidence.separation(right["reference"], right["low_data"])
    asked, truth = found.extra["control_inputs"], found.extra["control_truth"]
    assert sorted(truth.tolist()) == list(range(10))  # ten queries, ten classes
    for one, label in zip(asked, truth.tolist(), strict=True):
        place = (physical(dev.inputs) == one).flatten(1).all(1).nonzero().flatten()
        assert dev.targets[place].tolist() == [label]
        assert telling[place] == telling[dev.targets.numpy() == label].max()
    labels = labels_by_hand(small, "calibration", kinds_of("calibration", on_target=False), asked)
    assert found.extra["honest_ability"].numpy() == pytest.approx((labels == truth.numpy()).mean(1))


def test_it_is_finished_the_second_time(small, outputs):
    path = store.path_of(small, "calibrated")
    before = path.stat().st_mtime_ns
    assert fitting.calibrated(small, **SETTINGS) is SKIPPED and path.stat().st_mtime_ns == before


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
    path = store.path_of(small, "calibrated")
    with as_it_was(changed.path, path):
        model, metadata = checkpoints.load(small.domain, changed.path)
        before = opened(small).metadata["settings"]
        with torch.no_grad():
            next(iter(model.parameters())).mul_(-1)
        checkpoints.save(changed.path, model, metadata)
        assert fitting.calibrated(small, **SETTINGS) is None
        after = opened(small).metadata["settings"]
    assert {name for name in before if before[name] != after[name]} == {"models_sha256"}
    assert fitting.calibrated(small, **SETTINGS) is SKIPPED


def test_verdicts_are_of_the_stored_calibration(small, outputs):
    """A calibration model is as usual as its rank among them says; the source's own evidence is what is stored."""
    found, models = opened(small), calibrating(small)
    verdicts.judge(small, found, [suspects.source_of(small), *models], **LEVELS)
    rows = {row["key"]: row for row in Records.of(small, "verdicts").rows()}
    assert set(rows) == {small.source_id.name, *(model.model.name for model in models)}
    for model in models:
        row, prefix = rows[model.model.name], "transfer_" if model.kind.on_target else ""
        independent = found.extra[prefix + "honest"].numpy()
        assert min(abs(independent - row["evidence"])) < 1e-6 and row["n_calibration"] == len(independent)
        assert row["p_independent"] == p_values.conformal(row["evidence"], independent)
        assert row["p_stolen"] == pytest.approx(
            (1 + (found.extra[prefix + "thefts"].numpy() <= row["evidence"]).sum()) / (1 + row["n_stolen"])
        )
        assert row["in_range"] and "outcome" not in row  # what it comes to is the rule's, not the record's
    source = rows[small.source_id.name]
    total = np.log(np.exp(source["evidence_of_extraction"]) + np.exp(source["evidence_of_modification"]))
    assert source["evidence"] == pytest.approx(total)


@pytest.mark.parametrize(
    ("accurate", "right", "expected"),
    [
        ((0.2, 1.0), True, "stolen"),
        ((1.0, 1.0), True, "stolen"),
        ((0.2, 0.9), True, "more accurate than all calibration models"),
        ((0.2, 0.9), False, "less accurate than all calibration models"),
    ],
)
def test_nobody_less_or_more_accurate_than_all_calibration_models_is_flagged(small, outputs, accurate, right, expected):
    """The source itself, had it been right on all or none of the control queries."""
    found, source = opened(small), suspects.source_of(small)
    found.extra["honest"][:] = -1e3  # as if every independent model showed no evidence at all
    found.extra["honest_ability"][:] = torch.linspace(*accurate, len(found.extra["honest_ability"]))
    responses = suspects.ask(small, source, found.extra["control_inputs"]).argmax(1)
    found.extra["control_truth"] = responses if right else (responses + 1) % 10
    verdicts.judge(small, found, [source], **LEVELS)
    (row,) = Records.of(small, "verdicts").rows()
    assert row["control_accuracy_range"] == pytest.approx(accurate) and row["control_accuracy"] == right
    assert expected in (verdicts.passed(row), verdicts.why(row).split(":")[0])
    assert row["in_range"] == (expected == "stolen") == (not verdicts.why(row))


def test_who_can_only_be_asked_gets_the_same_verdict(small, outputs, tmp_path):
    """judge.py from the responses to its queries, and the zoo's matching from the models."""
    found, levels = opened(small), {"alpha": 0.5, "beta": 0.5, "tail": "student"}
    models = [suspects.source_of(small), *calibrating(small), *suspects.references(small)]
    verdicts.judge(small, found, models, **levels)
    judge.judge(small, queries=str(tmp_path), responses="", other_task=False, **levels)
    queries = torch.from_numpy(np.load(tmp_path / judge.INPUTS))
    outcomes = set()
    for row in Records.of(small, "verdicts").rows():
        (model,) = [model for model in models if model.model.name == row["key"]]
        responses = tmp_path / "responses.txt"
        labels = suspects.ask(small, model, queries).argmax(1).tolist()
        responses.write_text("".join(f"{label}\n" for label in labels))
        judge.judge(small, queries=str(tmp_path), responses=str(responses), other_task=model.kind.on_target, **levels)
        said = json.loads((tmp_path / judge.VERDICT).read_text())
        assert all(said[name] == row[name] for name in set(said) & set(row)) and "p_independent" in set(said) & set(row)
        assert said["outcome"] == verdicts.passed(row)
        outcomes.add(said["outcome"])
    assert len(outcomes) > 1


def test_without_moved_references_models_of_another_task_are_not_judged(small, outputs):
    found = opened(small)
    found.extra.pop("transfer_centre")
    models = calibrating(small)
    verdicts.judge(small, found, models, **LEVELS)
    same_task = {model.model.name for model in models if not model.kind.on_target}
    assert {row["key"] for row in Records.of(small, "verdicts").rows()} == same_task != set()


def test_without_a_calibrated_fingerprint_no_verdict_of_an_earlier_match_stays(small, outputs):
    models = calibrating(small)
    verdicts.judge(small, opened(small), models, **LEVELS)
    assert Records.of(small, "verdicts").rows()
    verdicts.judge(small, None, models, **LEVELS)
    assert Records.of(small, "verdicts").rows() == []


def test_reference_calibration_and_scored_models_share_no_name_and_no_seed(small, outputs):
    """Names are seeds. Of uses here by what was trained; of scored ones by what they would be called."""
    rows = [row for row in Records.of(small, "models").rows() if row["kind"] != "source"]
    by_use = {
        use: {row[part] for row in rows if KINDS[row["kind"]].use == use for part in ("key", "sha256")}
        for use in ("reference", "low_data", "calibration")
    }
    assert all(by_use.values()) and all(not one & other for one, other in combinations(by_use.values(), 2))
    assert all(f"/{KINDS[row['kind']].use}_" in row["key"] for row in rows)
    assert not any(
        name.startswith(("reference_", "low_data_", "calibration_"))
        for name, about in KINDS.items()
        if about.use == "scored"
    )


# What is refused


def test_generalisation_wants_the_models_and_fingerprints_that_it_was_made_of(small, outputs):
    path = store.path_of(small, "primary")
    with as_it_was(path):
        generate.primary(small, n=6, labels="source", fewer=True)
        with pytest.raises(UserError, match="made of other models .* run python calibrated.py DOMAIN=cv"):
            ablation.ablate(small, budgets=(), references=())


@pytest.mark.parametrize("part", ["inputs", "source_logits", "extra"])
def test_values_that_are_no_numbers_make_no_fingerprint(small, outputs, part):
    found, path = opened(small), store.path_of(small, "broken")
    broken = {"centre": found.extra["centre"] * np.nan} if part == "extra" else getattr(found, part) / 0
    with pytest.raises(UserError, match="broken fingerprint came out with non-finite values"):
        generate.finish(small, "broken", replace(found, **{part: broken}), {}, 0.0, {})
    assert not path.exists()


@pytest.mark.parametrize(
    ("step", "kind"), [("references", "reference_homologous"), ("calibration", "calibration_homologous")]
)
def test_missing_models_are_named_by_their_script(small, outputs, step, kind):
    plan = small.artifacts / "plans" / f"{step}.json"
    with as_it_was(plan):
        plan.unlink()
        wanted = f"models of python cv/{step}.py DATASET=digits TIER=smoke are missing; run it first"
        with pytest.raises(UserError, match=wanted):
            fitting.calibrated(small, **SETTINGS)
        with pytest.raises(UserError, match=wanted):
            ablation.ablate(small, budgets=(), references=())
    with as_it_was(plan):
        models = json.loads(plan.read_text())
        storage.write_text(plan, json.dumps([*models, asdict(small.model_id(kind, "conv3", 99))]))
        with pytest.raises(UserError, match=f"1 of {len(models) + 1} models of python cv/{step}.py .* missing"):
            fitting.calibrated(small, **SETTINGS)


@pytest.mark.parametrize(
    ("step", "said"), [("references", "the references COPIES"), ("calibration", "the calibration")]
)
def test_a_step_that_made_no_models_is_named(small, outputs, step, said):
    plan = small.artifacts / "plans" / f"{step}.json"
    with as_it_was(plan):
        storage.write_text(plan, "[]")
        with pytest.raises(UserError, match=f"give {said}.* above 0"):
            fitting.calibrated(small, **SETTINGS)


def test_moved_references_without_moved_calibration_models_weigh_nothing(small, outputs):
    plan, path = small.artifacts / "plans" / "calibration.json", store.path_of(small, "calibrated")
    with as_it_was(plan, path):
        models = json.loads(plan.read_text())
        storage.write_text(plan, json.dumps([model for model in models if not KINDS[model["kind"]].on_target]))
        assert fitting.calibrated(small, **SETTINGS) is None
        assert "honest" in opened(small).extra and "transfer_honest" not in opened(small).extra


def test_another_evolved_fingerprint_makes_it_again(small, outputs):
    primary, evolved = (store.path_of(small, method) for method in ("primary", "evolved"))
    path = store.path_of(small, "calibrated")
    with as_it_was(path):
        evolved.write_bytes(primary.read_bytes())
        try:
            assert fitting.calibrated(small, **SETTINGS) is None
        finally:
            evolved.unlink()


def test_a_source_that_is_never_wrong_leaves_no_candidates_to_choose_from(small, outputs, monkeypatch):
    def none(_owner: Owner, _count: int) -> None:
        raise UnsuitedError("it gets none wrong")

    monkeypatch.setitem(CANDIDATES, "wrong", none)
    with pytest.raises(UserError, match="calibrated finds no candidates of wrong"):
        fitting.calibrated(small, **{**SETTINGS, "kinds": ("wrong",)})


def test_candidates_of_a_missing_fingerprint_name_its_script(small, outputs):
    with pytest.raises(UserError, match="the evolved fingerprint is missing .* run python evolved.py DOMAIN=cv"):
        fitting.calibrated(small, **{**SETTINGS, "kinds": ("evolved", "mixed")})


def test_references_that_differ_less_leave_out_what_their_name_says(small, outputs):
    models = suspects.references(small)
    responses = Responses(models, np.zeros((len(models), 3), int))
    usual = Variant("all references", "", responses, responses, 2, 0.5, np.arange(3), "two log-odds")
    names = {model.model.name for model in models}
    left_out = {
        variant.value: names - {model.model.name for model in variant.fitted.models}
        for variant in ablation._alike(usual)
    }
    assert all("rate_0.003" in name for name in left_out["one rate of modification"])
    students = {name for name in names if "/reference_extract" in name}
    few = {name for name in students if name.endswith("of_reference")}
    assert left_out["students of many responses"] == few and left_out["students of few responses"] == students - few
    assert all(left_out.values()) and few


def test_baselines_get_the_standard_strength_stolen_models_and_every_independent(small, outputs):
    owner = Owner(small, "sac_w")
    names = {model.model.name for role in ("pirated", "independent") for model in owner.references(role)}
    left_out = {model.model.name for model in suspects.references(small)} - names
    assert sum("/reference_extract" in name for name in names) == sum("/reference_extract" in name for name in left_out)
    assert all("rate_0.003" in name or "/reference_extract" in name for name in left_out)
    assert not any(name.endswith("of_reference") for name in left_out) and left_out
