"""EEG's architectures, augmentation and evolving: shapes, scale, what can be pruned, and that evolved EEG stays EEG."""

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from bci import models
from bci.domain import DOMAIN
from bci.inputs import SHIFT, shifted_and_noisy, show
from bci.models import ARCHITECTURES, SEGMENT, UNIT, BandMaps, Electrodes, LogPower, Scale
from bci.recordings import INPUT_RANGE, RATE
from fingerprinting.core import runtime
from fingerprinting.core.runtime import seed_everything
from fingerprinting.study import checkpoints, trace
from fingerprinting.study.domain import TIERS
from fingerprinting.training import pruning
from tests.networks import output_of

FORMATS = torch.contiguous_format, torch.channels_last

SHAPES = [(4, 448), (32, 128), (1, 96), (5, 200), (3, 129), (19, 256)]
CLASSES = 3
ALL = sorted(ARCHITECTURES)
SMALL = [name for name in ALL if name != "ccnn"]


def recordings(count: int, shape: tuple[int, int], silent: tuple[int, ...] = ()) -> torch.Tensor:
    """Slow drifts, 10 Hz and noise on a level, in microvolt; nothing above 40 Hz; `silent` channels are zero."""
    draw = torch.Generator().manual_seed(1)
    times = torch.arange(shape[1]) / RATE
    level, drift, phase = (torch.randn(count, shape[0], 1, generator=draw) for _ in range(3))
    noise = torch.fft.rfft(torch.randn(count, *shape, generator=draw))
    noise[..., torch.fft.rfftfreq(shape[1], 1 / RATE) > 40] = 0
    eeg = 15 * level + 10 * drift * times + 10 * torch.sin(2 * torch.pi * 10 * times + phase)
    eeg = eeg + 5 * torch.fft.irfft(noise, n=shape[1])
    eeg[:, list(silent)] = 0
    return eeg


@torch.no_grad()
def built(name: str, shape: tuple[int, int], classes: int = CLASSES) -> nn.Module:
    """In evaluation mode, its norms shifted and their statistics those of some recordings, as in a trained net."""
    seed_everything(name)
    model = checkpoints.build(DOMAIN, name, classes, shape)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.bias, 0.1, 0.5)
        norm.momentum = 1.0
    model.train()(recordings(8, shape))
    return model.eval()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_recordings_of_any_size_become_logits_of_the_head(name, shape):
    model, inputs = built(name, shape), recordings(3, shape)
    with torch.no_grad():
        logits = model(inputs)
    assert logits.shape == (3, CLASSES) and torch.isfinite(logits).all()
    assert not torch.allclose(logits[0], logits[1])
    path = trace.head(DOMAIN, name, model, inputs)
    last = [found for found, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    assert path == last and model.get_submodule(path).out_features == CLASSES
    assert torch.equal(output_of(model, path, inputs), logits)


@pytest.mark.parametrize("name", ["deep", "shallow"])
def test_filters_that_run_as_one_convolution_respond_and_learn_as_layer_after_layer(name):
    inputs = recordings(5, (19, 256)).double()  # exact enough for max pooling to take the same of nearly equal values
    model = built(name, (19, 256)).double()
    scale, features, head = model
    in_one = model(inputs)
    one_by_one = head(nn.Sequential(*features)(scale(inputs)))
    assert torch.allclose(in_one, one_by_one, atol=1e-9)
    learnt = torch.autograd.grad(in_one.square().sum(), list(model.parameters()))
    for found, expected in zip(
        learnt, torch.autograd.grad(one_by_one.square().sum(), list(model.parameters())), strict=True
    ):
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-8 * expected.abs().max())


@pytest.mark.parametrize("name", ALL)
def test_silence_and_the_ends_of_the_range_are_classified(name):
    model, extreme = built(name, (4, 448)), torch.tensor(INPUT_RANGE).repeat(224)
    with torch.no_grad():
        for inputs in (torch.zeros(2, 4, 448), extreme.expand(2, 4, 448), recordings(2, (4, 448), silent=(1, 2, 3))):
            assert torch.isfinite(model(inputs)).all()


