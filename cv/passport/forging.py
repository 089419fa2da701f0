"""What forgers of passports share: other signs, γ and β given freely, passports to be trained."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from cv.passport.layers import FreeNorm, TrainedPassportNorm, convolution_at, convolutions, norm_at, passport_norms
from cv.passport.passports import Passports
from cv.passport.target import Target


def flipped(held: Passports, share: float, draw: torch.Generator) -> Passports:
    """The same passports with a random share of all the signature's signs turned round."""
    whole = torch.cat(list(held.signs.values()))
    turned = torch.randperm(len(whole), generator=draw)[: round(share * len(whole))]
    whole[turned] *= -1
    pieces = whole.split([len(bits) for bits in held.signs.values()])
    return replace(held, signs=dict(zip(held.signs, pieces, strict=True)))


def freed(target: Target, scales: dict[str, torch.Tensor], shifts: dict[str, torch.Tensor]) -> nn.Module:
    """The released network with γ and β of its passport layers given directly."""
    net = target.copied()
    pairs = convolutions(net)
    for path in scales:
        net.set_submodule(pairs[path], FreeNorm(norm_at(net, pairs[path]), scales[path], shifts[path]))
    return net.to(target.device)


def trainable(net: nn.Module, weights: list[nn.Parameter]) -> None:
    """Freeze all but these."""
    net.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)


def with_trained_passports(target: Target, start: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """The released network with passports of its own to train, from what `start` makes of the owner's."""
    net, pairs = target.copied(), convolutions(target.net)
    for path in target.held.signs:
        begun = [start(passport).to(target.device) for passport in (target.held.gamma[path], target.held.beta[path])]
        net.set_submodule(
            pairs[path], TrainedPassportNorm(norm_at(net, pairs[path]), convolution_at(net, path), *begun)
        )
    trainable(net, [passport for norm in trained_norms(net) for passport in norm.passports])
    return net


def trained_norms(net: nn.Module) -> list[TrainedPassportNorm]:
    return [norm for norm in passport_norms(net).values() if isinstance(norm, TrainedPassportNorm)]
