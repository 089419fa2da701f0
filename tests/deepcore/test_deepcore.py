"""DeepCore against exact distances, independent loops and hand computation; tiny nets, no download."""

import csv
import inspect
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fingerprinting.core import places, storage
from fingerprinting.deepcore import clustering, identification
from fingerprinting.deepcore.core_points import STARTS, Ascent, core_points, core_queries, deepfool
from fingerprinting.deepcore.core_responses import SCORES
from fingerprinting.deepcore.observations import along_the_way
from fingerprinting.evaluation import overlap_sweep
from fingerprinting.fingerprints.distances import mean_absolute, total_absolute
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.fingerprints.representations import correlation, cosines, own_class
from fingerprinting.fingerprints.store import Fingerprint, load
from fingerprinting.models import build, reference, source_model, stolen, suspects
from fingerprinting.models import independent as independents
from fingerprinting.models.suspects import NEGATIVES, Suspect
from fingerprinting.reports import pages, show
from fingerprinting.reports.sections import deepcore, overlap
from fingerprinting.study import records
from fingerprinting.study.study import ModelId, Study

OVERSHOOT = 0.02
ASCENT = Ascent(steps=60, step_size=0.5, radius_every=10, tolerance=0.0, overshoot=OVERSHOOT, boundary_steps=50)
ANYWHERE = (-1e9, 1e9)
RANGE = (-2.0, 2.0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(inputs: int = 6, classes: int = 4) -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(inputs, classes).requires_grad_(False).eval()


def perceptron(inputs: int = 5, classes: int = 3) -> nn.Module:
    torch.manual_seed(2)
    body = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, classes))
    with torch.no_grad():
        body[2].weight *= 4
    return body.requires_grad_(False).eval()


def loop_deepfool(model: nn.Module, point: torch.Tensor, overshoot: float, limit: int) -> float:
    """One point (D,) at a time, one class at a time, in plain words of the algorithm."""
    x, total = point.clone(), torch.zeros_like(point)
    home = int(model(x[None])[0].argmax())
    for _ in range(limit):
        x = x.detach().requires_grad_(True)
        logits = model(x[None])[0]
        if int(logits.argmax()) != home:
            break
        slopes = [torch.autograd.grad(z, x, retain_graph=True)[0] for z in logits]
        best = None
        for other in range(len(logits)):
            if other != home:
                w, d = slopes[other] - slopes[home], abs(float((logits[other] - logits[home]).detach()))
                if best is None or d / float(w.norm()) < best[0]:
                    best = d / float(w.norm()), (1 + overshoot) * d / float(w.norm()) ** 2 * w
        total, x = total + best[1], x.detach() + best[1]
    return float(total.norm())


def test_the_radius_in_a_linear_model_is_the_distance_to_the_nearest_boundary():
    model, points = linear(), torch.randn(20, 6, generator=seeded(0))
    for point, radius in zip(points, deepfool(model, points, OVERSHOOT, 50), strict=True):
        logits, weight = model(point), model.weight
        top = int(logits.argmax())
        exact = min(
            float(logits[top] - logits[other]) / float((weight[top] - weight[other]).norm())
            for other in range(4)
            if other != top
        )
        assert float(radius) == pytest.approx((1 + OVERSHOOT) * exact, rel=1e-4)


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_the_batched_radius_is_that_of_a_loop(limit):
    model, points = perceptron(), 2 * torch.randn(12, 5, generator=seeded(3))
    expected = [loop_deepfool(model, point, OVERSHOOT, limit) for point in points]
    assert deepfool(model, points, OVERSHOOT, limit).tolist() == pytest.approx(expected, rel=1e-3)


