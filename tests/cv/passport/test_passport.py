"""Passports: the layer against hand computation, signatures, the schemes' losses. Seconds on one core."""

import copy
from math import comb

import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cv.domain import DOMAIN
from cv.passport import passports, protected_study, signature, target, training, verification
from cv.passport.layers import (
    BranchNorm,
    FreeNorm,
    PassportNorm,
    branch_norms,
    convolutions,
    mean_patch,
    passport_norms,
    private_branch,
    sign_loss,
)
from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.study import checkpoints
from fingerprinting.study.study import Study
from fingerprinting.training import objectives
from tests.cv.passport.small_passports import made, net

# The layer.


def test_scale_and_shift_by_hand():
    """A 1 x 1 convolution of two channels: the mean over space and passports of W∗P."""
    convolution = nn.Conv2d(2, 2, 1, bias=False)
    convolution.weight.data = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).view(2, 2, 1, 1)
    gamma = torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]], [[[2.0, 2.0]], [[4.0, 2.0]]]])  # channel means 2 and 2
    beta = torch.tensor([[[[0.5, 0.5]], [[1.0, 1.0]]]])
    layer = PassportNorm(None, nn.BatchNorm2d(2), convolution, gamma, beta)
    scale, shift = layer.affine()
    assert scale.tolist() == pytest.approx([1 * 2 + 2 * 2, 3 * 2 - 1 * 2])
    assert shift.tolist() == pytest.approx([0.5 + 2 * 1, 1.5 - 1])


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (5, 1, 2), (1, 2, 0)])
def test_the_mean_patch_gives_the_mean_of_the_convolution(size, stride, padding):
    torch.manual_seed(0)
    convolution, passport = nn.Conv2d(3, 4, size, stride, padding, bias=False), torch.rand(5, 3, 9, 7)
    expected = convolution(passport).mean((0, 2, 3))
    torch.testing.assert_close(convolution.weight.flatten(1) @ mean_patch(passport, convolution), expected)


def test_mixed_precision_leaves_scale_and_shift_as_they_are():
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    layer = PassportNorm(None, nn.BatchNorm2d(4), convolution, torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5))
    features = torch.randn(6, 3, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, output = layer.affine(), layer(convolution(features))
    assert all(torch.equal(one, other) for one, other in zip(mixed, layer.affine(), strict=True))
    torch.testing.assert_close(output.float(), layer(convolution(features)), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4)])
def test_output_is_scale_times_the_norm_plus_shift(norm):
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    layer = PassportNorm(None, norm, convolution, torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5)).eval()
    features = torch.randn(6, 4, 5, 5)
    (scale, shift), plain = layer.affine(), copy.deepcopy(norm).eval()
    plain.weight = plain.bias = None
    expected = scale[:, None, None] * plain(features) + shift[:, None, None]
    torch.testing.assert_close(layer(features), expected)


def test_the_gradient_reaches_the_weights_through_the_passport():
    """dγ/dW is the mean patch, for every channel of its own."""
    convolution = nn.Conv2d(2, 3, 3, bias=False)
    passport = torch.rand(1, 2, 6, 6)
    layer = PassportNorm(None, nn.BatchNorm2d(3), convolution, passport, passport)
    layer.affine()[0][1].backward()
    expected = torch.zeros(3, 18)
    expected[1] = mean_patch(passport, convolution)
    torch.testing.assert_close(convolution.weight.grad.flatten(1), expected)


def test_sign_loss_by_hand():
    loss = sign_loss(torch.tensor([0.5, 0.05, -0.2, -0.3]), torch.tensor([1.0, 1.0, 1.0, -1.0]))
    assert loss.item() == pytest.approx(0 + 0.05 + 0.3 + 0)


def test_branches_keep_their_own_statistics():
    held = made(net())
    protected = passports.install(net(), held, public=True).train()
    norm = passport_norms(protected)["1.3"]
    before = norm.public.running_mean.clone(), norm.private.running_mean.clone()
    with private_branch(protected):
        protected(torch.rand(8, 1, 8, 8))
    assert torch.equal(norm.public.running_mean, before[0])
    assert not torch.equal(norm.private.running_mean, before[1])
    between = norm.private.running_mean.clone()
    protected(torch.rand(8, 1, 8, 8))
    assert torch.equal(norm.private.running_mean, between)
    assert not torch.equal(norm.public.running_mean, before[0])


def test_a_plain_layer_behind_a_passport_has_statistics_of_its_own_too():
    config = {"1.0": True, "1.3": False, "1.6": "abc"}
    protected = passports.install(net(), made(net(), config), public=True)
    kinds = {path: type(norm) for path, norm in branch_norms(protected).items()}
    assert kinds == {"1.0": PassportNorm, "1.3": BranchNorm, "1.6": PassportNorm}


