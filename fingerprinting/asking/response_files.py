"""A file of a suspect's responses: any text that people and programs write becomes places of classes, or a refusal."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from fingerprinting.asking.classes import NAMED, Classes, clash, written
from fingerprinting.asking.respondent import Response
from fingerprinting.asking.texts import text_of
from fingerprinting.core.errors import UserError

JSON = ".jsonl"
SUFFIXES = (".txt", ".csv", JSON)
SHOWN = 40  # characters of a response in a sentence
REFUSED = ("-", "refused", "refusal")  # where the suspect said no class, by its own will
RESPONSES, PLACES = (*NAMED, "response"), ("index", "query", "number", "row")  # headers of columns
Row = tuple[int, str]  # the line that it stands on, and what it says


def read(path: Path, count: int, classes: Classes) -> list[Response]:
    """The responses in a file to so many queries, as `parse` has them."""
    return parse(text_of(path), count, classes, path)


def fewest_and_most(path: Path) -> tuple[int, int]:
    """To how many queries a file may respond: empty lines at its end are no responses, or unanswered queries."""
    lines = _split(text_of(path))
    most = len(lines)
    while lines and not lines[-1]:
        lines.pop()
    return len(lines), most


def _split(text: str) -> list[str]:
    """Lines without blanks around them; the end of the last one begins no further line."""
    return [line.strip() for line in io.StringIO(text.replace("\ufeff", ""), newline=None)]


def parse(text: str, count: int, classes: Classes, path: Path) -> list[Response]:
    """A response to each query in its words, without a label where there is none, or the suspect refused.

    A line each, of names or places; a file called .csv has columns, one called .jsonl a JSON value a line. Lines end in
    LF, CRLF or CR and nowhere else; blanks around a response, byte order marks and empty lines after the last one do
    not count. Where a class is called as another one's place, names alone are taken: 1 to 5 stars are places 0 to 4.
    """
    kind = path.suffix.lower()
    meant = classes.label if kind == JSON else classes.place
    rows = READERS.get(kind, _of_lines)(text, count, classes, path)
    found = [Response(_label(row, meant, classes, path), row[1]) for row in rows]
    if all(said.label is None for said in found):
        raise UserError(f"{path} has a class in no line; give the suspect's responses")
    return found


def _of_lines(text: str, count: int, _classes: Classes, path: Path) -> list[Row]:
    lines = _split(text)
    while len(lines) > count and not lines[-1]:
        lines.pop()
    return list(enumerate(_as_many(lines, count, path), 1))


def _as_many(rows: Sequence, count: int, path: Path) -> Sequence:
    if len(rows) != count:
        raise UserError(
            f"{path} has {len(rows)} responses to {count} queries; give a line for each, an empty one where there is "
            "no response"
        )
    return rows


def _of_columns(text: str, count: int, classes: Classes, path: Path) -> list[Row]:
    """A header names the columns; without one the column is taken that names classes."""
    lines = list(csv.reader(io.StringIO(text.replace("\ufeff", ""), newline="")))
    while lines and not any(cell.strip() for cell in lines[-1]) and len(lines) > count:
        lines.pop()
    header = [cell.strip().casefold() for cell in lines[0]] if lines else []
    if not set(header) & set(RESPONSES):
        whole = [",".join(line).strip(" ,") for line in lines]
        if len(lines) == count and classes.names and _names_classes(whole, classes):
            return list(enumerate(whole, 1))  # a name may hold a comma and stand without quotes
        rows = [[cell.strip() for cell in line] for line in _as_many(lines, count, path)]
        column = _column(rows, classes, path)
        return [(number, row[column] if column < len(row) else "") for number, row in enumerate(rows, 1)]
    column = next(place for place, name in enumerate(header) if name in RESPONSES)
    index = next((place for place, name in enumerate(header) if name in PLACES), None)
    found = [(number, _cells(line, len(header), column)) for number, line in enumerate(lines[1:], 2)]
    said = [(number, row[column] if column < len(row) else "") for number, row in found]
    if index is None:
        return list(_as_many(said, count, path))
    return _in_order(
        [(row[index] if index < len(row) else "", one) for (_, row), one in zip(found, said, strict=True)], count, path
    )


def _cells(line: list[str], width: int, column: int) -> list[str]:
    """What stands beyond the last column of a line belongs to a response there: a class's name may hold a comma."""
    if column == width - 1:
        line = [*line[:column], ",".join(line[column:]).strip(" ,")]
    return [cell.strip() for cell in line]


