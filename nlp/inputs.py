"""What can be done to texts: reading and mixing."""

import torch

from nlp import data


def describe(text: torch.Tensor) -> str:
    """One input (length,) as it is read, on one line."""
    return " ".join(data.decode(text[None])[0].split())


def spliced(first: torch.Tensor, second: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The first half of one text (N, length) and the second half of another; nothing is drawn."""
    halves = []
    for one, other in zip(data.decode(first), data.decode(second), strict=True):
        halves.append(one[: (len(one) + 1) // 2] + other[len(other) // 2 :])
    return data.encode(halves, first.shape[1])
