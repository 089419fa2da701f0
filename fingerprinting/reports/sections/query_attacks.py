"""The adaptive adversary: query detection, erasure, evasion and removal, by fingerprint."""

from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.registry import Identity, identity_of
from fingerprinting.reports.pages import heading
from fingerprinting.reports.table_cells import REPRESENTATIONS, names
from fingerprinting.reports.words import said
from fingerprinting.study.records import Records

COLUMNS = (
    "tier,domain,dataset,method,output,representation,attack_on_queries,detection_rate_fpr1,detection_rate_fpr5,"
    "detection_auc,auc_before,auc_after,accuracy_cost"
)
REMOVAL = "removal"
EVASIONS = ("reconstructed", "random_responses", "refused", "noise")  # that change top-1 labels, where they have one


def rows(records: list[dict]) -> list[dict]:
    """One row per representation and attack on queries: the mean over the same-task attacks against all independents.

    `removal` is a stealing attack of its own; its AUC before is that of copies fine-tuned without its objective.
    """
    found = [row for row in records if row["attack"] in ("mean_same_task", REMOVAL) and row["negatives"] == "all"]
    return sorted(found, key=lambda row: REPRESENTATIONS.index(identity_of(row)))


def section(records: list[dict]) -> list[str]:
    """Detection rates of the queries, and AUCs under each attack, in Markdown; nothing where that was not run."""
    found = rows(records)
    return [*_detected(found), "", *_left(found), ""] if found else []


def by_size(studies: list[str]) -> list[str]:
    """What the adversary does to fingerprints from twins, a line for each size, beside others' on the same models."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for study in studies:
        cells: dict[tuple[str, ...], dict[str, dict]] = {}
        for row in Records.at(study, "price_erasure").rows():
            cells.setdefault(_who(row), {})[row["attack_on_queries"]] = row
        for who, found in cells.items():
            seen = next(row for attack, row in found.items() if attack != REMOVAL)
            place = (heading(study), *who)
            lines[place] = [
                *(f"{seen['detection_auc']:.2f}", f"{seen['detection_rate_fpr5']:.1%}", f"{seen['auc_before']:.2f}"),
                *(f"{found[attack]['auc_after']:.2f}" if attack in found else "" for attack in EVASIONS),
                f"{found[REMOVAL]['auc_after']:.2f} ({found[REMOVAL]['auc_before']:.2f})" if REMOVAL in found else "",
            ]
    heads = ["study", "fingerprint", "queries", "AUC of the detector", "detected at 5%", "no attack"]
    heads += [*map(said, EVASIONS), REMOVAL]
    return markdown_table(heads, [[*who, *cells] for who, cells in lines.items()]) if lines else []


def _who(row: dict) -> tuple[str, str]:
    """Which fingerprint, and its number of queries; other fingerprints have no size."""
    if row["method"] != METHOD:
        return row["method"], str(row["queries"])
    pairs = f", {row['n_pairs']} pairs" if row["n_pairs"] else ""
    return f"{row['n_twins']} twins{pairs}", str(row["queries"])


def _detected(found: list[dict]) -> list[str]:
    detected = {row["method"]: row for row in found if "detection_auc" in row}
    one = next(iter(detected.values()))
    return [
        "Adaptive adversary: query detector. It is fitted on the attacker's part alone. Its thresholds for 1% and 5% "
        f"false alarms come from {one['n_held_out']} held-out inputs of that part; on {one['n_benign']} test inputs "
        f"its false alarm rate is {one['false_alarms_fpr1']:.1%} and {one['false_alarms_fpr5']:.1%}.",
        "",
        *markdown_table(
            ["fingerprint", "queries", "detected at 1% false alarms", "detected at 5%", "AUC of the detector"],
            [
                [name, str(row["n_queries"]), f"{row['detection_rate_fpr1']:.1%}", f"{row['detection_rate_fpr5']:.1%}"]
                + [f"{row['detection_auc']:.2f}"]
                for name, row in detected.items()
            ],
        ),
    ]


def _left(found: list[dict]) -> list[str]:
    cells = {(identity_of(row), row["attack_on_queries"]): row for row in found}
    representations = list(dict.fromkeys(identity_of(row) for row in found))
    responses = [name for name in dict.fromkeys(row["attack_on_queries"] for row in found) if name != REMOVAL]
    costs = {row["attack_on_queries"]: f"{row['accuracy_cost']:.1%}" for row in found}
    return [
        "Adaptive adversary: mean AUC over the stealing attacks of the same task when stolen models perturb queries or "
        "responses and independent models do not. An AUC far below 0.5 clears no model: such responses differ from all "
        "others, which a second threshold on the far side would detect. Removal: copies trained away from the source "
        "(in round brackets: copies fine-tuned without that objective).",
        "",
        *markdown_table(
            ["fingerprint", "representation, output", "no attack", *map(said, responses), REMOVAL],
            [["", "accuracy cost", "", *(costs.get(name, "") for name in (*responses, REMOVAL))]]
            + [
                [*names(representation), f"{_first(cells, representation)['auc_before']:.2f}"]
                + [_after(cells.get((representation, name))) for name in responses]
                + [f"{_after(row)} ({row['auc_before']:.2f})" if (row := cells.get((representation, REMOVAL))) else ""]
                for representation in representations
            ],
        ),
    ]


def _first(cells: dict[tuple[Identity, str], dict], representation: Identity) -> dict:
    return next(row for (own, name), row in cells.items() if own == representation and name != REMOVAL)


def _after(row: dict | None) -> str:
    return f"{row['auc_after']:.2f} [{row['auc_low']:.2f}, {row['auc_high']:.2f}]" if row else ""
