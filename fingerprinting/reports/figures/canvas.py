"""What all figures share: where they lie, their colours, axes in a grid that end in one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

from fingerprinting.core import places, storage
from fingerprinting.fingerprints.registry import Method
from fingerprinting.reports.pages import heading
from fingerprinting.reports.table_cells import in_words

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 (the backend comes first)

matplotlib.rcParams["svg.hashsalt"] = "fingerprinting"  # else every drawing names its parts differently
matplotlib.rcParams["svg.fonttype"] = "none"  # letters stay letters: smaller, and a reader can search them
COLUMNS = 4  # panels in a row
# Okabe and Ito's: distinguished by colour-blind readers, and in print.
ORANGE, SKY, GREEN, BLUE, VERMILION, PINK = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
COLOURS = {"pirated": VERMILION, "independent": BLUE}
LINES = (BLUE, VERMILION, GREEN, ORANGE, PINK, SKY, "#000000", "#999999")
matplotlib.rcParams["axes.prop_cycle"] = pyplot.cycler(color=LINES)


def folder() -> Path:
    return places.results_dir() / "figures"


def path_of(study_folder: str, name: str) -> Path:
    return folder() / f"{'-'.join(study_folder.split('/'))}-{name}.svg"


def title_of(method: Method) -> str:
    """Of a panel: the fingerprint, and how it is read."""
    return f"{method.name}: {in_words(method.output, method.representation.__name__)}"


@contextmanager
def canvas(
    study_folder: str,
    name: str,
    title: str,
    rows: int,
    columns: int,
    size: tuple[float, float],
    projection: str | None = None,
) -> Iterator[tuple]:
    """Figure and axes (rows, columns), size in inches, under its title; written to its file when the block ends."""
    figure, axes = pyplot.subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained", subplot_kw={"projection": projection}
    )
    figure.suptitle(f"{heading(study_folder)}: {title}", fontsize=10)
    try:
        yield figure, axes
        with storage.atomic(path_of(study_folder, name)) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    finally:
        pyplot.close(figure)


@contextmanager
def panels(
    study_folder: str, name: str, title: str, methods: list[Method], height: float, extra: float
) -> Iterator[list[tuple]]:
    """One titled axis per method, `height` inches each and `extra` for the whole figure."""
    columns = min(COLUMNS, len(methods))
    rows = -(-len(methods) // columns)
    with canvas(study_folder, name, title, rows, columns, (3.3 * columns + 1, height * rows + extra)) as (_, axes):
        for axis in axes.flat[len(methods) :]:
            axis.remove()
        grid = list(zip(axes.flat, methods, strict=False))
        for axis, method in grid:
            axis.set_title(title_of(method), fontsize=8)
        yield grid