@pytest.mark.parametrize("name", ["conv3", "conv3_gn", "alexnet", "small_resnet18"])
def test_passports_go_in_and_out_of_every_architecture(name):
    plain = net(name)
    config = passports.read_config("", name)
    held = made(plain, config, architecture=name)
    inputs = torch.rand(4, 1, 8, 8)
    protected = passports.install(copy.deepcopy(plain), held, public=True).eval()
    assert set(passport_norms(protected)) == {path for path, wanted in config.items() if wanted}
    torch.testing.assert_close(protected(inputs), plain(inputs))  # the public branch is the plain network
    with private_branch(protected):
        assert not torch.allclose(protected(inputs), plain(inputs))
    back = passports.released(protected)
    assert list(back.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(back(inputs), plain(inputs))


@pytest.mark.parametrize("name", ["conv3", "conv3_gn", "alexnet", "small_resnet18"])
def test_aligned_factors_have_the_signatures_signs_and_their_own_size(name):
    plain = net(name)
    for norm in convolutions(plain).values():
        nn.init.normal_(plain.get_submodule(norm).weight)
    held = made(plain, passports.read_config("", name), architecture=name)
    aligned = passports.align(copy.deepcopy(plain).to(memory_format=torch.channels_last), held)
    for path, norm in convolutions(plain).items():
        before, after = plain.get_submodule(norm).weight, aligned.get_submodule(norm).weight
        torch.testing.assert_close(after.abs(), before.abs())
        if path in held.signs:
            assert torch.equal(after.sign(), held.signs[path].to(after.dtype))
        else:
            torch.testing.assert_close(after, before)
    others = {key for key in plain.state_dict() if not torch.equal(plain.state_dict()[key], aligned.state_dict()[key])}
    assert others == {f"{convolutions(plain)[path]}.weight" for path in held.signs}


@pytest.mark.parametrize("name", ["conv3", "conv3_gn"])
def test_scheme_1_is_released_with_its_scale_and_shift_written_in(name):
    plain = net(name)
    protected = passports.install(copy.deepcopy(plain), made(plain), public=False).eval()
    inputs = torch.rand(4, 1, 8, 8)
    expected = protected(inputs)
    assert not any("weight" in path and "1.4" in path for path, _ in protected.named_parameters())
    folded = passports.released(protected)
    assert list(folded.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(folded(inputs), expected)


# Signatures.


@given(st.text(max_size=12), st.integers(0, 40))
def test_every_text_that_fits_comes_back(text, spare):
    length = len(text.encode())
    signs = signature.encode(text, 8 * length + spare, runtime.generator("test"))
    assert set(signs.tolist()) <= {-1.0, 1.0} and len(signs) == 8 * length + spare
    assert signature.decode(signs, length) == text


@given(st.text(min_size=1, max_size=12), st.data())
def test_a_text_that_does_not_fit_is_refused_with_what_would(text, data):
    channels = data.draw(st.integers(0, 8 * len(text.encode()) - 1))
    with pytest.raises(UserError) as refusal:
        signature.encode(text, channels, runtime.generator("test"))
    count = signature.fitting(text, channels)
    assert f"; {count} of its {len(text)} characters would fit" in str(refusal.value)
    assert len(text[:count].encode()) * 8 <= channels < len(text[: count + 1].encode()) * 8


def test_bits_are_most_significant_first():
    signs = signature.encode("A", 8, runtime.generator("test"))  # 65 = 01000001
    assert signs.tolist() == [-1, 1, -1, -1, -1, -1, -1, 1]


def test_p_values_by_hand():
    assert verification.p_value(3, 3) == pytest.approx(1 / 8)
    assert verification.p_value(2, 3) == pytest.approx(4 / 8)
    assert verification.p_value(0, 3) == pytest.approx(1)
    assert verification.p_value(2, 2, 0.1) == pytest.approx(0.01)


def test_signatures_count_bits_that_agree_and_leave_out_what_is_not_claimed():
    norm = FreeNorm(nn.BatchNorm2d(4), torch.tensor([0.3, -0.3, 0.0, 0.2]), torch.zeros(4))
    (reading,) = verification.read({"a": norm}, {"a": torch.tensor([1.0, 1.0, -1.0, 0.0])}, {"a": ""})
    assert (reading.bits, reading.agreed) == (3, 2)
    assert verification.total([reading, reading]).detection == pytest.approx(2 / 3)


def test_triggers_prove_by_the_owners_classes_whatever_the_models_are():
    labels = torch.arange(10).repeat(10)  # a model of a hundred classes that always says the same agrees with 10
    tail = sum(comb(100, k) * 0.1**k * 0.9 ** (100 - k) for k in range(10, 101))
    found = verification.triggers_p_value(10, labels)
    assert found > 0.5 and found == pytest.approx(tail)


def test_convolutions_in_groups_and_norms_of_other_channels_carry_no_passport():
    """γ = W · P would have no meaning there."""
    body = [nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 1), nn.Identity(), nn.GroupNorm(2, 8)]
    assert convolutions(nn.Sequential(*body)) == {"2": "4"}
    assert convolutions(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(12), nn.BatchNorm2d(8))) == {}


