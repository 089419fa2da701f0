"""The baselines' framework and its plain queries: floors, SAC, mixing, the owner's reference models and error rates."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bci.inputs import spliced as spliced_recordings
from cv.inputs import BOX, cutmix
from fingerprinting import cli
from fingerprinting.core import statistics, storage
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.data.datasets import Examples
from fingerprinting.fingerprints import baselines, metrics, registry, store
from fingerprinting.fingerprints.constants import OF_BASELINES
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries import plain, sac
from fingerprinting.fingerprints.registry import agreement
from fingerprinting.methods import METHODS, ORDER, ROWS, readable
from fingerprinting.models import reference as own_models
from fingerprinting.models import source_model, trained
from fingerprinting.models.kinds import KINDS, Job
from fingerprinting.models.stealing import part_of
from fingerprinting.models.subsets import drawn, owners_share
from fingerprinting.models.suspects import ATTACKS, NEGATIVES, Suspect
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from nlp.data import decode, encode
from nlp.inputs import spliced as spliced_texts
from tests.domains import changed
from tests.models.test_suspects import save_model


class Fixed(Owner):
    """An owner whose source and reference models answer what a test says."""

    def __init__(self, study: Study, wrong: list[int], responses: dict[str, list[torch.Tensor]]) -> None:
        super().__init__(study, "test")
        logits = torch.nn.functional.one_hot(self.part.targets, 10).float()
        logits[wrong] = logits[wrong].roll(1, 1)
        self.source_logits = logits
        self.responses = responses

    def references(self, role, kinds=()):
        return self.responses[role]

    def ask(self, reference, inputs):
        return reference[: len(inputs)]


def as_logits(labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels, 10).float()


def test_random_draws_different_examples_and_the_same_ones_again(study):
    first, second = (plain.random(Owner(study, "random"), 20) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert len({row.numpy().tobytes() for row in first.inputs}) == 20
    other = plain.random(Owner(study, "another"), 20)
    assert not torch.equal(first.inputs, other.inputs)


def test_akh_asks_only_what_the_source_gets_wrong(study):
    wrong = [3, 5, 8, 13, 21]
    owner = Fixed(study, wrong, {})
    found = plain.akh(owner, 3)
    offered = {row.numpy().tobytes() for row in owner.inputs(torch.tensor(wrong))}
    assert len(found.inputs) == 3 and {row.numpy().tobytes() for row in found.inputs} <= offered
    assert len(plain.akh(owner, 100).inputs) == 5


def test_a_source_that_is_never_wrong_suits_no_method_that_needs_mistakes(study):
    for method in (plain.akh, sac.sac_w):
        with pytest.raises(UnsuitedError, match="gets none wrong"):
            method(Fixed(study, [], {"pirated": [], "independent": []}), 5)


def test_sac_w_prefers_what_stolen_models_get_wrong_and_independents_right(study):
    """Four wrong examples; by hand: merit = share of independents right - share of pirated right."""
    wrong = [2, 4, 6, 8]
    truth = study.parts["owner"].targets[wrong]
    off = (truth + 1) % 10
    pirated = [torch.stack([off[0], truth[1], off[2], truth[3]]), torch.stack([off[0], off[1], off[2], truth[3]])]
    independent = [torch.stack([truth[0], truth[1], off[2], off[3]])]
    owner = Fixed(study, wrong, {"pirated": [*map(as_logits, pirated)], "independent": [*map(as_logits, independent)]})
    # merits: 1 - 0, 1 - 1/2, 0 - 0, 0 - 1
    for n, expected in ((1, wrong[:1]), (3, wrong[:3]), (4, wrong)):
        assert torch.equal(sac.sac_w(owner, n).inputs, owner.inputs(torch.tensor(expected)))


@pytest.mark.parametrize("n", [20, 10_000])
def test_sac_m_mixes_two_different_examples(study, n):
    owner, pairs = Owner(study, "sac_m"), []
    study.__dict__["domain"] = changed(study.domain, mix=lambda *pair: pairs.append(pair[:2]) or pair[0])
    found, ((first, second),) = sac.sac_m(owner, n), pairs
    assert len(found.inputs) == len(first) == len(second) == min(n, len(owner.part) // 2)
    assert (first != second).flatten(1).any(1).all()
    every = [row.numpy().tobytes() for row in owner.inputs(torch.arange(len(owner.part)))]
    truth = dict(zip(every, owner.part.targets.tolist(), strict=True))
    assert all(row.numpy().tobytes() in truth for row in second)
    assert found.truth.tolist() == [truth[row.numpy().tobytes()] for row in first]


def test_a_domain_that_does_not_mix_suits_no_method_that_does(study):
    owner = Owner(study, "sac_m")
    study.__dict__["domain"] = changed(study.domain, mix=None)
    with pytest.raises(UnsuitedError, match="sac_m mixes inputs, and cv gives no mix="):
        sac.sac_m(owner, 5)


@pytest.mark.parametrize("role", ["pirated", "independent"])
def test_no_models_for_reference_suit_no_method_that_needs_them(study, monkeypatch, role):
    monkeypatch.setattr("fingerprinting.models.suspects.standard_strength", lambda _study: [])
    wanted = (
        f"sac_w needs {role} reference models; run python cv/references.py DATASET=digits TIER=smoke, COPIES above 0"
    )
    with pytest.raises(UnsuitedError, match=wanted):
        Owner(study, "sac_w").references(role)


def test_what_no_longer_suits_leaves_no_old_fingerprint(study, monkeypatch):
    """Else matching would refuse it for its source, and send the user to make what cannot be made."""

    def unsuited(owner: Owner, n: int) -> None:
        raise UnsuitedError("gets none wrong")

    monkeypatch.setitem(ROWS, "akh", replace(ROWS["akh"], queries=unsuited))
    source = {"sha256": "a" * 64}
    monkeypatch.setattr("fingerprinting.models.trained.weights_sha256", lambda *_: source["sha256"])
    path = store.path_of(study, "akh")
    storage.save_tensors(path, {"inputs": torch.zeros(1)}, {"source_sha256": "a" * 64})
    for sha256, there in (("a" * 64, True), ("b" * 64, False)):  # of this source other constants may still be good
        source["sha256"] = sha256
        with pytest.raises(UnsuitedError):
            baselines.baselines(study, method="akh", n=5)
        assert path.exists() == there


def test_cutmix_lays_one_box_of_the_second_into_the_first():
    first, second = torch.zeros(50, 3, 10, 20), torch.ones(50, 3, 10, 20)
    mixed = cutmix(first, second, torch.Generator().manual_seed(0))
    box = round(BOX * 10), round(BOX * 20)
    places = set()
    for image in mixed:
        assert (image == image[0]).all()
        rows, columns = image[0].any(1).nonzero().flatten(), image[0].any(0).nonzero().flatten()
        assert (len(rows), len(columns)) == box and image[0].sum() == box[0] * box[1]
        places.add((int(rows[0]), int(columns[0])))
    assert len(places) > 10


def test_texts_are_spliced_at_their_middles():
    first, second = encode(["abcdef", "x", ""]), encode(["12345", "yz", "uv"])
    assert decode(spliced_texts(first, second, torch.Generator())) == ["abc345", "xz", "v"]


def test_recordings_are_spliced_at_one_moment_of_the_middle_half():
    mixed = spliced_recordings(torch.zeros(30, 2, 80), torch.ones(30, 2, 80), torch.Generator().manual_seed(1))
    moments = [int((recording[0] == 0).sum()) for recording in mixed]
    assert all((recording.diff(dim=1) >= 0).all() and (recording[0] == recording[1]).all() for recording in mixed)
    assert min(moments) >= 20 and max(moments) <= 60 and len(set(moments)) > 5


def test_every_constant_of_baselines_belongs_to_a_baseline():
    own = cli.own_constants(REPOSITORY / "baselines.py") - {"DOMAIN", "METHOD", "N"}
    assert own == {name for row in baselines.rows().values() for name in row.constants}


def test_an_unknown_method_is_refused_with_the_names_there_are(study):
    with pytest.raises(UserError, match="unknown METHOD=sac; take all, cheap or one of random, akh"):
        baselines.baselines(study, method="sac", n=5)


@pytest.mark.parametrize(
    ("there", "same"),
    [
        ([("irrelevant", 0, "a")], True),
        ([("irrelevant", 0, "b")], False),
        ([("irrelevant", 0, "a"), ("irrelevant", 1, "b")], False),
        ([("irrelevant", 0, "a"), ("homologous", 0, "b")], True),
        ([], False),
    ],
)
def test_a_baseline_is_made_again_when_the_references_of_its_kinds_are_others(study, monkeypatch, there, same):
    used = {"extra_models_used": {study.model_id("reference_irrelevant", "mlp", 0).name: "a"}}
    made_with = {"recipe": {"learning_rate": 1e-2}, "options": {}}
    models = [
        Suspect(study.model_id(f"reference_{kind}", "mlp", copy), {"sha256": sha, "settings": made_with})
        for kind, copy, sha in there
    ]
    monkeypatch.setattr(baselines.storage, "read_metadata", lambda _path: used)
    monkeypatch.setattr(baselines.suspects, "references", lambda _study: models)
    assert baselines._references_are_the_same(study, "cae") is same


@pytest.fixture(scope="module")
def referenced(tmp_path_factory) -> tuple[Study, list[dict]]:
    """The owner's reference models of the smallest zoo, and their plan."""
    folder = tmp_path_factory.mktemp("references")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
        patch.setenv("RESULTS_DIR", str(folder / "results"))
        study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=5, workers=1)
        source_model.source(study, epochs=1, learning_rate=1e-2, weights="")
        shared = {"copies": 1, "epochs": 1, "learning_rate": 1e-2, "epsilon": 0.03, "pgd_steps": 1}
        attacks = {"students": 2, "ratios": (0.5,), "modification_epochs": 1, "temperature": 2.0}
        attacks |= {"modification_learning_rates": (1e-3,), "drawn": 0.0}
        moved = {"transfer_copies": 1, "transfer_epochs": 1, "transfer_learning_rate": 1e-3}
        own_models.references(study, **shared, **attacks, **moved)
        own_models.low_data_references(study, **shared, **attacks)
        less_accurate = {"shares": (0.25,), "share_copies": 1}
        own_models.calibration(study, reference_copies=1, **shared, **moved, **less_accurate)
        own_models.audit(study, **shared, **moved, **less_accurate)
        records = folder / "results" / "records" / study.folder / "models.jsonl"
        rows = Records(records).rows()
    return study, [row for row in rows if row["kind"] != "source"]


