"""Attacks on passports: forged passports against a computation by hand, what is trained, solved for and counted."""

import copy
import inspect
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from cv.passport import (
    attacks,
    measuring,
    passports,
    protected_study,
    published_attacks,
    stealing_attacks,
    target,
    verification,
)
from cv.passport.layers import ForgedNorm, PassportNorm, branch_norms
from fingerprinting.core import runtime
from fingerprinting.core.places import REPOSITORY
from fingerprinting.models.suspects import Suspect
from fingerprinting.robustness import passport_attacks
from fingerprinting.training.recipe import Recipe
from tests.cv.passport.small_passports import CONFIG, made, net

# Fake-1.


def attacked(study) -> target.Target:
    """A network of scheme 1 as released, the owner's passports, and the network without passports."""
    plain = net()
    held = made(plain, scheme="v1")
    released = passports.released(passports.install(copy.deepcopy(plain), held, public=False))
    return target.Target(protected_study.of(study, "conv3", "batch", "1"), released, held, plain)


def forged_by_hand(plain: nn.Module, images: torch.Tensor, draw: torch.Generator) -> list[dict[str, torch.Tensor]]:
    """P_γ and P_β without hooks: layer after layer, then a channel of the twenty images' for each channel."""
    rows = torch.randperm(len(images), generator=draw)[:40]
    found = []
    for half in (rows[:20], rows[20:]):
        features, seen = (images[half].float() / 255 - 0.5) * 4, {}
        for place, layer in enumerate(plain[1]):
            seen[f"1.{place}"] = features
            with torch.no_grad():
                features = layer(features)
        passport = {}
        for path in ("1.3", "1.6"):
            channels = seen[path].reshape(-1, *seen[path].shape[2:])
            order = torch.randperm(len(channels), generator=draw)[: seen[path].shape[1]]
            passport[path] = torch.stack([channels[place] for place in order.tolist()])[None]
        found.append(passport)
    return found


def responses_by_hand(net: nn.Module, gamma: dict, beta: dict, images: torch.Tensor) -> tuple[torch.Tensor, dict]:
    """Classes of images, and the scale factors: γ · (W∗x - mean) / deviation + β behind both signed convolutions."""
    features, scales = (images.float() / 255 - 0.5) * 4, {}
    with torch.no_grad():
        for place, layer in enumerate(net[1]):
            path = f"1.{place - 1}"
            if path in gamma:
                convolution = net[1][place - 1]
                scales[path], shift = (convolution(part[path]).mean((0, 2, 3)) for part in (gamma, beta))
                deviation = (layer.running_var + layer.eps).sqrt()
                centred = (features - layer.running_mean[:, None, None]) / deviation[:, None, None]
                features = scales[path][:, None, None] * centred + shift[:, None, None]
            else:
                features = layer(features)
        return net[2](features).argmax(1), scales


def test_fake1_is_what_the_released_code_does(study):
    """Other images, of the attacker's own, through the network without passports; nothing of the owner's but W."""
    hit = attacked(study)
    outcome = attacks._fake1(hit, 3)
    draw = runtime.generator(f"{hit.protected_study.folder}/fake1_images/3")
    gamma, beta = forged_by_hand(hit.pretrained, hit.protected_study.parts["attacker"].inputs, draw)
    test = hit.protected_study.parts["test"]
    labels, scales = responses_by_hand(hit.net, gamma, beta, test.inputs)
    assert outcome.accuracy == pytest.approx((labels == test.targets).double().mean().item())
    agreed = sum(int(((scales[path] > 0) == (bits > 0)).sum()) for path, bits in hit.held.signs.items())
    assert (outcome.owner.agreed, outcome.owner.bits) == (agreed, 96)
    assert outcome.claimed == outcome.owner


def test_the_owners_own_images_give_the_owners_passports(study, monkeypatch):
    """What the forger does is what the owner did: the same images, drawn alike, end in the same passports."""
    hit, images = attacked(study), torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))  # as made() has
    draw = runtime.generator("passports/test")
    passports.signatures(hit.pretrained, CONFIG, draw)  # the owner drew these before
    monkeypatch.setitem(
        hit.protected_study.parts, "attacker", replace(hit.protected_study.parts["attacker"], inputs=images)
    )
    monkeypatch.setattr(target.Target, "draw", lambda *_: draw)
    tried = []
    monkeypatch.setattr(attacks, "_tried", lambda _, gamma, beta: tried.append((gamma, beta)))
    attacks._fake1(hit, 0)
    ((gamma, beta),) = tried
    for path in hit.held.signs:
        assert torch.equal(gamma[path], hit.held.gamma[path]) and torch.equal(beta[path], hit.held.beta[path])
    monkeypatch.undo()
    outcome = attacks._tried(hit, gamma, beta)
    assert outcome.owner == verification.total(verification.passport_readings(hit.net, hit.held))
    assert outcome.accuracy == pytest.approx(hit.accuracy(hit.net))


