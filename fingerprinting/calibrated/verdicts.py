"""Verdicts of the calibrated fingerprint: stolen, independent or inconclusive, at levels that were stated before."""

import math

import torch
from scipy import stats

from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated import evidence, p_values, stopping
from fingerprinting.calibrated.contents import (
    CONTRIBUTIONS,
    CalibratedFingerprint,
    Calibration,
    TwinsCalibration,
    of_queries,
)
from fingerprinting.calibrated.representation import traces
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
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
MOST_UNANSWERED = 0.1  # of all queries; beyond it what is missing may be what would tell
OF_TWO_CLASSES = (
    "of two classes all wrong responses are the same, so that models of other data agree with the source where its "
    "twins do not; judge by calibrated.py SIZE=full"
)
OF_ONE_DATA = (
    "it has no calibration models of other data than the source's, without which independent models of other data are "
    "flagged too often; run calibration.py and calibrated.py again, or the same protect.py command"
)
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
    stopped = ("limit", "one_response", "either_way")
    if not found["in_range"] or any(found.get(name) for name in stopped) or too_few(found):
        return INCONCLUSIVE
    return outcome(found["p_independent"], found["p_stolen"], found["alpha"], found["beta"])


def limit_of(fingerprint: Fingerprint, *, other_task: bool) -> str:
    """Why no verdict by it may go further than inconclusive; empty where one may.

    On EEG of people in two states (docs/price.md), twins flag independent models of other people far above alpha beside
    calibration models of the source's people, and beside those of others too for some sources.
    """
    held = CalibratedFingerprint.of(fingerprint)
    if other_task or not held.of_twins:
        return ""
    return limit_of_twins(fingerprint.metadata["classes"]) or (OF_ONE_DATA if len(held.source.groups) < 2 else "")


def limit_of_twins(classes: int) -> str:
    """The same before there is a fingerprint."""
    return OF_TWO_CLASSES if classes == 2 else ""


def too_few(found: dict) -> bool:
    """Whether more queries are unanswered than a verdict may be passed without."""
    return found.get("unanswered_share", 0) > MOST_UNANSWERED


