"""A convolutional autoencoder of an attacker's inputs: it flags what it cannot reproduce, and replaces queries.

A query with a large reconstruction error is flagged (Meng and Chen, "MagNet", CCS 2017), and classifying the
reconstruction erases what the autoencoder's code has no room for.
"""

from itertools import pairwise

import torch
from torch import nn

from fingerprinting.core import runtime
from fingerprinting.data.datasets import physical
from fingerprinting.robustness.attacker import Detector
from fingerprinting.robustness.evasion import QueryDetector
from fingerprinting.training.trainer import PREDICTION_BATCH

WIDTHS = (16, 32)  # channels before the code; each layer halves the sides
BATCH = 64  # inputs per update


class Autoencoder(nn.Module):
    """Inputs (N, channels, *sides) of one or two sides, in physical units -> reconstructions of the same shape.

    Channels are scaled by the deviations of the inputs that it is fitted on; one that carries no signal stays as it is.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, inputs: torch.Tensor, code: int) -> None:
        super().__init__()
        channels, sides = inputs.shape[1], inputs.dim() - 2
        convolution, transposed, norm = (
            (nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d),
            (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d),
        )[sides - 1]
        axes = (0, *range(2, inputs.dim()))
        self.register_buffer("mean", inputs.mean(axes, keepdim=True))
        self.register_buffer("deviation", inputs.std(axes, keepdim=True))
        planes = (channels, *WIDTHS)
        self.encoder = nn.ModuleList(
            nn.Sequential(convolution(before, after, 3, 2, 1, bias=False), norm(after), nn.ReLU())
            for before, after in pairwise(planes)
        )
        self.code = nn.Sequential(
            convolution(WIDTHS[-1], code, 1),
            convolution(code, WIDTHS[-1], 3, 1, 1, bias=False),
            norm(WIDTHS[-1]),
            nn.ReLU(),
        )
        self.up = nn.ModuleList(transposed(before, after, 3, 2, 1) for before, after in pairwise(reversed(planes)))
        norms = [nn.Sequential(norm(width), nn.ReLU()) for width in reversed(WIDTHS[:-1])]
        self.norms = nn.ModuleList([*norms, nn.Identity()])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features, sizes = (inputs - self.mean) / self.deviation.clamp_min(torch.finfo(inputs.dtype).eps), []
        for layer in self.encoder:
            sizes.append(features.shape[2:])
            features = layer(features)
        features = self.code(features)
        for up, normed in zip(self.up, self.norms, strict=True):
            features = normed(up(features, output_size=sizes.pop()))
        return features * self.deviation + self.mean


def fit(inputs: torch.Tensor, detector: Detector, name: str, device: torch.device) -> Autoencoder:
    """Fitted on stored or physical inputs (N, ...) by the mean squared error, channels scaled."""
    runtime.seed_everything(name)
    model = runtime.place(Autoencoder(physical(inputs), detector.code), device).train()
    updates = max(1, len(inputs) // BATCH)
    passes = max(detector.autoencoder_epochs, -(-detector.autoencoder_updates // updates))
    optimizer = torch.optim.Adam(model.parameters(), lr=detector.autoencoder_learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, detector.autoencoder_learning_rate, total_steps=updates * passes
    )
    for number in range(passes):
        order = torch.randperm(len(inputs), generator=runtime.generator(f"{name}/epoch {number}"))
        for chosen in order[: updates * BATCH].split(BATCH):
            batch = runtime.place(physical(inputs[chosen].to(device)), device)
            loss = errors(model, batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def errors(model: Autoencoder, inputs: torch.Tensor) -> torch.Tensor:
    """Mean squared error (N,) of each reconstruction, in units of the channels' deviations."""
    wrong = (model(inputs) - inputs) / model.deviation.clamp_min(torch.finfo(inputs.dtype).eps)
    return wrong.square().flatten(1).mean(1)


def query_detector(
    inputs: torch.Tensor, detector: Detector, name: str, device: torch.device, bounds: tuple[float, float]
) -> QueryDetector:
    """Flags by reconstruction error, replaces queries by reconstructions, kept inside the bounds of an input."""
    model = fit(inputs, detector, name, device)

    @torch.inference_mode()
    def each(asked: torch.Tensor, function) -> torch.Tensor:
        pieces = physical(asked).split(PREDICTION_BATCH)
        return torch.cat([function(runtime.place(piece, device)).cpu() for piece in pieces])

    def score(asked: torch.Tensor) -> torch.Tensor:
        return each(asked, lambda piece: errors(model, piece))

    def reconstructed(asked: torch.Tensor) -> torch.Tensor:
        return each(asked, lambda piece: model(piece).clamp(*bounds).contiguous())

    return QueryDetector(score, {"reconstructed": reconstructed})
