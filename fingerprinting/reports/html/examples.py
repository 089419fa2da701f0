"""A few of the queries as a reader sees them, each with what the source, its twins and the suspect say to it."""

import io
import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from fingerprinting.asking import encodings
from fingerprinting.asking.asking import spread
from fingerprinting.asking.journal import Entry
from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated.contents import CalibratedFingerprint, TwinsCalibration
from fingerprinting.core.foreign_text import shortened
from fingerprinting.judging.queries import Places
from fingerprinting.judging.verdict import Passed
from fingerprinting.reports.figures.canvas import pyplot
from fingerprinting.reports.html.rendering import data_uri
from fingerprinting.study.domain import Inputs
from fingerprinting.study.study import Study

COUNT = 12
LONGEST = 400  # characters of a text that is shown
SAID = 60  # characters of a response that are shown
SIDE = 64  # pixels: of larger images a smaller copy is shown
SIZE = (2.4, 1.5)  # inches of a query that its domain draws
LARGEST = 40_000  # bytes of a drawing of lines; a larger one becomes one of pixels
SHARP, COLOURS = 110, 16  # of such: pixels an inch, and colours


@dataclass(frozen=True)
class Example:
    """number: from 1, its line in the queries' order. A query is a text or a picture, or neither is known.

    twins: how many of the twins that count here agree with the source, and of how many; None where there are none.
    """

    number: int
    text: str
    picture: str
    alt: str
    source: str
    suspect: str
    said: str
    compared: str
    twins: tuple[int, int] | None


def examples(study: Study, passed: Passed, responses: dict[int, Entry], count: int) -> list[Example]:
    """count of the queries that were asked, at equal distances: what the suspect says to them chose none."""
    places = Places.of(passed.fingerprint, passed.levels.early).queries
    asked = range(passed.found["queries"])
    named = _other_names(passed.labels)
    numbers = spread(asked, min(count, len(asked)))
    return [_example(study, passed, responses, query, places[query], named) for query in numbers]


def _example(
    study: Study, passed: Passed, responses: dict[int, Entry], query: int, place: int, named: dict[int, str]
) -> Example:
    fingerprint, other_task = passed.fingerprint, passed.levels.other_task
    own, label = int(fingerprint.labels[query]), int(passed.labels[place])
    if label == UNANSWERED:
        suspect, compared = "no class", "not counted"
    elif other_task:
        suspect, compared = named[label], ""
    else:
        suspect, compared = study.classes[label], "same as the source" if label == own else "other than the source"
    text, picture, alt = _query(study.domain.inputs, fingerprint.inputs[query])
    said = shortened(responses[place].raw, SAID) if place in responses else ""
    return Example(
        number=place + 1,
        text=text,
        picture=picture,
        alt=f"Query {place + 1}, {alt}",
        source=study.classes[own],
        suspect=suspect,
        said=said if said.strip() != suspect else "",
        compared=compared,
        twins=None if other_task else _twins(CalibratedFingerprint.of(fingerprint).source, query),
    )


def _twins(known: object, query: int) -> tuple[int, int] | None:
    if not isinstance(known, TwinsCalibration):
        return None
    counted = known.subtracted[:, query]
    return int((known.twins[counted, query] == known.source[query]).sum()), int(counted.sum())


def _other_names(labels: torch.Tensor) -> dict[int, str]:
    """Classes of an unknown task, A, B and so on as they come: all that counts is which responses are equal."""
    found = [label for label in dict.fromkeys(labels.tolist()) if label != UNANSWERED]
    letters = string.ascii_uppercase
    return {
        label: f"class {letters[place] if place < len(letters) else place + 1} of its own"
        for place, label in enumerate(found)
    }


def _query(inputs: Inputs, one: torch.Tensor) -> tuple[str, str, str]:
    """Its text, or its picture and what that shows."""
    if inputs.describe:
        return shortened(encodings.described(inputs, one.numpy()), LONGEST), "", "a text"
    sizes = " × ".join(map(str, one.shape))
    if encodings.are_images(inputs, tuple(one.shape)):
        return "", data_uri(_image(one.numpy()), "png"), f"an image of {one.shape[2]} × {one.shape[1]} pixels"
    if inputs.show:
        content, kind = _drawing(inputs, one)
        return "", data_uri(content, kind), f"a drawing of its {sizes} values"
    return f"{sizes} values from {one.min():.3g} to {one.max():.3g}", "", "numbers"


def _image(one: np.ndarray) -> bytes:
    content = encodings.png(one)
    if max(one.shape[1:]) <= SIDE:
        return content
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((SIDE, SIDE))
        file = io.BytesIO()
        image.save(file, "png")
    return file.getvalue()


def _drawing(inputs: Inputs, one: torch.Tensor) -> tuple[bytes, str]:
    """As the domain shows it: of lines, or of pixels where it has too many lines."""
    assert inputs.show is not None
    figure, axis = pyplot.subplots(figsize=SIZE, layout="constrained")
    try:
        axis.set_xticks([])
        axis.set_yticks([])
        inputs.show(axis, one)
        lines, pixels = io.BytesIO(), io.BytesIO()
        figure.savefig(lines, format="svg", metadata={"Date": None, "Creator": None})
        if len(lines.getvalue()) <= LARGEST:
            return lines.getvalue(), "svg"
        figure.savefig(pixels, format="png", dpi=SHARP)
        return _of_few_colours(pixels), "png"
    finally:
        pyplot.close(figure)


def _of_few_colours(file: io.BytesIO) -> bytes:
    smaller = io.BytesIO()
    with Image.open(file) as image:
        image.convert("RGB").quantize(COLOURS).save(smaller, "png")
    return smaller.getvalue()


def agreeing(passed: Passed) -> tuple[int, int]:
    """How many responses to the queries are the source's, and how many name a class."""
    places = Places.of(passed.fingerprint, passed.levels.early).queries[: passed.found["queries"]]
    said = passed.labels[places.start : places.stop]
    own: Sequence[int] = passed.fingerprint.labels[: len(said)].tolist()
    known = [(label, right) for label, right in zip(said.tolist(), own, strict=True) if label != UNANSWERED]
    return sum(label == right for label, right in known), len(known)
