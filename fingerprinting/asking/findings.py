"""What is odd about a suspect's responses: said beside the verdict, and never mended silently."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.journal import Entry, Journal
from fingerprinting.core import storage

PROPOSED = "classes.json"  # in the queries' folder: a map that CLASSES= could take
CHANCE = 0.05  # below it repeats that differ stand together at the beginning by more than chance
GAINED = 0.2  # of the control accuracy, at least, that another order of the classes must give to be proposed
SHOWN = 3  # examples in a sentence


def found(journal: Journal, meant: Classes, truth: Mapping[int, int], least: float, folder: Path) -> list[str]:
    """Sentences about a journal. truth: index of a control query -> class; least: accuracy of calibration models."""
    entries = list(journal.responses.values())
    labels = {entry.index: meant.label(entry.raw) for entry in entries}
    said = [
        _repeated(journal, meant),
        _one_class(list(labels.values())),
        _nameless(entries, labels),
        _probabilities(entries),
    ]
    if meant.names is not None and not meant.mapped:
        said.append(_other_order(labels, truth, meant.names, least, folder))
    return [sentence for sentence in said if sentence]


def _repeated(journal: Journal, meant: Classes) -> str:
    """Repeats with other responses: of a suspect that changed meanwhile those of the first queries alone differ."""
    first, again = journal.responses, journal.repeats
    places = {entry.index: place for place, entry in enumerate(journal.responses.values())}
    both = sorted((index for index in again if index in first), key=places.__getitem__)
    differ = [meant.label(again[index].raw) != meant.label(first[index].raw) for index in both]
    if not any(differ):
        return ""
    last = max(place for place, other in enumerate(differ) if other)
    said = f"{sum(differ)} of {len(both)} queries that were asked twice got another response the second time"
    if sum(differ) > 1 and together(sum(differ), last + 1, len(both)) < CHANCE:
        time = first[both[last]].time
        return f"{said}, all of them among the first ones: the suspect changed in mid-run, after {time}"
    return f"{said}: the suspect responds at random, or changed in mid-run"


def together(differing: int, before: int, count: int) -> float:
    """The probability that so many of count places, drawn at random, all lie among the first `before` of them."""
    return math.comb(before, differing) / math.comb(count, differing)


def _one_class(labels: list[int | None]) -> str:
    known = {label for label in labels if label is not None}
    return "it gives one class to all queries" if len(known) == 1 and len(labels) > 1 else ""


def _nameless(entries: list[Entry], labels: Mapping[int, int | None]) -> str:
    raw = [entry.raw for entry in entries if labels[entry.index] is None]
    if not raw:
        return ""
    examples = ", ".join(repr(one[:40]) for one in list(dict.fromkeys(raw))[:SHOWN])
    said = _counted(len(raw), "is a refusal or names no class", "are refusals or name no class")
    return (
        f"{said} ({examples}); if they mean classes, name these in CLASSES=map.json and run "
        "the same command again, which sends nothing twice"
    )


def _probabilities(entries: list[Entry]) -> str:
    kinds = [_numbers(entry.raw) for entry in entries]
    if lists := sum(kind == "list" for kind in kinds):
        said = _counted(lists, "has", "have")
        return f"{said} numbers for all classes; the label is the class of the highest"
    if single := sum(kind == "share" for kind in kinds):
        said = _counted(single, "is a number", "are numbers")
        return f"{said} between classes, such as probabilities, where labels were meant"
    return ""


def _counted(count: int, one: str, several: str) -> str:
    return f"1 response {one}" if count == 1 else f"{count} responses {several}"


def _numbers(raw: str) -> str:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    while isinstance(said, list) and len(said) == 1:
        said = said[0]
    if isinstance(said, list):
        return "list" if all(type(one) in (int, float) for one in said) else ""
    if isinstance(said, dict) and "of" in said:
        return "list"
    return "share" if type(said) is float and not said.is_integer() else ""


def _other_order(
    labels: Mapping[int, int | None], truth: Mapping[int, int], names: tuple[str, ...], least: float, folder: Path
) -> str:
    """Whether the control queries fit far better under another order of the classes, which is then written down."""
    pairs = [(labels[index], right) for index, right in truth.items() if labels.get(index) is not None]
    if not pairs:
        return ""
    counts = np.zeros((len(names), len(names)), int)
    for label, right in pairs:
        counts[label, right] += 1
    rows, columns = linear_sum_assignment(-counts)
    now, then = np.trace(counts) / len(pairs), counts[rows, columns].sum() / len(pairs)
    if now >= least or then < max(least, now + GAINED):
        return ""
    proposed = {names[row]: names[column] for row, column in zip(rows, columns, strict=True)}
    storage.write_text(folder / PROPOSED, json.dumps(proposed, indent=1, ensure_ascii=False) + "\n")
    return (
        f"its classes seem to be in another order: {now:.0%} of the control queries are right, and {then:.0%} would be "
        f"under {folder / PROPOSED}; look at it, and give CLASSES={folder / PROPOSED} if it is so"
    )