@pytest.mark.slow
def test_the_owners_models_saw_the_reference_part_or_the_owners_only(referenced):
    """Reference and calibration models never the attacker's part; the auditor's are made as those that are scored."""
    study, rows = referenced
    made = {kind for kind, about in KINDS.items() if about.use in ("reference", "low_data", "calibration", "audit")}
    assert {row["kind"] for row in rows} == made
    for row in (row for row in rows if KINDS[row["kind"]].use != "low_data"):
        options, kind = row["settings"]["options"], KINDS[row["kind"]]
        homologous = "homologous" in row["kind"] and not kind.on_target
        parts = study.target_parts if kind.on_target else study.parts
        away = kind.on_target and kind.use == "calibration"  # from the part that moved references train on
        saw = "owner" if away else part_of_kind(row, "attacker" if kind.use == "audit" else "reference")
        share = options.get("share", 1.0)
        shares = {"calibration": (0.25, own_models.matched_share(study), 1.0), "audit": (0.25, 1.0)}
        assert share in shares.get(kind.use, (1.0,))
        assert options.get("overlap") == (1.0 if homologous and share == 1 else None)
        assert options.get("part") == (None if homologous and share == 1 else saw)
        assert row["examples"] == round(share * sum(len(parts[part]) for part in saw.split("+")))
        assert options.get("draw") == (None if share == 1 else row["key"])
    assert {KINDS[row["kind"]].use for row in rows if "draw" in row["settings"]["options"]} >= {"calibration", "audit"}


