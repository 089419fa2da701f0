"""Passports: the layer against hand computation, signatures, files, the schemes' losses. Seconds on one core."""

import copy
import json
from dataclasses import replace
from math import comb
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cv.domain import DOMAIN
from cv.passport import attacks, measuring, passports, signature, target, thefts, training, verification, world
from cv.passport.layers import (
    BranchNorm,
    ForgedNorm,
    FreeNorm,
    PassportNorm,
    branch_norms,
    convolutions,
    mean_patch,
    passport_norms,
    private_branch,
    sign_loss,
)
from fingerprinting import checkpoints, files, objectives, runtime
from fingerprinting.examples import Examples
from fingerprinting.runtime import UserError
from fingerprinting.study import Study
from fingerprinting.suspects import Suspect

ABOUT = {"architecture": "conv3", "scheme": "v2", "model": "cv/digits/smoke/source/conv3-0", "domain": "cv"}
CONFIG = {"1.0": False, "1.3": True, "1.6": "my model"}


def net(name: str = "conv3") -> nn.Module:
    torch.manual_seed(0)
    built = DOMAIN.architecture(name).build(10, (1, 8, 8))
    with torch.no_grad():  # statistics and factors that are not those of a fresh layer
        built.train()(torch.rand(64, 1, 8, 8))
    return built.eval()


def made(plain: nn.Module, config: dict = CONFIG, **about) -> passports.Passports:
    images = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return passports.make(plain, config, images, 20, "test", {**ABOUT, **about})


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


def test_readings_count_bits_that_agree_and_leave_out_what_is_not_claimed():
    norm = FreeNorm(nn.BatchNorm2d(4), torch.tensor([0.3, -0.3, 0.0, 0.2]), torch.zeros(4))
    (reading,) = verification.read({"a": norm}, {"a": torch.tensor([1.0, 1.0, -1.0, 0.0])}, {"a": ""})
    assert (reading.bits, reading.agreed) == (3, 2)
    assert verification.total([reading, reading]).detection == pytest.approx(2 / 3)


def test_triggers_prove_by_the_owners_classes_whatever_the_models_are():
    labels = torch.arange(10).repeat(10)  # a model of a hundred classes that always says the same agrees with 10
    tail = sum(comb(100, k) * 0.1**k * 0.9 ** (100 - k) for k in range(10, 101))
    found = verification.triggers_p_value(10, labels)
    assert found > 0.5 and found == pytest.approx(tail)


# Files.


def test_a_passport_file_gives_back_what_was_saved(tmp_path):
    plain = net()
    held = made(plain)
    protected = passports.install(copy.deepcopy(plain), held, public=True)
    shown = training.trigger_images(world.World("cv", "digits", "smoke"), 5)
    held = passports.Passports(**{**vars(held), "statistics": passports.statistics(protected), "triggers": shown})
    passports.save(tmp_path / "passports.safetensors", held)
    again = passports.load(tmp_path / "passports.safetensors")
    for part in ("gamma", "beta", "signs"):
        assert all(torch.equal(value, getattr(again, part)[path]) for path, value in getattr(held, part).items())
    assert again.texts == {"1.3": "", "1.6": "my model"}
    assert set(again.statistics) == {"1.3", "1.6"}
    assert torch.equal(again.triggers.inputs, shown.inputs)
    assert not torch.equal(held.gamma["1.3"], held.beta["1.3"])


def test_wrong_and_damaged_passport_files_are_said(tmp_path):
    path = tmp_path / "passports.safetensors"
    passports.save(path, made(net()))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged"):
        passports.load(path)
    changed = bytearray(whole)
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(UserError, match="damaged"):
        passports.load(path)
    checkpoints.save(path, net(), {"architecture": "conv3"})
    with pytest.raises(UserError, match="holds no passports"):
        passports.load(path)
    tensors = {"gamma/1.3": torch.zeros(1, 16, 4, 4)}
    files.save_tensors(path, tensors, {**ABOUT, "passport_texts": {"1.3": ""}})
    with pytest.raises(UserError, match="two passports and a signature"):
        passports.load(path)


