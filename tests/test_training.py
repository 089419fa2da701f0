"""The one training loop, the losses, adversarial perturbations and pruning, against numpy and against hand computation.

Everything runs on toy models, or on the smallest source and scikit-learn's digits, in seconds on one core.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from cv.domain import DOMAIN
from fingerprinting.core import storage
from fingerprinting.core.runtime import PRECISIONS, UserError, seed_everything
from fingerprinting.data.datasets import Examples
from fingerprinting.models import build, kinds, stealing, trained
from fingerprinting.models.kinds import Job
from fingerprinting.study import checkpoints
from fingerprinting.training import objectives, pruning, trainer
from fingerprinting.training.adversarial import perturbation
from fingerprinting.training.trainer import Recipe, accuracy, fit, predict

CPU = torch.device("cpu")


def recipe(epochs: int = 2, batch_size: int = 8, learning_rate: float = 1e-2, min_updates: int = 0, augment=False):
    return Recipe(epochs, learning_rate, batch_size, 0.01, min_updates, augment)


def toy_data(count: int = 60, seed: int = 0) -> Examples:
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.rand(count, 6, generator=draw)
    return Examples(inputs, (inputs[:, 0] > inputs[:, 1]).long())


def toy_model() -> nn.Module:
    """Draws when it is built, when it is trained (dropout), and has running statistics."""
    seed_everything("toy")
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


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
def test_recordings_are_asked_in_smaller_batches_and_all_are_answered_in_order(shape, most):
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


@pytest.fixture
def stealing_case(study) -> tuple:
    """A study whose source is an untrained conv3 on disk, and a maker of jobs on it."""
    seed_everything("source")
    source = checkpoints.build(DOMAIN, "conv3", 10, study.shape)
    fit(source, study.parts["owner"], study.parts["dev"], objectives.cross_entropy, recipe(2, 32), "source", CPU)
    metadata = {"domain": "cv", "architecture": "conv3", "classes": 10, "shape": list(study.shape)}
    checkpoints.save(study.source_id.path, source, metadata)

    def job(kind: str, architecture: str = "conv3", **options) -> Job:
        return Job(study.model_id(kind, architecture, 0), recipe(1, 32), options, study.source_id)

    return study, job


def outside_of_head(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.startswith("2.")}


def trained_on(study, task: kinds.Training) -> nn.Module:
    fit(task.model, task.part, study.parts["dev"], task.objective, recipe(1, 32), "thief", CPU, task.after_step)
    return task.model


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


# Objectives


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_is_the_divergence_at_a_temperature(temperature):
    draw = np.random.default_rng(0)
    teacher, student = draw.normal(0, 2, (7, 4)), draw.normal(0, 2, (7, 4))
    soft_teacher, soft_student = softmax(teacher / temperature), softmax(student / temperature)
    expected = temperature**2 * (soft_teacher * np.log(soft_teacher / soft_student)).sum(1).mean()
    objective = objectives.distillation(temperature)
    found = objective(nn.Identity(), torch.from_numpy(student), torch.from_numpy(softmax(teacher)))
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_that_equals_its_teacher_has_no_gradient(temperature):
    teacher = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    student = (teacher + 3.0).requires_grad_()  # logits are known up to a constant
    loss = objectives.distillation(temperature)(nn.Identity(), student, teacher.softmax(1))
    (gradient,) = torch.autograd.grad(loss, student)
    assert abs(loss.item()) < 1e-12 and gradient.abs().max() < 1e-12
    other = teacher.roll(1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(
        objectives.distillation(temperature)(nn.Identity(), other, teacher.softmax(1)), other
    )
    assert gradient.abs().max() > 1e-3


def test_distillation_bears_probabilities_of_zero_and_one():
    student = torch.zeros(2, 3, requires_grad=True)
    loss = objectives.distillation(2.0)(nn.Identity(), student, torch.eye(3)[:2])
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


def gradient_of(task: kinds.Training) -> torch.Tensor:
    inputs, targets = next(task.part.batches(32, CPU))
    loss = task.objective(task.model.eval(), inputs, targets)
    return torch.cat([piece.flatten() for piece in torch.autograd.grad(loss, list(task.model.parameters()))])


def test_label_and_probability_extraction_go_different_ways(stealing_case):
    study, job = stealing_case
    source = trained.open_model(study, study.source_id)
    responses = predict(source, study.parts["attacker"].inputs, CPU)
    found = {}
    for kind, options in (("extract_labels", {}), ("extract_probabilities", {"temperature": 2.0})):
        seed_everything("student")
        task = kinds.KINDS[kind].prepare(study, job(kind, "mlp", **options))
        assert torch.equal(task.part.inputs, study.parts["attacker"].inputs)
        assert torch.equal(task.part.targets, responses.argmax(1) if kind == "extract_labels" else responses.softmax(1))
        found[kind] = gradient_of(task)
    labels, probabilities = found.values()
    assert torch.cosine_similarity(labels, probabilities, dim=0) < 0.99


def perturbed(model, inputs, labels, epsilon, steps, bounds):
    return inputs + perturbation(model, model, inputs, labels, epsilon, steps, bounds)


def test_the_adversarial_objective_is_the_mean_of_clean_and_attacked():
    model = toy_model().eval()
    data = toy_data(10)
    seed_everything("attack")
    attacked = perturbed(model, data.inputs, data.targets, 0.1, 2, (0, 1))
    expected = (F.cross_entropy(model(data.inputs), data.targets) + F.cross_entropy(model(attacked), data.targets)) / 2
    seed_everything("attack")
    objective = objectives.adversarial(DOMAIN.inputs.continuous, DOMAIN.inputs.input_range, 0.1, 2)
    found = objective(model, data.inputs, data.targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found > F.cross_entropy(model(data.inputs), data.targets)


# Adversarial perturbations


@given(st.floats(0, 0.5), st.integers(0, 5), st.integers(0, 1000))
def test_perturbations_stay_in_the_ball_and_in_bounds(epsilon, steps, seed):
    torch.manual_seed(seed)
    model, inputs = nn.Linear(5, 3), torch.rand(4, 5)
    moved = perturbed(model, inputs, torch.randint(0, 3, (4,)), epsilon, steps, (0, 1))
    assert (moved - inputs).abs().max() <= epsilon + 1e-6
    assert moved.min() >= 0 and moved.max() <= 1
    assert not moved.requires_grad


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_perturbations_raise_the_loss(steps):
    seed_everything("linear")
    model, inputs, labels = nn.Linear(20, 4), torch.rand(50, 20), torch.randint(0, 4, (50,))
    moved = perturbed(model, inputs, labels, 0.1, steps, (0, 1))
    clean, attacked = (F.cross_entropy(model(x), labels, reduction="none") for x in (inputs, moved))
    assert (attacked > clean).all()


@pytest.mark.parametrize("bounds", [(-10.0, 10.0), (0.0, 1.0)])
def test_one_step_on_a_linear_model_is_the_analytic_one(bounds):
    """With two classes the gradient's sign is that of the other class's weights minus the label's, wherever one stands.

    A step of 2.5 epsilon reaches the ball's corner from every starting point.
    """
    seed_everything("two classes")
    model, inputs, labels = nn.Linear(12, 2), torch.rand(30, 12), torch.randint(0, 2, (30,))
    away = model.weight[1 - labels] - model.weight[labels]
    moved = perturbed(model, inputs, labels, 0.1, 1, bounds)
    assert torch.allclose(moved, (inputs + 0.1 * away.sign()).clamp(*bounds), atol=1e-6)


def test_small_steps_start_at_a_random_point_of_the_ball():
    """Without a step the start itself is seen: uniform in the ball, another one at every call."""
    inputs, labels = torch.full((2000, 2), 0.5), torch.zeros(2000, dtype=torch.long)
    model = nn.Linear(2, 2)
    first, second = (perturbed(model, inputs, labels, 0.2, 0, (0, 1)) for _ in range(2))
    assert not torch.equal(first, second)
    assert (first - inputs).std() == pytest.approx(0.2 / math.sqrt(3), rel=0.05)


def test_perturbing_leaves_the_model_as_it_was():
    model = toy_model().train()
    model[3].eval()
    for number, weight in enumerate(model.parameters()):
        weight.grad = torch.full_like(weight, number)
    modes = [module.training for module in model.modules()]
    before = storage.digest(model.state_dict())
    data = toy_data(10)
    inputs = data.inputs.clone()
    perturbed(model, inputs, data.targets, 0.1, 3, (0, 1))
    assert [module.training for module in model.modules()] == modes
    assert storage.digest(model.state_dict()) == before
    assert all((weight.grad == number).all() for number, weight in enumerate(model.parameters()))
    assert all(weight.requires_grad for weight in model.parameters())
    assert torch.equal(inputs, data.inputs)


# Pruning


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 2, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def small_net(bias: bool = False) -> nn.Module:
    """A convolution with batch norm, whose statistics are those of some images: every unit has both signs."""
    seed_everything("small net")
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, bias=bias), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 3)
    )
    with torch.no_grad():
        convolved = model[0](images(20) / 255)
        model[1].running_mean.copy_(convolved.mean((0, 2, 3)))
        model[1].running_var.copy_(convolved.var((0, 2, 3)))
        model[1].weight.copy_(0.5 + torch.rand(5))
        model[1].bias.copy_(torch.rand(5) - 0.5)
    return model


def numpy_features(model: nn.Module, stored: torch.Tensor) -> np.ndarray:
    """(N, units, height, width) after convolution, batch norm and rectifier, from the definitions."""
    padded = np.pad(stored.numpy() / 255, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
    convolved = np.einsum("nchwij,ucij->nuhw", windows, model[0].weight.detach().double().numpy())
    mean, variance, weight, bias = (
        value.detach().double().numpy()[:, None, None]
        for value in (model[1].running_mean, model[1].running_var, model[1].weight, model[1].bias)
    )
    return np.maximum((convolved - mean) / np.sqrt(variance + model[1].eps) * weight + bias, 0)


@pytest.mark.parametrize("count", [1, 6, 300])
def test_activity_is_the_mean_rectified_output(count):
    """300 examples are a full and an incomplete batch, which must weigh by their examples."""
    model, stored = small_net(), images(count)
    features = numpy_features(model, stored)
    assert 0.1 < (features == 0).mean() < 0.9, "the rectifier matters"
    found = pruning.activity(model, "1", stored, CPU)
    assert np.allclose(found.numpy(), features.mean((0, 2, 3)), rtol=1e-5, atol=1e-7)
    assert not model[1]._forward_hooks


def test_activity_of_a_linear_layer_is_per_unit():
    model, stored = toy_model().eval(), toy_data(20).inputs
    outputs = model[1](model[0](stored))
    for rectified, expected in ((True, outputs.clamp_min(0)), (False, outputs.abs())):
        found = pruning.activity(model, "1", stored, CPU, rectified)
        assert torch.allclose(found.float(), expected.mean(0), atol=1e-6)


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=70), st.floats(0, 1))
def test_least_active_equals_a_full_sort(activities, ratio):
    found = pruning.least_active(torch.tensor(activities), ratio)
    count = min(round(ratio * len(activities)), len(activities) - 1)
    assert found.tolist() == np.argsort(np.array(activities), kind="stable")[:count].tolist()
    assert len(found) < len(activities)


@pytest.mark.parametrize(("ratio", "left"), [(0.0, 8), (0.25, 6), (0.5, 4), (0.99, 1), (1.0, 1)])
def test_at_least_one_unit_stays(ratio, left):
    assert 8 - len(pruning.least_active(torch.arange(8.0), ratio)) == left


@pytest.mark.parametrize("bias", [False, True])
def test_zeroed_units_say_exactly_nothing_also_after_updates(bias):
    model, units = small_net(bias), torch.tensor([0, 3])
    zero = pruning.zeroing(("0", "1"), units)
    zero(model)

    def features() -> torch.Tensor:
        with torch.no_grad():
            return model[:3].eval()(images(20) / 255)

    def others_say_something() -> bool:
        return bool((features()[:, [1, 2, 4]].flatten(2).amax((0, 2)) > 0).all())

    assert (features()[:, units] == 0).all() and others_say_something()
    train = Examples(images(64), torch.arange(64) % 3)
    fit(model, train, train, objectives.cross_entropy, recipe(3), "pruned", CPU, after_step=zero)
    assert (features()[:, units] == 0).all() and others_say_something()
    assert not torch.equal(model[0].weight, small_net(bias)[0].weight)


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_a_pruned_source_has_lost_its_least_active_units(stealing_case, ratio):
    study, job = stealing_case
    source, attacker = trained.open_model(study, study.source_id), study.parts["attacker"]
    task = stealing.prune(study, job("prune", ratio=ratio, activity_examples=len(attacker)))
    pruned = trained_on(study, task)

    def activity(model: nn.Module) -> np.ndarray:
        body = nn.Sequential(model[0], model[1][:9]).eval()
        with torch.no_grad():
            return body(attacker.inputs / 255).mean((0, 2, 3)).numpy()

    expected = np.argsort(activity(source), kind="stable")[: round(ratio * 64)]
    assert (activity(pruned)[expected] == 0).all()
    for path in ("1.6", "1.7"):
        zeroed = pruned.get_submodule(path).weight.detach().flatten(1 if path == "1.6" else 0)
        zeroed = (zeroed == 0).all(1) if zeroed.dim() > 1 else zeroed == 0
        assert sorted(np.flatnonzero(zeroed)) == sorted(expected)


def test_activity_is_measured_on_all_classes_of_a_part_that_lies_class_by_class(stealing_case, monkeypatch):
    study, job = stealing_case
    attacker = study.parts["attacker"]
    ordered = attacker.take(attacker.targets.argsort(stable=True))
    monkeypatch.setattr(stealing, "part_of", lambda _study, _job: ordered)
    shown, measure = [], pruning.activity

    def noting(model, path, inputs, device, rectified) -> torch.Tensor:
        shown.append(inputs)
        return measure(model, path, inputs, device, rectified)

    monkeypatch.setattr(pruning, "activity", noting)
    stealing.prune(study, job("prune", ratio=0.3, activity_examples=100))
    label = {
        image.numpy().tobytes(): int(target) for image, target in zip(ordered.inputs, ordered.targets, strict=True)
    }
    found = [label[image.numpy().tobytes()] for image in shown[0]]
    assert len(found) == 100 and set(found) == set(range(10))