def part_of_kind(row: dict, part: str) -> str:
    """Homologous models see the owner's part, students of all that the owner has both, others `part`."""
    if "homologous" in row["kind"] and not KINDS[row["kind"]].on_target:
        return "owner"
    return "owner+reference" if "extract" in row["kind"] and not row["variant"] else part


@pytest.mark.slow
def test_models_of_a_third_saw_a_third_of_what_reference_models_saw(referenced):
    """The same kinds and architectures, of the source's task only."""
    study, rows = referenced
    made = {use: [row for row in rows if KINDS[row["kind"]].use == use] for use in ("reference", "low_data")}

    def architectures(use: str) -> list[tuple]:
        found = [row for row in made[use] if not KINDS[row["kind"]].on_target]
        return sorted((row["kind"].removeprefix(f"{use}_"), row["architecture"], row["variant"]) for row in found)

    assert architectures("low_data") == architectures("reference") and len(architectures("low_data")) == len(
        made["low_data"]
    )
    for row in made["low_data"]:
        saw = part_of_kind(row, "reference")
        assert row["settings"]["options"]["part"] == saw and "overlap" not in row["settings"]["options"]
        assert row["examples"] == round(sum(len(study.parts[part]) for part in saw.split("+")) / 3)


def test_a_drawn_share_is_of_its_part_the_same_again_and_inside_every_larger_one(study):
    def contents(examples: Examples) -> set[bytes]:
        return {row.numpy().tobytes() for row in examples.inputs}

    part = study.parts["attacker"]
    few, more = drawn(study, "attacker", 0.1), drawn(study, "attacker", 0.4)
    assert (len(few), len(more)) == (round(0.1 * len(part)), round(0.4 * len(part)))
    assert torch.equal(few.inputs, drawn(study, "attacker", 0.1).inputs)
    assert contents(few) < contents(more) < contents(part)
    assert torch.equal(drawn(study, "attacker", 1.0).inputs, part.inputs)
    assert contents(few) != contents(drawn(replace(study, split_seed=1), "attacker", 0.1))
    assert not contents(drawn(study, "owner", 1 / 3)) & contents(part)


