"""What a suspect says, and the class that it means: names in any spelling, places, or probabilities of all classes."""

import hashlib
import json
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fingerprinting.asking.respondent import LONGEST, Response
from fingerprinting.asking.texts import text_of
from fingerprinting.core.errors import UserError

NUMBER = re.compile(r"\+?[0-9]+(\.[0-9]*)?(e\+?[0-9]+)?")  # also as NumPy's savetxt writes it: 3.000e+00
NAMED = ("label", "class", "prediction", "category", "name")  # under which a JSON object has its class
SCORED = ("score", "probability", "confidence")  # under which it has how sure the suspect is
HIGHEST = ("place", "of")  # what is kept of more probabilities than there is room for
Known = list[tuple[Callable[[str], str], dict[str, int]]]  # ways to spell, and what is so spelt -> place of a class


@dataclass(frozen=True)
class Classes:
    """names: the owner's classes; None where the suspect's are others, of which equal ones are equal responses.

    mapped: what the suspect says -> name or place of the owner's class; where there is such a map, it alone counts.
    """

    names: tuple[str, ...] | None
    mapped: tuple[tuple[str, int], ...] = ()

    def response(self, said: object, attempts: int = 1, seconds: float = 0.0) -> Response:
        """said: anything that JSON can hold. What is kept of it means the same class when it is read again."""
        raw = written(said)
        return Response(self.label(raw), raw, attempts, seconds)

    def label(self, raw: str) -> int | None:
        """The place among the classes that words, a number or a list of probabilities mean; None: of none of them."""
        try:
            said = json.loads(raw)
        except (ValueError, RecursionError):
            said = raw
        return self._meant(said if isinstance(said, list | dict) else raw)

    def _meant(self, said: object) -> int | None:
        while isinstance(said, list) and len(said) == 1:
            said = said[0]
        if isinstance(said, list) and said and all(isinstance(one, dict) for one in said):
            said = max(said, key=_score)
        if isinstance(said, dict):
            place, count = (said.get(name) for name in HIGHEST)
            if type(place) is int and type(count) is int:
                return self._at(place) if 0 <= place < count and self._may_have(count) else None
            named = next((said[name] for name in NAMED if name in said), None)
            return self._meant(named) if named is not None and not isinstance(named, dict) else None
        if isinstance(said, list):
            return self._most_probable(said)
        if said is None or isinstance(said, bool):
            return None
        return self.place(str(said))

    def _most_probable(self, said: list) -> int | None:
        """Of a list with a finite number for each class."""
        if not all(map(_is_finite, said)) or not self._may_have(len(said)):
            return None
        return self._at(int(np.array(said, dtype=float).argmax()))

    def _may_have(self, count: int) -> bool:
        return count > 1 and (self.names is None or bool(self.mapped) or count == len(self.names))

    def _at(self, place: int) -> int | None:
        return self.place(str(place)) if self.mapped or self.names is None else place

    def place(self, word: str) -> int | None:
        """Of one word: by the map where there is one, else by names, from the strictest spelling on, then by place."""
        word = word.strip()
        if self.names is None:
            return of_word(word) if word else None
        return next((places[spelt(word)] for spelt, places in self.known if spelt(word) in places), None)

    @cached_property
    def known(self) -> Known:
        if self.mapped:
            return _spellings([word for word, _ in self.mapped], [place for _, place in self.mapped])
        assert self.names is not None
        names = _spellings(self.names, range(len(self.names)))
        return names if clash(self.names) else [*names, (as_number, _places(self.names))]


def _score(said: dict) -> float:
    found = next((said[name] for name in SCORED if name in said), 0.0)
    return float(found) if _is_finite(found) else -math.inf


def _is_finite(said: object) -> bool:
    """Whether it is a number that a float holds; JSON's whole numbers may be larger."""
    return type(said) in (int, float) and abs(said) <= sys.float_info.max  # type: ignore[arg-type]


def written(said: object) -> str:
    """What a suspect said as it is kept: words as they are, all else as JSON; of too many probabilities the highest."""
    if isinstance(said, str):
        return said[:LONGEST]
    raw = json.dumps(said, ensure_ascii=False, default=str)
    if len(raw) <= LONGEST:
        return raw
    if isinstance(said, list) and all(map(_is_finite, said)):
        place = int(np.argmax(said))
        return json.dumps(dict(zip(HIGHEST, (place, len(said)), strict=True)))
    return raw[:LONGEST]


def of_word(word: str) -> int:
    """A number for a word of an unknown task, the same for equal words whenever they come."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:6], "big")


def _spellings(words: Iterable[str], places: Iterable[int]) -> Known:
    """From the strictest spelling on; one that makes two words of different places alike is left out."""
    pairs, found = list(zip(words, places, strict=True)), []
    for spelt in SPELLINGS:
        table = {spelt(word): place for word, place in pairs}
        if all(table[spelt(word)] == place for word, place in pairs):
            found.append((spelt, table))
    return found


def in_any_case(text: str) -> str:
    """Ａ, A and a are one letter, and so is an accent that stands alone with its letter."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def as_number(text: str) -> str:
    """3.0, 3e+00 and 03 are 3."""
    word = in_any_case(text)
    number = float(word) if NUMBER.fullmatch(word) else math.nan
    return f"{number:.0f}" if number.is_integer() else word


SPELLINGS: tuple[Callable[[str], str], ...] = (str.strip, in_any_case, as_number)


def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {str(place): place for place in range(len(names))}


def clash(names: tuple[str, ...]) -> bool:
    """Whether a class is called as another one's place: 1 to 5 stars are places 0 to 4."""
    places = _places(names)
    return any(places.get(as_number(name), place) != place for place, name in enumerate(names))


def read_map(path: Path, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """CLASSES=: a JSON object from what the suspect says to a name or a place of the owner's classes."""
    try:
        found = json.loads(text_of(path))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found:
        raise UserError(f'{path} is no JSON object like {{"what the suspect says": "{names[0]}"}}; write one')
    own, pairs = Classes(names), []
    for word, named in found.items():
        place = own.place(str(named)) if isinstance(named, str | int) and not isinstance(named, bool) else None
        if place is None:
            raise UserError(f"{path} maps {word!r} to {named!r}, which is no class; take {', '.join(names)}")
        pairs.append((word, place))
    if not _spellings(*zip(*pairs, strict=True)):
        raise UserError(f"{path} names what the suspect says twice, with different classes; keep one of each")
    return tuple(pairs)
