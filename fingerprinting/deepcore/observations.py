"""What DeepCore's authors observe, looked at on a study's own models."""

import numpy as np
import torch
from scipy.stats import spearmanr

from fingerprinting.core import runtime
from fingerprinting.data.datasets import physical
from fingerprinting.deepcore.core_points import Ascent, deepfool
from fingerprinting.deepcore.core_responses import GROUPS, SCORES, CoreResponses, grouped
from fingerprinting.fingerprints.metrics import by_kind
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.fingerprints.representations import own_class
from fingerprinting.models import suspects
from fingerprinting.training.trainer import predict

PROBED = 300  # dev inputs


def claim_rows(owner: Owner, core: CoreResponses, ascent: Ascent) -> list[dict]:
    """The paper's three observations on this study's models: rank correlations, shares that respond as the source."""
    study = owner.study
    dev = owner.dev.take(torch.randperm(len(owner.dev), generator=owner.generator("probed"))[:PROBED])
    logits = predict(owner.source, dev.inputs, owner.device)
    sure = torch.softmax(logits.double(), 1).amax(1)
    inputs = runtime.place(physical(dev.inputs.to(owner.device)), owner.device)
    movable = owner.recorded.to(owner.device)
    radius = deepfool(owner.source, inputs, ascent.overshoot, ascent.boundary_steps, movable).cpu()
    kept = {}
    for name, kinds in GROUPS.items():
        group = [suspect for suspect in core.pool if suspect.model.kind in kinds]
        outputs = torch.stack(suspects.ask_all(study, group, dev.inputs))
        kept[name] = (outputs.argmax(2) == logits.argmax(1)).double()
    trace = core.stages[-1].metadata["trace"]
    course = along_the_way(*(np.array([moment[name] for moment in trace]) for name in ("confidence", "radius")))
    first = core.stages[-1].metadata["settings"]["lengths"][0]
    order, third = sure.argsort(), len(sure) // 3
    confidence, outlasts, differ = (
        "confidence grows with the distance to the boundary",
        "a point farther from the boundary outlasts changes of the model",
        "at core points pirated models are nearer to the source than homologous ones",
    )
    correlated, answered = "rank correlation", "share of models that answer as the source"
    gap = "mean L1 score, homologous = 1"

    def shares(found: dict[str, torch.Tensor]) -> dict[str, float]:
        return {name: values.mean().item() for name, values in found.items()}

    def at(stage: int) -> dict[str, float]:
        return {name: core.agreement(kinds, stage).mean().item() for name, kinds in GROUPS.items()}

    def gaps(stage: int) -> dict[str, float]:
        (method,) = [method for method in SCORES if method.representation is own_class]
        found = by_kind(core.pool, core.distances(method, core.pool, stage))
        means = {name: values.mean() for name, values in grouped(found).items()}
        return {name: float(mean / means["homologous"]) for name, mean in means.items()}

    rows: list[tuple[str, str, str, int, dict]] = [
        (confidence, correlated, "dev inputs", len(sure), {"source": _rank(sure, radius)}),
        (confidence, f"median of the points' own {correlated}s", "core points on their way", len(course))
        + ({"source": float(np.median(course)) if course else None},),
        (outlasts, f"{correlated} with the {answered}", "dev inputs", len(sure))
        + ({name: _rank(radius, values.mean(0)) for name, values in kept.items()},),
        (differ, answered, "dev inputs, least sure third", third)
        + (shares({name: values[:, order[:third]] for name, values in kept.items()}),),
        (differ, answered, "dev inputs, most confident third", third)
        + (shares({name: values[:, order[-third:]] for name, values in kept.items()}),),
        (differ, answered, f"core points after {first} steps", len(core.stages[0]), at(0)),
        (differ, answered, "core points at the end", len(core.stages[-1]), at(-1)),
        (differ, gap, f"core points after {first} steps", len(core.stages[0]), gaps(0)),
        (differ, gap, "core points at the end", len(core.stages[-1]), gaps(-1)),
    ]
    return [
        {"key": f"{number}", "claim": claim, "measure": measure, "inputs": inputs, "n": n, **values}
        for number, (claim, measure, inputs, n, values) in enumerate(rows)
    ]


def along_the_way(confidence: np.ndarray, radius: np.ndarray) -> list[float]:
    """Rank correlation of both (moments, points) along each point's own way; points that never vary are left out.

    Points that have settled stand in every later moment again, which is no further observation.
    """
    found = []
    for own in zip(confidence.T, radius.T, strict=True):
        moved = np.concatenate([[True], np.any(np.diff(own) != 0, axis=0)])
        found.append(_rank(own[0][moved], own[1][moved]))
    return [rank for rank in found if rank is not None]


def _rank(first, second) -> float | None:
    """Spearman's rank correlation; None where one of both does not vary."""
    first, second = np.asarray(first), np.asarray(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)
