"""Where a network's head and its last features are, found by a traced pass; what is stated is taken as it is."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

import cv.domain
from cv.models import ARCHITECTURES, INSIDE_LAST_BLOCK
from fingerprinting.core.errors import UserError
from fingerprinting.study import trace
from fingerprinting.study.domain import Architecture
from tests.domains import changed

INPUTS = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))

# As these tables were written by hand, from the papers' figures and torchvision's sources.
BY_HAND = {
    "conv3": ("2", ("1.6", "1.7")),
    "mlp": ("2", ("1.4", "1.5")),
    "lenet": ("2", ("1.3",)),
    "separable": ("2", ("1.12", "1.13")),
    "conv3_gn": ("2", ("1.6", "1.7")),
    "mobilenet_v2": ("1.classifier.1", ("1.features.18.0", "1.features.18.1")),
    "densenet121": ("1.classifier", ("1.features.norm5",)),
    "vgg13": ("1.classifier.6", ("1.features.22",)),
    "vgg16_bn": ("1.classifier.6", ("1.features.40", "1.features.41")),
}

SMALL = ("conv3", "mlp", "lenet", "separable", "conv3_gn")


def of(architecture: Architecture, inputs: torch.Tensor = INPUTS) -> tuple[str, tuple[str, ...]]:
    domain = changed(cv.domain.DOMAIN, architectures={"net": architecture})
    model = architecture.build(4, tuple(inputs.shape[1:]))
    return trace.head(domain, "net", model, inputs), trace.prunable(domain, "net", model, inputs)


@pytest.mark.parametrize(
    "name", [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in BY_HAND]
)
def test_what_was_written_by_hand_is_found(name):
    assert ARCHITECTURES[name].head is ARCHITECTURES[name].prunable is None
    assert of(ARCHITECTURES[name]) == BY_HAND[name]


def test_what_is_stated_is_taken():
    assert of(ARCHITECTURES["residual"]) == ("2", ("1.0", "1.1"))
    assert ARCHITECTURES["resnet18"].prunable == INSIDE_LAST_BLOCK
    assert of(replace(ARCHITECTURES["mlp"], head="1.1", prunable=("1.2",))) == ("1.1", ("1.2",))


class Auxiliary(nn.Module):
    """Registers and calls its layers out of order; its logits are not the last linear layer's output."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.auxiliary = nn.Linear(6, 4), nn.Linear(6, 4)
        self.norm, self.conv = nn.BatchNorm2d(6), nn.Conv2d(1, 6, 3)
        self.draws = nn.Dropout()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.norm(self.conv(inputs))).mean((2, 3))
        logits = self.head(self.draws(features))
        self.auxiliary(features + torch.rand(6))
        return logits


def test_layers_are_taken_as_they_are_called_and_the_head_makes_the_logits():
    assert of(Architecture(lambda classes, shape: Auxiliary())) == ("head", ("conv", "norm"))


def test_tracing_changes_nothing_and_draws_nothing():
    model = Auxiliary().train()
    model.norm.eval()
    before, drawn = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    trace.traced(model, INPUTS)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and model.draws.training and not model.norm.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([nn.Conv2d(1, 4, 8), nn.Flatten()], "the logits of 'net' are no linear layer's output; give head= of its"),
        ([nn.Flatten(), nn.Linear(64, 4), nn.Softplus()], "the logits of 'net' are no linear layer's output"),
        ([nn.Flatten(), nn.Linear(64, 4)], "'net' has neither a convolution nor a hidden linear layer that could be"),
    ],
)
def test_what_cannot_be_found_is_asked_for_in_one_sentence(layers, said):
    with pytest.raises(UserError) as refused:
        of(Architecture(lambda classes, shape: nn.Sequential(*layers)))
    assert said in str(refused.value) and "\n" not in str(refused.value)