def test_the_radius_is_near_what_brute_force_finds():
    """In two dimensions all directions can be tried: never shorter than the boundary's distance, seldom much longer."""
    model, points = perceptron(2), torch.randn(15, 2, generator=seeded(4))
    angles = torch.linspace(0, 2 * torch.pi, 361)[:-1]
    lengths = torch.linspace(0, 8, 1601)
    grid = lengths[:, None, None] * torch.stack([angles.cos(), angles.sin()], 1)  # (lengths, angles, 2)
    nearest = []
    for point in points:
        left = model((point + grid).view(-1, 2)).argmax(1).view(len(lengths), -1) != model(point[None]).argmax()
        nearest.append(float(lengths[left.any(1)].min()))
    radius = deepfool(model, points, OVERSHOOT, 50).numpy()
    assert (radius > np.array(nearest) - 0.01).all()
    assert np.median(radius / np.array(nearest)) < 1.1


def test_a_point_without_gradient_has_a_finite_radius():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 3)).requires_grad_(False)
    nn.init.constant_(model[0].bias, -100.0)
    assert deepfool(model, torch.zeros(2, 3), OVERSHOOT, 5).tolist() == [0.0, 0.0]


def test_all_classes_in_one_batch_are_one_class_at_a_time():
    model, start, targets = perceptron(), torch.randn(6, 5, generator=seeded(5)).clamp(*RANGE), torch.arange(6) % 3
    ascent = replace(ASCENT, tolerance=0.15)
    whole = core_points(model, start, targets, ascent, RANGE)
    alone = [core_points(model, *pair, ascent, RANGE) for pair in zip(start.split(1), targets.split(1), strict=True)]
    assert torch.allclose(whole[-1].inputs, torch.cat([course[-1].inputs for course in alone]), atol=1e-5)
    assert len({course[-1].step for course in alone}) > 1, "all points stop together: the freeze is not tested"
    stopped = [next(m.step for m in whole if not m.moving[index]) for index in range(6)]
    assert stopped == [course[-1].step for course in alone]


def test_a_step_descends_minus_log_p_by_hand():
    model, start, targets = linear(), torch.randn(4, 6, generator=seeded(6)), torch.arange(4)
    course = core_points(model, start, targets, replace(ASCENT, steps=1), ANYWHERE)
    probabilities = torch.softmax(model(start), 1)
    gradient = (probabilities - torch.eye(4)) @ model.weight  # of -log p_target by the input
    assert torch.allclose(course[-1].inputs, start - ASCENT.step_size * gradient, atol=1e-6)


def test_a_point_stops_when_its_radius_no_longer_changes_and_not_before():
    model, start, targets = perceptron(), torch.randn(6, 5, generator=seeded(5)).clamp(*RANGE), torch.arange(6) % 3
    free = core_points(model, start, targets, ASCENT, RANGE)
    radii = torch.stack([moment.radius for moment in free])
    course = core_points(model, start, targets, replace(ASCENT, tolerance=0.15), RANGE)
    for index, target in enumerate(targets.tolist()):
        changes = (radii[1:, index] - radii[:-1, index]).abs() < 0.15
        inside = [int(model(moment.inputs[index : index + 1]).argmax()) == target for moment in free[1:]]
        settled = [step for step, (still, own) in enumerate(zip(changes, inside, strict=True), 1) if still and own]
        stop = free[settled[0]].step if settled else ASCENT.steps
        found = [moment.step for moment in course if not moment.moving[index]]
        assert (found[0] if found else ASCENT.steps) == stop
    assert course[-1].step == max(next((m.step for m in course if not m.moving[i]), ASCENT.steps) for i in range(6))


def test_core_points_stay_in_range_and_unmovable_elements_where_they_are():
    model, start, targets = perceptron(), torch.rand(3, 5, generator=seeded(7)), torch.arange(3)
    movable = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0]])
    end = core_points(model, start, targets, ASCENT, (0.0, 1.0), (), movable)[-1].inputs
    assert ((end >= 0) & (end <= 1)).all()
    assert torch.equal(end[:, [2, 4]], start[:, [2, 4]]) and (end != start).any()


