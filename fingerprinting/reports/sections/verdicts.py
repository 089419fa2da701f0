"""Verdicts of the calibrated fingerprint: the share of each kind of model that is called stolen, or independent."""

from collections import defaultdict

import numpy as np

from fingerprinting.calibrated.verdicts import (
    DEFAULT_TAIL,
    FEW,
    INCONCLUSIVE,
    INDEPENDENT,
    METHOD,
    STOLEN,
    USUAL,
    passed,
    why,
)
from fingerprinting.core import statistics
from fingerprinting.core.markdown import markdown_table
from fingerprinting.judging import page
from fingerprinting.models.kinds import KINDS
from fingerprinting.reports.words import said
from fingerprinting.study.records import Records

EXAMPLE = "cv/fashion_mnist/cpu", "extract_probabilities"  # study and kind of the verdict that README shows
FOR_5_PERCENT = 19  # calibration models: the least p-value of n is 1 / (n + 1)
WITH_STOLEN = (
    "`stolen`: the p-value under the independent hypothesis (conformal, over the calibration models) is at most alpha, "
    "and the p-value under the stolen hypothesis (over held-out stolen reference models) is above beta. `independent`: "
    "the p-value under the stolen hypothesis is at most beta, and that under the independent hypothesis is above "
    f"{USUAL}."
)
WITHOUT_STOLEN = (
    "`stolen`: the p-value under the independent hypothesis (by rank among the calibration models; by a normal tail "
    "where they are too few for alpha) is at most alpha. No stolen model is there to compare with, so no model is "
    "cleared."
)
OWN_RESPONSES = ", or that responds as neither the source nor its twins do more often than these"
COLUMNS = (
    "tier,domain,dataset,use,kind,alpha,beta,n_calibration,n,stolen,stolen_low,stolen_high,stolen_at_5,independent,"
    "inconclusive"
)


def rows(records: list[dict]) -> list[dict]:
    """One row per kind of model, and per use for models of the source's task: the share of each verdict."""
    groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for row in records:
        use = row["use"] if row["share"] == 1 else f"{row['use']}, {row['share']:.2g} of the data"
        groups[use, row["kind"]].append(row)
        if not KINDS[row["kind"]].on_target:
            groups[use, f"all {row['role']}"].append(row)
    order = [*KINDS, "all pirated", "all independent"]
    return [
        {"use": use, "kind": kind, **_shares(found)}
        for (use, kind), found in sorted(groups.items(), key=lambda group: order.index(group[0][1]))
    ]


def _shares(found: list[dict]) -> dict:
    """Of one group of models; a verdict that cannot be passed is no measurement: its share is left out."""
    own = {name: found[0][name] for name in ("alpha", "beta", "n_calibration")}
    own["out_of_range"] = float(np.mean([not row["in_range"] for row in found]))
    passes = [passed(row) for row in found]
    outcomes = {name: passes.count(name) / len(found) for name in (INDEPENDENT, INCONCLUSIVE)}
    # The least p-value of n models is 1 / (n + 1).
    if found[0]["beta"] < 1 / (1 + found[0]["n_stolen"]):
        del outcomes[INDEPENDENT]
    beyond = found[0].get("tail") == DEFAULT_TAIL
    if beyond or found[0]["alpha"] >= 1 / (1 + found[0]["n_calibration"]):
        names = ("stolen", "stolen_low", "stolen_high")
        shares = statistics.share(np.array([one == STOLEN for one in passes]))
        outcomes |= dict(zip(names, shares, strict=True))
    if found[0]["n_calibration"] >= FOR_5_PERCENT:
        outcomes["stolen_at_5"] = float(np.mean([flagged_at_5(row) for row in found]))
    return {**own, "n": len(found)} | outcomes


def flagged_at_5(row: dict) -> bool:
    return passed({**row, "alpha": 0.05}) == STOLEN


def stolen(row: dict) -> str:
    """The cell of the share that is called stolen."""
    if "stolen" not in row:
        return f"not possible at alpha = {row['alpha']:g}"
    return f"{row['stolen']:.3f} [{row['stolen_low']:.3f}, {row['stolen_high']:.3f}]"


def section(records: list[dict]) -> list[str]:
    """The calibrated fingerprint's verdicts by kind of model, in Markdown; nothing where it was not matched."""
    found = rows(records)
    if not found:
        return []
    first = found[0]
    heads = ["use", "kind", "n", "calibration models", "stolen", "independent", "inconclusive", "out of range"]
    return [
        f"Verdicts of the calibrated fingerprint at alpha = {first['alpha']:g}, beta = {first['beta']:g} [95% "
        f"binomial interval]. {WITH_STOLEN if records[0]['n_stolen'] else WITHOUT_STOLEN} All other models are "
        "`inconclusive`, and so is a model whose control accuracy is lower or higher than that of every calibration "
        f"model{'' if records[0]['n_stolen'] else OWN_RESPONSES} (out of range). Not possible: too few models for a "
        f"level.{_caution(first['n_calibration'])}",
        "",
        *markdown_table(
            [*heads, "stolen at alpha = 0.05"],
            [
                [row["use"], said(row["kind"]), str(row["n"]), str(row["n_calibration"]), stolen(row)]
                + [
                    f"{row[name]:.3f}" if name in row else "not possible"
                    for name in ("independent", "inconclusive", "out_of_range", "stolen_at_5")
                ]
                for row in found
            ],
        ),
        "",
    ]


def example() -> str:
    """For README: what judge.py prints of one model whose measurements are recorded."""
    study, kind = EXAMPLE
    (made,) = [row for row in Records.at(study, "fingerprints").rows() if row["method"] == METHOD]
    row = next(row for row in Records.at(study, "verdicts").rows() if row["kind"] == kind and passed(row) == STOLEN)
    found = {**row, "queries": made["queries"], "outcome": passed(row), "why": why(row), "warnings": []}
    lines = [f"A student of the source's probabilities ({row['key']}):", "", *page.page(found)]
    return "\n".join(lines)


def _caution(n_calibration: int) -> str:
    return f" **The p-values rest on {n_calibration} calibration models only.**" if n_calibration < FEW else ""
