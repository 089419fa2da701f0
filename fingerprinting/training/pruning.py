"""Fine-pruning (Liu et al. 2018): mask the least active units, then repair; masks are folded into the weights."""

from collections.abc import Callable

import torch
from torch import nn

from fingerprinting.training.trainer import predict


def activity(
    model: nn.Module, module_path: str, inputs: torch.Tensor, device: torch.device, rectified: bool = True
) -> torch.Tensor:
    """Mean of the rectified outputs, or of their magnitudes, of a module per unit (U,) over inputs and positions."""
    sums: list[torch.Tensor] = []

    def collect(_module: nn.Module, _inputs: tuple, outputs: torch.Tensor) -> None:
        active = outputs.clamp_min(0) if rectified else outputs.abs()
        sums.append((active.flatten(2) if active.dim() > 2 else active[..., None]).mean(2).double().sum(0).cpu())

    hook = model.get_submodule(module_path).register_forward_hook(collect)
    try:
        predict(model, inputs, device)
    finally:
        hook.remove()
    return torch.stack(sums).sum(0) / len(inputs)


def least_active(units: torch.Tensor, ratio: float) -> torch.Tensor:
    """Indices of the `ratio` share of units (U,) with the lowest activity; at least one unit stays."""
    count = min(round(ratio * len(units)), len(units) - 1)
    return units.argsort(stable=True)[:count]


def zeroing(module_paths: tuple[str, ...], units: torch.Tensor) -> Callable[[nn.Module], None]:
    """What keeps the given units of the given modules at zero: applied once, and after every repairing update."""

    def zero(model: nn.Module) -> None:
        with torch.no_grad():
            for path in module_paths:
                for weight in model.get_submodule(path).parameters(recurse=False):
                    weight[units.to(weight.device)] = 0

    return zero