def test_the_radius_leaves_unmovable_elements_alone():
    model, points = linear(), torch.randn(5, 6, generator=seeded(8))
    movable = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    weight = model.weight * movable
    logits = model(points)
    for index, radius in enumerate(deepfool(model, points, OVERSHOOT, 50, movable).tolist()):
        top = int(logits[index].argmax())
        exact = min(
            float(logits[index, top] - logits[index, other]) / float((weight[top] - weight[other]).norm())
            for other in range(4)
            if other != top
        )
        assert radius == pytest.approx((1 + OVERSHOOT) * exact, rel=1e-4)


# Scores


def fingerprint_of(logits: torch.Tensor, truth: torch.Tensor) -> Fingerprint:
    return Fingerprint(torch.zeros(len(logits), 1), logits.argmax(1), truth, torch.full_like(truth, -1), logits, {})


def test_confidence_and_radius_are_ranked_along_each_points_own_way():
    """One that rises with its radius and settles, one that falls, one that never moves."""
    confidence = np.array([[0.5, 0.9, 0.7], [0.6, 0.8, 0.7], [0.7, 0.7, 0.7], [0.7, 0.6, 0.7]])
    radius = np.array([[1.0, 1.0, 5.0], [2.0, 2.0, 5.0], [3.0, 3.0, 5.0], [3.0, 4.0, 5.0]])
    assert along_the_way(confidence, radius) == pytest.approx([1.0, -1.0])
    settled = [np.concatenate([values, values[-1:].repeat(9, axis=0)]) for values in (confidence, radius)]
    assert along_the_way(*settled) == pytest.approx([1.0, -1.0])


def test_scores_by_hand():
    draw = np.random.default_rng(0)
    source, suspect = draw.normal(size=(4, 3)), draw.normal(size=(4, 3))
    truth = torch.tensor([0, 1, 2, 1])
    fingerprint = fingerprint_of(torch.tensor(source), truth)
    scores = {(m.output, m.representation): m.score(torch.tensor(suspect), fingerprint) for m in SCORES}
    l1 = sum(abs(source[i, c] - suspect[i, c]) for i, c in enumerate(truth.tolist()))
    assert scores["logits", own_class] == pytest.approx(l1)

    def matrix(outputs: np.ndarray) -> np.ndarray:
        unit = outputs / np.sqrt((outputs**2).sum(1, keepdims=True))
        return np.array([[one @ other for other in unit] for one in unit])

    def softmax(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    for output, read in (("logits", lambda z: z), ("probabilities", softmax)):
        gap = np.abs(matrix(read(source)) - matrix(read(suspect))).sum() / 4**2
        assert scores[output, cosines] == pytest.approx(gap)
    halves = [correlation(torch.tensor(z), fingerprint) for z in (source, suspect)]
    assert 2 * mean_absolute(*halves) == pytest.approx(scores["logits", cosines])
    assert total_absolute(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.0])) == 3.5


# Clustering


def by_sign(features: np.ndarray, clusters: int) -> np.ndarray:
    """A clustering whose result is plain: which of `clusters` equal pieces of [0, clusters) a model lies in."""
    return features[:, 0].astype(int)


def test_a_suspect_is_flagged_where_a_larger_share_of_stolen_models_than_of_independents_lies():
    known = np.array([[0.0], [0.0], [1.0], [0.0], [1.0], [1.0], [1.0]])
    pirated = np.array([True, True, True, False, False, False, False])
    judged = np.array([[0.1], [1.1], [2.1]])  # 2/3 against 1/4; 1/3 against 3/4; alone
    verdicts = clustering.flagged_beside_references(by_sign, 3, known, pirated, judged)
    assert verdicts.tolist() == [True, False, False]


