"""Primary fingerprint (TIFS 2025): the training examples about which the source is most and least confident."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.data.datasets import Examples
from fingerprinting.training.trainer import predictions

# Component -> (is the source right, is a low loss sought). Their order is the order of a match-rate feature.
COMPONENTS = {
    "confident_correct": (True, True),
    "uncertain_correct": (True, False),
    "confident_wrong": (False, False),
    "uncertain_wrong": (False, True),
}
GROUP = 16  # batches of responses sorted together: sorting after each would cost a small net 5% of its inference


@dataclass(frozen=True)
class Selected:
    """indices (n,) into a part, losses (n,) of their true labels, the source's logits (n, C)."""

    indices: torch.Tensor
    losses: torch.Tensor
    logits: torch.Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, rows: torch.Tensor | slice) -> "Selected":
        return Selected(self.indices[rows], self.losses[rows], self.logits[rows])

    def joined(self, other: "Selected") -> "Selected":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Selected(*(torch.cat(pair) for pair in pairs))

    def ends(self, n: int) -> "Selected":
        """By rising loss (equal ones by index) the n lowest and the n highest; all where there are fewer than 2n."""
        order = self.losses.argsort(stable=True)
        return self.take(torch.cat([order[:n], order[max(n, len(order) - n) :]]))


def select(model: nn.Module, part: Examples, n: int, device: torch.device) -> dict[str, Selected]:
    """Up to `n` examples per component, best first, in one inference pass; memory does not grow with the part.

    No example stands in two components: where fewer than 2n are right (or wrong), the two components that want them
    share them out by loss.
    """
    return share_out(extremes(model, part, n, device), dict.fromkeys(COMPONENTS, n))


def extremes(model: nn.Module, part: Examples, n: int, device: torch.device) -> dict[bool, Selected]:
    """The n lowest and n highest losses of what the source gets right (True) and wrong (False), ascending."""
    kept: dict[bool, Selected] = {}
    start = 0
    for logits in _grouped(predictions(model, part.inputs, device)):
        labels = part.targets[start : start + len(logits)].to(device)
        losses, right = F.cross_entropy(logits, labels, reduction="none"), logits.argmax(1) == labels
        seen = Selected(torch.arange(start, start + len(labels), device=device), losses, logits)
        start += len(labels)
        for wanted in (True, False):
            offered = seen.take(right == wanted)
            kept[wanted] = (kept[wanted].joined(offered) if wanted in kept else offered).ends(n)
    return {wanted: Selected(*(value.cpu() for value in vars(found).values())) for wanted, found in kept.items()}


def share_out(ends: dict[bool, Selected], wanted: Mapping[str, int]) -> dict[str, Selected]:
    """Components, best first, from sorted losses: each gets what it wants, or its share where there is not enough."""
    chosen = {}
    for right, found in ends.items():
        names = {low: name for name, (is_right, low) in COMPONENTS.items() if is_right == right}
        low, high = (wanted.get(names[is_low], 0) for is_low in (True, False))
        low = min(low, len(found) * low // max(1, low + high))
        chosen[names[True]] = found.take(slice(0, low))
        chosen[names[False]] = found.take(torch.arange(len(found) - 1, max(low, len(found) - high) - 1, -1))
    return {name: chosen[name] for name in COMPONENTS}


def _grouped(batches: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    while group := list(islice(batches, GROUP)):
        yield torch.cat(group)
