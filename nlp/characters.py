"""The first step of every small text model: which row of its embedding a character has. The same table for all.

Rows: padding, the beginning of a text (BERT's [CLS]), ASCII, the 7,445 characters of GB 2312 (simplified Chinese with
its punctuation), and SPARE rows among which all other characters are spread.
"""

from functools import lru_cache

import torch
from torch import nn

PADDING, BEGIN, ASCII = 0, 1, 1  # the rows of ASCII are 2 to 128: its NUL is padding
GB2312 = 129
SPARE = 509  # a prime larger than most scripts' blocks, so that letters of one script keep apart
ROWS = GB2312 + 7445 + SPARE
BASIC = 1 << 16  # code points of the basic multilingual plane


def gb2312(first: int, last: int) -> list[int]:
    """Code points of the characters whose GB 2312 bytes begin with `first` to `last`; not every pair has one."""
    pairs = (bytes([high, low]) for high in range(first, last + 1) for low in range(0xA1, 0xFF))
    return [ord(text) for pair in pairs if (text := pair.decode("gb2312", "ignore"))]


@lru_cache(maxsize=1)
def table() -> torch.Tensor:
    """Row of every code point (BASIC,) of the basic multilingual plane."""
    points = torch.arange(BASIC)
    rows = ROWS - SPARE + points % SPARE
    rows[:128] = points[:128] + ASCII
    rows[0] = PADDING
    own = torch.tensor(gb2312(0xA1, 0xF7))
    rows[own] = GB2312 + torch.arange(len(own))
    return rows


class Characters(nn.Module):
    """Code points (N, length) -> rows (N, T) and a mask (N, T) of what is text; T is as long as the batch needs.

    begin: whether a row for the beginning of the text comes first.
    """

    table: torch.Tensor

    def __init__(self, begin: bool = False) -> None:
        super().__init__()
        self.begin = begin
        self.register_buffer("table", table(), persistent=False)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(1, int((inputs != 0).sum(1).max()))
        points = inputs[:, :longest].long()
        rows = torch.where(points < BASIC, self.table[points.clamp(max=BASIC - 1)], ROWS - SPARE + points % SPARE)
        if self.begin:
            rows = nn.functional.pad(rows, (1, 0), value=BEGIN)
        return rows, rows != PADDING

    def places(self, inputs: torch.Tensor) -> torch.Tensor:
        """Which row (N, length) each character became; -1 for padding."""
        places = torch.arange(inputs.shape[1], device=inputs.device) + int(self.begin)
        return torch.where(inputs != 0, places, -1)
