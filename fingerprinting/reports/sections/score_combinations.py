"""Score combinations: the calibrated fingerprint's two log-odds combined in other ways than the one in use."""

from collections.abc import Callable

import numpy as np

from fingerprinting.calibrated import evidence
from fingerprinting.calibrated.verdicts import TRACES
from fingerprinting.core.markdown import markdown_table
from fingerprinting.core.statistics import auc
from fingerprinting.reports.pages import heading
from fingerprinting.reports.sections import audit
from fingerprinting.study.records import Records

# Name -> score (m,) of log-odds (m, 2) of extraction and of modification.
RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log-odds of either origin (in use)": evidence.combined,
    "maximum of both": lambda found: found.max(1),
    "sum of both": lambda found: found.sum(1),
    "extraction only": lambda found: found[:, 0],
    "modification only": lambda found: found[:, 1],
}
AGAINST = {"scored": "scored independent models", "audit": "the audit set"}  # use of the independent models -> in words


def aucs(study_folder: str, use: str) -> dict[str, dict[str, float]]:
    """Rule -> same-task attack -> AUC against all independent models of that use that saw all of their part."""
    rows = [row for row in Records.at(study_folder, "verdicts").rows() if row["share"] == 1 and set(TRACES) <= set(row)]
    independent = _traces([row for row in rows if row["use"] == use and row["role"] == "independent"])
    stolen = {attack: _traces([row for row in rows if row["kind"] == attack]) for attack in audit.ATTACKS}
    if not len(independent):
        return {}
    return {
        name: {attack: auc(-rule(found), -rule(independent)) for attack, found in stolen.items() if len(found)}
        for name, rule in RULES.items()
    }


def _traces(rows: list[dict]) -> np.ndarray:
    return np.array([[row[name] for name in TRACES] for row in rows]).reshape(len(rows), len(TRACES))


def table(studies: list[str]) -> list[str]:
    """Mean AUC and the lowest AUC of an attack, a column per study, in Markdown."""
    rows = []
    for use, words in AGAINST.items():
        found = [aucs(study, use) for study in studies]
        for name in RULES:
            rows.append([f"{name}, against {words}", *(_cell(by_rule.get(name, {})) for by_rule in found)])
    return markdown_table(["mean AUC (lowest AUC of an attack)", *map(heading, studies)], rows)


def _cell(by_attack: dict[str, float]) -> str:
    return f"{np.mean(list(by_attack.values())):.3f} ({min(by_attack.values()):.3f})" if by_attack else ""