@pytest.mark.parametrize(
    ("part", "spoilt"),
    [
        ("gamma", lambda value: value * torch.nan),
        ("beta", lambda value: value.flatten()),
        ("gamma", lambda value: value[:0]),
        ("beta", lambda value: value[:, :, :0]),
        ("signs", lambda value: value * 0),
        ("signs", lambda value: value[None]),
    ],
)
def test_values_that_no_passport_has_are_refused(tmp_path, part, spoilt):
    held = made(net())
    path = next(iter(held.gamma))
    getattr(held, part)[path] = spoilt(getattr(held, part)[path])
    passports.save(tmp_path / "passports.safetensors", held)
    with pytest.raises(UserError, match="holds values that no passport or signature has"):
        passports.load(tmp_path / "passports.safetensors")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda found: {"statistics": {"1.3": {"running_var": torch.tensor([1.0, torch.nan])}}},
        lambda found: {"triggers": Examples(found.inputs, found.targets[:7])},
        lambda found: {"triggers": Examples(found.inputs[0], found.targets)},
        lambda found: {"triggers": Examples(found.inputs, found.targets - 1)},
        lambda found: {"triggers": Examples(found.inputs, found.targets.float())},
    ],
    ids=["NaN in statistics", "too few labels", "one image", "negative labels", "labels that are no whole numbers"],
)
def test_statistics_and_triggers_that_nobody_made_are_refused(tmp_path, spoilt):
    shown = Examples(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), torch.arange(10))
    path = tmp_path / "passports.safetensors"
    passports.save(path, replace(made(net()), **spoilt(shown)))
    with pytest.raises(UserError, match="holds values that no passport or signature has"):
        passports.load(path)


def test_a_signature_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"1.3": "\\ud800"}')
    with pytest.raises(UserError, match="signs 1.3 with half of a surrogate pair"):
        passports.read_config(str(path), "conv3")


def test_convolutions_in_groups_and_norms_of_other_channels_carry_no_passport():
    """γ = W · P would have no meaning there."""
    body = [nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 1), nn.Identity(), nn.GroupNorm(2, 8)]
    assert convolutions(nn.Sequential(*body)) == {"2": "4"}
    assert convolutions(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(12), nn.BatchNorm2d(8))) == {}


def test_trained_attacks_augment_as_the_owner_does(monkeypatch):
    """Else they would look weaker than they are where the owner's training augments."""
    used = []
    monkeypatch.setattr(target, "fit", lambda *given, **options: used.append(options))
    own = world.of(Study("cv", "digits", "smoke", device_name="cpu", augment=True), "conv3", "batch", "1")
    attacked = target.Target(own, net(), made(net()))
    attacked.fitted(net(), objectives.cross_entropy, own.recipe(1, 0.01), "fake2")
    assert used[0]["augment"] is own.domain.augment and own.recipe(1, 0.01).augment


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
        files.save_tensors(path, weights, about)
        with pytest.raises(UserError, match="does not fit"):
            checkpoints.load(DOMAIN, path)
    files.save_tensors(path, whole, about)
    assert all(
        torch.equal(value, whole[name]) for name, value in checkpoints.load(DOMAIN, path)[0].state_dict().items()
    )


# Configurations.


