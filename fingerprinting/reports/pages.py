"""Where the pages and CSV files of studies lie, and what a study is called on them."""

from collections.abc import Iterable
from pathlib import Path

from fingerprinting.core import places
from fingerprinting.study.domain import DOMAINS
from fingerprinting.study.renamed import TOPICS
from fingerprinting.study.study import apart


def folder() -> Path:
    return places.results_dir() / "tables"


def study_folders() -> list[str]:
    """`domain/dataset/tier` of every study that has matching records."""
    return in_order(with_records("auc"))


def with_records(*topics: str) -> list[str]:
    """`domain/dataset/tier` of every study that has records of any of these topics, in alphabetical order."""
    records = places.results_dir() / "records"
    names = {*topics, *(TOPICS[topic] for topic in topics if topic in TOPICS)}
    found = [path for name in names for path in records.glob(f"*/*/*/{name}.jsonl")]
    return sorted({path.parent.relative_to(records).as_posix() for path in found})


def in_order(studies: Iterable[str]) -> list[str]:
    """`domain/dataset/tier` of studies as all pages list them."""
    return sorted(studies, key=_place)


def _place(study_folder: str) -> tuple[int, str]:
    """Domains in their usual order, a user's own after them."""
    domain = study_folder.split("/")[0]
    return (DOMAINS.index(domain) if domain in DOMAINS else len(DOMAINS), study_folder)


def page_path(study_folder: str, topic: str = "") -> Path:
    """Of a study's page, or of its page on one topic alone."""
    return folder() / f"{'-'.join(filter(None, (*study_folder.split('/'), topic)))}.md"


def heading(study_folder: str) -> str:
    """A study in the head of a column: its domain and data set, and what sets it apart from the usual one."""
    domain, dataset, tier = study_folder.split("/")
    return ", ".join([f"{domain} {dataset}", *apart(tier)])


def links(studies: Iterable[str], topic: str = "") -> str:
    """To the pages of studies, from the repository's root."""
    paths = [page_path(study, topic) for study in studies]
    return ", ".join(f"[{path.stem}]({path.relative_to(places.results_dir().parent)})" for path in paths)
