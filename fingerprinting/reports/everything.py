"""All tables, pages, figures and the numbers of README and docs, from records alone."""

from fingerprinting.core.errors import UserError
from fingerprinting.reports import documents, pages, show
from fingerprinting.reports.html import index
from fingerprinting.reports.papers import deepcore_tables
from fingerprinting.reports.sections import deepcore, overlap, passport_pages, price, study_page
from fingerprinting.study.domain import DOMAINS, Domain, load_domain
from fingerprinting.study.study import apart


def write(study: str = "", figures: bool = True, domain: str = "") -> None:
    """study: the beginning of the studies whose figures are drawn; domain: the file of a domain of somebody's own."""
    folders = [folder for folder in pages.study_folders() if folder.startswith(study)]
    if study and not folders:
        raise UserError(f"no study begins with {study!r}; there are {', '.join(pages.study_folders()) or 'none'}")
    own = load_domain(domain) if domain else None
    # Of a study apart, whose figures look like those of the usual one, only what is asked for by name.
    drawn = [folder for folder in folders if study or not apart(folder.split("/")[2])]
    for folder in drawn if figures else ():
        print(f"figures of {folder}", flush=True)
        show.every_figure(folder, _domain(folder, own))
    for report in (study_page, overlap, deepcore, deepcore_tables, price):
        report.write()
    for folder in passport_pages.study_folders():
        passport_pages.write(folder)
    documents.write()
    index.write()


def _domain(folder: str, own: Domain | None) -> Domain | None:
    """The study's domain; None for one of somebody's own whose file was not named."""
    name = folder.split("/")[0]
    if own and own.name == name:
        return own
    return load_domain(name) if name in DOMAINS else None
