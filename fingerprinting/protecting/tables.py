"""Texts and their classes in two columns of a CSV or parquet file, as code points int32 (N, length)."""

import csv
import io
from pathlib import Path

import numpy as np

from fingerprinting.core.errors import UserError
from fingerprinting.protecting.examples import LARGEST, TEXTS, Found, listed, numbered, too_large
from nlp.data import MISSING, encode

LONGEST = 512  # characters of a text that are kept, unless LENGTH= says otherwise
SEPARATORS = {".csv": ",", ".tsv": "\t"}
COLUMNS = {"TEXT": ("text", "review", "sentence", "content"), "LABEL": ("label", "class", "category", "target")}
LONGEST_FIELD = 2**24  # characters, where csv allows 2**17


def read(path: Path, text: str, label: str, length: int) -> Found:
    """A row is an example; rows without a text or a label are left out, and so are texts of several classes."""
    columns = _parquet(path, text, label) if path.suffix.lower() == ".parquet" else _csv(path)
    text, label = (_column(path, columns, name, given) for name, given in (("TEXT", text), ("LABEL", label)))
    pairs: dict[str, str] = {}
    several: set[str] = set()
    rows: dict[str, int] = {}
    for row, (one, of) in enumerate(zip(columns[text], columns[label], strict=True)):
        kept, named = one.strip(), of.strip()
        if kept in MISSING | {""} or named in MISSING | {""}:
            continue
        if pairs.setdefault(kept, named) != named:
            several.add(kept)
        rows.setdefault(kept, row)
    kept_texts = [one for one in pairs if one not in several]
    if not kept_texts:
        raise UserError(f"{path} has no row with a text and a class of its own; check TEXT={text} LABEL={label}")
    longest = length or min(LONGEST, max(map(len, kept_texts)))
    if (total := 4 * longest * len(kept_texts)) > LARGEST:
        raise too_large(path, total, "give a smaller LENGTH= or fewer texts")
    labels, classes = numbered(np.array([pairs[one] for one in kept_texts]))
    if len(classes) > max(2, len(kept_texts) // 2):
        raise UserError(
            f"LABEL={label} of {path} has {len(classes)} values in {len(kept_texts)} rows, which are no classes"
        )
    cut = sum(len(one) > longest for one in kept_texts)
    left_out = len(columns[text]) - len(kept_texts)
    said = f"texts of up to {longest} characters"
    said += f", {cut} longer ones cut (LENGTH= keeps more)" if cut else ""
    said += (
        f"; {left_out} rows repeat others, lack a text or a class, or have several, and are left out"
        if left_out
        else ""
    )
    return Found(
        TEXTS, encode(kept_texts, longest), labels, classes, [f"row {1 + rows[one]}" for one in kept_texts], said
    )


def _csv(path: Path) -> dict[str, list[str]]:
    if (size := path.stat().st_size) > LARGEST:
        raise too_large(path, size, "give fewer rows")
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as one") from None
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=SEPARATORS[path.suffix.lower()], strict=True)
    usual = csv.field_size_limit(LONGEST_FIELD)  # for all that reads CSV in this process
    try:
        header, *rows = [row for row in reader if row] or [[]]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}, is no CSV: {error} (is a quote left open?)") from None
    finally:
        csv.field_size_limit(usual)
    if wrong := [number for number, row in enumerate(rows, 2) if len(row) != len(header)]:
        raise UserError(f"row {wrong[0]} of {path} has other columns than its header of {len(header)}; mend that row")
    names = _once(path, [name.strip() for name in header])
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _once(path: Path, names: list[str]) -> list[str]:
    """The columns' names; those without one, such as that of a row's number, may be several."""
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise UserError(f"{path} has two columns called {twice[0]!r}; rename one of them")
    return names


def _parquet(path: Path, text: str, label: str) -> dict[str, list[str]]:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        raise UserError(
            f"{path} is read by pyarrow, which is not there; run pip install pyarrow (extra [tables]), or save a CSV"
        ) from None
    try:
        table = parquet.ParquetFile(path)
        _once(path, table.schema_arrow.names)
        wanted = [
            name for name in table.schema_arrow.names if name in {text, label, *COLUMNS["TEXT"], *COLUMNS["LABEL"]}
        ]
        if (
            size := sum(table.metadata.row_group(place).total_byte_size for place in range(table.num_row_groups))
        ) > LARGEST:
            raise too_large(path, size, "give fewer rows")
        found = table.read(columns=wanted).to_pydict()
        others = [name for name in table.schema_arrow.names if name not in wanted]
    except (ArrowException, OSError) as error:
        raise UserError(
            f"{path} cannot be read as parquet ({type(error).__name__}); get it again or save it as CSV"
        ) from None
    read = {name: ["" if value is None else str(value) for value in values] for name, values in found.items()}
    return read | {name: [] for name in others}


def _column(path: Path, columns: dict[str, list[str]], name: str, given: str) -> str:
    """The column that is given, or the only one of a usual name."""
    if given and given in columns:
        return given
    usual = [column for column in columns if column.lower() in COLUMNS[name]]
    if not given and len(usual) == 1:
        return usual[0]
    if len(columns) == 1 and ";" in (only := next(iter(columns))):
        raise UserError(f"{path} has columns between semicolons, {only}; save it with commas")
    wanted = f"no column {given!r}" if given else f"no one column that is surely {name}="
    raise UserError(f"{path} has {wanted}; give {name}= one of {listed(list(columns)) or 'none: it is empty'}")
