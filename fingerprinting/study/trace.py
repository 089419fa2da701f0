"""Where in a network the parts are that attackers work on: as its Architecture says, or found by one traced pass."""

from dataclasses import dataclass

import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import handed_out
from fingerprinting.study.domain import Domain

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class Call:
    """A module without modules of its own that was called: its path, and what it made."""

    path: str
    module: nn.Module
    output: torch.Tensor

    @property
    def units(self) -> int:
        """How many its weights make; 0 of a module without weights."""
        weight = self.module.weight
        return len(weight) if isinstance(weight, torch.Tensor) else 0


def head(domain: Domain, architecture: str, model: nn.Module, inputs: torch.Tensor) -> str:
    """Path of the last linear layer: stated, or the one that makes the logits (N, C) of stored inputs (N, ...)."""
    if (stated := domain.architecture(architecture).head) is not None:
        return stated
    return _head(architecture, *traced(model, inputs)).path


def prunable(domain: Domain, architecture: str, model: nn.Module, inputs: torch.Tensor) -> tuple[str, ...]:
    """Paths of the modules that make the last features: stated, or the last convolution before the head, and its norm.

    A network without convolutions has its last hidden linear layer in place of one. A norm over other units than that
    layer makes takes what several have made, joined; then it makes the features alone.
    """
    if (stated := domain.architecture(architecture).prunable) is not None:
        return stated
    calls, logits = traced(model, inputs)
    before = calls[: calls.index(_head(architecture, calls, logits))]
    layers = [call for call in before if isinstance(call.module, CONVOLUTIONS)]
    layers = layers or [call for call in before if isinstance(call.module, nn.Linear)]
    if not layers:
        raise UserError(
            f"{architecture!r} has neither a convolution nor a hidden linear layer that could be pruned; give "
            "prunable= of its Architecture, or PRUNABLE=, the paths of the modules that make its last features"
        )
    last = layers[-1]
    norms = [call for call in before[before.index(last) :] if isinstance(call.module, NORMS)]
    norm = next((call for call in norms if call.units), None)
    if norm is None:
        return (last.path,)
    return (last.path, norm.path) if norm.units == last.units else (norm.path,)


def traced(model: nn.Module, inputs: torch.Tensor) -> tuple[list[Call], torch.Tensor]:
    """What stored inputs (N, ...) call in evaluation mode, in order, and the logits.

    Nothing of the model changes by it, nor what is drawn afterwards.
    """
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    accelerators = [] if device.type == "cpu" else [device.index or 0]
    calls: list[Call] = []
    hooks = [
        module.register_forward_hook(lambda module, _, output, path=path: calls.append(Call(path, module, output)))
        for path, module in model.named_modules()
        if next(module.children(), None) is None
    ]
    modes = {module: module.training for module in model.modules()}
    try:
        # Not in inference mode: what a network keeps of a pass, such as positions, it must be able to train with later.
        with torch.no_grad(), torch.random.fork_rng(accelerators, device_type=device.type):
            logits = model.eval()(handed_out(inputs, device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return calls, logits


def _head(architecture: str, calls: list[Call], logits: torch.Tensor) -> Call:
    for call in reversed(calls):
        if isinstance(call.module, nn.Linear) and _same(call.output, logits):
            return call
    raise UserError(
        f"the logits of {architecture!r} are no linear layer's output; give head= of its Architecture, or HEAD=, "
        "the path of its last one"
    )


def _same(output, logits) -> bool:
    return output is logits or isinstance(logits, torch.Tensor) and torch.equal(output, logits)
