"""Verdicts of the calibrated fingerprint: stolen, independent or inconclusive, at levels that were stated before."""

import torch

from fingerprinting import evidence, runtime, suspects
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.records import Records
from fingerprinting.representations import TRANSFER, traces
from fingerprinting.runtime import UserError
from fingerprinting.study import Study
from fingerprinting.suspects import Suspect

METHOD = "calibrated"  # the fingerprint that verdicts are passed by
STOLEN, INDEPENDENT, INCONCLUSIVE = "stolen", "independent", "inconclusive"
USUAL = 0.5  # whoever is cleared shows less evidence than this share of honest models
TRACES = ("evidence_of_extraction", "evidence_of_tampering")  # the columns of the evidence


def outcome(p_honest: float, p_stolen: float, level: float, cleared: float) -> str:
    """p_honest, p_stolen: how often honest models show as much evidence, and thefts as little.

    Accused at the level. Cleared where hardly any theft looks like that and many honest models do: thefts that the
    owner did not think of lie between its references' and the honest models.
    """
    if p_honest <= level:
        return STOLEN
    return INDEPENDENT if p_honest > USUAL and p_stolen <= cleared else INCONCLUSIVE


def check_levels(level: float, cleared: float) -> None:
    if not (0 < level < 1 and 0 < cleared < 1):
        raise UserError(f"LEVEL={level} and CLEARED={cleared} are shares of models; give more than 0 and less than 1")


def verdict(
    fingerprint: Fingerprint, labels: torch.Tensor, controls: torch.Tensor | None, level: float, cleared: float
) -> dict:
    """What a suspect's top-1 labels say: labels (n,) of the queries, controls (m,) of the control questions.

    controls: None where its labels mean other things than the source's. Nobody of the source's task is accused or
    cleared who is less able than all calibration models: it was not for such models that they say how far honest ones
    go.
    """
    prefix = TRANSFER if controls is None else ""
    found = traces(labels, fingerprint, prefix)
    total = float(evidence.combined(found))
    honest, thefts = (fingerprint.extra[prefix + name].numpy() for name in ("honest", "thefts"))
    measured, in_range = {}, True
    if controls is not None:
        ability = (controls == fingerprint.extra["control_truth"]).double().mean().item()
        in_range, measured = ability >= fingerprint.extra["honest_ability"].numpy().min(), {"ability": ability}
        measured |= dict(zip(TRACES, found.tolist(), strict=True)) if len(found) == len(TRACES) else {}
    p_honest, p_stolen = evidence.p_value(total, honest), evidence.p_value(-total, -thefts)
    return {
        "evidence": total,
        **measured,
        "p_honest": p_honest,
        "p_stolen": p_stolen,
        "outcome": outcome(p_honest, p_stolen, level, cleared) if in_range else INCONCLUSIVE,
        "in_range": bool(in_range),
        "level": level,
        "cleared": cleared,
        "n_calibration": len(honest),
        "n_thefts": len(thefts),
    }


def judge(study: Study, fingerprint: Fingerprint | None, models: list[Suspect], level: float, cleared: float) -> None:
    """One record per model. Without a calibrated fingerprint there are none: older ones may be about other models."""
    check_levels(level, cleared)
    Records.of(study, "verdicts").replace(rows_of(study, fingerprint, models, level, cleared) if fingerprint else [])


def judge_too(study: Study, fingerprint: Fingerprint, models: list[Suspect]) -> None:
    """Further models, trained since the matcher passed its verdicts, at its levels."""
    records = Records.of(study, "verdicts")
    if passed := records.rows():
        records.put(rows_of(study, fingerprint, models, passed[0]["level"], passed[0]["cleared"]))


def rows_of(study: Study, fingerprint: Fingerprint, models: list[Suspect], level: float, cleared: float) -> list[dict]:
    """One row per model; what of another task cannot be judged, for want of such references, is left out."""
    rows = []
    for model in models:
        on_target = model.kind.on_target
        if (TRANSFER if on_target else "") + "centre" not in fingerprint.extra:
            continue
        labels, controls = suspects.ask(study, model, fingerprint.inputs).argmax(1), None
        if not on_target:
            controls = suspects.ask(study, model, fingerprint.extra["control_inputs"]).argmax(1)
        rows.append(
            {
                "key": model.model.name,
                "kind": model.model.kind,
                "role": model.kind.role,
                "use": model.kind.use,
                "share": model.metadata["settings"]["options"].get("share", 1.0),
                "architecture": model.model.architecture,
                **verdict(fingerprint, labels, controls, level, cleared),
                "provenance": runtime.provenance(study.device),
            }
        )
    return rows
