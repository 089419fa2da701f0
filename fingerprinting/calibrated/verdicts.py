"""Verdicts of the calibrated fingerprint: stolen, independent or inconclusive, at levels that were stated before."""

import math

import torch
from scipy import stats

from fingerprinting.calibrated import evidence, p_values, stopping
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.calibrated.representation import traces
from fingerprinting.core import runtime
from fingerprinting.core.runtime import UserError
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import suspects
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

METHOD = "calibrated"  # the fingerprint that verdicts are passed by
DEFAULT_TAIL = "student"  # what goes on beyond the calibration models, where they are too few for alpha
STOLEN, INDEPENDENT, INCONCLUSIVE = "stolen", "independent", "inconclusive"
USUAL = 0.5  # a model that is cleared shows less evidence than this share of independent models
FEW = 50  # models to compare with: one more or less of them moves a p-value by two points
SURE = 0.95  # of the bound on how many independent models a verdict flags
TRACES = ("evidence_of_extraction", "evidence_of_modification")  # the columns of the evidence


def outcome(p_independent: float, p_stolen: float, alpha: float, beta: float) -> str:
    """p_independent, p_stolen: how often independent models show as much evidence, and stolen models as little.

    `stolen` at alpha, unless hardly any stolen model shows as little: a suspect that is like neither proves
    nothing. `independent` where hardly any stolen model looks like that and many independent ones do: attacks that the
    owner did not think of lie between its references' and the independent models.
    """
    if p_stolen > beta:
        return STOLEN if p_independent <= alpha else INCONCLUSIVE
    return INDEPENDENT if p_independent > max(USUAL, alpha) else INCONCLUSIVE


def passed(found: dict) -> str:
    """The outcome of what `measured` found, as records keep it: by its own p-values, alpha, beta and range."""
    if not found["in_range"] or found.get("one_response") or found.get("limit"):
        return INCONCLUSIVE
    return outcome(found["p_independent"], found["p_stolen"], found["alpha"], found["beta"])


def why(found: dict) -> str:
    """What makes the outcome of what `measured` found inconclusive; empty where it is not."""
    if passed(found) != INCONCLUSIVE:
        return ""
    if found.get("limit"):
        return found["limit"]
    if found.get("one_response"):
        return "the same response to all queries says nothing about a model's origin"
    if not found["in_range"]:
        less = found["control_accuracy"] < found["control_accuracy_range"][0]
        return f"{'less' if less else 'more'} accurate than all calibration models: they say nothing about such models"
    if found["p_stolen"] > found["beta"]:
        return "independent models show as much evidence and stolen models as little, so it may be either"
    if found["p_independent"] <= found["alpha"]:
        return (
            "hardly any independent model shows as much evidence, hardly any stolen model as little: it is like neither"
        )
    return "hardly any stolen model shows as little evidence, but few independent models show as much"


def flagged_at_most(alpha: float, n_calibration: int) -> float:
    """The share of independent models that verdicts at alpha flag, at most, in SURE of all draws of calibration models.

    A suspect is flagged whose evidence is above that of all but k - 1 of n, k = alpha (n + 1) rounded down; how many
    further models are is the beta distribution's of (k, n + 1 - k) (Vovk 2012, "Conditional validity of inductive
    conformal predictors").
    """
    k = math.floor(alpha * (n_calibration + 1) + 1e-9)
    return float(stats.beta.ppf(SURE, k, n_calibration + 1 - k)) if 0 < k <= n_calibration else float(k > 0)


def check_rates(alpha: float, beta: float, tail: str = DEFAULT_TAIL) -> None:
    if tail not in p_values.TAILS:
        raise UserError(f"unknown TAIL={tail}; take {' or '.join(p_values.TAILS)}")
    if not (0 < alpha < 1 and 0 < beta < 1):
        raise UserError(f"ALPHA={alpha} and BETA={beta} are shares of models; give more than 0 and less than 1")