@pytest.mark.parametrize("name", ALL)
def test_the_first_layer_scales_microvolt_and_carries_nobodys_data(name):
    model = built(name, (4, 448))
    first = next(module for module in model.modules() if not list(module.children()))
    assert isinstance(first, Scale) and not first.state_dict()
    assert first(torch.full((1, 2, 3), UNIT)).tolist() == [[[[1.0] * 3] * 2]]


@pytest.mark.parametrize("name", SMALL)
def test_a_new_net_is_neither_sure_nor_blind(name):
    """With inputs of microvolt size the logits of an untrained net differ, but stay of the size of 1."""
    seed_everything(name)
    logits = ARCHITECTURES[name].build(CLASSES, (4, 448))(recordings(64, (4, 448)))
    assert 0.01 < logits.std(0).mean() < 5


@pytest.mark.parametrize("shape", [(4, 448), (32, 128)], ids=str)
@pytest.mark.parametrize("name", SMALL)
def test_pruned_units_contribute_exactly_nothing(name, shape):
    model, inputs = built(name, shape), recordings(6, shape)
    paths = trace.prunable(DOMAIN, name, model, inputs)
    before = output_of(model, paths[-1], inputs)
    count = before.shape[1]
    for path in paths:
        weights = list(model.get_submodule(path).parameters(recurse=False))
        assert weights and all(len(weight) == count for weight in weights)
    last_convolution = [found for found, module in model.named_modules() if isinstance(module, nn.Conv2d)][-1]
    assert paths[0] == last_convolution
    units = torch.randperm(count, generator=torch.Generator().manual_seed(0))[: count // 2]
    kept = torch.ones(count, dtype=torch.bool).index_fill(0, units, False)
    pruning.zeroing(paths, units)(model)
    after = output_of(model, paths[-1], inputs)
    assert (after[:, units] == 0).all() and before[:, units].abs().max() > 0
    assert torch.equal(after[:, kept], before[:, kept])
    assert (output_of(model.train(), paths[-1], inputs)[:, units] == 0).all()
    model.eval()
    features = nn.Sequential(*model[1])
    place = int(paths[-1].split(".")[1])
    with torch.no_grad():
        flat = features[place + 1 :](after)
        without = features[place + 1 :](torch.where(kept[None, :, None, None], after, 0.0))
        assert torch.equal(flat, without)
        if not any(isinstance(layer, nn.Linear) for layer in features[place + 1 :]):
            assert (flat.unflatten(1, (count, -1))[:, units] == 0).all(), "nothing of them reaches the head"


@pytest.mark.parametrize("name", SMALL)
def test_activity_is_measured_where_units_are_masked(name):
    model, inputs = built(name, (4, 448)), recordings(20, (4, 448))
    paths = trace.prunable(DOMAIN, name, model, inputs)
    units = pruning.activity(model, paths[-1], inputs, torch.device("cpu"))
    expected = output_of(model, paths[-1], inputs).clamp_min(0).mean((0, 2, 3))
    torch.testing.assert_close(units.float(), expected)


@pytest.mark.parametrize("name", SMALL)
def test_a_recording_is_classified_the_same_alone_and_among_others(name):
    model, inputs = built(name, (4, 448)), recordings(5, (4, 448))
    with torch.no_grad():
        together, alone = model(inputs), torch.cat([model(one[None]) for one in inputs])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_net_is_laid_out_as_it_is_fastest_and_responses_the_same_in_the_other_layout(name):
    """Only TSception is faster with channels first; a layout changes no answer by more than rounding."""
    model, inputs = runtime.place(built(name, (4, 448)), torch.device("cpu")), recordings(5, (4, 448))
    kernels = [weight for weight in model.parameters() if weight.dim() == 4]
    first = name == "tsception"
    assert all(weight.is_contiguous(memory_format=FORMATS[not first]) for weight in kernels)
    with torch.no_grad():
        here, there = model(inputs), model.to(memory_format=FORMATS[first])(inputs)
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_learns(name):
    model, inputs = built(name, (4, 448)).train(), recordings(16, (4, 448))
    nn.functional.cross_entropy(model(inputs), torch.arange(16) % CLASSES).backward()
    for path, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, path


@pytest.mark.parametrize("name", SMALL)
def test_a_saved_model_responds_the_same(name, tmp_path):
    model, inputs, path = built(name, (5, 200)), recordings(4, (5, 200)), tmp_path / "model.safetensors"
    checkpoints.save(path, model, {"domain": "bci", "architecture": name, "classes": CLASSES, "shape": [5, 200]})
    loaded, _ = checkpoints.load(DOMAIN, path)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(inputs), model(inputs))


