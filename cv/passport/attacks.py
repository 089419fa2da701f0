"""Attacks on passports: forged passports and scale factors, flipped signs, pruning, fine-tuning (DeepIPR; Chen et al.).

Whoever attacks has the released network, the attacker's part of the data, and, as the papers grant it, the owner's
passports. Test data only report. Each attack gives, by strength, what measures it when called.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from cv.passport import passports, signature, verification
from cv.passport.forging import flipped, freed, trainable, with_trained_passports
from cv.passport.layers import (
    ForgedNorm,
    FreeNorm,
    branch_norms,
    convolution_at,
    convolutions,
    mean_patch,
    norm_at,
    passport_norms,
)
from cv.passport.published_attacks import fake2_published, fake3_published, prune_global  # noqa: F401 (in ATTACKS)
from cv.passport.target import Outcome, Pieces, Plan, Target, judged, mean, owned
from fingerprinting.core import runtime
from fingerprinting.robustness import passport_attacks
from fingerprinting.study import trace
from fingerprinting.training import objectives

FORGER_IMAGES = 20  # of the forger's own, for each of P_γ and P_β, as published
FORGERY = "this is mine"  # what a forger who is free to choose would like to read, cut to what fits


def none(target: Target, plan: Plan) -> Pieces:
    """No attack: the owner's own passports."""
    return {None: partial(owned, target, target.net)}


def fake1(target: Target, plan: Plan) -> Pieces:
    """Fake-1 as the released code has it: passports made as the owner's, of other images; the mean over several."""
    return {None: partial(_fake1_draws, target, plan)}


def _fake1_draws(target: Target, plan: Plan) -> Outcome:
    """With the accuracy under the owner's passports beside, since signs alone do not make a network work."""
    outcome = mean([_fake1(target, number) for number in range(plan.draws)])
    accuracy_under_it = verification.passport_accuracy(
        target.net, target.held, target.protected_study.parts["test"], target.device
    )
    return replace(outcome, notes={**outcome.notes, "owner_accuracy": accuracy_under_it})


def _fake1(target: Target, number: int) -> Outcome:
    draw, own = target.draw(f"fake1_images/{number}"), target.protected_study.parts["attacker"].inputs
    made = passports.of_images(target.pretrained, list(target.held.signs), own, FORGER_IMAGES, draw)
    return _tried(target, *made)


def fake1_noise(target: Target, plan: Plan) -> Pieces:
    """Fake-1 with passports that come from no image: uniform in [-1, 1]; the mean over several."""
    return {None: lambda: mean([_fake1_noise(target, number) for number in range(plan.draws)])}


def _fake1_noise(target: Target, number: int) -> Outcome:
    draw = target.draw(f"fake1/{number}")
    gamma, beta = (
        {path: 2 * torch.rand(passport.shape, generator=draw) - 1 for path, passport in part.items()}
        for part in (target.held.gamma, target.held.beta)
    )
    return _tried(target, gamma, beta)


def _tried(target: Target, gamma: dict[str, torch.Tensor], beta: dict[str, torch.Tensor]) -> Outcome:
    """The released network under passports that nobody trained, claimed with the owner's signature."""
    net = passports.install(target.copied(), replace(target.shipped, gamma=gamma, beta=beta), public=False)
    return judged(target, net, target.held)


def fake2(target: Target, plan: Plan) -> Pieces:
    """Fake-2: W stays; γ, β are trained from random sizes towards a signature with a share of signs flipped."""
    return {share: partial(_fake2, target, plan, share) for share in plan.forged_shares}


def _fake2(target: Target, plan: Plan, share: float) -> Outcome:
    name = f"fake2/{share:g}"
    claimed, draw = flipped(target.held, share, target.draw(name)), target.draw(f"{name}/sizes")
    scales = {path: bits * torch.rand(len(bits), generator=draw) for path, bits in claimed.signs.items()}
    net = freed(target, scales, {path: torch.zeros(len(bits)) for path, bits in claimed.signs.items()})
    free = [norm for norm in branch_norms(net).values() if isinstance(norm, FreeNorm)]
    trainable(net, [weight for norm in free for weight in (norm.scale, norm.shift)])
    part = target.protected_study.parts["attacker"]
    return judged(target, target.forged(net, part, claimed, plan, plan.forge, name), claimed)


