"""What gives way to something that may never be finished: set aside beside its place, under its settings, and back.

Nothing that waits here is judged or matched. A step's models and plan wait together, until all that it promised is
there or it ends with a refusal.
"""

import json
from collections.abc import Iterable
from glob import escape
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

DIGITS, SUFFIX = 12, ".aside"


def put(path: Path) -> None:
    """Out of its place; it is known by the settings that its metadata name."""
    path.replace(_waiting(path, settings_of(path)))


def back(path: Path, settings: dict) -> bool:
    """Into its place, which is free, if what was made with those settings waits; returns whether it did."""
    found = not path.exists() and waits(path, settings)
    if found:
        _waiting(path, settings).replace(path)
    return found


def waits(path: Path, settings: dict) -> bool:
    """Whether what was made with those settings has given way to what is in its place."""
    return _waiting(path, settings).is_file()


def forget(path: Path) -> None:
    """Whatever waits for that place: what is there has been asked for in its stead."""
    for waiting in path.parent.glob(f"{escape(path.stem)}.{'[0-9a-f]' * DIGITS}{SUFFIX}"):
        waiting.unlink()


def settings_of(path: Path) -> dict | None:
    return storage.read_metadata(path).get("settings")


def _waiting(path: Path, settings: dict | None) -> Path:
    return path.with_name(f"{path.stem}.{storage.key_of(settings)[:DIGITS]}{SUFFIX}")


class Exchange:
    """A step's plan and the models under their names, from what is there to what is promised: all of it or nothing.

    A refusal brings back what was there before; what was finished until then waits to be asked for again. A run that is
    killed or interrupted leaves its promise: the next one goes on from there, and knows what there was before both.
    """

    def __init__(self, plan: Path, paths: Iterable[Path]) -> None:
        self.plan = plan
        self.note = plan.with_suffix(".before")
        self.paths = list(paths)

    def __enter__(self) -> None:
        if not self.note.is_file():
            there = {self._name(path): settings_of(path) for path in self.paths if path.is_file()}
            plan = self.plan.read_text(encoding="utf-8") if self.plan.is_file() else None
            storage.write_text(self.note, json.dumps({"plan": plan, "models": there}))

    def __exit__(self, kind, error, _traceback) -> None:
        if error is None:
            for path in self.paths:
                forget(path)
        elif isinstance(error, Exception):
            self._return()
        else:  # interrupted: promised still
            return
        self.note.unlink()

    def _return(self) -> None:
        before = self._noted()
        for path in self.paths:
            if settings := before["models"].get(self._name(path)):
                if path.is_file() and settings_of(path) != settings:
                    put(path)
                back(path, settings)
        if before["plan"] is None:
            self.plan.unlink(missing_ok=True)
        else:
            storage.write_text(self.plan, before["plan"])

    def _noted(self) -> dict:
        try:
            before = json.loads(self.note.read_text(encoding="utf-8"))
            if isinstance(before["models"], dict) and isinstance(before["plan"], str | None):
                return before
        except (ValueError, KeyError, TypeError):
            pass
        raise UserError(f"{self.note} is damaged; delete it and run its step again, which skips what is finished")

    def _name(self, path: Path) -> str:
        return f"{path.parent.name}/{path.stem}"