def test_each_draw_and_each_passport_takes_images_of_its_own(study, monkeypatch):
    seen = []
    activations = passports.activations
    monkeypatch.setattr(passports, "activations", lambda *given: seen.append(given[2]) or activations(*given))
    hit = attacked(study)
    seen.clear()
    outcome = attacks.fake1(hit, SimpleNamespace(draws=2))[None]()
    assert outcome.notes["draws"] == 2 and outcome.notes["owner_accuracy"] == pytest.approx(hit.accuracy(hit.net))
    assert [len(images) for images in seen] == [20] * 4
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    owner = {image.numpy().tobytes() for image in hit.protected_study.parts["owner"].inputs}
    assert not any(image.numpy().tobytes() in owner for images in seen for image in images)


def test_noise_is_drawn_as_it_always_was(study, monkeypatch):
    """Records of it were called fake1 until images took that name; its numbers may not move."""
    tried = []
    monkeypatch.setattr(attacks, "_tried", lambda _, gamma, beta: tried.append((gamma, beta)))
    hit = attacked(study)
    attacks._fake1_noise(hit, 1)
    draw = runtime.generator(f"{hit.protected_study.folder}/fake1/1")
    for found, owners in zip(tried[0], (hit.held.gamma, hit.held.beta), strict=True):
        for path, passport in owners.items():
            assert torch.equal(found[path], 2 * torch.rand(passport.shape, generator=draw) - 1)


def test_the_mean_over_draws_keeps_the_best_by_hand():
    few, many = verification.Reading("all", 10, 5, "", ""), verification.Reading("all", 10, 9, "", "")
    outcome = target.mean([target.Outcome(0.2, few, few, {}), target.Outcome(0.6, few, many, {})])
    assert outcome.accuracy == pytest.approx(0.4)
    assert (outcome.notes["highest_accuracy"], outcome.notes["highest_owner_detection"]) == (0.6, 0.9)
    assert (outcome.claimed.detection, outcome.owner.detection) == (0.5, 0.7)


# Other attacks.


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


def test_pruning_by_one_threshold_is_the_released_one():
    """Numpy's percentile over every parameter's absolute values; what does not lie above it becomes 0."""
    for share in (0.0, 0.3, 0.8, 1.0):
        plain = net()
        sizes = np.concatenate([weight.detach().abs().numpy().flatten() for weight in plain.parameters()])
        threshold = np.percentile(sizes, 100 * share)
        expected = [
            np.where(np.abs(weight) > threshold, weight, 0) if share else weight
            for weight in (weight.detach().numpy().copy() for weight in plain.parameters())
        ]
        pruned = published_attacks.pruned_globally(plain, share)
        apart = [
            np.abs(one[weight.detach().numpy() != one])
            for weight, one in zip(pruned.parameters(), expected, strict=True)
        ]
        assert (
            sum(map(len, apart)) <= 1
        )  # the percentile lies between two values, and takes or leaves the one that cuts
        zeros = np.concatenate([weight.detach().numpy().flatten() for weight in pruned.parameters()]) == 0
        assert abs(int(zeros.sum()) - share * len(sizes)) <= int((sizes == 0).sum()) + 1


@pytest.fixture
def trained(monkeypatch) -> list:
    """What the published forgers would train: (network, objective, clip), and they leave it as it is."""
    found: list = []

    def forged(_self, released, objective, _recipe, _name, clip=float("inf")):
        found.append((released, objective, clip))
        return released

    monkeypatch.setattr(target.Target, "forged_as_published", forged)
    return found


def test_fake2_as_released_begins_at_the_claimed_signs_and_trains_by_cross_entropy_alone(study, trained, monkeypatch):
    monkeypatch.setattr(published_attacks, "judged", lambda _target, _net, claimed: claimed)
    hit = attacked(study)
    claimed = published_attacks._fake2_published(hit, SimpleNamespace(forge=None), 0.5)
    ((released, objective, clip),) = trained
    weights = {name: weight for name, weight in released.named_parameters() if weight.requires_grad}
    assert len(weights) == 4 and clip == float("inf")
    norms = branch_norms(released)
    for path, bits in claimed.signs.items():
        scale, shift = norms[path].affine()
        assert torch.equal(scale, bits) and not shift.any()
    inputs, labels = torch.rand(6, 1, 8, 8), torch.randint(10, (6,))
    assert objective(released, inputs, labels).item() == pytest.approx(F.cross_entropy(released(inputs), labels).item())


