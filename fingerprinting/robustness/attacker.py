"""An adaptive attacker's constants, those of detect_erase_attack.py, a class for each of its defences."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fingerprinting.core.errors import UserError


@dataclass(frozen=True)
class Detector:
    """How it learns what its own inputs are like: by that it flags queries, and erases what is strange in them."""

    held_out: float
    autoencoder_epochs: int
    autoencoder_learning_rate: float
    autoencoder_updates: int
    code: int
    order: int

    def __post_init__(self) -> None:
        _is_share(self, "held_out")
        _is_positive(self, "code", "order")


@dataclass(frozen=True)
class Evasion:
    """What it gives out instead of its model's probabilities."""

    evasion_fpr: float
    decimals: int
    temperature: float
    noise: float

    def __post_init__(self) -> None:
        _is_share(self, "evasion_fpr")
        _is_positive(self, "temperature")


@dataclass(frozen=True)
class Removal:
    """How it trains copies away from the source."""

    removal_copies: int
    removal_epochs: int
    removal_learning_rate: float
    feature_weight: float
    ranking_weight: float

    def __post_init__(self) -> None:
        _is_positive(self, "removal_copies")


@dataclass(frozen=True)
class Attacker:
    """cost_inputs: test inputs on which a defence's cost in accuracy is measured."""

    detector: Detector
    evasion: Evasion
    removal: Removal
    cost_inputs: int

    def __post_init__(self) -> None:
        _is_positive(self, "cost_inputs")

    @classmethod
    def of(cls, cost_inputs: int, **constants) -> Attacker:
        """constants: every field of the three."""
        parts = (
            {part.name: constants.pop(part.name) for part in fields(kind)} for kind in (Detector, Evasion, Removal)
        )
        detector, evasion, removal = parts
        if constants:
            raise TypeError(f"an attacker has no {', '.join(constants)}")
        return cls(Detector(**detector), Evasion(**evasion), Removal(**removal), cost_inputs)


def _is_share(part: object, name: str) -> None:
    if not 0 < (value := getattr(part, name)) < 1:
        raise UserError(f"{name.upper()}={value} must lie between 0 and 1, both excluded")


def _is_positive(part: object, *names: str) -> None:
    for name in names:
        if (value := getattr(part, name)) <= 0:
            raise UserError(f"{name.upper()}={value} must be more than 0")
