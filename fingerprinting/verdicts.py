"""Verdicts of the calibrated fingerprint: stolen, independent or inconclusive, at levels that were stated before."""

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
TRACES = ("extraction", "tampering")  # what the columns of the evidence stand for


def outcome(p_honest: float, p_stolen: float, level: float, cleared: float) -> str:
    """p_honest, p_stolen: how often honest models show as much evidence, and thefts as little.

    Accused at the level. Cleared where hardly any theft looks like that and many honest models do: thefts that the
    owner did not think of lie between its references' and the honest models.
    """
    if p_honest <= level:
        return STOLEN
    return INDEPENDENT if p_honest > USUAL and p_stolen <= cleared else INCONCLUSIVE


def judge(study: Study, fingerprint: Fingerprint, models: list[Suspect], level: float, cleared: float) -> None:
    """One record per model; what of another task cannot be judged, for want of such references, is left out."""
    if not (0 < level < 1 and 0 < cleared < 1):
        raise UserError(f"LEVEL={level} and CLEARED={cleared} are shares of models; give more than 0 and less than 1")
    rows = []
    for model in models:
        prefix = TRANSFER if model.kind.on_target else ""
        if prefix + "centre" not in fingerprint.extra:
            continue
        found = traces(suspects.ask(study, model, fingerprint.inputs).argmax(1), fingerprint, prefix)
        total = float(evidence.combined(found))
        honest, thefts = (fingerprint.extra[prefix + name].numpy() for name in ("honest", "thefts"))
        p_honest, p_stolen = evidence.p_value(total, honest), evidence.p_value(-total, -thefts)
        named = dict(zip(TRACES, found.tolist(), strict=True)) if len(found) == len(TRACES) else {}
        rows.append(
            {
                "key": model.model.name,
                "kind": model.model.kind,
                "role": model.kind.role,
                "use": model.kind.use,
                "architecture": model.model.architecture,
                "evidence": total,
                **{f"evidence_of_{name}": value for name, value in named.items()},
                "p_honest": p_honest,
                "p_stolen": p_stolen,
                "outcome": outcome(p_honest, p_stolen, level, cleared),
                "level": level,
                "cleared": cleared,
                "n_calibration": len(honest),
                "n_thefts": len(thefts),
                "provenance": runtime.provenance(study.device),
            }
        )
    Records.of(study, "verdicts").replace(rows)
