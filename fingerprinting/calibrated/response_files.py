"""A file of a suspect's responses: any text that people and programs write becomes places of classes, or a refusal."""

import math
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from fingerprinting.core.runtime import UserError

LARGEST = 10_000_000  # bytes of a file that is read here; responses to some hundred queries are far smaller
SHOWN = 40  # characters of a response in a sentence
NUMBER = re.compile(r"\+?[0-9]+(\.[0-9]*)?(e\+?[0-9]+)?")  # also as NumPy's savetxt writes it: 3.000e+00


def text_of(path: Path) -> str:
    try:
        if not path.is_file():
            raise UserError(f"{path} is no file" if path.exists() else f"{path} does not exist")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} has {size} bytes, far too many to be read here; give another file")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give another file") from None
    if "\0" in text:  # UTF-16, or a picture
        raise UserError(f"{path} is no text in UTF-8; save it as one")
    return text


def read(path: Path, count: int, classes: tuple[str, ...] | None) -> list[int]:
    """The responses in a file, as `parse` has them."""
    return parse(text_of(path), count, classes, path)


def lines_of(text: str) -> list[str]:
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text.replace("\ufeff", ""))]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def parse(text: str, count: int, classes: tuple[str, ...] | None, path: Path) -> list[int]:
    """Responses, a line each: names of `classes` or places among them; any words where no classes are given.

    Lines end in LF, CRLF or CR and nowhere else; blanks around a response, byte order marks and empty lines after the
    last one do not count. Where a class is called as another one's place, names alone are taken: 1 to 5 stars are
    places 0 to 4.
    """
    lines = lines_of(text)
    if len(lines) != count:
        raise UserError(f"{path} has {len(lines)} responses to {count} queries; give a line for each")
    if missing := [number for number, line in enumerate(lines, 1) if not line]:
        raise UserError(f"line {missing[0]} of {path} is empty; every query needs a response")
    if classes is None:
        places = {word: place for place, word in enumerate(dict.fromkeys(lines))}
        return [places[line] for line in lines]
    known = _known(classes)
    found = [place for line in lines if (place := _place(line, known)) is not None]
    if len(found) < len(lines):
        number = next(number for number, line in enumerate(lines) if _place(line, known) is None)
        said = lines[number] if len(lines[number]) <= SHOWN else lines[number][:SHOWN] + "…"
        or_places = "" if clash(classes) else f" or 0 to {len(classes) - 1}"
        raise UserError(
            f"line {number + 1} of {path} says {said!r}, which is no class; take {', '.join(classes)}{or_places}, or "
            "OTHER_TASK=True if its classes are others"
        )
    return found


Known = list[tuple[Callable[[str], str], dict[str, int]]]  # ways to spell, and what is so spelt -> place of a class


def _known(classes: tuple[str, ...]) -> Known:
    """From the strictest spelling on; one that makes two names alike is left out."""
    names: Known = [(spelt, {spelt(name): place for place, name in enumerate(classes)}) for spelt in SPELLINGS]
    names = [(spelt, places) for spelt, places in names if len(places) == len(classes)]
    return names if clash(classes) else [*names, (_as_number, _places(classes))]


def _place(line: str, known: Known) -> int | None:
    return next((places[spelt(line)] for spelt, places in known if spelt(line) in places), None)


def _in_any_case(text: str) -> str:
    """Ａ, A and a are one letter, and so is an accent that stands alone with its letter."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _as_number(text: str) -> str:
    """3.0, 3e+00 and 03 are 3."""
    word = _in_any_case(text)
    number = float(word) if NUMBER.fullmatch(word) else math.nan
    return f"{number:.0f}" if number.is_integer() else word


SPELLINGS: tuple[Callable[[str], str], ...] = (str.strip, _in_any_case, _as_number)


def _places(classes: tuple[str, ...]) -> dict[str, int]:
    return {str(place): place for place in range(len(classes))}


def clash(classes: tuple[str, ...]) -> bool:
    places = _places(classes)
    return any(places.get(_as_number(name), place) != place for place, name in enumerate(classes))
