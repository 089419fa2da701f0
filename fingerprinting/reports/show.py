"""What is drawn and printed of a study once a step has recorded it; nothing here needs a model."""

from fingerprinting.domain import Domain
from fingerprinting.methods import shown
from fingerprinting.records import Records
from fingerprinting.reports import (
    aucs,
    charts,
    deepcore_figures,
    deepcore_tables,
    erasure,
    figures,
    generalisation,
    overlap,
    pages,
    passport_pages,
    separation,
    tables,
)
from fingerprinting.reports.judged import judged, methods_of
from fingerprinting.reports.samples import samples
from fingerprinting.study import Study


def evolved(study: Study) -> None:
    """After evolved.py: samples before and after."""
    if drawn := samples(study.folder, study.domain):
        print(f"samples: {drawn}")


def deepcore(study: Study) -> None:
    """After deepcore.py: figures, tables, the study's page on core points; nothing where the domain has none."""
    if Records.of(study, "deepcore_lengths").rows():
        deepcore_figures.draw(study.folder, study.domain)
        deepcore_tables.write()
        print(deepcore_tables.page(study.folder))


def matched(study: Study) -> None:
    """After model_finger_match.py: figures of distances and AUCs, tables, the study's page."""
    comparison(study.folder)
    tables.write(study.folder)
    overlap.write()
    print(tables.page(study.folder))
    _places()


def varied(study: Study) -> None:
    """After generalisation.py: tables, and the section on it."""
    tables.write(study.folder)
    print("\n".join(generalisation.section(Records.of(study, "generalisation").rows())))
    _places()


def answered_back(study: Study) -> None:
    """After detect_erase_attack.py: the figure, tables, and the section on it."""
    answers(study.folder)
    tables.write(study.folder)
    print("\n".join(erasure.section(Records.of(study, "erasure").rows())))
    _places()


def passports(study: Study) -> None:
    """After cv/passport/attack.py and steal.py: the figures, tables, the study's page on passports."""
    passport_pages.write(study.folder)
    print(passport_pages.page(study.folder))


def comparison(study_folder: str) -> None:
    """Every figure of what the matcher recorded."""
    auc, timing, overlaps, extracted = (
        Records.at(study_folder, topic).rows() for topic in ("auc", "timing", "overlap", "extraction")
    )
    methods, pool = methods_of(auc), judged(study_folder, "scored")
    telling = aucs.telling(study_folder, shown(methods))
    if pool:  # version 0.1 recorded no distances that figures could be drawn from
        for draw in (separation.roc, separation.strips, separation.fidelity):
            draw(study_folder, telling, pool)
        overlap.figure(study_folder, [method for method in telling if method in methods_of(overlaps)], pool, overlaps)
    charts.thefts(study_folder, methods, [row for row in auc if row["negatives"] == "all"])
    charts.cost(study_folder, timing)
    charts.extraction(study_folder, shown(methods_of(extracted)), telling, extracted)


def answers(study_folder: str) -> None:
    """The figure of thieves that answer back, where that was recorded."""
    if rows := Records.at(study_folder, "erasure").rows():
        charts.erasure(study_folder, aucs.telling(study_folder, shown(methods_of(rows))), rows)


def every_figure(study_folder: str, domain: Domain | None) -> None:
    """All that a study's records give; without its domain no pictures of inputs."""
    samples(study_folder, domain)
    deepcore_figures.draw(study_folder, domain)
    if Records.at(study_folder, "auc").rows():
        comparison(study_folder)
    answers(study_folder)


def _places() -> None:
    print(f"tables: {pages.folder()}\nfigures: {figures.folder()}")
