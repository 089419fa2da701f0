"""What a stolen model begins from."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.models import build, reference, source_model, stealing, trained
from fingerprinting.models.kinds import KINDS, Job, seed_name
from fingerprinting.study import checkpoints
from fingerprinting.study.study import SKIPPED
from fingerprinting.training.trainer import predict
from tests.models.test_suspects import save_model

OPTIONS = {"temperature": 2.0, "epsilon": 0.03, "pgd_steps": 1}


@pytest.mark.parametrize("kind", ["extract_labels", "extract_probabilities", "extract_adversarial"])
def test_a_student_begins_the_same_whether_the_sources_responses_were_kept_or_must_be_asked(study, kind):
    save_model(study, study.source_id)
    job = Job(study.model_id(kind, "mlp", 0), study.recipe(1, 0.01), OPTIONS, study.source_id)
    asked, kept = (KINDS[kind].prepare(study, job) for _ in range(2))
    assert list((study.artifacts / "responses").rglob("*.safetensors"))
    for one, other in zip(asked.model.parameters(), kept.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(asked.part.targets, kept.part.targets)


def test_a_student_of_a_share_has_the_sources_labels_of_what_was_asked_alone(study):
    """And the share is nested: what an attacker who asks little has, one who asks more has too."""
    save_model(study, study.source_id)
    source = trained.open_model(study, study.source_id)
    inputs = {}
    for share in (0.1, 1.0):
        model = study.model_id("extract_sweep", "mlp", 0, f"share_{share:g}")
        job = Job(model, study.recipe(1, 0.01), {"share": share}, study.source_id)
        part = KINDS["extract_sweep"].prepare(study, job).part
        assert torch.equal(part.targets, predict(source, part.inputs, study.device).argmax(1))
        inputs[share] = {row.numpy().tobytes() for row in part.inputs}
    assert inputs[0.1] < inputs[1.0] and len(inputs[0.1]) == round(0.1 * len(study.parts["attacker"]))


def test_initial_weights_are_those_of_the_name(study):
    names = [study.model_id("irrelevant", "mlp", copy) for copy in (0, 0, 1)]
    first, again, other = (next(stealing.fresh(study, Job(name, study.recipe(1, 0.01))).parameters()) for name in names)
    assert torch.equal(first, again) and not torch.equal(first, other)


# A source that was trained elsewhere


def own_model(study, path, architecture: str = "conv3", **changes) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    state = checkpoints.build(study.domain, architecture, 10, (1, 8, 8)).state_dict() | changes
    save_file({name: value for name, value in state.items() if value is not None}, path)
    return state


def test_a_source_that_was_trained_elsewhere_is_taken_as_it_is(study, tmp_path, capsys):
    path = tmp_path / "mine.safetensors"
    state = own_model(study, path)
    step = {"epochs": 4, "learning_rate": 1e-2, "weights": str(path)}
    assert source_model.source(study, **step) is None
    source = trained.open_model(study, study.source_id)
    assert all(torch.equal(value, state[name]) for name, value in source.state_dict().items())
    metadata, test = trained.metadata_of(study, study.source_id), study.parts["test"]
    right = (predict(source, test.inputs, study.device).argmax(1) == test.targets).double().mean().item()
    assert (
        metadata["test_accuracy"] == right and f"test accuracy {right:.4f} (n = {len(test)})" in capsys.readouterr().out
    )
    assert metadata["epochs"] == metadata["examples"] == metadata["seconds"] == 0
    assert metadata["settings"]["options"] == {"weights_sha256": storage.digest(state)}
    assert source_model.source(study, **step) is SKIPPED
    own_model(study, path, **{"2.bias": torch.ones(10)})  # another model under the same name
    assert source_model.source(study, **step) is None
    assert trained.open_model(study, study.source_id).state_dict()["2.bias"].tolist() == [1.0] * 10
    own_model(study, path, "mlp")  # what does not fit leaves the model that is there
    with pytest.raises(UserError, match="does not fit the architecture"):
        source_model.source(study, **step)
    assert trained.open_model(study, study.source_id).state_dict()["2.bias"].tolist() == [1.0] * 10


@pytest.mark.parametrize(
    ("architecture", "changes", "said"),
    [
        ("mlp", {}, "does not fit the architecture: of 1.0.weight it has nothing, wanted is (16, 1, 3, 3)"),
        ("conv3", {"2.bias": None}, "of 2.bias it has nothing, wanted is (10,)"),
        ("conv3", {"2.bias": torch.zeros(7)}, "of 2.bias it has (7,), wanted is (10,); build the very network"),
        ("conv3", {"extra": torch.zeros(1)}, "of extra it has (1,), wanted is nothing"),
    ],
)
def test_weights_of_another_architecture_are_refused(study, tmp_path, architecture, changes, said):
    path = tmp_path / "mine.safetensors"
    own_model(study, path, architecture, **changes)
    with pytest.raises(UserError) as refused:
        source_model.source(study, epochs=1, learning_rate=1e-2, weights=str(path))
    assert said in str(refused.value) and not study.source_id.path.exists()


def test_pickles_and_missing_files_are_refused_unread(study, tmp_path):
    torch.save({"weight": torch.ones(1)}, tmp_path / "mine.pt")
    for name, said in (("mine.pt", "is no safetensors file; write one with"), ("none.pt", "does not exist")):
        with pytest.raises(UserError, match=said):
            source_model.source(study, epochs=1, learning_rate=1e-2, weights=str(tmp_path / name))


# The owner's own models

SCRATCH = {"copies": 1, "epochs": 1, "learning_rate": 0.01, "epsilon": 0.1, "pgd_steps": 1}
MOVED = {"transfer_copies": 1, "transfer_epochs": 1, "transfer_learning_rate": 0.01}
ATTACKS = {"students": 1, "ratios": (0.5,), "temperature": 2.0, "drawn": 0.0}
ATTACKS |= {"modification_epochs": 1, "modification_learning_rates": (1e-3,)}


@pytest.fixture
def promised(study, monkeypatch):
    """promised(step, **constants) -> the jobs that the step would train."""
    monkeypatch.setattr(build, "train", lambda study, step, jobs: list(jobs))

    def jobs(step: str, **constants) -> list[Job]:
        moved = {} if step == "low_data_references" else MOVED
        of_other_data = {"reference_copies": 1} if step == "calibration" else {}
        return getattr(reference, step)(study, **SCRATCH, **moved, **of_other_data, **constants)

    return jobs


@pytest.mark.parametrize(("step", "share"), [("references", 0.5), ("low_data_references", 0.5 / 3)])
def test_stolen_models_for_reference_draw_their_own_data_where_they_are_told_to(study, promised, step, share):
    """All but students that ask about everything; independents, and all where nothing is drawn, have what they had."""
    drawn, plain = (
        {job.model.name: job for job in promised(step, **ATTACKS | {"drawn": drawn})} for drawn in (0.5, 0.0)
    )
    attacks = [job for job in drawn.values() if "draw" in job.options]
    assert {job.options["part"] for job in attacks} == {"owner+reference"}
    assert {job.options["share"] for job in attacks} == {share}
    assert all(job.options["draw"] == seed_name(job.model) for job in attacks)
    kinds = {kind for kind, about in KINDS.items() if about.role == "pirated" and not about.on_target}
    assert {job.model.kind for job in attacks} == {
        kind for kind in kinds if kind.startswith(step.removesuffix("_references").rstrip("s"))
    }
    assert len(drawn) == len(plain)
    assert all(plain[name] == job for name, job in drawn.items() if "draw" not in job.options)
    one, other = (stealing.part_of(study, job).inputs for job in attacks[:2])
    assert one.shape == other.shape and not torch.equal(one, other)


@pytest.mark.parametrize("use", ["calibration", "audit"])
def test_every_less_accurate_independent_has_drawn_its_own_share(study, promised, use):
    """As a stranger would: models of one and the same share say little of how far independent ones go."""
    jobs = promised(use, shares=(0.5, 0.1), share_copies=2)
    shares = [stealing.part_of(study, job) for job in jobs if "share" in job.options]
    assert len(shares) == 2 * 2 * (len(study.students) + 2) * {"calibration": 1, "audit": 2}[use]
    assert len({part.inputs.numpy().tobytes() for part in shares}) == len(shares)


def test_moved_calibration_models_keep_off_the_part_that_moved_references_train_on(promised):
    steps_jobs = (promised("calibration", shares=(), share_copies=1), promised("references", **ATTACKS))
    parts = [{job.options["part"] for job in jobs if KINDS[job.model.kind].on_target} for jobs in steps_jobs]
    assert parts == [{"owner"}, {"reference"}]


@pytest.mark.parametrize(("others", "owners", "share"), [(50, 100, 0.5), (1796, 3484, 0.52), (20, 20, 0.99)])
def test_matched_models_have_as_much_as_models_of_other_data_and_never_all(others, owners, share):
    parts = {"reference": range(others), "owner": range(owners)}
    assert reference.matched_share(SimpleNamespace(parts=parts)) == share
