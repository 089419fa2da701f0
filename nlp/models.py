"""Small text classifiers of clearly different architectures, and the same at the sizes of their papers.

All take code points (N, length), 0 after a text's end. The first step finds rows of an embedding; what follows gets the
embedded text (N, T, width) and a mask (N, T) of what is text, and answers the same however long the padding is.
"""

from collections.abc import Callable
from typing import Protocol, cast

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import Architecture
from nlp import bert
from nlp.characters import PADDING, ROWS, Characters

DEVIATION = 0.1  # of the initial embedding: with 1, rare characters are learnt by heart (0.78 instead of 0.81)


class Tokens(Protocol):
    """Code points (N, length) -> rows of an embedding (N, T) and a mask (N, T) of what is text."""

    def __call__(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...

    def places(self, inputs: torch.Tensor) -> torch.Tensor:
        """Which row (N, length) each character became, -1 where it has none of its own."""


class TextModel(Protocol):
    """What this domain's operations on inputs ask of a model: of this file's, and of BERTs."""

    tokens: Tokens

    @property
    def embedding(self) -> nn.Embedding: ...

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor: ...

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor: ...

    def eval(self) -> object: ...

    def requires_grad_(self, requires_grad: bool) -> object: ...


class CharacterModel(nn.Module):
    """What the models of this file share: `logits(embedded, mask)` is their own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens = Characters()
        self.embedding = nn.Embedding(ROWS, width, PADDING)
        with torch.no_grad():
            self.embedding.weight.mul_(DEVIATION)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows, mask = self.tokens(inputs)
        return self.logits(self.embedding(rows), mask)

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embedded texts (N, T, width) and what of them is text (N, T) -> (N, C)."""
        raise NotImplementedError


class TextCNN(CharacterModel):
    """Windows of several sizes, the maximum over a text, one linear layer (Kim 2014); batch norm before it.

    A window stands around each character, and none around padding: most texts are far shorter than the longest.
    """

    def __init__(self, classes: int, width: int, filters: int, sizes: tuple[int, ...], dropout: float) -> None:
        super().__init__(width)
        self.sizes = sizes
        self.windows = nn.ModuleList(nn.Linear(size * width, filters) for size in sizes)
        self.norm = nn.BatchNorm1d(len(sizes) * filters)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(len(sizes) * filters, classes)

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        embedded = _masked(embedded, mask)
        found = [window(_around(embedded, mask, size)) for window, size in zip(self.windows, self.sizes, strict=True)]
        features = self.norm(_maximum(F.relu(torch.cat(found, 1)), mask))
        return self.head(self.dropout(features))


class DPCNN(CharacterModel):
    """Pairs of convolutions with shortcuts, the text halved before each further pair (Johnson and Zhang 2017)."""

    def __init__(self, classes: int, width: int, filters: int, blocks: int, dropout: float) -> None:
        super().__init__(width)
        self.region = nn.Conv1d(width, filters, 3, padding=1)
        pairs = [[nn.Conv1d(filters, filters, 3, padding=1) for _ in range(2)] for _ in range(1 + blocks)]
        self.blocks = nn.ModuleList(nn.ModuleList(pair) for pair in pairs)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(filters, classes)

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        mask = mask[:, None]
        features = self.region(_masked(embedded, mask[:, 0]).transpose(1, 2)) * mask
        for number, block in enumerate(self.blocks):
            if number:
                features, mask = _halved(features, mask)
            change = features
            for convolution in block.children():
                change = convolution(F.relu(change)) * mask
            features = features + change
        return self.head(self.dropout((F.relu(features) * mask).amax(2)))


class Recurrent(nn.LSTM):
    """An LSTM in both directions over texts of their own lengths. It has no other training mode, and cuDNN can only
    go back through that one: adversarial samples are sought in evaluation mode."""

    def __init__(self, width: int, hidden: int, layers: int) -> None:
        super().__init__(width, hidden, layers, batch_first=True, bidirectional=True)

    def train(self, mode: bool = True) -> "Recurrent":
        return super().train(True)

    def states(self, embedded: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """State at each character (N, T, 2 hidden), and both directions' last states (N, 2 hidden)."""
        lengths = mask.sum(1).clamp(min=1).cpu()
        packed, (last, _) = self(pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False))
        everywhere, _ = pad_packed_sequence(packed, batch_first=True, total_length=mask.shape[1])
        return everywhere, torch.cat([last[-2], last[-1]], 1)


class TextRNN(CharacterModel):
    """The last states of an LSTM in both directions, then a hidden layer (Liu et al. 2016)."""

    def __init__(self, classes: int, width: int, hidden: int, layers: int, features: int, dropout: float) -> None:
        super().__init__(width)
        self.recurrent = Recurrent(width, hidden, layers)
        self.features = nn.Linear(2 * hidden, features)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        _, last = self.recurrent.states(_masked(embedded, mask), mask)
        return self.head(self.dropout(F.relu(self.features(last))))


class TextRCNN(CharacterModel):
    """Each character with its left and right context through one layer, the maximum over a text (Lai et al. 2015)."""

    def __init__(self, classes: int, width: int, hidden: int, features: int, dropout: float) -> None:
        super().__init__(width)
        self.recurrent = Recurrent(width, hidden, 1)
        self.features = nn.Linear(2 * hidden + width, features)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        embedded = _masked(embedded, mask)
        context, _ = self.recurrent.states(embedded, mask)
        found = F.relu(self.features(torch.cat([context, embedded], 2)[mask]))
        return self.head(self.dropout(_maximum(found, mask)))


def continuous(model: TextModel, inputs: torch.Tensor) -> tuple[torch.Tensor, Callable]:
    """The embedded texts (N, T, width), and the logits from there: of any whole number of copies of the N texts.

    A network of somebody's own that has no `tokens` is run as it is, and what its first embedding makes is exchanged.
    """
    if not hasattr(model, "tokens"):
        return _from_first_embedding(cast(nn.Module, model), inputs)
    rows, mask = model.tokens(inputs)

    def forward(embedded: torch.Tensor) -> torch.Tensor:
        return model.logits(embedded, mask.repeat(len(embedded) // len(mask), 1))

    return model.embedding(rows), forward


def _from_first_embedding(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, Callable]:
    made: list[tuple[nn.Module, torch.Tensor]] = []
    layers = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    hooks = [layer.register_forward_hook(lambda layer, _, output: made.append((layer, output))) for layer in layers]
    try:
        model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not made or len(made[0][1]) != len(inputs):
        raise UserError("no nn.Embedding makes what a perturbation could be added to; let the network have one")
    layer, start = made[0]

    def forward(embedded: torch.Tensor) -> torch.Tensor:
        hook = layer.register_forward_hook(lambda *_: embedded)
        try:
            return model(inputs.repeat(len(embedded) // len(inputs), 1))
        finally:
            hook.remove()

    return start, forward


def _masked(embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return embedded * mask[..., None]


def _around(embedded: torch.Tensor, mask: torch.Tensor, size: int) -> torch.Tensor:
    """Windows (M, size width) around the M characters of a batch (N, T, width); zeros stand beyond a text's ends."""
    padded = F.pad(embedded, (0, 0, (size - 1) // 2, size // 2))
    return torch.cat([padded[:, shift : shift + mask.shape[1]][mask] for shift in range(size)], 1)


def _maximum(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Of features (M, U) of a batch's M characters, the maximum (N, U) over each text; 0 where there is no text."""
    texts = mask.nonzero()[:, :1].expand_as(features)
    return features.new_zeros(len(mask), features.shape[1]).scatter_reduce(
        0, texts, features, "amax", include_self=False
    )


def _halved(features: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maxima of three neighbours at every second place, of features (N, U, T) and a mask (N, 1, T)."""
    lowest = torch.finfo(features.dtype).min
    padded = F.pad(features.masked_fill(~mask, lowest), (0, 2), value=lowest)
    mask = mask[..., ::2]
    return F.max_pool1d(padded, 3, 2)[..., : mask.shape[2]].masked_fill(~mask, 0), mask


def _sized(network: type[CharacterModel], **sizes) -> Callable[[int, tuple[int, ...]], nn.Module]:
    """Builds `network` at these sizes; a text's length does not matter to it."""
    return lambda classes, _shape: network(classes, **sizes)


def _summands(blocks: int) -> tuple[str, ...]:
    """DPCNN's features are a sum of these convolutions' outputs: a unit is masked in all of them, or it is not gone."""
    return ("region", *(f"blocks.{number}.1" for number in range(1 + blocks)))


ARCHITECTURES = {
    "textcnn_small": Architecture(_sized(TextCNN, width=48, filters=64, sizes=(1, 2, 3), dropout=0.2)),
    "dpcnn_small": Architecture(
        _sized(DPCNN, width=32, filters=32, blocks=2, dropout=0.2), prunable=_summands(blocks=2)
    ),
    "textrcnn_small": Architecture(_sized(TextRCNN, width=48, hidden=32, features=64, dropout=0.2)),
    "textrnn_small": Architecture(_sized(TextRNN, width=48, hidden=48, layers=1, features=64, dropout=0.2)),
    "bert_small": Architecture(bert.small(width=48, layers=1, heads=4, inner=96), rectified=False),
    "textcnn": Architecture(_sized(TextCNN, width=300, filters=256, sizes=(2, 3, 4), dropout=0.5)),
    "dpcnn": Architecture(_sized(DPCNN, width=300, filters=250, blocks=5, dropout=0.5), prunable=_summands(blocks=5)),
    "textrcnn": Architecture(_sized(TextRCNN, width=300, hidden=256, features=256, dropout=0.5)),
    "textrnn": Architecture(_sized(TextRNN, width=300, hidden=128, layers=2, features=256, dropout=0.5)),
    "bert_base_chinese": Architecture(bert.published, rectified=False, sized=bert.small(768, 12, 12, 3072)),
}
