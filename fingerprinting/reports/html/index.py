"""results/index.html: all studies with their pages, tables and figures, to be looked through in a browser."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from fingerprinting.core import places, storage
from fingerprinting.reports.figures import canvas
from fingerprinting.reports.html.rendering import rendered
from fingerprinting.reports.pages import folder as tables
from fingerprinting.reports.pages import in_order
from fingerprinting.reports.papers import deepcore_tables
from fingerprinting.reports.sections import calibrated
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.records import Records
from fingerprinting.study.study import apart, tier_of

NAME = "index.html"
DOMAINS = {"cv": "Vision", "nlp": "Chinese text", "bci": "EEG"}
# End of a figure's name -> what it shows.
FIGURES = {
    "roc": "ROC curves",
    "strips": "distances of stolen and independent models to the source",
    "attacks": "AUC by stealing attack",
    "fidelity": "distance by agreement with the source",
    "extraction": "AUC by the number of queries that a student was trained on",
    "overlap": "distance by shared training data",
    "erasure": "AUC under an adaptive adversary",
    "price": "AUC by what a verdict costs",
    "price-map": "AUC by the number of twins and of queries",
    "cost": "seconds of each fingerprint",
    "samples": "samples of the Primary and the Evolved fingerprint",
    "deepcore-clusters": "DeepCore: clusters",
    "deepcore-points": "DeepCore: core points",
    "deepcore-radius": "DeepCore: radius",
    "deepcore-scores": "DeepCore: scores",
    "passports-conv3": "passports: attacks by their strength",
}
TOPICS = {"": "all results", "deepcore": "DeepCore", "overlap": "shared training data", "passports": "passports"}


@dataclass(frozen=True)
class Link:
    """target: from the folder of results. seen: whether it is a picture."""

    target: str
    words: str
    seen: bool = False


@dataclass(frozen=True)
class Shown:
    """A study as the page shows it. cells: what the calibrated fingerprint reaches there, by name."""

    anchor: str
    name: str
    apart: str
    models: int
    cells: dict[str, str]
    pages: list[Link]
    figures: list[Link]


@storage.alone_in_results()
def write() -> None:
    storage.write_text(places.results_dir() / NAME, page())


def page() -> str:
    """The same for the same results; those of tiers for a first look, which git ignores, are left out."""
    folders = _folders()
    by_domain = [
        (DOMAINS.get(domain, domain), [_shown(name, folders) for name in names])
        for domain, names in groupby(folders, key=lambda name: name.split("/")[0])
    ]
    return rendered("index.html", domains=by_domain, tables=[*_csv_files(), *_of_papers()])


def _folders() -> list[str]:
    """`domain/dataset/tier` of every study that has any records."""
    records = places.results_dir() / "records"
    found = {path.parent.relative_to(records).as_posix() for path in records.glob("*/*/*/*.jsonl")}
    return in_order(name for name in found if tier_of(name.split("/")[2]) in COMMITTED)


def _shown(study: str, folders: list[str]) -> Shown:
    _, dataset, tier = study.split("/")
    models = Records.at(study, "models").rows()
    return Shown(
        anchor="-".join(study.split("/")),
        name=dataset,
        apart=", ".join([f"{tier_of(tier)} tier", *apart(tier)]),
        models=len(models),
        cells=calibrated.cells(study),
        pages=_ordered(_pages(study, folders), TOPICS),
        figures=_ordered(_figures(study, folders), FIGURES),
    )


def _pages(study: str, folders: list[str]) -> Iterator[Link]:
    for path, end in _own(tables(), study, folders, ".md"):
        yield _link(path, TOPICS.get(end, end))


def _figures(study: str, folders: list[str]) -> Iterator[Link]:
    for path, end in _own(canvas.folder(), study, folders, ".svg", ".png", ".md"):
        yield _link(path, FIGURES.get(end, end.replace("-", " ")), seen=path.suffix != ".md")


def _ordered(links: Iterable[Link], words: dict[str, str]) -> list[Link]:
    """As the words have them, then the others."""
    known = list(words.values())
    return sorted(links, key=lambda link: (known.index(link.words) if link.words in known else len(known), link.words))


def _own(folder: Path, study: str, folders: list[str], *suffixes: str) -> Iterator[tuple[Path, str]]:
    """A study's files in a folder, and the ends of their names: those of a study apart begin as the usual one's."""
    begin = "-".join(study.split("/"))
    longer = [other for name in folders if (other := "-".join(name.split("/"))).startswith(f"{begin}-")]
    for path in storage.visible(folder):
        whole = path.suffix in suffixes and (path.stem == begin or path.stem.startswith(f"{begin}-"))
        if whole and not any(path.stem == other or path.stem.startswith(f"{other}-") for other in longer):
            yield path, path.stem[len(begin) + 1 :]


def _csv_files() -> Iterator[Link]:
    """Of the committed tiers: those of others have their tier's name at the end."""
    for path in storage.visible(tables()):
        if path.suffix == ".csv" and "-" not in path.stem:
            yield _link(path, path.stem.replace("_", " "))


def _of_papers() -> Iterator[Link]:
    """A paper's tables, over all studies that have what they show."""
    for number in deepcore_tables.TABLES:
        if (path := deepcore_tables.path_of(number)).is_file():
            yield _link(path, f"DeepCore's Table {number}, published and measured")


def _link(path: Path, words: str, *, seen: bool = False) -> Link:
    return Link(path.relative_to(places.results_dir()).as_posix(), words, seen)