def test_fake3_as_released_is_driven_away_by_the_sum_of_inverse_squares(study, trained):
    hit = attacked(study)
    outcome = published_attacks._fake3_published(hit, SimpleNamespace(forge=None, sign_weight=0.1), 0.5)
    ((released, objective, clip),) = trained
    assert clip == 2 and len([weight for weight in released.parameters() if weight.requires_grad]) == 4
    assert min(outcome.notes["cosine"]) > 0.99 and len(outcome.notes["cosine"]) == 4  # nothing was trained yet
    claimed = attacks.flipped(hit.held, 0.5, hit.draw("fake3_published/0.5"))
    inputs, labels = torch.rand(6, 1, 8, 8), torch.randint(10, (6,))
    norms, away, signed = branch_norms(released), 0.0, 0.0
    for path, bits in claimed.signs.items():
        for forged, own in zip(norms[path].passports, (hit.held.gamma[path], hit.held.beta[path]), strict=True):
            step = (forged.detach() - own).numpy()
            assert step.std() == pytest.approx(0.001, rel=0.2)
            away += 1 / np.mean(step**2)
        scale = norms[path].affine()[0].detach()
        signed += torch.relu(0.1 - bits * scale).sum().item()
    expected = F.cross_entropy(released(inputs), labels).item() + 0.1 * signed + away
    assert objective(released, inputs, labels).item() == pytest.approx(expected, rel=1e-3)


def test_the_released_descent_is_sgd_with_momentum_at_one_rate():
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer, schedule = target.published_descent([weight], Recipe(3, 0.01, 64, 0.3, 0, False), 10)
    by_hand, velocity = np.array([1.0, -2.0]), np.zeros(2)
    for _ in range(4):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
        schedule.step()
        velocity = 0.9 * velocity + 2 * by_hand + 5e-4 * by_hand
        by_hand = by_hand - 0.01 * velocity
        np.testing.assert_allclose(weight.detach().numpy(), by_hand, rtol=1e-5)


@pytest.mark.parametrize("forge", [attacks._fake2, attacks._fake3])
def test_a_forger_claims_a_signature_with_that_share_of_signs_turned(study, forge, monkeypatch):
    claims, held = [], made(net())
    monkeypatch.setattr(target.Target, "forged", lambda _self, _net, _part, claimed, *_: claims.append(claimed))
    monkeypatch.setattr(attacks, "judged", lambda _target, _net, claimed: claims.append(claimed))
    own = protected_study.of(study, "conv3", "batch", "1")
    forge(target.Target(own, net(), held, net()), SimpleNamespace(noise=0.5, forge=None), 0.25)
    assert len(claims) == 2
    for claimed in claims:
        assert sum((claimed.signs[path] != bits).sum() for path, bits in held.signs.items()) == 24  # of 96


@pytest.mark.parametrize(("notes", "p_value"), [({"draws": 2}, None), ({"draws": 1}, 11 / 1024), ({}, 11 / 1024)])
def test_bits_of_several_draws_are_no_test(study, notes, p_value):
    own, reading = protected_study.of(study, "conv3", "batch", "1"), verification.Reading("all", 10, 9, "", "")
    outcome = target.Outcome(0.9, reading, reading, notes)
    row = measuring.row_of(target.Target(own, net(), made(net()), net()), "flip", 0.5, outcome)
    assert row["p_value"] == (p_value and pytest.approx(p_value))


def test_what_passports_prove_of_several_stolen_models_by_hand(study, monkeypatch):
    found = iter([{"bits": 10, "agreed": 9, "p_value": 0.01}, {"bits": 10, "agreed": 5, "p_value": 0.6}, {}])
    monkeypatch.setattr(stealing_attacks, "_checked", lambda *_: next(found))
    models = [(study, Suspect(study.model_id("prune", "conv3", copy), {"test_accuracy": 0.9})) for copy in range(3)]
    own = protected_study.of(study, "conv3", "batch", "1")
    row = stealing_attacks._row(
        own, "prune", models, None, {method.key: {} for method in stealing_attacks.COMPARED}, []
    )
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


def test_every_attack_is_run_and_has_its_place_in_tables():
    """What takes (target, plan) in that order is an attack; functions of the table's names run them."""
    taking = {
        name
        for name, found in vars(attacks).items()
        if inspect.isfunction(found)
        and not name.startswith("_")
        and list(inspect.signature(found).parameters) == ["target", "plan"]
    }
    assert taking == set(attacks.ATTACKS)
    assert list(attacks.ATTACKS) == list(passport_attacks.ATTACKS)
    kinds = (REPOSITORY / "cv/passport/attack.py").read_text(encoding="utf-8").split("KIND: ")[1].split("\n\n")[0]
    assert all(f"{name} (" in kinds.replace("\n", " ") for name in attacks.ATTACKS)