def fake3(target: Target, plan: Plan) -> Pieces:
    """Fake-3: W stays; the owner's passports, with noise, are trained towards the old signature or a flipped one."""
    return {share: partial(_fake3, target, plan, share) for share in plan.forged_shares}


def _fake3(target: Target, plan: Plan, share: float) -> Outcome:
    name = f"fake3/{share:g}"
    claimed, draw = flipped(target.held, share, target.draw(name)), target.draw(f"{name}/noise")

    def noisy(passport: torch.Tensor) -> torch.Tensor:
        return passport + plan.noise * passport.std() * torch.randn(passport.shape, generator=draw)

    net = with_trained_passports(target, noisy)
    part = target.protected_study.parts["attacker"]
    return judged(target, target.forged(net, part, claimed, plan, plan.forge, name), claimed)


def flip(target: Target, plan: Plan) -> Pieces:
    """The signs of a random share of all γ are turned round, nothing is trained; the mean over several draws."""
    return {share: partial(_flips, target, share, plan.draws) for share in plan.shares}


def _flips(target: Target, share: float, draws: int) -> Outcome:
    return mean([_flip(target, share, number) for number in range(draws if 0 < share < 1 else 1)])


def _flip(target: Target, share: float, number: int) -> Outcome:
    net = verification.under(target.net, target.held)
    turned = flipped(target.held, share, target.draw(f"flip/{share:g}/{number}"))
    with torch.no_grad():
        pairs = convolutions(net)
        for path, norm in passport_norms(net).items():
            scale, shift = norm.affine()
            factor = (turned.signs[path] * target.held.signs[path]).to(scale.device)
            net.set_submodule(pairs[path], FreeNorm(norm.private, factor * scale, shift))
    return judged(target, net, target.held)


def prune(target: Target, plan: Plan) -> Pieces:
    """The smallest share of each convolution's and linear layer's weights becomes 0 (See et al. 2016)."""
    return {share: partial(_prune, target, share) for share in plan.shares}


def _prune(target: Target, share: float) -> Outcome:
    return owned(target, pruned(target.copied(), share))


def pruned(net: nn.Module, share: float) -> nn.Module:
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                smallest = module.weight.abs().flatten().argsort(stable=True)[: round(share * module.weight.numel())]
                module.weight.data = module.weight.flatten().index_fill(0, smallest, 0).view(module.weight.shape)
    return net


def fine_tune(target: Target, plan: Plan) -> Pieces:
    """FTAL: all layers are trained on. RTAL: the same behind a new head. Scheme 1 is trained through its passports."""
    return {way: partial(_fine_tune, target, plan, way) for way in ("ftal", "rtal")}


def _fine_tune(target: Target, plan: Plan, way: str) -> Outcome:
    net, name = target.copied(), f"fine_tune/{way}"
    runtime.seed_everything(f"{target.protected_study.folder}/{name}")
    if way == "rtal":
        protected_study = target.protected_study
        head = net.get_submodule(
            trace.head(protected_study.domain, protected_study.architecture, net, protected_study.tried)
        )
        assert isinstance(head, nn.Linear)
        head.reset_parameters()
    if target.protected_study.scheme == "v1":
        net = passports.install(net, target.shipped, public=False)
    return owned(target, passports.released(target.fitted(net, objectives.cross_entropy, plan.tune, name)))


def residual_block(target: Target, plan: Plan) -> Pieces:
    """Chen et al. 2023: random passports, a signature of the forger's own, and accessory blocks that make them fit.

    W stays. The blocks are trained on a small share of the data; the passports then work, and the forger's signature
    reads in the scale factors that come out of the blocks. Of it a share of bits is fixed beforehand; the others are
    claimed as they come out, so they are no evidence and are not counted.
    """
    return {share: partial(_residual_block, target, plan, share) for share in plan.chosen_shares}


