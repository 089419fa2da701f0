"""Parts of a domain that are imported when they are first read: --help and a mistake in it need no torch."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Later:
    """reference: module:name."""

    reference: str


def later(reference: str) -> Any:
    """What stands at module:name, given as a field of a Declared."""
    return Later(reference)


def stated(holder: object) -> dict[str, Any]:
    """The fields of a dataclass that are there, or have been imported."""
    return {name: value for name, value in vars(holder).items() if not isinstance(value, Later)}


class Declared:
    """A dataclass whose fields may be given as later(...): they are imported when they are first read."""

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if isinstance(value, Later):
            value = pkgutil.resolve_name(value.reference)
            object.__setattr__(self, name, value)
        return value