def test_a_verdict_does_not_depend_on_the_other_suspects():
    draw = np.random.default_rng(1)
    known, pirated = draw.normal(size=(12, 4)), np.arange(12) < 6
    known[pirated] += 3
    judged = draw.normal(size=(8, 4)) + np.repeat([[0.0], [3.0]], 4, 0)
    for cluster in clustering.ALGORITHMS.values():
        whole = clustering.flagged_beside_references(cluster, 2, known, pirated, judged)
        alone = [clustering.flagged_beside_references(cluster, 2, known, pirated, one[None])[0] for one in judged]
        assert whole.tolist() == alone == [False] * 4 + [True] * 4


def test_together_whoever_is_not_with_most_independents_is_flagged():
    models = np.array([[0.0], [1.0], [1.0], [1.0], [2.0], [0.0]])
    independent = np.array([False, True, True, False, True, False])
    found = clustering.flagged_together(by_sign, 3, models, independent)
    assert found.tolist() == [True, False, False, False, True, True]


def test_missed_and_false_identifications_by_clustering(study, monkeypatch):
    """Cluster 0 holds the source and stolen models, cluster 1 the independent; of what is judged some of each err."""
    monkeypatch.setattr(identification, "ALGORITHMS", {"sign": by_sign})
    cluster = {"source": 0, "prune": 0, "adversarial": 0, "extract_labels": 1}
    cluster |= {"irrelevant": 1, "homologous": 1, "homologous_adversarial": 0}
    cluster |= {"reference_prune": 0, "reference_homologous": 1}
    models = [Suspect(study.model_id(kind, "mlp", 0), {}) for kind in cluster]
    core = SimpleNamespace(
        pool=models[:-2],
        references=models[-2:],
        features=lambda asked: np.array([[cluster[one.model.kind]] for one in asked]),
    )
    rows = {(row["negatives"], row["named_by"]): row for row in identification.cluster_rows(core, 2)}
    for named_by in ("references", "scored"):
        for group, false in (("all", 1 / 3), ("homologous", 0)):
            row = rows[group, named_by]
            assert (row["mir"], row["fir"]) == pytest.approx((1 / 3, false))


@pytest.mark.parametrize("name", list(clustering.ALGORITHMS))
def test_three_far_groups_are_three_clusters_whatever_their_scale(name):
    draw = np.random.default_rng(2)
    groups = np.repeat([0, 1, 2], 6)
    features = 10 * np.eye(3)[groups] + 0.3 * draw.normal(size=(18, 3))
    for scale in (0.01, 1.0, 100.0):
        found = clustering.ALGORITHMS[name](scale * features, 3)
        assert len({(g, c) for g, c in zip(groups, found.tolist(), strict=True)}) == 3


# The whole step, on scikit-learn's digits


CONSTANTS = dict(start="examples", points=1, lengths=(0, 10, 20), clusters=3) | {
    **asdict(ASCENT),
    "steps": 20,
    "step_size": 0.1,
}
ZOO = (
    (source_model.source, dict(epochs=4, learning_rate=1e-2, weights="")),
    (independents.irrelevant, dict(copies=1, adversarial_copies=1)),
    (independents.homologous, dict(overlaps=(1.0,), same_copies=1, other_copies=0, adversarial_copies=1)),
    (independents.overlap, dict(overlaps=(0.0, 1.0), same_copies=1, other_copies=1)),
    (stolen.fine_tune, dict(layers=("last", "all"), copies=1)),
    (stolen.prune, dict(ratios=(0.5,), activity_examples=50)),
    (stolen.adversarial, dict(copies=1)),
    (stolen.transfer, dict(copies=1, irrelevant_copies=1, homologous_copies=1)),
    (stolen.extract, dict(copies=1, same_copies=1, temperature=2.0)),
    (
        reference.references,
        dict(
            copies=1,
            students=2,
            ratios=(0.5,),
            modification_epochs=1,
            modification_learning_rates=(1e-3,),
            temperature=2.0,
        )
        | dict(drawn=0.0, transfer_copies=0, transfer_epochs=1, transfer_learning_rate=1e-3),
    ),
)
ATTACKED = dict(epsilon=0.03, pgd_steps=1)
FAST = dict(epochs=1, learning_rate=1e-2)