def _residual_block(target: Target, plan: Plan, share: float) -> Outcome:
    name, owners = f"residual_block/{share:g}", target.held
    draw = target.draw(name)
    texts = {path: FORGERY[: signature.fitting(FORGERY, len(bits))] for path, bits in owners.signs.items()}
    signs = {path: signature.encode(texts[path], len(bits), draw) for path, bits in owners.signs.items()}
    net, pairs = target.copied(), convolutions(target.net)
    for path in signs:
        plain, convolution = norm_at(net, pairs[path]), convolution_at(net, path)
        forged = [torch.rand(owners.gamma[path].shape, generator=draw).to(target.device) for _ in range(2)]
        runtime.seed_everything(f"{target.protected_study.folder}/{name}/{path}")
        net.set_submodule(pairs[path], ForgedNorm(None, plain, convolution, *forged, expansion=plan.expansion))
    blocks = [norm.blocks for norm in passport_norms(net).values() if isinstance(norm, ForgedNorm)]
    trainable(net, [weight for both in blocks for weight in both.parameters()])
    fixed = {path: (torch.rand(len(bits), generator=draw) < share) * bits for path, bits in signs.items()}
    claimed = replace(target.shipped, signs=fixed, texts=texts)
    part = target.protected_study.parts["attacker"]
    few = part.take(torch.randperm(len(part), generator=draw)[: max(1, round(plan.data_share * len(part)))])
    recipe = replace(plan.forge, epochs=round(plan.forge.epochs / plan.data_share))  # as many updates as fake-2 makes
    outcome = judged(target, target.forged(net.to(target.device), few, claimed, plan, recipe, name), claimed)
    return replace(outcome, notes={"examples": len(few), "texts": texts})


def solve(target: Target, plan: Plan) -> Pieces:
    """No training, no block: passports solved for, so that the scale and shift of a branch that works come out.

    γ = W · mean_patch(P) is linear in P. Where W's rows are independent, which takes as many values in a mean patch
    (C k²) as there are channels or more, whatever γ and β already work (those written in the released network) have
    passports; the nearest to the forger's own are taken. Elsewhere, as in ResNet18's 1 x 1 shortcuts, these come as
    near to γ and β as any do: `misfit` says how near.
    """
    return {None: partial(_solve, target)}


def _solve(target: Target) -> Outcome:
    part, owners = target.protected_study.parts["attacker"], target.held
    drawn = torch.randperm(len(part), generator=target.draw("solve"))[: 2 * FORGER_IMAGES].chunk(2)
    pairs, solved = convolutions(target.net), []
    for rows, name in zip(drawn, ("weight", "bias"), strict=True):
        own = passports.activations(target.net, list(owners.gamma), part.inputs[rows])
        solved.append({p: preimage(target.net, p, pairs[p], name, passports.shuffled(a, target.draw(p)))
                       for p, a in own.items()})  # fmt: skip
    forged = replace(target.shipped, gamma=solved[0], beta=solved[1])
    net = passports.install(target.copied(), forged, public=False)
    moved = [(solved[0][path] - owners.gamma[path]).norm().item() for path in solved[0]]
    wanted = {path: norm_at(target.net, pairs[path]).weight for path in solved[0]}
    with torch.no_grad():
        misfit = [
            ((norm.affine()[0] - wanted[path]).norm() / wanted[path].norm()).item()
            for path, norm in passport_norms(net).items()
        ]
    outcome = judged(target, net, replace(forged, signs={path: 0 * bits for path, bits in owners.signs.items()}))
    return replace(outcome, notes={"distance_to_owners_passports": moved, "misfit": misfit})


def preimage(net: nn.Module, path: str, norm_path: str, name: str, start: torch.Tensor) -> torch.Tensor:
    """The passport (1, C, h, w) nearest to `start` from which the convolution at `path` makes the norm's γ or β."""
    convolution, wanted = convolution_at(net, path), getattr(norm_at(net, norm_path), name).detach().cpu().double()
    weights = convolution.weight.detach().cpu().double()
    flat = start.double().flatten()

    def made(passport: torch.Tensor) -> torch.Tensor:
        return weights.flatten(1) @ mean_patch(passport.view(start.shape), convolution)

    linear = torch.func.jacrev(made)(flat)  # (channels, C h w): the map itself, since it is linear
    step = torch.linalg.lstsq(linear, (wanted - made(flat))[:, None], driver="gelsd").solution
    return (flat + step[:, 0]).view(start.shape).float()


ATTACKS: dict[str, Callable[[Target, Plan], Pieces]] = {name: globals()[name] for name in passport_attacks.ATTACKS}
