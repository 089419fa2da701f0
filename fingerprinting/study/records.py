"""Measured facts, one line each, unrounded; a re-run replaces its own key."""

from collections.abc import Iterable
from pathlib import Path

from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.study import record_format
from fingerprinting.study.renamed import TOPICS, in_todays_words
from fingerprinting.study.study import Study


class Records:
    """A JSONL file of rows that each carry a unique `key`, kept sorted by it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, study: Study, topic: str) -> "Records":
        return cls.at(study.folder, topic)

    @classmethod
    def at(cls, study_folder: str, topic: str) -> "Records":
        """By `domain/dataset/tier`, for whoever reads all studies."""
        return cls(places.results_dir() / "records" / study_folder / f"{topic}.jsonl")

    def rows(self) -> list[dict]:
        path = self.path if self.path.is_file() else self._of_before
        if not path.is_file():
            return []
        try:
            # Not splitlines(), which also breaks at characters that JSON leaves as they are inside a text.
            lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
            rows, version = record_format.unpack(lines) if lines else ([], record_format.FORMAT)
            if not all(isinstance(row, dict) and "key" in row for row in rows):
                raise ValueError
            return [in_todays_words(self.path.stem, row) for row in rows] if version < record_format.FORMAT else rows
        except ValueError:
            raise UserError(f"{path} is damaged; restore it from git, or delete it and run its steps again") from None

    def put(self, rows: Iterable[dict]) -> None:
        """Add rows; each replaces the one with its key."""
        new = {row["key"]: row for row in rows}
        if new:
            with storage.alone_in_results():
                self._write({row["key"]: row for row in self.rows()} | new)

    def replace(self, rows: list[dict]) -> None:
        """These rows and no others."""
        self._write({row["key"]: row for row in rows})

    def keep_only(self, keys: Iterable[str]) -> None:
        """Drop the rows of what no longer exists."""
        kept = set(keys)
        with storage.alone_in_results():
            self._write({row["key"]: row for row in self.rows() if row["key"] in kept})

    @property
    def _of_before(self) -> Path:
        """The file in which version 0.1 kept these rows."""
        return self.path.with_stem(TOPICS.get(self.path.stem, self.path.stem))

    def _write(self, rows: dict[str, dict]) -> None:
        lines = record_format.pack([rows[key] for key in sorted(rows)])
        storage.write_text(self.path, "".join(f"{line}\n" for line in lines))
        if self._of_before != self.path:
            self._of_before.unlink(missing_ok=True)
