"""What docs/calibrated.md shows of the fingerprint in one study: AUCs, verdicts, the ablation."""

from collections import defaultdict

import numpy as np

from fingerprinting.reports.sections import ablation, audit, verdicts
from fingerprinting.reports.table_cells import auc
from fingerprinting.reports.words import said
from fingerprinting.study.records import Records

AVERAGED = (
    "leave-one-attack-out",
    "leave-one-architecture-out, its stolen models",
    "leave-one-architecture-out, its independent models",
)  # one line for all variants
UNSHOWN = ("all references", "candidates")


def cells(study_folder: str) -> dict[str, str]:
    """Name of the line -> cell."""
    scored, judged, varied = (Records.at(study_folder, topic).rows() for topic in ("auc", "verdicts", "ablation"))
    return {
        **_of_scored(scored),
        **_against_audit(study_folder, judged),
        **_of_verdicts(judged),
        **audit.flagged(judged, "irrelevant"),
        **audit.flagged(judged, "homologous"),
        **_of_variants(varied),
    }


def _of_scored(records: list[dict]) -> dict[str, str]:
    rows = {(row["representation"], row["attack"]): row for row in records if row["negatives"] == "all"}
    mean = rows.get(("stealing_evidence", "mean_same_task"))
    if not mean:
        return {}
    return {
        "mean AUC": auc(mean, 3),
        "lowest AUC of an attack": f"{min(rows['stealing_evidence', name]['auc'] for name in mean['mean_over']):.3f}",
        "AUC of transfer": auc(rows.get(("transfer_evidence", "transfer")), 3),
    }


def _against_audit(study_folder: str, records: list[dict]) -> dict[str, str]:
    found = audit.aucs(study_folder, records)
    if not found:
        return {}
    mean = auc(found.pop("mean"), 3)
    return {
        "mean AUC against the audit set": mean,
        "lowest AUC of an attack against the audit set": f"{min(row['auc'] for row in found.values()):.3f}",
    }


def _of_verdicts(records: list[dict]) -> dict[str, str]:
    found = {}
    for row in verdicts.rows(records):
        share = f"{verdicts.stolen(row)}, n = {row['n']}"
        if (row["use"], row["kind"]) == ("scored", "all pirated"):
            found[f"detection rate at alpha = {row['alpha']:g}"] = share
            others = [name for name in ("independent", "inconclusive") if name in row]
            found |= {f"stolen models called {name}": f"{row[name]:.3f}" for name in others}
        elif row["kind"] == "all independent":
            found[f"false positive rate, {row['use']}"] = share
            if row["use"] == "scored":
                found["independent models called inconclusive, scored"] = f"{row['inconclusive']:.3f}"
    return found


def _of_variants(records: list[dict]) -> dict[str, str]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in ablation.means(records):
        if row["study"] not in UNSHOWN:
            models = f" ({row['n_references']} models)" if row["study"] == "data" else ""
            one_each = f"{said(row['study'])}: {said(row['value'])}{models}"
            found[said(row["study"]) if row["study"] in AVERAGED else one_each].append(row["auc"])
    return {f"mean AUC, {name}": f"{np.mean(values):.3f}" for name, values in found.items()}
