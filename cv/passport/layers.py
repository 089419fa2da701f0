"""Layers whose scale γ and shift β come from a passport instead of being learnt (DeepIPR, Fan et al. 2019, 2021).

A passport layer replaces the normalisation behind a convolution with weights W and computes γ · Norm(W∗x) + β. A
network without passports becomes one with them by `install`, and turns back by `released`; both have the same layers.
"""

import contextlib
import copy
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

MARGIN = 0.1  # of the sign loss: how far a scale factor has to be on its bit's side
NORMS = (nn.BatchNorm2d, nn.GroupNorm)
Norm = nn.BatchNorm2d | nn.GroupNorm


def mean_patch(passport: torch.Tensor, convolution: nn.Conv2d) -> torch.Tensor:
    """passport (n, C, h, w) -> (C k k,): the mean over its images and over the convolution's places of what is seen.

    Convolution is linear, so W · mean_patch(P) is the mean over space and passports of W∗P, at the cost of one place.
    """
    size, dilation, stride = convolution.kernel_size, convolution.dilation, convolution.stride
    return F.unfold(passport, size, dilation, padding_of(convolution), stride).mean((0, 2))


def padding_of(convolution: nn.Conv2d) -> tuple[int, ...]:
    """As numbers, in which all networks here give it."""
    assert not isinstance(convolution.padding, str)
    return convolution.padding


def convolution_at(net: nn.Module, path: str) -> nn.Conv2d:
    """One of `convolutions`."""
    module = net.get_submodule(path)
    assert isinstance(module, nn.Conv2d)
    return module


def norm_at(net: nn.Module, path: str) -> Norm:
    """The normalisation behind one, in a network without passports."""
    module = net.get_submodule(path)
    assert isinstance(module, NORMS)
    return module


class BranchNorm(nn.Module):
    """Normalisation with two branches: the public one is the plain layer, the private one has its own statistics.

    public: None where there is only the private branch (scheme 1). Without a passport the branches share γ and β: such
    a layer stands behind passport layers, where the branches' features differ.
    """

    def __init__(self, public: Norm | None, plain: Norm) -> None:
        super().__init__()
        self.public = public
        self.private = copy.deepcopy(plain)
        for name in ("weight", "bias"):
            self.private.register_parameter(name, None)
        self.use_private = public is None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """features (N, channels, h, w)."""
        if not self.use_private and self.public is not None:
            return self.public(features)
        norm, (scale, shift) = self.private, self.affine()
        if isinstance(norm, nn.GroupNorm):
            return F.group_norm(features, norm.num_groups, scale, shift, norm.eps)
        mean, variance, momentum = norm.running_mean, norm.running_var, norm.momentum
        assert momentum is not None  # a cumulative average, which no network here takes
        return F.batch_norm(features, mean, variance, scale, shift, norm.training, momentum, norm.eps)

    def affine(self) -> tuple[torch.Tensor, torch.Tensor]:
        """γ and β (channels,) of the private branch."""
        assert self.public is not None  # where it stands alone it has a passport, or γ and β of its own
        return self.public.weight, self.public.bias


