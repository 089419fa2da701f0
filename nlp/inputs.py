"""What can be done to texts: reading and mixing."""

from collections.abc import Callable

import torch

from nlp import data


def describe(text: torch.Tensor) -> str:
    """One input (length,) as it is read, on one line."""
    return " ".join(data.decode(text[None])[0].split())


def runs(text: torch.Tensor, most: int) -> tuple[int, Callable[[torch.Tensor], torch.Tensor]]:
    """Up to `most` runs of a text's (length,) characters, and the texts (m, length) in which some are left out."""
    points = text[text != 0]
    count = min(most, len(points))
    number = torch.arange(len(points)) * count // max(1, len(points))

    def seen(kept: torch.Tensor) -> torch.Tensor:
        texts = text.new_zeros(len(kept), len(text))
        for row, own in zip(texts, kept, strict=True):
            left = points[own[number]]
            row[: len(left)] = left
        return texts

    return count, seen


def spliced(first: torch.Tensor, second: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The first half of one text (N, length) and the second half of another; nothing is drawn."""
    halves = []
    for one, other in zip(data.decode(first), data.decode(second), strict=True):
        halves.append(one[: (len(one) + 1) // 2] + other[len(other) // 2 :])
    return data.encode(halves, first.shape[1])