def test_configurations_name_layers_that_are_there():
    for path in passports.CONFIGS.glob("*.json"):
        for suffix in ("", "_gn"):
            known = convolutions(DOMAIN.architecture(path.stem + suffix).build(10, (1, 28, 28)))
            assert set(passports.read_config("", path.stem + suffix)) <= set(known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[true]", "false, true or a text"),
        ('{"1.3": 7}', "false, true or a text"),
        ('{"9.9": true}', "no layer 9.9"),
        ('{"1.3": false}', "names no layer"),
        ('{"1.3": "five letters"}', "4 of its 12 characters would fit"),
    ],
)
def test_configurations_that_make_no_sense(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        made(net(), passports.read_config(str(path), "conv3"))


def test_a_missing_configuration_is_said(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        passports.read_config(str(tmp_path / "none.json"), "conv3")


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
    shown = training.trigger_images(world.World("cv", "digits", "smoke"), 7)
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


# Attacks.


def test_pruning_zeroes_the_smallest_share():
    layer = nn.Sequential(nn.Linear(4, 1, bias=False))
    layer[0].weight.data = torch.tensor([[0.1, -3.0, -0.2, 4.0]])
    assert attacks.pruned(layer, 0.5)[0].weight.tolist() == [[0, -3, 0, 4]]
    convolutional = attacks.pruned(runtime.place(net(), torch.device("cpu")), 0.3)
    assert (convolutional.get_submodule("1.6").weight == 0).float().mean().item() == pytest.approx(0.3, abs=1e-3)


def test_flipping_turns_exactly_the_share():
    held = made(net())
    turned = attacks.flipped(held, 0.25, runtime.generator("test"))
    both = [torch.cat(list(part.signs.values())) for part in (held, turned)]
    assert (both[0] != both[1]).sum() == 24  # of 96
    assert turned.signs["1.3"].shape == held.signs["1.3"].shape


@pytest.mark.parametrize("forge", [attacks._fake2, attacks._fake3])
def test_a_forger_claims_a_signature_with_that_share_of_signs_turned(study, forge, monkeypatch):
    claims, held = [], made(net())
    monkeypatch.setattr(target.Target, "forged", lambda _self, _net, _part, claimed, *_: claims.append(claimed))
    monkeypatch.setattr(attacks, "judged", lambda _target, _net, claimed: claims.append(claimed))
    own = world.of(study, "conv3", "batch", "1")
    forge(target.Target(own, net(), held), SimpleNamespace(noise=0.5, forge=None), 0.25)
    assert len(claims) == 2
    for claimed in claims:
        assert sum((claimed.signs[path] != bits).sum() for path, bits in held.signs.items()) == 24  # of 96


@pytest.mark.parametrize(("notes", "p_value"), [({"draws": 2}, None), ({"draws": 1}, 11 / 1024), ({}, 11 / 1024)])
def test_bits_of_several_draws_are_no_test(study, notes, p_value):
    own, reading = world.of(study, "conv3", "batch", "1"), verification.Reading("all", 10, 9, "", "")
    outcome = target.Outcome(0.9, reading, reading, notes)
    row = measuring.row_of(target.Target(own, net(), made(net())), "flip", 0.5, outcome)
    assert row["p_value"] == (p_value and pytest.approx(p_value))


def test_what_passports_prove_of_several_thefts_by_hand(study, monkeypatch):
    found = iter([{"bits": 10, "agreed": 9, "p_value": 0.01}, {"bits": 10, "agreed": 5, "p_value": 0.6}, {}])
    monkeypatch.setattr(thefts, "_checked", lambda *_: next(found))
    models = [(study, Suspect(study.model_id("prune", "conv3", copy), {"test_accuracy": 0.9})) for copy in range(3)]
    own = world.of(study, "conv3", "batch", "1")
    row = thefts._row(own, "prune", models, None, {method.key: {} for method in thefts.READINGS}, [])
    assert (row["n"], row["n_passports"], row["signature_detection"]) == (3, 2, 0.7)
    assert (row["lowest_detection"], row["highest_detection"], row["highest_p_value"]) == (0.5, 0.9, 0.6)


def test_a_passport_can_be_solved_for_any_scale_and_shift():
    plain = net()
    start = torch.rand(1, 32, 2, 2)
    norm = plain.get_submodule("1.7")
    norm.weight.data.normal_()
    solved = attacks.preimage(plain, "1.6", "1.7", "weight", start)
    made_of_it = plain.get_submodule("1.6")(solved).mean((0, 2, 3))
    torch.testing.assert_close(made_of_it, norm.weight, atol=1e-4, rtol=1e-3)


def test_fewer_values_than_channels_leave_a_misfit():
    """A 1 x 1 convolution of 4 channels to 8: its γ lie in 4 of 8 dimensions, and the nearest one is found."""
    pair = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8))
    pair[1].weight.data.normal_()
    wanted, weights = pair[1].weight.detach(), pair[0].weight.detach().flatten(1)
    solved = attacks.preimage(pair, "0", "1", "weight", torch.rand(1, 4, 3, 3))
    nearest = weights @ torch.linalg.lstsq(weights, wanted[:, None]).solution[:, 0]
    torch.testing.assert_close(pair[0](solved).mean((0, 2, 3)), nearest, atol=1e-4, rtol=1e-3)
    assert (nearest - wanted).norm() > 0.1 * wanted.norm()


def test_a_residual_block_stands_between_the_passports_and_the_scale():
    convolution = nn.Conv2d(2, 3, 1, bias=False)
    parts = (nn.BatchNorm2d(3), convolution, torch.rand(1, 2, 2, 2), torch.rand(1, 2, 2, 2))
    forged, plain = ForgedNorm(None, *parts, expansion=2), PassportNorm(None, *parts)
    raw = plain.affine()[0]
    first, _, second = forged.blocks[0].body
    torch.testing.assert_close(forged.affine()[0], raw + second(F.relu(first(raw))))
    assert first.out_features == 6


def test_configs_are_packed_with_the_package():
    assert json.loads((passports.CONFIGS / "conv3.json").read_text())["1.6"] == "my model"