class PassportNorm(BranchNorm):
    """γ = W · mean_patch(P_γ), β = W · mean_patch(P_β), W being the weights of the convolution before.

    Of passports gamma, beta (n, C, h, w) the layer keeps their mean patches (C k k,), which is all it needs of them.
    """

    convolution: nn.Conv2d
    gamma: torch.Tensor
    beta: torch.Tensor

    def __init__(
        self,
        public: Norm | None,
        plain: Norm,
        convolution: nn.Conv2d,
        gamma: torch.Tensor,
        beta: torch.Tensor,
    ) -> None:
        super().__init__(public, plain)
        object.__setattr__(self, "convolution", convolution)  # seen, not owned: its weights are listed where they stand
        self.register_buffer("gamma", mean_patch(gamma, convolution))
        self.register_buffer("beta", mean_patch(beta, convolution))

    def patches(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.gamma, self.beta

    def affine(self) -> tuple[torch.Tensor, torch.Tensor]:
        weights = self.convolution.weight.flatten(1)
        with torch.autocast(weights.device.type, enabled=False):  # the signs of γ are not left to a coarser rounding
            gamma, beta = (weights @ patch for patch in self.patches())
        return gamma, beta


class TrainedPassportNorm(PassportNorm):
    """A passport layer whose passports are trained: what fake-3 does."""

    def __init__(self, plain: Norm, convolution: nn.Conv2d, gamma: torch.Tensor, beta: torch.Tensor) -> None:
        super().__init__(None, plain, convolution, gamma, beta)
        self.passports = nn.ParameterList([gamma.clone(), beta.clone()])

    def patches(self) -> tuple[torch.Tensor, torch.Tensor]:
        gamma, beta = (mean_patch(passport, self.convolution) for passport in self.passports)
        return gamma, beta


class FreeNorm(BranchNorm):
    """γ and β (channels,) given directly, with no passport that would yield them: what fake-2 trains."""

    def __init__(self, plain: Norm, scale: torch.Tensor, shift: torch.Tensor) -> None:
        super().__init__(None, plain)
        self.scale, self.shift = nn.Parameter(scale.clone()), nn.Parameter(shift.clone())

    def affine(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.scale, self.shift


class ExpandedResidualBlock(nn.Module):
    """x + W₂ relu(W₁ x) with a hidden layer `expansion` times as wide (after Chen et al. 2023)."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, expansion * width), nn.ReLU(), nn.Linear(expansion * width, width))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + self.body(values)


class ForgedNorm(PassportNorm):
    """A passport layer with accessory blocks between what W makes of the passports and γ, β (Chen et al. 2023).

    An expanded residual block for each of γ and β, so that any passport can be taught to fit.
    """

    def __init__(self, *passport_layer, expansion: int) -> None:
        super().__init__(*passport_layer)
        width = self.convolution.out_channels
        self.blocks = nn.ModuleList(ExpandedResidualBlock(width, expansion) for _ in range(2))

    def affine(self) -> tuple[torch.Tensor, torch.Tensor]:
        gamma, beta = (block(values) for block, values in zip(self.blocks, super().affine(), strict=True))
        return gamma, beta


def sign_loss(scale: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """Σ relu(0.1 - b_i γ_i) over scale factors γ (channels,) and the signature's bits b (channels,)."""
    return F.relu(MARGIN - signs * scale).sum()


def convolutions(net: nn.Module) -> dict[str, str]:
    """Path of every convolution -> path of the normalisation behind it, in the order of the network.

    Left out where γ = W · P has no meaning: convolutions in groups, and normalisations of other channels than theirs.
    """
    found: dict[str, str] = {}
    last, channels = None, 0
    for path, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            last, channels = path if module.groups == 1 else None, module.out_channels
        elif isinstance(module, (*NORMS, BranchNorm)) and last is not None:
            if _width(module) == channels:
                found[last] = path
            last = None
    return found


def _width(module: Norm | BranchNorm) -> int:
    norm = module.private if isinstance(module, BranchNorm) else module
    return norm.num_channels if isinstance(norm, nn.GroupNorm) else norm.num_features


def branch_norms(net: nn.Module) -> dict[str, BranchNorm]:
    """Path of the convolution -> the layer with two branches behind it."""
    norms = {path: net.get_submodule(norm) for path, norm in convolutions(net).items()}
    return {path: norm for path, norm in norms.items() if isinstance(norm, BranchNorm)}


def passport_norms(net: nn.Module) -> dict[str, PassportNorm]:
    return {path: norm for path, norm in branch_norms(net).items() if isinstance(norm, PassportNorm)}


@contextlib.contextmanager
def private_branch(net: nn.Module) -> Iterator[None]:
    """Inside, every layer that has a private branch uses it."""
    switched = [norm for norm in branch_norms(net).values() if not norm.use_private]
    for norm in switched:
        norm.use_private = True
    try:
        yield
    finally:
        for norm in switched:
            norm.use_private = False
