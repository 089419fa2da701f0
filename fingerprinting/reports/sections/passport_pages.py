"""Passports, from records: CSV files, pages and the block of docs/passports.md."""

from collections import defaultdict

from fingerprinting.core import storage, timing
from fingerprinting.core.markdown import markdown_table
from fingerprinting.pipeline import PASSPORT
from fingerprinting.reports.figures.passport_sweeps import figure
from fingerprinting.reports.formats import write_topic
from fingerprinting.reports.pages import links, page_path, with_records
from fingerprinting.reports.sections.passport_tables import (
    FINGERPRINTS,
    LEGEND,
    SCHEMES,
    VALID,
    forgeries,
    image_passports,
    published,
    stealing_attacks,
    strangers,
    sweep,
    valid_cells,
)
from fingerprinting.robustness.passport_attacks import ATTACKS, SWEEPS
from fingerprinting.study.domain import COMMITTED, DOMAINS, load_domain
from fingerprinting.study.records import Records

COLUMNS = "tier,dataset,architecture,scheme,attack,strength,accuracy,signature_detection,n"
ATTACK_COLUMNS = (
    "tier,dataset,architecture,scheme,kind,n,test_accuracy,n_passports,signature_detection,lowest_detection,"
    "highest_detection,highest_p_value,passport_accuracy,triggers_agreed,n_independent,auc_primary,auc_akh,auc_sac_m"
)
ROLES = ("source", "pirated", "independent")
RATIOS = {
    "passport_inference_v1_to_plain": "inference, scheme 1 / plain",
    "passport_inference_public_to_plain": "inference, public branch of schemes 2 and 3 / plain",
    "passport_training_v1_to_plain": "training, scheme 1 / plain",
    "passport_training_v2_to_plain": "training, scheme 2 / plain",
    "passport_training_v3_to_plain": "training, scheme 3 / plain",
}
Measured = tuple[list[dict], list[dict]]  # attacks, stealing attacks


@storage.alone_in_results()
def write(study_folder: str) -> None:
    """The tables over all studies, and the page and figures of this one."""
    found = {name: measured(name) for name in study_folders()}
    attacked = [row for attacks, _ in found.values() for row in attacks]
    write_topic("passports", COLUMNS, attacked)
    stolen = [_flat(row) for _, taken in found.values() for row in taken]
    write_topic("passport_stealing_attacks", ATTACK_COLUMNS, stolen)
    storage.write_text(page_path(study_folder, "passports"), page(study_folder, found[study_folder]))
    figure(study_folder, found[study_folder][0])


def study_folders() -> list[str]:
    """`domain/dataset/tier` of every study in which networks with passports were attacked or stolen."""
    return with_records("passports", "passport_stealing_attacks", "image_passports")


def measured(study_folder: str) -> Measured:
    """Every attack in the order of networks, schemes, attacks and strengths; and every stealing attack."""

    def place(row: dict) -> tuple:
        strength = row["strength"]
        return (
            row["architecture"],
            SCHEMES.index(row["scheme"]),
            list(ATTACKS).index(row["attack"]),
            (isinstance(strength, str), strength) if strength is not None else (False, 0),
        )

    def place_of_attack(row: dict) -> tuple:
        return row["architecture"], row["scheme"], ROLES.index(row["role"]), row["kind"]

    attacks, taken = (Records.at(study_folder, topic).rows() for topic in ("passports", "passport_stealing_attacks"))
    return sorted(attacks, key=place), sorted(taken, key=place_of_attack)


def _flat(row: dict) -> dict:
    return {**row, **{f"auc_{name}": row["auc"].get(name) for name in FINGERPRINTS}}


def page(study_folder: str, found: Measured | None = None) -> str:
    """Everything about the passports of one study, in Markdown. found: its records, if read already."""
    domain, dataset, tier = study_folder.split("/")
    found = found or measured(study_folder)
    lines = [f"# Passports: {domain}, {dataset}, {tier} tier", ""]
    for name, attacks, taken in _networks(found):
        lines += [f"## {name}", ""]
        if attacks:
            lines += [LEGEND.format(n=attacks[0]["n"]), ""]
            lines += [*markdown_table(VALID, valid_cells(attacks)), "", *forgeries(attacks)]
        for attack in SWEEPS:
            lines += sweep(attacks, attack)
        lines += stealing_attacks(taken)
    if made := _image_passports(study_folder):
        lines += ["## Passports of other images", "", *made]
    lines += ["## Published and measured accuracy", "", *published(found[0]), ""]
    return "\n".join(lines)