def test_trained_attacks_augment_as_the_owner_does(monkeypatch):
    """Else they would look weaker than they are where the owner's training augments."""
    used = []
    monkeypatch.setattr(target, "fit", lambda *given, **options: used.append(options))
    own = protected_study.of(Study("cv", "digits", "smoke", device_name="cpu", augment=True), "conv3", "batch", "1")
    attacked = target.Target(own, net(), made(net()), net())
    attacked.fitted(net(), objectives.cross_entropy, own.recipe(1, 0.01), "fake2")
    assert used[0]["augment"] is own.domain.inputs.augment and own.recipe(1, 0.01).augment


@pytest.mark.parametrize("other", ["lenet", "alexnet", "mlp"])
def test_passports_of_another_network_are_refused(other):
    with pytest.raises(UserError, match="made for conv3"):
        passports.install(net(other), made(net()), public=True)


def test_batch_norms_statistics_do_not_fit_group_norm():
    held = made(net())
    held = passports.Passports(
        **{**vars(held), "statistics": passports.statistics(passports.install(net(), held, public=True))}
    )
    with pytest.raises(UserError, match="made for conv3"):
        passports.install(net("conv3_gn"), held, public=True)


def test_loading_drops_no_key(tmp_path):
    """A file with a key too many, too few, or of another shape is refused."""
    path, plain = tmp_path / "model.safetensors", net()
    about = {"architecture": "conv3", "classes": 10, "shape": [1, 8, 8], "domain": "cv", "name": "m"}
    whole = plain.state_dict()
    few = {name: value for name, value in whole.items() if name != "1.4.bias"}
    for weights in ({**whole, "1.4.gamma": torch.zeros(3)}, few, {**whole, "1.4.bias": torch.zeros(3)}):
        storage.save_tensors(path, weights, about)
        with pytest.raises(UserError, match="does not fit"):
            checkpoints.load(DOMAIN, path)
    storage.save_tensors(path, whole, about)
    assert all(
        torch.equal(value, whole[name]) for name, value in checkpoints.load(DOMAIN, path)[0].state_dict().items()
    )


def test_passports_are_shuffled_channels_of_real_activations():
    features = torch.arange(2 * 3 * 4.0).view(2, 3, 2, 2)
    mixed = passports.shuffled(features, runtime.generator("test"))
    rows = {tuple(channel.flatten().tolist()) for channel in features.flatten(0, 1)}
    found = [tuple(channel.flatten().tolist()) for channel in mixed[0]]
    assert mixed.shape == (1, 3, 2, 2) and len(set(found)) == 3 and set(found) <= rows


# Losses.


def test_the_schemes_losses_are_sums_of_their_parts():
    plain = net()
    held = made(plain)
    inputs, labels = torch.rand(6, 1, 8, 8), torch.arange(6)
    protected = passports.install(copy.deepcopy(plain), held, public=True).eval()
    signed = sum(sign_loss(norm.affine()[0], held.signs[path]) for path, norm in passport_norms(protected).items())
    with private_branch(protected):
        private = F.cross_entropy(protected(inputs), labels) + 0.5 * signed
        one = training.protected_loss(held.signs, 0.5, torch.device("cpu"))
        torch.testing.assert_close(one(protected, inputs, labels), private)
    both = training.both_branches(one)(protected, inputs, labels)
    torch.testing.assert_close(both, private + objectives.cross_entropy(protected, inputs, labels))
    assert not any(norm.use_private for norm in passport_norms(protected).values())


def test_triggers_join_every_batch():
    shown = training.trigger_images(protected_study.ProtectedStudy("cv", "digits", "smoke"), 7)
    assert shown.inputs.dtype == torch.uint8 and shown.inputs.shape == (7, 1, 8, 8)
    seen = []

    def spy(_net, inputs, labels):
        seen.append((inputs, labels))
        return torch.zeros(())

    training.with_triggers(spy, shown, 3, torch.device("cpu"))(None, torch.rand(5, 1, 8, 8), torch.zeros(5).long())
    ((inputs, labels),) = seen
    assert inputs.shape == (8, 1, 8, 8) and len(labels) == 8
    pairs = [
        (image.numpy().tobytes(), label)
        for image, label in zip(shown.inputs / 255, shown.targets.tolist(), strict=True)
    ]
    added = zip(inputs[5:], labels[5:].tolist(), strict=True)
    assert all((image.contiguous().numpy().tobytes(), label) in pairs for image, label in added)
