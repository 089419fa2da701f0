"""Who is judged and by which responses: incomplete zoos, stale fingerprints and broken responses are refused.

The zoo here is of untrained nets, one per step, in the files and plans that the steps write.
"""

import json
import random
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.queries.primary import COMPONENTS
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import build as training_zoo
from fingerprinting.models import responses, suspects, trained
from fingerprinting.models.kinds import KINDS, Job
from fingerprinting.models.suspects import Suspect
from fingerprinting.study import checkpoints, loading
from fingerprinting.study.domain import load_domain
from fingerprinting.study.study import ModelId, Study
from fingerprinting.training.trainer import predict

SOURCE = "cv/digits/smoke/source/conv3-0"
# Step -> a kind that it makes; what is stolen from the source names it as its parent.
ZOO = {
    "source": "source",
    "irrelevant": "irrelevant",
    "homologous": "homologous",
    "fine_tune": "fine_tune_all",
    "prune": "prune",
    "adversarial": "adversarial",
    "transfer": "transfer",
    "extract": "extract_labels",
}
STOLEN = [kind for kind in ZOO.values() if KINDS[kind].role == "pirated"]


def model_id(study: Study, kind: str, copy: int = 0) -> ModelId:
    return study.model_id(kind, "conv3", copy)


def save_model(study: Study, model: ModelId, parent_sha256: str | None = None, seed: int = 0, parent=SOURCE) -> str:
    """An untrained net under that name; returns its digest."""
    torch.manual_seed(seed)
    metadata = {
        "name": model.name,
        "domain": "cv",
        "architecture": "conv3",
        "classes": 10,
        "shape": [1, 8, 8],
        "test_accuracy": 0.9,
        "settings": {"parent": parent if parent_sha256 else None, "parent_sha256": parent_sha256},
    }
    checkpoints.save(model.path, checkpoints.build(study.domain, "conv3", 10, (1, 8, 8)), metadata)
    return storage.read_metadata(model.path)["sha256"]


def plan(study: Study, step: str, models: list[ModelId]) -> None:
    storage.write_text(study.artifacts / "plans" / f"{step}.json", json.dumps([asdict(model) for model in models]))


@pytest.fixture
def zoo(study) -> Study:
    source = save_model(study, study.source_id)
    for step, kind in ZOO.items():
        if kind != "source":
            save_model(study, model_id(study, kind), source if kind in STOLEN else None, seed=len(step))
        plan(study, step, [model_id(study, kind)])
    return study


def test_gather_finds_every_planned_model_but_the_source(zoo):
    found = suspects.gather(zoo)
    assert sorted(suspect.model.kind for suspect in found) == sorted(set(ZOO.values()) - {"source"})
    for suspect in found:
        assert suspect.metadata["name"] == suspect.model.name and suspect.kind is KINDS[suspect.model.kind]


@pytest.mark.parametrize(("use", "kind"), [("low_data", "low_data_prune"), ("sweep", "extract_sweep")])
def test_models_for_another_use_are_found_for_it_and_never_judged(zoo, use, kind):
    assert suspects.there(zoo, use) == []
    save_model(zoo, model_id(zoo, kind), storage.read_metadata(zoo.source_id.path)["sha256"])
    plan(zoo, KINDS[kind].script, [model_id(zoo, kind)])
    assert [suspect.model.kind for suspect in suspects.there(zoo, use)] == [kind]
    assert kind not in {suspect.model.kind for suspect in suspects.gather(zoo)}


def test_without_their_step_there_are_no_references_and_of_a_stopped_one_it_is_named(zoo):
    assert suspects.references(zoo) == [] == suspects.standard_strength(zoo)
    copies = [model_id(zoo, "reference_prune", copy) for copy in range(2)]
    plan(zoo, "references", copies)
    save_model(zoo, copies[0], storage.read_metadata(zoo.source_id.path)["sha256"])
    with pytest.raises(UserError, match="1 of 2 models of python cv/references.py DATASET=digits TIER=smoke are missi"):
        suspects.references(zoo)
    save_model(zoo, copies[1], "0" * 64)
    with pytest.raises(UserError, match="reference_prune/conv3-1 was made from another .* run python cv/references.py"):
        suspects.references(zoo)


def test_a_later_step_that_was_stopped_or_is_older_than_the_source_does_not_stop_the_matcher(zoo):
    copies = [model_id(zoo, "removal", copy) for copy in range(3)]
    save_model(zoo, copies[0], storage.read_metadata(zoo.source_id.path)["sha256"])
    save_model(zoo, copies[1], "0" * 64)
    plan(zoo, KINDS["removal"].script, copies)
    assert [suspect.model for suspect in suspects.finished(zoo, "adaptive")] == copies[:1]
    with pytest.raises(UserError, match="1 of 3 models of python detect_erase_attack.py DOMAIN=cv DATASET=digits"):
        suspects.of_use(zoo, "adaptive")


