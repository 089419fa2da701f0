"""The one training loop: which epoch is kept, what is augmented, and the same bits after every interruption."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples
from fingerprinting.models import build, stealing, trained
from fingerprinting.models.kinds import Job
from fingerprinting.training import objectives, trainer
from fingerprinting.training.recipe import PRECISIONS
from fingerprinting.training.trainer import accuracy, fit, predict
from tests.training.toys import CPU, recipe, toy_data, toy_model, trained_on


def with_noise(inputs: torch.Tensor) -> torch.Tensor:
    return inputs + 0.1 * torch.randn_like(inputs)


def fitted(name: str = "a model", **options) -> tuple[str, dict]:
    """Digest of the weights, and the progress, after three noisy epochs."""
    model = toy_model()
    settings = {"objective": objectives.cross_entropy, "augment": with_noise, **options}
    progress = fit(
        model, toy_data(), toy_data(30, 1), recipe=recipe(epochs=4, augment=True), name=name, device=CPU, **settings
    )
    return storage.digest(model.state_dict()), progress


# Recipe


@pytest.mark.parametrize(
    ("examples", "batch_size", "updates"), [(100, 10, 10), (109, 10, 10), (110, 10, 11), (3, 10, 1), (10, 10, 1)]
)
def test_updates_leave_out_the_incomplete_batch(examples, batch_size, updates):
    assert recipe(batch_size=batch_size).updates(examples) == updates


@pytest.mark.parametrize(
    ("epochs", "min_updates", "passes"), [(3, 0, 3), (3, 30, 3), (3, 31, 4), (3, 40, 4), (3, 41, 5), (0, 5, 1)]
)
def test_small_data_are_passed_until_there_are_enough_updates(epochs, min_updates, passes):
    assert recipe(epochs=epochs, batch_size=10, min_updates=min_updates).passes(100) == passes


# The loop


class Script:
    """Counts batches, and sets the model's answer after the update number n to `answers[n]`."""

    def __init__(self, *responses: int) -> None:
        self.responses, self.seen = responses, 0

    def __call__(self, model: nn.Module) -> None:
        with torch.no_grad():
            model.weight.zero_()
            model.bias.copy_(F.one_hot(torch.tensor(self.responses[self.seen]), 3) * 5.0)
        self.seen += 1


@pytest.mark.parametrize(
    ("responses", "best_epoch", "dev_accuracy"),
    [((0, 1, 2, 0), 2, 0.6), ((1, 0, 1, 2), 1, 0.6), ((0, 2, 0, 1), 4, 0.6)],
)
def test_the_first_epoch_that_did_best_on_dev_is_kept(responses, best_epoch, dev_accuracy):
    model, script = nn.Linear(2, 3), Script(*responses)
    train = Examples(torch.rand(8, 2), torch.zeros(8, dtype=torch.long))
    dev = Examples(torch.rand(5, 2), torch.tensor([0, 1, 1, 1, 2]))
    progress = fit(model, train, dev, objectives.cross_entropy, recipe(4), "toy", CPU, after_step=script)
    assert script.seen == 4
    assert (progress["epoch"], progress["best_epoch"]) == (4, best_epoch)
    assert progress["dev_accuracy"] == pytest.approx(dev_accuracy)
    assert model.bias.argmax().item() == responses[best_epoch - 1]


def test_the_last_epoch_is_kept_where_that_is_asked():
    model, script = nn.Linear(2, 3), Script(1, 0, 2)
    train, dev = (Examples(torch.rand(n, 2), torch.full((n,), label)) for n, label in ((8, 0), (5, 1)))
    progress = fit(
        model, train, dev, objectives.cross_entropy, recipe(3), "toy", CPU, after_step=script, keep_last=True
    )
    assert progress["best_epoch"] == 3 and model.bias.argmax() == 2