def test_every_tier_names_architectures_that_exist_and_students_unlike_the_source():
    for tier in TIERS:
        names = (DOMAIN.networks.source[tier], *DOMAIN.networks.students[tier])
        assert set(names) <= set(ARCHITECTURES) and len(set(names)) == len(names)


# Layers


def test_electrode_filters_have_a_norm_of_at_most_one():
    layer = Electrodes(2, 2, 8)
    for scale in (0.01, 100.0):
        nn.init.normal_(layer.weight, std=scale)
        responses = layer(torch.eye(8)[:, None, :, None].expand(8, 2, 8, 1))  # each electrode's weights
        norms = responses[..., 0, 0].norm(dim=0)
        expected = layer.weight.flatten(1).norm(dim=1).clamp_max(1.0)
        torch.testing.assert_close(norms, expected, rtol=1e-4, atol=1e-5)


def test_log_power_grows_with_amplitude_and_is_zero_for_silence():
    wave = torch.sin(torch.arange(448) / 3).expand(1, 1, 1, 448)
    quiet, loud = LogPower()(wave), LogPower()(2 * wave)
    torch.testing.assert_close(loud - quiet, torch.full_like(quiet, 4.0).log(), rtol=1e-3, atol=1e-3)
    assert (LogPower()(torch.zeros(1, 3, 1, 448)) == 0).all()


@pytest.mark.parametrize(("hertz", "plane"), [(4, 1), (8, 2), (12, 2), (20, 3), (40, 4)])
def test_band_maps_are_differential_entropies(hertz, plane):
    """A sine of 10 microvolt has a variance of 50; relative to 1 microvolt its entropy is half of log(1 + 50)."""
    times = torch.arange(4 * SEGMENT) / RATE
    eeg = torch.stack([10 * torch.sin(2 * torch.pi * hertz * times) + 30, torch.zeros_like(times)])[None]
    maps = BandMaps()(Scale()(eeg))
    assert maps.shape == (1, 5, 2, 4)
    torch.testing.assert_close(maps[0, 0, 0], torch.full((4,), 30 / UNIT))
    others = [index for index in range(1, 5) if index != plane]
    torch.testing.assert_close(maps[0, plane, 0], torch.full((4,), 51.0).log() / 2, rtol=1e-3, atol=1e-3)
    assert maps[0, others, 0].abs().max() < 1e-3 and (maps[0, :, 1] == 0).all()


def test_kernels_are_odd_and_follow_the_rate(monkeypatch):
    assert [models.odd(seconds) for seconds in (0.5, 0.25, 0.1, 0.04)] == [65, 33, 13, 5]
    monkeypatch.setattr(models, "RATE", 256)
    assert [models.odd(seconds) for seconds in (0.5, 0.25, 0.1, 0.04)] == [129, 65, 27, 11]


# Augmentation and pictures


def test_augmentation_shifts_a_little_and_leaves_silent_channels_silent():
    batch = recordings(40, (4, 448), silent=(2,))
    seed_everything("augmentation")
    shifts = set()
    for _ in range(40):
        moved = shifted_and_noisy(batch)
        assert moved.shape == batch.shape and moved.dtype == batch.dtype
        assert (moved[:, 2] == 0).all()
        errors = [
            (moved[..., SHIFT:-SHIFT] - batch[..., SHIFT + shift : 448 - SHIFT + shift]).std()
            for shift in range(-SHIFT, SHIFT + 1)
        ]
        shifts.add(torch.stack(errors).argmin().item() - SHIFT)
        assert min(errors) < 0.2 * batch.std()
    assert len(shifts) > SHIFT and max(shifts) <= SHIFT


@pytest.mark.parametrize("silent", [(), (1, 3), (0, 1, 2, 3)])
def test_a_picture_has_a_trace_for_every_channel_with_a_signal(silent):
    figure = Figure()
    axis = figure.add_subplot()
    show(axis, recordings(1, (4, 448), silent)[0])
    traces = [line.get_ydata() for line in axis.lines]
    assert len(traces) == 4 - len(silent)
    assert all(upper.min() >= lower.min() for upper, lower in zip(traces, traces[1:], strict=False))
