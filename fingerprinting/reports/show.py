"""Draw and print what a step has recorded of a study; nothing here needs a model."""

from fingerprinting.fingerprints.registry import shown
from fingerprinting.reports import pages
from fingerprinting.reports.figures import canvas, charts, core_points, separation
from fingerprinting.reports.figures import price as price_figures
from fingerprinting.reports.figures.samples import samples
from fingerprinting.reports.judged import judged, methods_of
from fingerprinting.reports.sections import ablation, aucs, overlap, passport_pages, price, query_attacks, study_page
from fingerprinting.reports.sections import deepcore as deepcore_tables
from fingerprinting.study.domain import Domain
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study


def evolved(study: Study) -> None:
    """After evolved.py: samples before and after."""
    if drawn := samples(study.folder, study.domain):
        print(f"samples: {drawn}")


def deepcore(study: Study) -> None:
    """After deepcore.py: figures, tables, the study's page on core points; nothing where the domain has none."""
    if Records.of(study, "deepcore_lengths").rows():
        core_points.draw(study.folder, study.domain)
        deepcore_tables.write()
        print(deepcore_tables.page(study.folder))
        _places()


def matched(study: Study) -> None:
    """After model_finger_match.py: figures of distances and AUCs, tables, the study's page."""
    comparison(study.folder)
    study_page.write(study.folder)
    overlap.write()
    print(study_page.page(study.folder))
    _places()


def varied(study: Study) -> None:
    """After ablation.py: tables, and the section on the ablation."""
    study_page.write(study.folder)
    print("\n".join(ablation.section(Records.of(study, "ablation").rows())))
    _places()


def priced(study: Study) -> None:
    """After price.py: the figures, the CSV file, and the table of twins and queries."""
    _price(study.folder)
    price.write()
    print("\n".join(price.section(price.rows_of(study.folder))))
    _places()


def adaptive(study: Study) -> None:
    """After detect_erase_attack.py: the figure, tables, and the section on the adaptive adversary."""
    attacked(study.folder)
    study_page.write(study.folder)
    print("\n".join(query_attacks.section(Records.of(study, "erasure").rows())))
    print("\n".join(query_attacks.by_size([study.folder])))
    _places()


def passports(study: Study) -> None:
    """After cv/passport/attack.py and steal.py: the figures, tables, the study's page on passports."""
    passport_pages.write(study.folder)
    print(passport_pages.page(study.folder))
    _places()


def comparison(study_folder: str) -> None:
    """Every figure of what the matcher recorded."""
    auc, timing, overlaps, extracted = (
        Records.at(study_folder, topic).rows() for topic in ("auc", "timing", "overlap", "extraction")
    )
    methods, pool = methods_of(auc), judged(study_folder, "scored")
    telling, swept = aucs.telling(study_folder, shown(methods)), methods_of(overlaps)
    if pool:  # version 0.1 recorded no distances that figures could be drawn from
        for draw in (separation.roc, separation.strips, separation.fidelity):
            draw(study_folder, telling, pool)
        overlap.figure(study_folder, [method for method in telling if method in swept], pool, overlaps)
    charts.attacks(study_folder, methods, [row for row in auc if row["negatives"] == "all"])
    charts.cost(study_folder, timing)
    charts.extraction(study_folder, shown(methods_of(extracted)), telling, extracted)


def attacked(study_folder: str) -> None:
    """The figure of the adaptive adversary, where that was recorded."""
    if rows := Records.at(study_folder, "erasure").rows():
        charts.erasure(study_folder, aucs.telling(study_folder, shown(methods_of(rows))), rows)


def _price(study_folder: str) -> None:
    """The figures of what a verdict costs, where that was recorded."""
    if rows := price.rows_of(study_folder):
        price_figures.curves(study_folder, rows)
        price_figures.chart(study_folder, rows)


def every_figure(study_folder: str, domain: Domain | None) -> None:
    """All that a study's records give; without its domain no pictures of inputs."""
    samples(study_folder, domain)
    core_points.draw(study_folder, domain)
    if Records.at(study_folder, "auc").rows():
        comparison(study_folder)
    attacked(study_folder)
    _price(study_folder)


def _places() -> None:
    print(f"tables: {pages.folder()}\nfigures: {canvas.folder()}")
