"""DeepIPR's fake-2, fake-3 and pruning as its released code has them, beside ours in attacks.py."""

import math
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from cv.passport.forging import flipped, freed, trainable, trained_norms, with_trained_passports
from cv.passport.layers import FreeNorm, branch_norms
from cv.passport.target import Outcome, Pieces, Plan, Target, judged, owned
from cv.passport.training import protected_loss
from fingerprinting.training import objectives
from fingerprinting.training.trainer import Objective

NOISE = 0.001  # deviation of fake-3's start from the owner's passports
CLIP = 2.0  # of fake-3's gradients' norm


def fake2_published(target: Target, plan: Plan) -> Pieces:
    """Fake-2 as released: γ begins at the claimed signs, β at 0, and nothing holds the signs but the start."""
    return {share: partial(_fake2_published, target, plan, share) for share in plan.forged_shares}


def _fake2_published(target: Target, plan: Plan, share: float) -> Outcome:
    name = f"fake2_published/{share:g}"
    claimed = flipped(target.held, share, target.draw(name))
    net = freed(target, claimed.signs, {path: torch.zeros(len(bits)) for path, bits in claimed.signs.items()})
    free = [norm for norm in branch_norms(net).values() if isinstance(norm, FreeNorm)]
    trainable(net, [weight for norm in free for weight in (norm.scale, norm.shift)])
    return judged(target, target.forged_as_published(net, objectives.cross_entropy, plan.forge, name), claimed)


def fake3_published(target: Target, plan: Plan) -> Pieces:
    """Fake-3 as released: from hardly any noise, and driven away from the owner's passports by the sum of 1 / MSE."""
    return {share: partial(_fake3_published, target, plan, share) for share in plan.forged_shares}


def _fake3_published(target: Target, plan: Plan, share: float) -> Outcome:
    name = f"fake3_published/{share:g}"
    claimed, draw = flipped(target.held, share, target.draw(name)), target.draw(f"{name}/noise")
    net = with_trained_passports(target, lambda one: one + NOISE * torch.randn(one.shape, generator=draw))
    owners = [target.held.gamma[path].to(target.device) for path in claimed.signs]
    pairs = list(zip(owners, [target.held.beta[path].to(target.device) for path in claimed.signs], strict=True))
    objective = driven_away(protected_loss(claimed.signs, plan.sign_weight, target.device), pairs)
    forged = target.forged_as_published(net, objective, plan.forge, name, clip=CLIP)
    outcome = judged(target, forged, claimed)
    return replace(outcome, notes={"cosine": _cosines(forged, pairs)})


def driven_away(objective: Objective, owners: list[tuple[torch.Tensor, torch.Tensor]]) -> Objective:
    """The objective plus, for each of the owner's P_γ and P_β, one over its mean squared distance from the forged."""

    def loss(net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        away = sum(
            1 / F.mse_loss(forged, own)
            for norm, both in zip(trained_norms(net), owners, strict=True)
            for forged, own in zip(norm.passports, both, strict=True)
        )
        return objective(net, inputs, labels) + away

    return loss


def _cosines(net: nn.Module, owners: list[tuple[torch.Tensor, torch.Tensor]]) -> list[float]:
    """Of each forged passport with the owner's, P_γ and P_β of a layer one after the other."""
    return [
        F.cosine_similarity(forged.flatten(), own.flatten(), dim=0).item()
        for norm, both in zip(trained_norms(net), owners, strict=True)
        for forged, own in zip(norm.passports, both, strict=True)
    ]


def prune_global(target: Target, plan: Plan) -> Pieces:
    """As released: of all parameters together the smallest share becomes 0, by one threshold for the network."""
    return {share: partial(_prune_global, target, share) for share in plan.shares}


def _prune_global(target: Target, share: float) -> Outcome:
    return owned(target, pruned_globally(target.copied(), share))


def pruned_globally(net: nn.Module, share: float) -> nn.Module:
    """What lies above the percentile of all absolute values stays; biases, γ and β count as weights do."""
    if not share:
        return net
    sizes = torch.cat([weight.detach().abs().flatten() for weight in net.parameters()])
    threshold = sizes.sort().values[max(0, math.ceil(share * len(sizes)) - 1)]
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(weight.abs() > threshold)
    return net