def test_models_of_a_third_are_demanded_where_they_are_needed(zoo):
    with pytest.raises(UserError, match="python cv/low_data_references.py DATASET=digits TIER=smoke"):
        suspects.of_use(zoo, "low_data")


@pytest.mark.parametrize("step", list(ZOO))
def test_a_step_that_never_ran_is_named(zoo, step):
    (zoo.artifacts / "plans" / f"{step}.json").unlink()
    with pytest.raises(UserError, match=f"python cv/{step}.py DATASET=digits TIER=smoke"):
        suspects.gather(zoo)


@pytest.mark.parametrize("step", [step for step in ZOO if step != "source"])
def test_a_missing_model_is_named_by_its_script(zoo, step):
    kind = ZOO[step]
    plan(zoo, step, [model_id(zoo, kind), model_id(zoo, kind, 1), model_id(zoo, kind, 2)])
    with pytest.raises(UserError, match=f"2 of 3 models of python cv/{step}.py DATASET=digits TIER=smoke are missing"):
        suspects.gather(zoo)


def test_a_missing_source_is_named_by_its_script(zoo):
    zoo.source_id.path.unlink()
    with pytest.raises(UserError, match=f"{SOURCE} is missing; run python cv/source.py DATASET=digits TIER=smoke"):
        suspects.gather(zoo)


@pytest.mark.parametrize("kind", STOLEN)
def test_a_model_stolen_from_another_source_is_refused(zoo, kind):
    save_model(zoo, model_id(zoo, kind), parent_sha256="0" * 64)
    script = KINDS[kind].script
    with pytest.raises(
        UserError, match=f"{kind}/conv3-0 was made from another {SOURCE} than is there now; run python cv/{script}.py"
    ):
        suspects.gather(zoo)


def test_a_transferred_independent_is_outdated_with_its_own_parent(zoo):
    moved = model_id(zoo, "irrelevant_transfer")
    save_model(zoo, moved, parent_sha256="0" * 64, parent=model_id(zoo, "irrelevant").name)
    plan(zoo, "transfer", [model_id(zoo, "transfer"), moved])
    with pytest.raises(UserError, match="irrelevant_transfer/conv3-0 was made from another .*irrelevant/conv3-0"):
        suspects.gather(zoo)


def test_a_source_trained_again_makes_its_stolen_models_outdated(zoo):
    save_model(zoo, zoo.source_id, seed=99)
    with pytest.raises(UserError, match="was made from another"):
        suspects.gather(zoo)


@pytest.mark.parametrize("bytes_left", [0, 5, 200, -1])
def test_a_damaged_model_is_refused(zoo, bytes_left):
    path = model_id(zoo, "prune").path
    path.write_bytes(path.read_bytes()[:bytes_left])
    with pytest.raises(UserError, match="conv3-0.safetensors is damaged or truncated"):
        suspects.gather(zoo)


def suspect_of(kind: str, accuracy: float, copy: int = 0) -> Suspect:
    return Suspect(ModelId("cv", "digits", "smoke", kind, "conv3", copy), {"test_accuracy": accuracy, "sha256": "x"})


def test_without_independent_transfers_no_transfer_is_flagged():
    assert suspects.degraded([suspect_of("transfer", 0.1)], 0.9) == set()


def test_flagged_are_stolen_models_that_lost_more_than_ten_points():
    pool = [
        suspect_of("fine_tune_all", 0.80),
        suspect_of("prune", 0.79),
        suspect_of("extract_labels", 0.95),
        suspect_of("adversarial", 0.10),
        suspect_of("irrelevant", 0.10),
        suspect_of("homologous_adversarial", 0.10),
    ]
    names = {suspect.model.kind for suspect in pool if suspect.model.name in suspects.degraded(pool, 0.895)}
    assert names == {"prune", "adversarial"}


@pytest.mark.parametrize(("accuracy", "expected"), [(0.61, False), (0.59, True)])
def test_a_transferred_stealing_attack_is_compared_with_independent_transfers(accuracy, expected):
    """Their mean is 0.7, whatever the source reaches on its own task, and homologous ones do not count."""
    independent = [suspect_of("irrelevant_transfer", 0.65, 0), suspect_of("irrelevant_transfer", 0.75, 1)]
    attack = suspect_of("transfer", accuracy)
    marked = suspects.degraded([*independent, suspect_of("homologous_transfer", 0.0), attack], source_accuracy=0.99)
    assert marked == ({attack.model.name} if expected else set())