@pytest.mark.parametrize("augment", [True, False])
def test_inputs_are_augmented_where_the_recipe_says_so_and_weights_decay(augment):
    model, least = nn.Linear(6, 2), []
    before = model.weight.detach().clone()

    def objective(net, inputs, targets):
        least.append(inputs.min().item())
        return 0 * net(inputs).sum()

    about = replace(recipe(1, augment=augment), weight_decay=0.5)
    fit(model, toy_data(), toy_data(), objective, about, "toy", CPU, augment=lambda inputs: inputs + 9)
    assert (min(least) >= 9) == augment and (model.weight.abs() < before.abs()).all()


def test_every_example_is_used_at_most_once_an_epoch_and_in_another_order_each():
    seen = []

    def objective(model, inputs, targets):
        seen.append(inputs[:, 0].int().tolist())
        return F.cross_entropy(model(inputs), targets)

    numbers = Examples(torch.arange(20.0)[:, None].repeat(1, 6), torch.zeros(20, dtype=torch.long))
    fit(toy_model(), numbers, numbers, objective, recipe(3, batch_size=8), "toy", CPU)
    assert [len(batch) for batch in seen] == [8] * 6
    epochs = [seen[start] + seen[start + 1] for start in (0, 2, 4)]
    assert all(len(set(epoch)) == 16 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_training_learns():
    model = toy_model()
    progress = fit(model, toy_data(400), toy_data(200, 1), objectives.cross_entropy, recipe(15), "toy", CPU)
    assert progress["dev_accuracy"] > 0.9
    assert progress["dev_accuracy"] == accuracy(predict(model, toy_data(200, 1).inputs, CPU), toy_data(200, 1).targets)


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_and_logits_in_float32():
    model, kinds = toy_model(), set()
    model[0].register_forward_hook(lambda _, given, output: kinds.add(output.dtype))

    def objective(net, inputs, targets):
        logits = net(inputs)
        assert logits.dtype == torch.float32
        return F.cross_entropy(logits, targets)

    fit(model, toy_data(), toy_data(30, 1), objective, recipe(1), "toy", CPU, precision="bfloat16")
    assert kinds == {torch.bfloat16, torch.float32}  # training; answers on dev
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert not model._forward_hooks


def test_mixed_precision_learns_what_single_precision_does():
    options = dict(name="a model", device=CPU, recipe=recipe(15), objective=objectives.cross_entropy)
    found = [
        fit(toy_model(), toy_data(400), toy_data(200, 1), precision=precision, **options)["dev_accuracy"]
        for precision in PRECISIONS
    ]
    assert min(found) > 0.9
    assert found[1] == pytest.approx(found[0], abs=0.03)


def test_a_model_of_another_precision_is_another_model(stealing_case):
    study = stealing_case[0]
    job = Job(study.source_id, recipe(), {"part": "owner"})
    usual, mixed = build._settings(study, job), build._settings(replace(study, precision="bfloat16"), job)
    assert "precision" not in usual  # models made before the constant was one stay finished
    assert mixed == {**usual, "precision": "bfloat16"}


def test_the_same_name_gives_the_same_weights_whatever_was_drawn_before():
    first, _ = fitted()
    torch.manual_seed(99), torch.rand(5), np.random.rand(3)
    assert fitted()[0] == first


def test_another_name_gives_other_weights():
    assert fitted("a model")[0] != fitted("another model")[0]


@pytest.mark.parametrize("last_update", [8, 10, 14, 21, 27])
def test_an_interrupted_run_continues_to_the_same_bits(tmp_path, monkeypatch, last_update):
    """7 updates an epoch, 4 epochs; a state is saved after each but the last."""
    monkeypatch.setattr(trainer, "RESUME_EVERY", -1.0)
    undisturbed, progress = fitted()
    updates = []

    def interrupted(model, inputs, targets):
        updates.append(len(inputs))
        if len(updates) > last_update:
            raise KeyboardInterrupt
        return objectives.cross_entropy(model, inputs, targets)

    resume = tmp_path / "states" / "model.resume"
    with pytest.raises(KeyboardInterrupt):
        fitted(objective=interrupted, resume=resume)
    assert resume.is_file()
    torch.rand(11)
    counted = []

    def counting(model, inputs, targets):
        counted.append(len(inputs))
        return objectives.cross_entropy(model, inputs, targets)

    again, progress_again = fitted(objective=counting, resume=resume)
    assert again == undisturbed
    assert len(counted) == 28 - last_update // 7 * 7, "finished epochs are not trained again"
    assert {**progress_again, "seconds": 0} == {**progress, "seconds": 0}


def test_an_unreadable_state_is_not_the_end(tmp_path):
    resume = tmp_path / "model.resume"
    resume.write_bytes(b"PK\x03\x04 cut off")
    assert fitted(resume=resume)[0] == fitted()[0]


def test_a_state_of_another_network_is_not_gone_on_from(tmp_path, monkeypatch, capsys):
    """The code of an architecture may have been changed since."""
    monkeypatch.setattr(trainer, "RESUME_EVERY", -1.0)
    resume = tmp_path / "model.resume"

    def interrupted(*_):
        if resume.is_file():
            raise KeyboardInterrupt
        return objectives.cross_entropy(*_)

    with pytest.raises(KeyboardInterrupt):
        fitted(objective=interrupted, resume=resume)
    other, data = nn.Sequential(nn.Linear(6, 9), nn.Linear(9, 2)), (toy_data(), toy_data(30, 1))
    fit(other, *data, objectives.cross_entropy, recipe(1), "a model", CPU, resume=resume)
    assert "is of another network: training from the start" in capsys.readouterr().out


def test_a_full_disk_while_a_state_is_saved_is_known_as_one(tmp_path, monkeypatch):
    """torch.save has its own words for it, which `endings` would not understand."""
    genuine = storage.tempfile.mkstemp

    def on_full_disk(**where):
        handle, name = genuine(**where)
        storage.Path(name).unlink()
        storage.Path(name).symlink_to("/dev/full")
        return handle, name

    if not storage.Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(trainer, "RESUME_EVERY", -1.0)
    monkeypatch.setattr(storage.tempfile, "mkstemp", on_full_disk)
    with pytest.raises(OSError, match="No space left"):
        fitted(resume=tmp_path / "model.resume")
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_a_number_is_a_users_error():
    def broken(model, inputs, targets):
        return model(inputs).sum() * math.nan

    with pytest.raises(UserError, match="training of a model diverged .loss nan.; lower LEARNING_RATE"):
        fitted(objective=broken)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_predictions_are_the_models_on_physical_inputs(dtype):
    inputs = torch.randint(0, 256, (700, 6), dtype=torch.uint8)
    model = toy_model()
    expected = model.eval()(inputs.float() / 255).detach()
    stored = inputs if dtype == torch.uint8 else inputs.float() / 255
    model.train()
    assert torch.allclose(predict(model, stored, CPU), expected, atol=1e-6)


@pytest.mark.parametrize(("shape", "most"), [((3, 8), 64), ((1, 4, 4), 256), ((8,), 256)])
def test_recordings_are_asked_in_smaller_batches_and_all_are_classified_in_order(shape, most):
    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.seen.append(len(inputs))
            return inputs.flatten(1).sum(1, keepdim=True)

    model, inputs = Sums(), torch.rand(300, *shape)
    torch.testing.assert_close(predict(model, inputs, CPU)[:, 0], inputs.flatten(1).sum(1))
    assert max(model.seen) == most and sum(model.seen) == 300


# Frozen bodies


def outside_of_head(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.startswith("2.")}


def test_fine_tuning_the_head_leaves_the_body_bit_identical(stealing_case):
    study, job = stealing_case
    source = trained.open_model(study, study.source_id)
    stolen = trained_on(study, stealing.fine_tune_last(study, job("fine_tune_last")))
    assert storage.digest(outside_of_head(stolen)) == storage.digest(outside_of_head(source))
    assert any("running_mean" in name for name in outside_of_head(stolen))
    assert not torch.equal(stolen.state_dict()["2.weight"], source.state_dict()["2.weight"])


def test_fine_tuning_all_layers_moves_weights_and_statistics(stealing_case):
    study, job = stealing_case
    source = trained.open_model(study, study.source_id).state_dict()
    stolen = trained_on(study, stealing.fine_tune_all(study, job("fine_tune_all"))).state_dict()
    assert not [name for name in source if torch.equal(source[name], stolen[name])]
