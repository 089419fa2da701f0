"""The calibrated fingerprint against the audit set: independent models on which nothing was chosen."""

from functools import lru_cache

import numpy as np

from fingerprinting.core import runtime, statistics
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import MEANS
from fingerprinting.reports.sections.verdicts import FOR_5_PERCENT, flagged_at_5

ATTACKS = MEANS["mean_same_task"]


def aucs(study_folder: str, verdicts: list[dict]) -> dict[str, dict]:
    """Stealing attack, and "mean" -> AUC by evidence against the audit set; empty where none was scored.

    verdicts: the study's records of them. Low-data independent models are left out: there are none among the scored.
    """
    rows = [row for row in verdicts if row["share"] == 1 and not KINDS[row["kind"]].on_target]
    fresh = tuple(row["evidence"] for row in rows if row["use"] == "audit")
    stolen = ((attack, tuple(row["evidence"] for row in rows if row["kind"] == attack)) for attack in ATTACKS)
    return dict(_aucs(study_folder, fresh, tuple((attack, values) for attack, values in stolen if values)))


@lru_cache  # the documents' blocks ask for the same, several times
def _aucs(
    study_folder: str, fresh: tuple[float, ...], stolen: tuple[tuple[str, tuple[float, ...]], ...]
) -> dict[str, dict]:
    if not (fresh and stolen):
        return {}
    generator = np.random.default_rng(runtime.seed_from(f"{study_folder}/audit"))
    counts = statistics.resampled(len(fresh), statistics.DRAWS, generator)  # one for all attacks: the mean's interval
    found, draws, independent = {}, [], -np.array(fresh)
    for attack, evidence in stolen:
        pirated = -np.array(evidence)
        own = statistics.resampled(len(pirated), statistics.DRAWS, generator)
        draws.append(statistics.auc_draws(pirated, independent, own, counts))
        found[attack] = _cells(statistics.auc(pirated, independent), draws[-1])
    mean = float(np.mean([row["auc"] for row in found.values()]))
    return {**found, "mean": _cells(mean, np.mean(draws, axis=0))}


def _cells(auc: float, draws: np.ndarray) -> dict[str, float]:
    low, high = statistics.interval(draws)
    return {"auc": auc, "auc_low": low, "auc_high": high}


def flagged(verdicts: list[dict], data: str) -> dict[str, str]:
    """How many of the audit's models of these data are flagged at 5%: calibration models are homologous ones."""
    kinds = [f"audit_{data}", f"audit_{data}_adversarial"]
    rows = [row for row in verdicts if row["kind"] in kinds and row["share"] == 1]
    if not rows or rows[0]["n_calibration"] < FOR_5_PERCENT:
        return {}
    share, low, high = statistics.share(np.array([flagged_at_5(row) for row in rows]))
    name = f"false positive rate at alpha = 0.05, audit set, {data}"
    return {name: f"{share:.3f} [{low:.3f}, {high:.3f}], n = {len(rows)}"}