def test_negatives_of_a_transferred_stealing_attack_are_moved_the_same_way():
    assert suspects.negatives_of("irrelevant", on_target=False) == ("irrelevant",)
    assert suspects.negatives_of("adversarial", on_target=False) == ("irrelevant_adversarial", "homologous_adversarial")
    assert suspects.negatives_of("irrelevant", on_target=True) == ("irrelevant_transfer",)
    assert suspects.negatives_of("all", on_target=True) == ("irrelevant_transfer", "homologous_transfer")
    assert suspects.negatives_of("adversarial", on_target=True) == ()
    independent = {name for name, kind in KINDS.items() if kind.role == "independent" and kind.use == "scored"}
    both = (*suspects.negatives_of("all", on_target=False), *suspects.negatives_of("all", on_target=True))
    assert len(both) == len(independent) and set(both) == independent


def test_fidelity_is_agreement_with_the_source_on_test(zoo):
    pool = {suspect.model.kind: suspect for suspect in suspects.gather(zoo)}
    source = Suspect(zoo.source_id, storage.read_metadata(zoo.source_id.path))
    labels = suspects.ask(zoo, source, zoo.parts["test"].inputs).argmax(1)
    assert suspects.fidelity(zoo, source, labels) == 1.0
    other = suspects.ask(zoo, pool["prune"], zoo.parts["test"].inputs).argmax(1)
    agreed = sum(int(one == two) for one, two in zip(labels, other, strict=True))
    assert suspects.fidelity(zoo, pool["prune"], labels) == pytest.approx(agreed / len(labels))
    assert agreed < len(labels)


@pytest.mark.parametrize("kind", ["transfer", "irrelevant_transfer", "homologous_transfer"])
def test_a_model_of_another_task_has_no_fidelity(study, kind):
    assert suspects.fidelity(study, suspect_of(kind, 0.9), torch.zeros(3)) is None


