"""How rows of records lie on disk: a first line that says what rows have in common, then a JSON array for each row.

Rows repeat the names of their columns, the study that they belong to, where they were measured, values of other rows,
and in their key what other columns say; written out in each row that is nine tenths of a file. The first line therefore
holds

    common   columns that have the same value in every row
    shared   values that rows share, such as where a run was measured, the most frequent first
    columns  per kind of row the names of its own columns, then of those whose value is an index into `shared`, then how
             the key is made of other columns, such as "cv/digits/cpu/{method}/{output}" (absent: it is a column)
    format   FORMAT; files that do not say it are older and have other names for some things (study/renamed.py)

and a row is [kind, values of its own columns..., indices into shared...]. Files of version 0.1 have an object for each
row instead, and are read as well.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable

FORMAT = 2
INDEX = 4  # characters of an index and the comma after it


def pack(rows: list[dict]) -> list[str]:
    """Lines for rows that each carry a `key`; nothing is rounded, and what a row lacks it still lacks when read."""
    if not rows:
        return []
    common = _common(rows)
    texts = [{name: _json(row[name]) for name in sorted(row) if name not in common} for row in rows]
    referring = _referring(texts)
    counts = Counter(text for row in texts for name, text in row.items() if name in referring)
    shared = {text: place for place, (text, _) in enumerate(counts.most_common())}
    kinds: dict[tuple[str, ...], list[dict]] = {}
    for row, written in zip(rows, texts, strict=True):
        kinds.setdefault(tuple(written), []).append(row)
    columns = {names: _columns(names, referring, of_kind) for names, of_kind in kinds.items()}
    places = {names: place for place, names in enumerate(kinds)}
    lines = []
    for row, written in zip(rows, texts, strict=True):
        own, refer, *_ = columns[tuple(written)]
        values = [*(row[name] for name in own), *(shared[written[name]] for name in refer)]
        lines.append(_json([places[tuple(written)], *values]))
    first = {
        "format": FORMAT,
        "common": common,
        "shared": [json.loads(text) for text in shared],
        "columns": list(columns.values()),
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
        rows = [_row(columns[kind], values, common, shared) for kind, *values in others]
        return rows, first.get("format", 1)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no packed rows: {error}") from None


def _row(columns: list, values: list, common: dict, shared: list) -> dict:
    own, referring, *made = columns
    found = dict(zip((*own, *referring), values, strict=True))
    row = common | found | {name: shared[found[name]] for name in referring}
    if made:
        row["key"] = re.sub(r"\{([^{}]+)\}", lambda part: str(row[part[1]]), made[0])
    return row


def _referring(texts: list[dict[str, str]]) -> set[str]:
    """Columns that are shorter as indices into the values that they have."""
    columns: dict[str, list[str]] = {}
    for row in texts:
        for name, text in row.items():
            columns.setdefault(name, []).append(text)
    return {
        name
        for name, written in columns.items()
        if name != "key" and sum(map(len, set(written))) + INDEX * len(written) < sum(map(len, written))
    }


def _columns(names: tuple[str, ...], referring: set[str], rows: list[dict]) -> list:
    key = _made_of_columns(rows)
    own = [name for name in names if name not in referring and not (key and name == "key")]
    return [own, [name for name in names if name in referring], *([key] if key else [])]


def _made_of_columns(rows: list[dict]) -> str | None:
    """How the keys of these rows are made of their other columns, if they are: equal from slash to slash."""
    if len(rows) == 1 or any("{" in row["key"] for row in rows) or len({row["key"].count("/") for row in rows}) > 1:
        return None
    parts = [_part(rows, values) for values in zip(*(row["key"].split("/") for row in rows), strict=True)]
    known = [part for part in parts if part is not None]
    return "/".join(known) if len(known) == len(parts) else None


def _part(rows: list[dict], values: tuple[str, ...]) -> str | None:
    if len(set(values)) == 1:
        return values[0]
    for name in sorted(rows[0].keys() - {"key"}):
        if not set(name) & set("{}") and all(str(row[name]) == text for row, text in zip(rows, values, strict=True)):
            return f"{{{name}}}"
    return None


def _common(rows: list[dict]) -> dict:
    """Columns that every row has, always with the same value; a single row has none."""
    if len(rows) == 1:
        return {}
    found = {name: _json(value) for name, value in rows[0].items() if name != "key"}
    for row in rows[1:]:
        found = {name: text for name, text in found.items() if name in row and _json(row[name]) == text}
    return {name: rows[0][name] for name in sorted(found)}


def _json(value) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
