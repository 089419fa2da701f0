"""Zest (Jia et al., ICLR 2022): models are near where the linear models that LIME fits to them are.

Pieces of a few reference inputs are hidden in many ways, and a model's outputs are regressed on which pieces are seen.
The weights of all reference inputs together are its signature, whatever its architecture.
"""

import random
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import aligned_cosine
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import local_weights

ZEST_REFERENCES = dict(smoke=4, quick=32, cpu=32, paper=128)  # reference inputs (released code: 128)
ZEST_MASKS = dict(smoke=20, quick=64, cpu=64, paper=1_000)  # ways to hide pieces of each, at most (released code: 1000)
ZEST_PIECES = 16  # of an input, at most: blocks of an image, windows of a recording, runs of characters

BACKGROUND = 1_000  # examples whose mean stands where a piece is hidden

Seen = Callable[[torch.Tensor], torch.Tensor]  # which pieces are kept (m, pieces) -> inputs (m, ...) without the others


def zest(owner: Owner, n: int, *, references: int, masks: int, pieces: int) -> Queries:
    """Reference inputs with pieces hidden: the method fixes its own number of queries, whatever n is.

    No two of one reference input are the same, so that short texts have fewer. extra: how many queries are about each
    reference input, and what the output of each query adds to that input's weights (queries, pieces).
    """
    cut, draw = _cut(owner), random.Random(owner.seed("masks"))
    chosen = owner.drawn(references)
    inputs, fits = [], []
    for one in owner.inputs(chosen):
        count, seen = cut(one, pieces)
        kept = some_masks(count, masks, draw)
        inputs.append(seen(kept))
        fits.append(F.pad(torch.linalg.pinv(kept.double()).T, (0, pieces - count)))
    sizes = torch.tensor([len(fit) for fit in fits])
    print(f"zest fixes its own number of queries: {int(sizes.sum())} about {len(chosen)} inputs")
    return Queries(
        torch.cat(inputs),
        owner.part.targets[chosen].repeat_interleave(sizes),
        {"fit": torch.cat(fits), "sizes": sizes},
    )


registry.add(
    Method("zest", "probabilities", local_weights, aligned_cosine, needs="fit"),
    Method("zest", "logits", local_weights, aligned_cosine, needs="fit"),
    queries=zest,
    least=dict(references=1, masks=2, pieces=1),
)


def _cut(owner: Owner) -> Callable[[torch.Tensor, int], tuple[int, Seen]]:
    """How an input is cut into pieces: as its domain says, else into blocks, behind which lies the mean input."""
    if own := owner.study.domain.inputs.pieces:
        return own
    owner.movable()
    return partial(blocks, background=mean_input(owner.inputs(owner.drawn(BACKGROUND))))


def some_masks(pieces: int, count: int, draw: random.Random) -> torch.Tensor:
    """Up to `count` different masks (m, pieces) of which pieces are seen: first all, then any, but never none."""
    everything = 2**pieces - 1
    numbers = {everything: None}
    while len(numbers) < min(count, everything):
        numbers[draw.randint(1, everything)] = None
    return torch.tensor([[number >> place & 1 for place in range(pieces)] for number in numbers], dtype=torch.bool)


def mean_input(inputs: torch.Tensor) -> torch.Tensor:
    """The mean of each channel of inputs (N, channels, ...), as one input whose other axes have length 1."""
    return inputs.mean((0, *range(2, inputs.dim())), keepdim=True)[0]


def blocks(one: torch.Tensor, most: int, background: torch.Tensor) -> tuple[int, Seen]:
    """An input (channels, ...) cut along its other axes into equally many pieces along each, up to `most` together."""
    axes = one.shape[1:] or one.shape
    along = [min(side, int(most ** (1 / len(axes)) + 1e-9)) for side in axes]
    number = torch.zeros(axes, dtype=torch.long)
    for axis, (side, parts) in enumerate(zip(axes, along, strict=True)):
        place = torch.arange(side) * parts // side
        number = number * parts + place.view(-1, *[1] * (len(axes) - axis - 1))

    def seen(kept: torch.Tensor) -> torch.Tensor:
        return torch.where(kept[:, number].view(-1, *[1] * (one.dim() - len(axes)), *axes), one, background)

    return int(number.max()) + 1, seen
