"""The constants of a training."""

import math
from dataclasses import dataclass

from fingerprinting.core.errors import UserError

FEWEST = 2  # examples in a batch: one has no variance, by which batch norm divides
PRECISIONS = ("float32", "bfloat16")  # bfloat16 has float32's range, so that gradients need no scaling


@dataclass(frozen=True)
class Recipe:
    """The constants of one training: AdamW under a one-cycle schedule."""

    epochs: int  # passes over the training part
    learning_rate: float  # the schedule's peak
    batch_size: int  # examples per update
    weight_decay: float
    min_updates: int  # small data sets are passed more often, until this many updates
    augment: bool

    def __post_init__(self) -> None:
        for name, value in (
            ("EPOCHS", max(self.epochs, self.min_updates)),
            ("LEARNING_RATE", self.learning_rate),
            ("BATCH_SIZE", self.batch_size),
        ):
            if value <= 0:
                raise UserError(f"{name}={value} trains nothing; give more than 0")
        if self.batch_size < FEWEST:
            raise UserError(f"BATCH_SIZE={self.batch_size} is too few for batch norm; give {FEWEST} or more")

    def updates(self, examples: int) -> int:
        """Updates per epoch; the incomplete last batch is dropped, which batch norm would need two examples for."""
        return max(1, examples // self.batch_size)

    def passes(self, examples: int) -> int:
        return max(self.epochs, math.ceil(self.min_updates / self.updates(examples)))