def train(study: Study, steps: Iterable[tuple[Callable, dict]]) -> None:
    for step, own in steps:
        known = inspect.signature(step).parameters
        shared = {name: value for name, value in (FAST | ATTACKED).items() if name in known or "constants" in known}
        step(study, **(shared | own))


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> tuple[Study, object]:
    """A smallest zoo, judged; returns the study and the folder of its outputs."""
    folder = tmp_path_factory.mktemp("deepcore")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
        patch.setenv("RESULTS_DIR", str(folder / "results"))
        study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=20, workers=1)
        train(study, ZOO)
        assert identification.deepcore(study, **CONSTANTS) is None
        show.deepcore(study)
    return study, folder


@pytest.fixture
def there(judged, monkeypatch) -> Study:
    study, folder = judged
    monkeypatch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
    monkeypatch.setenv("RESULTS_DIR", str(folder / "results"))
    return study


def rows(study: Study, topic: str) -> list[dict]:
    return records.Records.of(study, topic).rows()


@pytest.mark.slow
def test_the_fingerprint_holds_a_point_of_each_class_and_where_it_was(there):
    found = load(there, "deepcore", storage.read_metadata(there.source_id.path)["sha256"])
    assert found.truth.tolist() == list(range(10))
    assert torch.equal(found.labels, found.truth), "a point of another class's region"
    snapshots = found.extra["snapshots"]
    assert snapshots.shape == (3, 10, *there.shape) and torch.equal(snapshots[-1], found.inputs)
    owner = Owner(there, "deepcore")
    assert torch.equal(snapshots[0], STARTS["examples"](owner, found.truth))
    confidence = [np.mean(moment["confidence"]) for moment in found.metadata["trace"]]
    assert confidence == sorted(confidence) and confidence[-1] > confidence[0]


def test_a_start_from_examples_is_of_each_class_and_none_twice(there):
    owner, targets = Owner(there, "deepcore"), torch.arange(10).repeat_interleave(3)
    chosen = STARTS["examples"](owner, targets).flatten(1)
    known = owner.inputs(torch.arange(len(owner.part))).flatten(1)
    places = (chosen[:, None] == known).all(2).float().argmax(1)
    assert torch.equal(owner.part.targets[places], targets) and len(places.unique()) == 30
    assert STARTS["noise"](owner, targets).shape == (30, *there.shape)


def test_the_tables_have_their_columns_and_every_row_of_them(there, judged):
    kinds = {suspect.model.kind for suspect in suspects.gather(there) if not suspect.kind.on_target}
    counts = {
        "deepcore_lengths": 3 * len(SCORES),
        "deepcore_scores": len(SCORES) * (1 + len(kinds)),  # the source too
        "deepcore_clusters": 3 * len(NEGATIVES) * 2,
        "deepcore_claims": 9,
    }
    for topic, columns in deepcore.COLUMNS.items():
        with (judged[1] / "results" / "tables" / f"{topic}-smoke.csv").open() as file:
            table = list(csv.DictReader(file))
        assert list(table[0]) == columns.split(",") and len(table) == counts[topic], topic
        assert all(row["tier"] == "smoke" and row["dataset"] == "digits" for row in table)
    page = (judged[1] / "results" / "tables" / "cv-digits-smoke-deepcore.md").read_text()
    for word in ("fine_tune_last", "agglomerative", "rank correlation", "homologous"):
        assert word in page
    assert all(row["provenance"]["commit"] for row in rows(there, "deepcore_scores"))


