"""Small networks in double precision, for the tests of fingerprints that follow gradients."""

import torch
from torch import nn

from fingerprinting.fingerprints import owner as owners
from fingerprinting.fingerprints.owner import Owner, frozen
from fingerprinting.study.study import Study

SHAPE = (1, 8, 8)
BOUNDS = (0.0, 1.0)
CONSTANTS = {
    "ipguard": dict(steps=60, learning_rate=0.02, margin=0.3, target="runner_up"),
    "cae": dict(candidates=1.5, steps=15, learning_rate=0.02, epsilon=0.15, dropout=0.3),
    "adv_tra": dict(candidates=2, classes=4, length=4, step=0.02, decay=0.9, rounds=20),
    "modeldiff": dict(steps=10, epsilon=0.1),
}


def network(seed: int, classes: int = 5) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, classes)).double()
    for weights in model.parameters():
        nn.init.normal_(weights, 0, 0.6, generator=draw)
    return frozen(model)


def relative(model: nn.Module, seed: int, distance: float) -> nn.Module:
    """A copy of a network whose weights went astray a little."""
    other = network(0, model[3].out_features)
    with torch.no_grad():
        for own, given, noise in zip(
            other.parameters(), model.parameters(), network(seed, model[3].out_features).parameters(), strict=True
        ):
            own.copy_(given + distance * noise)
    return other


def images(count: int = 12) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.double)


def top_two(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return model(inputs).topk(2, dim=1).indices.unbind(1)


def each(make, *parts: torch.Tensor) -> torch.Tensor:
    """What `make` makes of each sample alone, joined."""
    return torch.cat([make(*(part[row : row + 1] for part in parts)) for row in range(len(parts[0]))])


class Own(Owner):
    """An owner of the study's data whose source and reference models are small networks, in single precision."""

    astray = 0.1  # how far the stolen models' weights are from the source's

    def __init__(self, study: Study, name: str) -> None:
        super().__init__(study, name)
        self.source = network(0, 10).float()
        self.source_logits = self.source(owners.physical(self.part.inputs))

    def opened(self, reference):
        pirated = reference.kind.role == "pirated"
        return (relative(network(0, 10), 50, self.astray) if pirated else network(99, 10)).float()
