"""What becomes of every fingerprint when the thief answers back."""

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.table_cells import REPRESENTATIONS, Reading, names, representation_of

COLUMNS = (
    "tier,domain,dataset,method,output,representation,attack_on_queries,detection_rate_fpr1,detection_rate_fpr5,"
    "detection_auc,auc_before,auc_after,accuracy_cost"
)
REMOVAL = "removal"


def rows(records: list[dict]) -> list[dict]:
    """One row per reading and attack on queries: the mean over the thefts of the same task against all independents.

    `removal` is a theft of its own; its AUC before is that of copies which were trained on without its aim.
    """
    found = [row for row in records if row["attack"] in ("mean_same_task", REMOVAL) and row["negatives"] == "all"]
    return sorted(found, key=lambda row: REPRESENTATIONS.index(representation_of(row)))


def section(records: list[dict]) -> list[str]:
    """Whose queries are detected, and the AUCs that are left, in Markdown; nothing where that was not run."""
    found = rows(records)
    return [*_detected(found), "", *_left(found), ""] if found else []


def _detected(found: list[dict]) -> list[str]:
    detected = {row["method"]: row for row in found if "detection_auc" in row}
    one = next(iter(detected.values()))
    return [
        f"The thief answers back. It was fitted on the attacker's part alone, its thresholds come from "
        f"{one['n_held_out']} inputs of it held out; they flag {one['false_alarms_fpr1']:.1%} and "
        f"{one['false_alarms_fpr5']:.1%} of {one['n_benign']} test inputs.",
        "",
        *markdown_table(
            ["fingerprint", "queries", "flagged at 1% false alarms", "at 5%", "AUC of detection"],
            [
                [name, str(row["n_queries"]), f"{row['detection_rate_fpr1']:.1%}", f"{row['detection_rate_fpr5']:.1%}"]
                + [f"{row['detection_auc']:.2f}"]
                for name, row in detected.items()
            ],
        ),
    ]


def _left(found: list[dict]) -> list[str]:
    cells = {(representation_of(row), row["attack_on_queries"]): row for row in found}
    representations = list(dict.fromkeys(representation_of(row) for row in found))
    responses = [name for name in dict.fromkeys(row["attack_on_queries"] for row in found) if name != REMOVAL]
    costs = {row["attack_on_queries"]: f"{row['accuracy_cost']:.1%}" for row in found}
    return [
        "Mean AUC over the thefts of the same task when these answer back and independents answer honestly. An AUC far "
        "below 0.5 clears nobody: such answers differ from everybody's, which a second threshold on the far side would "
        "see. `removal`: copies trained away from the source, and in round brackets copies trained on as usual.",
        "",
        *markdown_table(
            ["fingerprint", "reading, output", "honest", *responses, REMOVAL],
            [["", "loss of test accuracy", "", *(costs.get(name, "") for name in (*responses, REMOVAL))]]
            + [
                [*names(representation), f"{_first(cells, representation)['auc_before']:.2f}"]
                + [_after(cells.get((representation, name))) for name in responses]
                + [f"{_after(row)} ({row['auc_before']:.2f})" if (row := cells.get((representation, REMOVAL))) else ""]
                for representation in representations
            ],
        ),
    ]


def _first(cells: dict[tuple[Reading, str], dict], representation: Reading) -> dict:
    return next(row for (own, name), row in cells.items() if own == representation and name != REMOVAL)


def _after(row: dict | None) -> str:
    return f"{row['auc_after']:.2f} [{row['auc_low']:.2f}, {row['auc_high']:.2f}]" if row else ""