def measured(
    fingerprint: Fingerprint,
    labels: torch.Tensor,
    controls: torch.Tensor | None,
    alpha: float,
    beta: float,
    tail: str = DEFAULT_TAIL,
) -> dict:
    """What a suspect's top-1 labels say: labels (n,) of the queries, controls (m,) of the control queries.

    controls: None where its labels mean other things than the source's. No model of the source's task is flagged
    or cleared whose control accuracy is lower or higher than that of all calibration models: they say nothing about
    such models.
    """
    held, other_task = CalibratedFingerprint.of(fingerprint), controls is None
    known, found = held.calibration(other_task=other_task), traces(labels, fingerprint, other_task=other_task)
    total = float(evidence.combined(found))
    about: dict[str, object] = {}
    in_range, responses = True, labels
    if controls is not None:
        control_accuracy = (controls == held.controls.truth).double().mean().item()
        least, most = held.control_range
        in_range, responses = least <= control_accuracy <= most, torch.cat([labels, controls])
        about = {"control_accuracy": control_accuracy, "control_accuracy_range": [least, most]}
        about |= dict(zip(TRACES, found.tolist(), strict=True)) if len(found) == len(TRACES) else {}
    return {
        "evidence": total,
        **about,
        "p_independent": p_values.p_value(total, known.independent, alpha, tail),
        "p_stolen": float(p_values.conformal(-total, -known.stolen)),
        "extrapolated": p_values.extrapolated(alpha, len(known.independent)),
        "in_range": in_range,
        "one_response": len(responses.unique()) == 1,
        "alpha": alpha,
        "beta": beta,
        "tail": tail,
        "n_calibration": len(known.independent),
        "n_stolen": len(known.stolen),
    }


def measured_so_far(
    fingerprint: Fingerprint,
    labels: torch.Tensor,
    controls: torch.Tensor,
    alpha: float,
    beta: float,
    tail: str = DEFAULT_TAIL,
) -> dict:
    """As `measured`, where the first queries alone were asked, as many as at one of the looks: labels (m,)."""
    found = measured(stopping.first(fingerprint, len(labels)), labels, controls, alpha, beta, tail)
    looks = stopping.looks(len(fingerprint))
    return found | {
        "p_independent": stopping.p_value(fingerprint, labels, alpha, tail),
        "extrapolated": p_values.extrapolated(alpha * min(stopping.shares(len(looks))), found["n_calibration"]),
        "looks": list(looks),
    }


def judge(
    study: Study, fingerprint: Fingerprint | None, models: list[Suspect], alpha: float, beta: float, tail: str
) -> None:
    """One record per model: what was measured, and the levels; the outcome is their rule's (`passed`) and not stored.

    Without a calibrated fingerprint there are none: older ones may be about other models.
    """
    check_rates(alpha, beta, tail)
    Records.of(study, "verdicts").replace(rows_of(study, fingerprint, models, alpha, beta, tail) if fingerprint else [])


def judge_too(study: Study, fingerprint: Fingerprint, models: list[Suspect]) -> None:
    """Further models, trained since the matcher passed its verdicts, at its levels."""
    records = Records.of(study, "verdicts")
    if passed := records.rows():
        levels = (passed[0]["alpha"], passed[0]["beta"], passed[0].get("tail", DEFAULT_TAIL))
        records.put(rows_of(study, fingerprint, models, *levels))


def rows_of(
    study: Study, fingerprint: Fingerprint, models: list[Suspect], alpha: float, beta: float, tail: str
) -> list[dict]:
    """One row per model; what of another task cannot be judged, for want of such references, is left out."""
    rows, held = [], CalibratedFingerprint.of(fingerprint)
    for model in models:
        on_target = model.kind.on_target
        if on_target and held.transfer is None:
            continue
        labels, controls = suspects.ask(study, model, fingerprint.inputs).argmax(1), None
        if not on_target:
            controls = suspects.ask(study, model, held.controls.inputs).argmax(1)
        rows.append(
            {
                "key": model.model.name,
                "kind": model.model.kind,
                "role": model.kind.role,
                "use": model.kind.use,
                "share": suspects.share(model),
                "architecture": model.model.architecture,
                **measured(fingerprint, labels, controls, alpha, beta, tail),
                "provenance": runtime.provenance(study.device),
            }
        )
    return rows
