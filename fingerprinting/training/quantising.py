"""Post-training static quantisation to int8 (Jacob et al., CVPR 2018) of every convolution and linear layer.

Simulated: products and sums are taken in float32 of values that int8 can hold. A quantised network so stays one of its
architecture, with two numbers beside the weights of each layer.
"""

import torch
from torch import nn

from fingerprinting.training.trainer import predict

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
SCALE, ZERO = "input_scale", "input_zero"  # of a layer: its inputs are (integer - zero) * scale
INPUTS, WEIGHTS = (0, 255), (-127, 127)  # the integers that 8 bits hold, without a sign and with one
LEAST = torch.finfo(torch.float32).eps  # of a scale: what is always zero has one too


def quantise(model: nn.Module, inputs: torch.Tensor, device: torch.device) -> None:
    """Put weights on a grid per output channel, and each layer's inputs on one, by their range on inputs (N, ...).

    In place, of layers whose weight is a parameter of their own. Norms, embeddings and biases stay as they are; a norm
    after a convolution only scales its channels' grids.
    """
    for layer, (least, most) in _ranges(model, inputs, device).items():
        weight = layer.get_parameter("weight")
        with torch.no_grad():
            weight.copy_(rounded(weight))
        scale = max((most - least) / INPUTS[1], LEAST)
        _round_inputs(layer, scale, min(round(-least / scale), INPUTS[1]))


def restore(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """What rounds the inputs of those layers that have a grid among the weights, which are to be loaded then."""
    for path, layer in model.named_modules():
        if f"{path}.{SCALE}" in weights:
            _round_inputs(layer, 1.0, 0)


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """Weights (channels, ...) on the nearest of 255 values, which lie around 0 as far as each channel's largest."""
    scale = (weight.flatten(1).abs().amax(1) / WEIGHTS[1]).clamp_min(LEAST)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, *WEIGHTS)


def _ranges(model: nn.Module, inputs: torch.Tensor, device: torch.device) -> dict[nn.Module, tuple[float, float]]:
    """The least and the largest value that goes into each layer, and 0, which padding adds."""
    found: dict[nn.Module, tuple[float, float]] = {}

    def seen(layer: nn.Module, given: tuple[torch.Tensor]) -> None:
        least, most = found.get(layer, (0.0, 0.0))
        found[layer] = (min(least, given[0].min().item()), max(most, given[0].max().item()))

    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS) and "weight" in layer._parameters]
    hooks = [layer.register_forward_pre_hook(seen) for layer in layers]
    try:
        predict(model, inputs, device)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _round_inputs(layer: nn.Module, scale: float, zero: int) -> None:
    device = next(layer.parameters()).device
    layer.register_buffer(SCALE, torch.tensor(scale, device=device))
    layer.register_buffer(ZERO, torch.tensor(zero, dtype=torch.int32, device=device))
    layer.register_forward_pre_hook(_on_grid)


def _on_grid(layer: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    scale, zero = layer.get_buffer(SCALE), layer.get_buffer(ZERO)
    return (torch.fake_quantize_per_tensor_affine(given[0], scale, zero, *INPUTS), *given[1:])