def why(found: dict) -> str:
    """What makes the outcome of what `measured` found inconclusive; empty where it is not."""
    if passed(found) != INCONCLUSIVE:
        return ""
    if found.get("limit"):
        return found["limit"]
    if too_few(found):
        share, most = found["unanswered_share"], MOST_UNANSWERED
        return f"{share:.0%} of the queries are unanswered, above {most:.0%}: these may be those that would tell"
    if found.get("one_response"):
        return "the same response to all queries says nothing about a model's origin"
    if not found["in_range"]:
        if found.get("own_responses", 0) > found.get("most_own_responses", 1):
            return (
                "it responds as neither the source nor its twins do more often than calibration models of the source's "
                "data: they say nothing about less able models"
            )
        less = found["control_accuracy"] < found["control_accuracy_range"][0]
        return f"{'less' if less else 'more'} accurate than all calibration models: they say nothing about such models"
    if found.get("either_way"):
        return "what is unanswered would decide it: this fingerprint weighs all of its queries together"
    if not found["n_stolen"]:
        return "independent models show as much evidence, and there are no stolen models to compare with"
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
    such models. Nor is one by twins that gives responses of its own more often than those that it is ranked among: of
    what the source gets wrong a less able model gets less right, and so agrees less with the twins.

    What is UNANSWERED counts neither for nor against: twins compare on the other queries alone; weights are of all
    queries, so that a verdict by them must hold whatever the missing responses are.
    """
    held, other_task = CalibratedFingerprint.of(fingerprint), controls is None
    said = labels if controls is None else torch.cat([labels, controls])
    about: dict[str, object] = _unanswered(said)
    if about and held.of_twins and not other_task:
        fingerprint, labels = answered(fingerprint, labels)
        held = CalibratedFingerprint.of(fingerprint)
    if limit := limit_of(fingerprint, other_task=other_task):
        about["limit"] = limit
    known = held.calibration(other_task=other_task)
    in_range = True
    if controls is not None:
        truth, asked = held.controls.truth, controls != UNANSWERED
        control_accuracy = (controls == truth)[asked].double().mean().item() if asked.any() else 0.0
        least, most = held.control_range
        in_range = least <= control_accuracy <= most
        about |= {"control_accuracy": control_accuracy, "control_accuracy_range": [least, most]}
    if (labels == UNANSWERED).any():
        shown = _whatever_is_missing(fingerprint, labels, alpha, beta, tail, other_task=other_task)
    else:
        if isinstance(known, TwinsCalibration) and (most_own := known.most_own_responses) is not None:
            own = known.own_responses(labels.numpy())
            in_range = in_range and own <= most_own
            about |= {"own_responses": own, "most_own_responses": most_own}
        found = traces(labels, fingerprint, other_task=other_task)
        shown = _p_values(float(evidence.combined(found)), known, alpha, tail)
        if controls is not None and len(found) == len(TRACES):
            about |= dict(zip(TRACES, found.tolist(), strict=True))
    return {
        "evidence": shown.pop("evidence"),
        **about,
        **shown,
        "extrapolated": p_values.extrapolated(alpha, known.ranked),
        "in_range": in_range,
        "one_response": len(said[said != UNANSWERED].unique()) <= 1,
        "alpha": alpha,
        "beta": beta,
        "tail": tail,
        "n_calibration": known.ranked,
        **({"n_other_data": len(known.groups[1])} if len(known.groups) > 1 else {}),
        "n_stolen": len(known.stolen),
    }


def _p_values(total: float, known: Calibration | TwinsCalibration, alpha: float, tail: str) -> dict[str, float]:
    return {
        "evidence": total,
        "p_independent": p_values.p_value(total, known.groups, alpha, tail),
        "p_stolen": float(p_values.conformal(-total, -known.stolen)),
    }


def _unanswered(said: torch.Tensor) -> dict[str, object]:
    """Nothing where all is answered, so that records of models in this process stay as they were."""
    count = int((said == UNANSWERED).sum())
    return {"unanswered": count, "unanswered_share": count / len(said)} if count else {}


def answered(fingerprint: Fingerprint, labels: torch.Tensor) -> tuple[Fingerprint, torch.Tensor]:
    """A fingerprint of twins, and labels, on the queries that have a response; where none has, on all of them."""
    kept = labels != UNANSWERED
    if kept.all() or not kept.any():
        return fingerprint, labels
    if CONTRIBUTIONS not in fingerprint.extra:
        raise UserError(
            "this fingerprint does not hold what independent models respond to each query, which a verdict on some of "
            "them compares with; run calibrated.py FORCE=True"
        )
    return of_queries(fingerprint, kept), labels[kept]


def _whatever_is_missing(
    fingerprint: Fingerprint, labels: torch.Tensor, alpha: float, beta: float, tail: str, *, other_task: bool
) -> dict[str, float]:
    """The least favourable p-values over all responses that the missing ones may be; `either_way` where it matters."""
    known = CalibratedFingerprint.of(fingerprint).calibration(other_task=other_task)
    if isinstance(known, TwinsCalibration):
        if not other_task:  # no query at all has a response
            return {**_p_values(-math.inf, known, alpha, tail), "evidence": 0.0, "either_way": True}
        raise UserError(
            "the pattern of labels of another task is compared on all queries by twins, and some are unanswered; ask "
            "these again, or judge by SIZE=full"
        )
    ends = known.least_and_most(labels.numpy(), fingerprint.labels.numpy(), UNANSWERED, other_task=other_task)
    least, most = (_p_values(float(evidence.combined(end)), known, alpha, tail) for end in ends)
    outcomes = [outcome(end["p_independent"], end["p_stolen"], alpha, beta) for end in (least, most)]
    return {**(most if outcomes[0] == INDEPENDENT else least), "either_way": outcomes[0] != outcomes[1]}


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
    if found.get("either_way"):
        return found | {"looks": list(looks)}
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