@pytest.mark.slow
def test_no_model_serves_two_uses(referenced):
    """Names are seeds: what differs in use differs in kind, so in name, and in the weights it began and ended with."""
    _, rows = referenced
    assert len({row["key"] for row in rows}) == len({row["sha256"] for row in rows}) == len(rows)
    for row in rows:
        parent = row["settings"]["parent"]
        if parent and "/source/" not in parent:
            assert KINDS[parent.split("/")[3]].use == KINDS[row["kind"]].use


def test_the_parts_that_references_saw_share_no_example_with_an_attacker(study):
    def contents(part: Examples) -> set[bytes]:
        return {row.numpy().tobytes() for row in part.inputs}

    seen = contents(study.parts["reference"]) | contents(owners_share(study, 1.0))
    assert not seen & contents(study.parts["attacker"]) and not seen & contents(study.parts["test"])


def test_a_job_without_a_part_is_the_attackers(study):
    job = Job(study.source_id, study.recipe(1, 1e-3), {})
    assert part_of(study, job) is study.parts["attacker"]


def test_no_reference_is_ever_scored():
    scored = {*ATTACKS, *(kind for kinds in NEGATIVES.values() for kind in kinds)}
    assert {KINDS[kind].use for kind in scored} <= {"scored", "adaptive", "sweep"}


distances = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]) | st.floats(0, 2), min_size=1, max_size=10)


@given(distances, distances)
def test_the_threshold_makes_fewest_errors(pirated, independent):
    pirated, independent = np.array(pirated), np.array(independent)

    def errors(cut: float) -> float:
        return (pirated > cut).mean() + (independent <= cut).mean()

    tried = [-1.0, *np.concatenate([pirated, independent])]
    assert errors(statistics.threshold(pirated, independent)) == pytest.approx(min(map(errors, tried)), abs=1e-12)


def test_a_share_has_the_exact_binomial_interval():
    """No hit among 10: the upper limit is where 2.5% would still have none."""
    mean, low, high = statistics.share(np.zeros(10, bool))
    assert (mean, low) == (0, 0) and high == pytest.approx(1 - 0.025 ** (1 / 10), abs=1e-9)


def test_error_rates_by_hand():
    """The references' threshold lies between 2 and 3; the best one for the scored models between 4 and 5."""
    attacks = {kind: np.array([1.0, 4.0]) for kind in ATTACKS if not KINDS[kind].on_target}
    independent = {kind: np.array([2.5, 5.0, 6.0, 7.0]) for kind in NEGATIVES["all"]}
    references = {"reference_prune": np.array([1.0, 2.0]), "reference_irrelevant": np.array([3.0, 9.0])}
    rows = {
        (row["negatives"], row["threshold_from"]): row for row in metrics.error_rows(attacks | independent, references)
    }
    owners, in_sample = rows["all", "references"], rows["all", "scored"]
    assert owners["threshold"] == 2.5 and (owners["mir"], owners["fir"]) == (0.5, 0.25)
    assert in_sample["threshold"] == 4.5 and (in_sample["mir"], in_sample["fir"]) == (0.0, 0.25)
    assert owners["n_calibration"] == 4 and in_sample["n_calibration"] == 14 + 16
    assert {group for group, _ in rows} == set(NEGATIVES)
    for few in ({}, {"reference_prune": references["reference_prune"]}):  # an owner's threshold needs both roles
        alone = metrics.error_rows(attacks | independent, few)
        assert alone == [row for (_, origin), row in rows.items() if origin == "scored"]


