"""Primary fingerprint (TIFS 2025): training examples that the source is surest and least sure of, right and wrong."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.examples import Examples
from fingerprinting.training import PREDICTION_BATCH, predictions

# Component -> (is the source right, is a low loss sought). Their order is the order of a match-rate feature.
COMPONENTS = {
    "confident_correct": (True, True),
    "uncertain_correct": (True, False),
    "confident_wrong": (False, False),
    "uncertain_wrong": (False, True),
}


@dataclass(frozen=True)
class Selected:
    """indices (n,) into a part, losses (n,) of their true labels, the source's logits (n, C); best first."""

    indices: torch.Tensor
    losses: torch.Tensor
    logits: torch.Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, rows: torch.Tensor | slice) -> "Selected":
        return Selected(self.indices[rows], self.losses[rows], self.logits[rows])

    def best(self, n: int, low: bool) -> "Selected":
        return self.take(self.losses.topk(min(n, len(self)), largest=not low).indices)

    def joined(self, other: "Selected") -> "Selected":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Selected(*(torch.cat(pair) for pair in pairs))


def select(model: nn.Module, part: Examples, n: int, device: torch.device) -> dict[str, Selected]:
    """Up to `n` examples per component in one inference pass; memory does not grow with the part.

    No example stands in two components: where fewer than 2n are right (or wrong), the two components that want them
    share them out by loss.
    """
    kept: dict[str, Selected] = {}
    start = 0
    for logits in predictions(model, part.inputs, device):
        labels = part.targets[start : start + PREDICTION_BATCH].to(device)
        losses, right = F.cross_entropy(logits, labels, reduction="none"), logits.argmax(1) == labels
        seen = Selected(torch.arange(start, start + len(labels), device=device), losses, logits)
        start += len(labels)
        for name, (wants_right, low) in COMPONENTS.items():
            offered = seen.take(right == wants_right)
            pool = kept[name].joined(offered) if name in kept else offered
            kept[name] = pool.best(n, low)
    kept = {name: Selected(*(value.cpu() for value in vars(found).values())) for name, found in kept.items()}
    for wants_right in (True, False):
        _share_out(kept, [name for name, (right, _) in COMPONENTS.items() if right == wants_right])
    return kept


def _share_out(kept: dict[str, Selected], names: list[str]) -> None:
    """Where two components kept the same examples (they then kept all there are), each gets its half."""
    both = kept[names[0]].joined(kept[names[1]])
    _, inverse = both.indices.unique(return_inverse=True)
    first = torch.full((int(inverse.max()) + 1 if len(both) else 0,), len(both)).scatter_reduce(
        0, inverse, torch.arange(len(both)), "amin"
    )
    if len(first) == len(both):
        return
    distinct = both.take(first)
    low_name = next(name for name in names if COMPONENTS[name][1])
    high_name = next(name for name in names if name != low_name)
    lowest = distinct.take(distinct.losses.argsort(stable=True))
    half = len(distinct) // 2
    kept[low_name] = lowest.take(slice(0, half))
    kept[high_name] = lowest.take(slice(half, None)).best(len(distinct) - half, low=False)