def test_scores_are_those_of_the_models(there):
    source = storage.read_metadata(there.source_id.path)["sha256"]
    fingerprint = load(there, "deepcore", source)
    pool = [suspect for suspect in suspects.gather(there) if suspect.model.kind == "extract_labels"]
    for method in SCORES:
        found = [method.score(suspects.ask(there, s, fingerprint.inputs), fingerprint) for s in pool]
        key = f"{there.folder}/{method.key}/extract_labels"
        (row,) = [row for row in rows(there, "deepcore_scores") if row["key"] == key]
        assert (row["n"], row["score"]) == (len(found), pytest.approx(np.mean(found), rel=1e-4))
        assert row["difference"] == pytest.approx(row["homologous"] - row["score"])


def test_a_second_run_makes_no_point_again_and_other_constants_do(there, capsys, monkeypatch):
    monkeypatch.setattr(identification, "judge", lambda *_: None)
    assert identification.deepcore(there, **CONSTANTS) == "skipped"
    assert "finished already" in capsys.readouterr().out
    assert identification.deepcore(there, **CONSTANTS | {"step_size": 0.2}) is None
    assert identification.deepcore(there, **CONSTANTS) is None


def test_pictures(judged):
    names = {path.name for path in (judged[1] / "results" / "figures").iterdir()}
    assert names == {f"cv-digits-smoke-deepcore-{name}.svg" for name in ("points", "radius", "scores", "clusters")}


def test_text_is_left_out():
    owner = Owner(Study("nlp", "thuocl", "smoke"), "deepcore")
    with pytest.raises(UnsuitedError, match="deepcore"):
        core_queries(owner, "examples", 1, (0,), ASCENT)


# The overlap sweep


def test_the_sweep_is_planned_apart_from_what_is_judged(there):
    swept = suspects.there(there, "sweep")
    assert sorted((s.model.architecture, s.metadata["settings"]["options"]["overlap"]) for s in swept) == sorted(
        itertools.product((there.source_architecture, there.students[0]), (0.0, 1.0))
    )
    assert not {suspect.model.name for suspect in swept} & {suspect.model.name for suspect in suspects.gather(there)}
    assert all("overlap" not in kinds for kinds in NEGATIVES.values())


def test_without_a_sweep_there_is_none(there, monkeypatch):
    monkeypatch.setattr(build, "planned", lambda study: {})
    assert suspects.there(there, "sweep") == []


def swept_model(architecture: str, overlap: float, copy: int) -> Suspect:
    model = ModelId("cv", "digits", "smoke", "overlap", architecture, copy, f"overlap_{overlap:g}")
    return Suspect(model, {"test_accuracy": 0.8, "settings": {"options": {"overlap": overlap}}})


def test_overlap_rows_by_hand(study):
    models = [swept_model("conv3", 0.5, 0), swept_model("conv3", 0.5, 1), swept_model("mlp", 0.5, 0)]
    known = [
        Suspect(ModelId("cv", "digits", "smoke", kind, "conv3", copy), {})
        for kind, copy in itertools.product(("reference_prune", "reference_homologous"), range(2))
    ]
    names = [suspect.model.name for suspect in (*models, *known)]
    distances = dict(zip(names, [0.5, 3.0, 4.0, 0.0, 1.0, 2.0, 5.0], strict=True))
    fidelity = dict.fromkeys(names, 0.7)
    same, other = overlap_sweep.overlap_rows(study, SCORES[0], models, distances, known, fidelity)
    assert same["threshold"] == other["threshold"] == 1.5
    assert (same["relation"], same["n"], same["distance"], same["flagged"]) == ("same", 2, 1.75, 1)
    assert (other["relation"], other["architecture"], other["flagged"]) == ("other", "mlp", 0)
    records.Records.of(study, "overlap").put([same, other])
    records.Records.of(study, "auc").put([{"key": "any"}])
    overlap.write()
    with (places.results_dir() / "tables" / "overlap-smoke.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == overlap.COLUMNS.split(",") and [row["overlap"] for row in table] == ["0.5000"] * 2
    text = pages.page_path(study.folder, "overlap").read_text()
    assert "| 1.17 | 1 of 2 |" in text and "| 2.67 | 0 of 1 |" in text
    assert json.loads(json.dumps(same)) == same