LEAST = {f"{row.name}_{key}": least for row in ROWS.values() for key, least in row.least.items()}


@pytest.mark.parametrize("name", LEAST)
def test_constants_that_make_no_fingerprint_are_refused(study, name):
    least = LEAST[name]
    with pytest.raises(UserError, match=f"{name.upper()}={least - 1} makes no fingerprint; take {least} or more"):
        baselines.baselines(study, method="all", n=5, **{name: least - 1})


def test_every_row_has_its_place_in_the_order_of_tables():
    assert list(ROWS) == list(ORDER)
    assert [method.name for method in METHODS] == [row.name for row in ROWS.values() for _ in row.representations]


def test_every_row_is_there_wherever_the_import_begins():
    """A reader of the table sees all of it, though no row's module was imported before."""
    count = "from fingerprinting.methods import METHODS, ROWS; print(len(ROWS), len(METHODS))"
    said = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert said.stdout.split() == [str(len(ROWS)), str(len(METHODS))]


UNSURE_FIRST = 0  # the least sure of the examples that is taken


def unsure(owner: Owner, n: int, *, first: int) -> Queries:
    """The owner's examples of which the source is least sure."""
    chosen = torch.softmax(owner.source_logits, 1).amax(1).argsort()[first : first + n]
    return Queries(owner.inputs(chosen), owner.part.targets[chosen])


@pytest.fixture
def a_new_row(monkeypatch):
    """add(**more): the row of `unsure`, gone after the test."""
    monkeypatch.setattr(registry, "ORDER", (*registry.ORDER, "unsure"))
    rows, methods = dict(registry.ROWS), list(registry.METHODS)
    yield lambda **more: registry.add(agreement("unsure"), queries=unsure, **more)
    registry.ROWS.clear()
    registry.ROWS.update(rows)
    registry.METHODS[:] = methods


def test_a_row_is_all_that_a_new_fingerprint_needs(study, a_new_row):
    a_new_row(cheap=True)
    assert baselines.rows()["unsure"].constants == {"UNSURE_FIRST": 0}
    save_model(study, study.source_id)
    baselines.baselines(study, method="unsure", n=5, unsure_first=3)
    made = store.load(study, "unsure", trained.weights_sha256(study, study.source_id))
    assert len(made) == 5 and made.metadata["settings"]["first"] == 3
    (representation,) = [method for method in METHODS if method.name == "unsure"]
    assert representation.score(made.source_logits, made) == 0 and representation in readable({"unsure": made})
    with pytest.raises(UserError, match="unsure has no UNSURE_FIRST for cv; give UNSURE_FIRST=, in its inputs"):
        baselines.baselines(study, method="unsure", n=5)


def test_a_row_whose_constants_are_not_those_of_its_function_is_a_fault(monkeypatch, a_new_row):
    monkeypatch.setitem(globals(), "UNSURE_LAST", 3)
    with pytest.raises(TypeError, match="and what unsure takes differ in UNSURE_LAST"):
        a_new_row()


@pytest.mark.parametrize("name", ["random", "nameless"])
def test_a_row_is_added_once_and_has_its_place(name):
    with pytest.raises(ValueError, match=f"its name '{name}' stands in registry.ORDER, once"):
        registry.add(agreement(name), queries=plain.random)


def test_constants_read_from_the_sources_are_those_that_the_methods_have():
    registered = {name: value for row in baselines.rows().values() for name, value in row.constants.items()}
    assert registered == OF_BASELINES
    assert all(OF_BASELINES.said[name] for name in ("IPGUARD_STEPS", "FUAP_XI", "IRISFP_RADIUS"))


def test_every_least_is_of_a_constant():
    assert {name.upper() for name in LEAST} <= set(OF_BASELINES)
