"""How rows of records lie on disk: a first line that says what rows have in common, then a JSON array for each row.

Rows repeat the names of their columns, the study that they belong to and where they were measured; written out in each
row that is three quarters of a file. The first line therefore holds

    common   columns that have the same value in every row
    shared   lists and objects that several rows have, such as where a run was measured
    columns  per kind of row the names of its own columns, then of those whose value is an index into `shared`
    format   FORMAT; files that do not say it are older and have other names for some things (study/renamed.py)

and a row is [kind, values of its own columns..., indices into shared...]. Files of version 0.1 have an object for each
row instead, and are read as well.
"""

import json
from collections import Counter
from collections.abc import Iterable

FORMAT = 2


def pack(rows: list[dict]) -> list[str]:
    """Lines for rows that each carry a `key`; nothing is rounded, and what a row lacks it still lacks when read."""
    if not rows:
        return []
    common = _common(rows)
    texts = Counter(text for row in rows for name, value in row.items() if name not in common if (text := _text(value)))
    shared = {text: place for place, text in enumerate(text for text, count in texts.items() if count > 1)}
    kinds: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    lines = []
    for row in rows:
        names = sorted(name for name in row if name not in common)
        places = {name: shared[text] for name in names if (text := _text(row[name])) in shared}
        own = tuple(name for name in names if name not in places)
        kind = kinds.setdefault((own, tuple(places)), len(kinds))
        lines.append(_json([kind, *(row[name] for name in own), *places.values()]))
    first = {
        "format": FORMAT,
        "common": common,
        "shared": [json.loads(text) for text in shared],
        "columns": list(kinds),
    }
    return [_json(first), *lines]


def unpack(lines: Iterable[str]) -> tuple[list[dict], int]:
    """The rows of `pack` and the format's number; ValueError where the lines are of none."""
    first, *others = map(json.loads, lines)
    if not isinstance(first, dict):
        raise ValueError("no object comes first")
    if "key" in first:
        return [first, *others], 0
    try:
        common, shared, columns = (first[name] for name in ("common", "shared", "columns"))
        rows = [common | _row(columns[kind], values, shared) for kind, *values in others]
        return rows, first.get("format", 1)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no packed rows: {error}") from None


def _row(columns: list[list[str]], values: list, shared: list) -> dict:
    own, referring = columns
    found = dict(zip((*own, *referring), values, strict=True))
    return found | {name: shared[found[name]] for name in referring}


def _common(rows: list[dict]) -> dict:
    """Columns that every row has, always with the same value; a single row has none."""
    if len(rows) == 1:
        return {}
    found = {name: _json(value) for name, value in rows[0].items() if name != "key"}
    for row in rows[1:]:
        found = {name: text for name, text in found.items() if name in row and _json(row[name]) == text}
    return {name: rows[0][name] for name in sorted(found)}


def _text(value) -> str:
    """What lists and objects with something in them are recognised by; empty for all else."""
    return _json(value) if value and isinstance(value, (dict, list)) else ""


def _json(value) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