class Asked:
    """A model to be loaded, which counts how often it was."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale, self.times = scale, 0

    def __call__(self) -> nn.Module:
        self.times += 1
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        nn.init.constant_(model[1].weight, self.scale)
        return model


def test_the_same_weights_are_asked_the_same_inputs_once(study):
    inputs, load = torch.rand(5, 1, 2, 2), Asked()
    first = responses.ask(study, inputs, "a" * 64, load)
    again = responses.ask(study, inputs.clone(), "a" * 64, Asked(scale=2.0))
    assert load.times == 1 and first.shape == (5, 3) and torch.equal(first, again)


@pytest.mark.parametrize("change", ["inputs", "order", "dtype", "weights"])
def test_other_inputs_or_other_weights_are_asked_again(study, change):
    inputs, weights = torch.arange(20, dtype=torch.uint8).reshape(5, 1, 2, 2), "a" * 64
    responses.ask(study, inputs, weights, Asked())
    other = {"inputs": inputs + 1, "order": inputs.flip(0), "dtype": inputs.float()}.get(change, inputs)
    load = Asked()
    responses.ask(study, other, "b" * 64 if change == "weights" else weights, load)
    assert load.times == 1


def test_under_force_what_is_kept_is_asked_again(study):
    inputs, load = torch.rand(5, 1, 2, 2), Asked()
    responses.ask(study, inputs, "a" * 64, Asked(scale=2.0))
    again = responses.ask(replace(study, force=True), inputs, "a" * 64, load)
    assert load.times == 1 and torch.equal(again, responses.ask(study, inputs, "a" * 64, Asked(scale=3.0)))


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -float("inf")])
def test_broken_responses_are_refused_and_not_kept(study, scale):
    inputs = torch.rand(5, 1, 2, 2)
    with pytest.raises(UserError, match="NaN or infinity"):
        responses.ask(study, inputs, "a" * 64, Asked(scale))
    assert torch.isfinite(responses.ask(study, inputs, "a" * 64, Asked())).all()


def test_damaged_responses_are_refused(study):
    inputs = torch.rand(5, 1, 2, 2)
    responses.ask(study, inputs, "a" * 64, Asked())
    (path,) = (study.artifacts / "responses").rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match="damaged or truncated; delete it"):
        responses.ask(study, inputs, "a" * 64, Asked())


def save_fingerprint(study: Study, method: str = "primary", **changes) -> Fingerprint:
    metadata = {"domain": "cv", "classes": 10, "source_sha256": "s" * 64, "settings": {}, **changes}
    logits = torch.eye(10)[:8]
    component = torch.arange(8) % len(COMPONENTS)
    fingerprint = Fingerprint(torch.rand(8, 1, 8, 8), logits.argmax(1), torch.ones(8), component, logits, metadata)
    store.save(store.path_of(study, method), fingerprint)
    return fingerprint


@pytest.mark.parametrize("method", ["primary", "evolved"])
def test_a_fingerprint_comes_back_as_it_was(study, method):
    saved = save_fingerprint(study, method)
    loaded = store.load(study, method, "s" * 64)
    assert loaded.sizes == dict.fromkeys(COMPONENTS, 2) and len(loaded) == 8
    assert all(
        torch.equal(value, vars(loaded)[name])
        for name, value in vars(saved).items()
        if name not in ("metadata", "extra")
    )


REFUSALS = {
    "other domain": ({"domain": "nlp"}, "fingerprint of domain 'nlp', not of cv"),
    "other class count": ({"classes": 7}, "is for 7 classes, digits has 10"),
    "other source": ({"source_sha256": "t" * 64}, "made from another source model"),
}


def refusal(study: Study, method: str) -> str:
    with pytest.raises(UserError) as refused:
        store.load(study, method, "s" * 64)
    return str(refused.value)


@pytest.mark.parametrize("method", ["primary", "evolved"])
@pytest.mark.parametrize("wrong", [*REFUSALS, "missing", "truncated", "empty"])
def test_a_fingerprint_that_cannot_be_used_is_refused_with_the_script_to_run(study, method, wrong):
    if wrong != "missing":
        save_fingerprint(study, method, **REFUSALS.get(wrong, ({},))[0])
    path = store.path_of(study, method)
    if wrong in ("truncated", "empty"):
        path.write_bytes(path.read_bytes()[: -20 if wrong == "truncated" else 0])
    said = refusal(study, method)
    expected = {"missing": f"the {method} fingerprint is missing", "truncated": "delete it", "empty": "delete it"}
    assert REFUSALS.get(wrong, ("", expected.get(wrong)))[1] in said
    assert f"run python {method}.py DOMAIN=cv DATASET=digits TIER=smoke" in said and "\n" not in said


def test_an_evolved_fingerprint_of_another_primary_is_refused(zoo):
    prints = {name: save_fingerprint(zoo, name) for name in ("primary", "evolved")}
    prints["primary"].metadata["sha256"] = "a"
    prints["evolved"].metadata["settings"] = {"primary_sha256": "a"}
    store.check_origin(zoo, prints)
    prints["evolved"].metadata["settings"] = {"primary_sha256": "b"}
    with pytest.raises(UserError, match="evolved fingerprint was made from another primary .* run python evolved"):
        store.check_origin(zoo, prints)


def test_a_fingerprint_made_with_models_that_are_others_now_is_refused(zoo):
    model = model_id(zoo, "reference_irrelevant")
    sha256 = save_model(zoo, model)
    plan(zoo, KINDS[model.kind].script, [model])
    made = {"cae": save_fingerprint(zoo, "cae", extra_models_used={model.name: sha256})}
    store.check_origin(zoo, made)
    save_model(zoo, model, seed=1)
    with pytest.raises(UserError, match=f"cae fingerprint was made with {model.name}, .* run python baselines.py METH"):
        store.check_origin(zoo, made)
    plan(zoo, KINDS[model.kind].script, [])
    with pytest.raises(UserError, match="which is missing"):
        store.check_origin(zoo, made)


def test_a_fingerprint_damaged_anywhere_is_refused(study):
    save_fingerprint(study)
    path = store.path_of(study, "primary")
    whole = path.read_bytes()
    for position in random.Random(0).sample(range(len(whole) - 2000, len(whole)), 20):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x40]) + whole[position + 1 :])
        said = refusal(study, "primary")  # primary.py alone would call the fingerprint finished
        assert "damaged" in said and "delete it" in said


def test_a_model_in_place_of_a_fingerprint_is_refused(study):
    save_model(study, study.source_id)
    path = store.path_of(study, "primary")
    path.parent.mkdir(parents=True)
    path.write_bytes(study.source_id.path.read_bytes())
    assert "primary.safetensors" in refusal(study, "primary")


def test_a_fingerprint_is_current_for_its_very_settings_only(study):
    settings = {"n": 8, "source_sha256": "s" * 64}
    assert not store.is_current(study, "primary", settings)
    save_fingerprint(study, settings=settings)
    assert store.is_current(study, "primary", settings)
    assert not store.is_current(study, "primary", settings | {"n": 9})
    assert not store.is_current(replace(study, force=True), "primary", settings)


@pytest.mark.parametrize("workers", [1, 3])
def test_all_are_asked_side_by_side_what_each_is_asked_alone(zoo, workers):
    pool, inputs = suspects.gather(zoo), torch.rand(20, 1, 8, 8)
    threads = torch.get_num_threads()
    together = suspects.ask_all(replace(zoo, workers=workers), pool, inputs)
    assert torch.get_num_threads() == threads
    for suspect, logits in zip(pool, together, strict=True):
        alone = predict(trained.open_model(zoo, suspect.model), inputs, zoo.device)
        torch.testing.assert_close(logits, alone)
    different = {suspect.metadata["sha256"] for suspect in pool}
    assert len(list((zoo.artifacts / "responses").glob("*/*.safetensors"))) == len(different) > 1  # kept, asked once


def test_another_split_has_models_of_its_own(study):
    """Its owner's part is another's test: no model, answer or record may serve both."""
    save_model(study, study.source_id)
    other = replace(study, split_seed=1)
    assert other.folder == "cv/digits/smoke-split_1" != study.folder
    assert other.columns["tier"] == "smoke-split_1"
    assert other.source_id.path.is_relative_to(other.artifacts)
    with pytest.raises(UserError, match=r"missing; run python cv/source.py DATASET=digits TIER=smoke SPLIT_SEED=1$"):
        trained.metadata_of(other, other.source_id)


def test_a_damaged_plan_is_named(study):
    storage.write_text(study.artifacts / "plans" / "source.json", '[{"domain": "cv"')
    with pytest.raises(UserError, match="source.json is damaged; delete it and run its step again"):
        training_zoo.planned(study)


def test_what_is_outdated_is_gone_before_it_is_trained_again(study, monkeypatch):
    """Else a run that is stopped would leave old models to be judged in place of those that it promised."""
    save_model(study, study.source_id)
    jobs = [
        Job(study.model_id("irrelevant", "mlp", copy), study.recipe(1, 0.01), {"part": "attacker"}) for copy in (0, 1)
    ]
    training_zoo.train(study, "irrelevant", jobs)
    longer = [replace(job, recipe=study.recipe(2, 0.01)) for job in jobs]

    def stopped(*_, **__):
        assert not any(job.model.path.exists() for job in jobs)
        raise KeyboardInterrupt

    monkeypatch.setattr(training_zoo, "train_one", stopped)
    with pytest.raises(KeyboardInterrupt):
        training_zoo.train(study, "irrelevant", longer)
    with pytest.raises(UserError, match="2 of 2 models of python cv/irrelevant.py .* are missing"):
        suspects._gather(study, ["irrelevant"])


def test_a_model_of_other_data_is_trained_again(study, monkeypatch):
    job = Job(study.model_id("irrelevant", "mlp", 0), study.recipe(1, 0.01), {"part": "attacker"})
    training_zoo.train(study, "irrelevant", [job])
    assert training_zoo._finished(study, job)
    owner = study.parts["owner"]
    monkeypatch.setitem(study.parts, "owner", owner.relabelled(owner.targets.flip(0)))
    loading.sha256.cache_clear()
    assert not training_zoo._finished(study, job)
    loading.sha256.cache_clear()


def test_force_begins_from_the_start(study, capsys):
    job = Job(study.model_id("irrelevant", "mlp", 0), study.recipe(1, 0.01), {"part": "attacker"})
    state = training_zoo._resume_path(study, job)
    state.parent.mkdir(parents=True)
    for force, said in ((False, "is damaged: training from the start"), (True, "")):
        state.write_bytes(b"cut off")
        training_zoo.train_one(replace(study, force=force), job)
        assert said in capsys.readouterr().out and not state.exists()
    assert not capsys.readouterr().out


def test_a_domain_of_ones_own_is_run_by_the_repositorys_scripts_and_has_a_name_of_its_own(tmp_path):
    path = tmp_path / "my_domain.py"
    path.write_text(
        "from dataclasses import replace\nfrom cv import domain\nDOMAIN = replace(domain.DOMAIN, name='mine')\n"
    )
    own = Study(str(path), "digits", "smoke")
    assert own.command("fine_tune") == f"python cv/fine_tune.py DOMAIN={path} DATASET=digits TIER=smoke"
    with pytest.raises(UserError, match=f"run python cv/source.py DOMAIN={path}"):
        trained.require(own, own.source_id)
    path.write_text("from cv.domain import DOMAIN\n")
    with pytest.raises(UserError, match="is called cv, whose models lie there already; give it another name="):
        load_domain(str(path))