def _networks(found: Measured) -> list[tuple[str, list[dict], list[dict]]]:
    """Architecture, its attacks and its stealing attacks."""
    names = dict.fromkeys(row["architecture"] for part in found for row in part)
    return [(name, *([row for row in part if row["architecture"] == name] for part in found)) for name in names]


def _image_passports(study_folder: str) -> list[str]:
    """A table for each network, image size and length of training of benchmarks/image_passports.py."""
    found: dict[str, list[dict]] = defaultdict(list)
    for row in Records.at(study_folder, "image_passports").rows():
        found[row["key"].rsplit("/", 2)[0]].append(row)
    return [line for rows in found.values() for line in image_passports(rows)]


def block() -> str:
    """For docs/passports.md: all networks before any attack; attacks and costs on the tiers' own data sets."""
    found = {name: measured(name) for name in study_folders() if name.rsplit("/", 1)[1] in COMMITTED}
    cells = [
        [f"{architecture}, {name.split('/')[1]}", *line]
        for name, both in found.items()
        for architecture, attacks, _ in _networks(both)
        if attacks
        for line in valid_cells(attacks)
    ]
    lines = [*markdown_table(("network, data", *VALID), cells), ""] if cells else []
    lines += [
        "Published and measured accuracy.",
        "",
        *published([row for attacks, _ in found.values() for row in attacks]),
        "",
    ]
    for name in found:
        if made := _image_passports(name):
            lines += [f"Passports of other images on {name.split('/')[1]}.", "", *made]
    lines += strangers([row for _, taken in found.values() for row in taken])
    for name, both in found.items():
        address, dataset, tier = name.split("/")
        if address in DOMAINS and dataset == load_domain(address).data.datasets[tier]:
            lines += _attacked(name, both)
    pages = links(found, "passports")
    return "\n".join(
        [*lines, f"Flipped signs, pruning, stealing attacks on scheme 1 and the other data sets: {pages}.", ""]
    )


def _attacked(study_folder: str, found: Measured) -> list[str]:
    """What was measured on one data set: forgeries, stealing attacks, costs."""
    _, dataset, tier = study_folder.split("/")
    lines = []
    for architecture, attacks, taken in _networks(found):
        if attacks:
            lines += [f"{architecture} on {dataset}, {tier} tier. {LEGEND.format(n=attacks[0]['n'])}", ""]
            lines += forgeries(attacks)
        lines += stealing_attacks([row for row in taken if row["scheme"] in ("2", "3")])
    return [*lines, *_costs(study_folder), *_seconds(study_folder)]


def _costs(study_folder: str) -> list[str]:
    rows = [row for row in Records.at(study_folder, "benchmarks").rows() if set(RATIOS) & set(row)]
    if not rows:
        return []
    cells = [
        [row["architecture"], row["key"].rsplit("/", 1)[1].split("_")[0]] + [timing.shown(row[name]) for name in RATIOS]
        for row in rows
    ]
    note = (
        "Cost of passports (`python benchmarks/passports.py`): ratios of seconds by paired timing, median [lowest, "
        "highest]."
    )
    return [note, "", *markdown_table(["network", "threads", *RATIOS.values()], cells), ""]


def _seconds(study_folder: str) -> list[str]:
    """Seconds of the steps, in the order in which they run."""
    taken = {row["key"]: row for row in Records.at(study_folder, "steps").rows()}
    keys = [f"{study_folder.split('/')[0]}/passport/{name}.py" for name in PASSPORT]
    found = [f"`{key}` {taken[key]['seconds']:.0f} s" for key in keys if key in taken]
    return [f"Time of the steps: {', '.join(found)}.", ""] if found else []