def _column(rows: list[list[str]], classes: Classes, path: Path) -> int:
    width = max(map(len, rows), default=1) or 1
    columns = [[row[place] if place < len(row) else "" for row in rows] for place in range(width)]
    named = [place for place in range(width) if width == 1 or _names_classes(columns[place], classes)]
    if len(named) != 1:
        raise UserError(
            f"{path} has {width} columns, of which it is not plain which holds the responses; call it label"
        )
    return named[0]


def _names_classes(column: list[str], classes: Classes) -> bool:
    """Whether a column can be responses; of an unknown task what is no number can."""
    words = [word for word in column if word and word.casefold() not in REFUSED]
    if classes.names is None:
        return not all(re.fullmatch(r"[0-9.eE+-]+", word) for word in words)
    return all(classes.place(word) is not None for word in words)


def _of_json(text: str, count: int, _classes: Classes, path: Path) -> list[Row]:
    """A value a line: a class, probabilities, or an object with one and perhaps its query's index; also the journal."""
    rows: list[tuple[object, Row]] = []
    for number, line in enumerate(text.replace("\ufeff", "").split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f"line {number} of {path} is no JSON; give a value a line") from None
        if isinstance(said, dict) and ("format" in said or said.get("repeat") is True):
            continue
        place = next((said[name] for name in PLACES if name in said), "") if isinstance(said, dict) else ""
        raw = said["raw"] if isinstance(said, dict) and isinstance(said.get("raw"), str) else written(said)
        rows.append((place, (number, "" if said is None else raw)))
    if any(place != "" for place, _ in rows):
        return _in_order(rows, count, path)
    return list(_as_many([row for _, row in rows], count, path))


def _in_order(rows: list[tuple[object, Row]], count: int, path: Path) -> list[Row]:
    """By the index of each row's query, from 0; queries without a row are unanswered."""
    found = dict.fromkeys(range(count), (0, ""))
    seen = set()
    for given, row in rows:
        index = int(str(given)) if re.fullmatch(r"[0-9]{1,9}", str(given)) else -1
        if index not in found or index in seen:
            raise UserError(
                f"line {row[0]} of {path} is of query {given!r}; number them from 0 to {count - 1}, each once"
            )
        seen.add(index)
        found[index] = row
    return list(found.values())


READERS = {".csv": _of_columns, JSON: _of_json}


def _label(row: Row, meant: Callable[[str], int | None], classes: Classes, path: Path) -> int | None:
    number, word = row
    label = meant(word) if word else None
    if label is None and word and word.casefold() not in REFUSED:
        raise UserError(f"line {number} of {path} says {_shown(word)!r}, which is no class; {_take(classes)}")
    return label


def _shown(word: str) -> str:
    return word if len(word) <= SHOWN else word[:SHOWN] + "…"


def _take(classes: Classes) -> str:
    assert classes.names is not None
    if classes.mapped:
        return f"CLASSES= knows {', '.join(word for word, _ in classes.mapped)}; add it there"
    or_places = "" if clash(classes.names) else f" or 0 to {len(classes.names) - 1}"
    refused = f"{REFUSED[0]} where it refused"
    names = ", ".join(repr(name) if "," in name else name for name in classes.names)
    return f"take {names}{or_places}, {refused}, or OTHER_TASK=True if its classes are others"
