"""Tables from records: all of a study on one page of Markdown, all studies in CSV files by topic."""

from fingerprinting.core import storage
from fingerprinting.reports.formats import write_topic
from fingerprinting.reports.pages import page_path, study_folders
from fingerprinting.reports.sections import (
    ablation,
    aucs,
    error_rates,
    query_attacks,
    query_budget,
    timing,
    verdicts,
    zoo,
)
from fingerprinting.study.records import Records

# Topic of records, and name of its CSV file -> columns.
COLUMNS = {
    "auc": aucs.COLUMNS,
    "mir_fir": error_rates.COLUMNS,
    "timing": timing.COLUMNS,
    "erasure": query_attacks.COLUMNS,
    "verdicts": verdicts.COLUMNS,
    "extraction": query_budget.COLUMNS,
    "ablation": ablation.COLUMNS,
    "models": zoo.COLUMNS,
}
# Of which the CSV file does not have the records as they are: records -> rows.
SUMMED_UP = {
    "erasure": query_attacks.rows,
    "verdicts": verdicts.rows,
    "extraction": query_budget.rows,
    "models": zoo.rows,
}


@storage.alone_in_results()
def write(only: str | None = None) -> None:
    """CSV files over all studies that have records, and the page of the one in this folder alone, or of each."""
    rows: dict[str, list[dict]] = {topic: [] for topic in COLUMNS}
    for study in study_folders():
        measured = _read(study)
        for topic, records in measured.items():
            rows[topic] += _placed(study, SUMMED_UP.get(topic, list)(records))
        if only in (None, study):
            storage.write_text(page_path(study), page(study, measured))
    for topic, columns in COLUMNS.items():
        write_topic(topic, columns, rows[topic])


def page(study_folder: str, measured: dict[str, list[dict]] | None = None) -> str:
    """All of one study in Markdown: AUCs, errors, verdicts, costs, models. measured: its records, if read already."""
    domain, dataset, tier = study_folder.split("/")
    found = measured or _read(study_folder)
    kinds = {row["kind"]: row for row in zoo.rows(found["models"])}
    lines = [
        f"# {domain}, {dataset}, {tier} tier",
        "",
        *aucs.section(found["auc"], kinds),
        *aucs.published(study_folder, found["auc"], found["erasure"]),
        *error_rates.section(found["mir_fir"]),
        *verdicts.section(found["verdicts"]),
        *ablation.section(found["ablation"]),
        *timing.section(found["timing"]),
        *query_attacks.section(found["erasure"]),
        *query_budget.section(found["extraction"]),
        *zoo.section(kinds),
    ]
    return "\n".join([*lines, ""])


def _read(study_folder: str) -> dict[str, list[dict]]:
    """Topic -> the study's records."""
    return {topic: Records.at(study_folder, topic).rows() for topic in COLUMNS}


def _placed(study_folder: str, rows: list[dict]) -> list[dict]:
    domain, dataset, tier = study_folder.split("/")
    return [{"tier": tier, "domain": domain, "dataset": dataset, **row} for row in rows]
