"""DeepCore (Sun, Zhang, Li 2024) from constants to records: core points, and identification by the responses to them.

Its scores by L1 and by cosine are rows of the table of methods; here stand its identification by clustering, and what
longer training of the points changes.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

from fingerprinting.core import runtime, statistics
from fingerprinting.core.errors import UserError
from fingerprinting.deepcore.clustering import ALGORITHMS, flagged_beside_references, flagged_together
from fingerprinting.deepcore.core_points import STARTS, Ascent, core_queries
from fingerprinting.deepcore.core_responses import GROUPS, SCORES, CoreResponses, grouped, responses_at_core_points
from fingerprinting.deepcore.observations import claim_rows
from fingerprinting.deepcore.published_types import label_rows, type_rows
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.generate import begin, finish
from fingerprinting.fingerprints.metrics import by_kind
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.models import trained
from fingerprinting.models.suspects import NEGATIVES
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study
from fingerprinting.study.thumbnails import thumbnail

POINTED = 10  # classes of which a point is kept to be looked at


def deepcore(
    study: Study, *, start: str, points: int, lengths: tuple[int, ...], clusters: int, **constants
) -> str | None:
    """Make the core points, and judge the models by the responses to them."""
    if min(points, *(constants[name] for name in ("steps", "radius_every", "boundary_steps"))) < 1:
        raise UserError("POINTS, STEPS, RADIUS_EVERY and BOUNDARY_STEPS must be 1 or more")
    if clusters < 2 or not lengths:
        raise UserError("CLUSTERS must be 2 or more, and LENGTHS must name at least one number of steps")
    if start not in STARTS:
        raise UserError(f"START={start} is unknown; take {' or '.join(STARTS)}")
    ascent, owner = Ascent(**constants), Owner(study, "deepcore")
    try:
        owner.movable()
    except UnsuitedError as reason:
        store.set_aside(study, "deepcore")
        print(f"deepcore is left out: {reason}")
        return SKIPPED
    made = _make(owner, start, points, sorted({min(length, ascent.steps) for length in lengths}), ascent)
    judge(owner, ascent, clusters)
    return None if made else SKIPPED


def _make(owner: Owner, start: str, points: int, lengths: Sequence[int], ascent: Ascent) -> bool:
    """Returns whether there was anything to do."""
    study = owner.study
    source = trained.weights_sha256(study, study.source_id)
    settings = {"start": start, "points": points, "lengths": list(lengths), **vars(ascent), "source_sha256": source}
    if store.is_current(study, "deepcore", settings):
        print(store.finished(study, "deepcore"))
        return False
    started = begin(study)
    queries, course = core_queries(owner, start, points, lengths, ascent)
    fingerprint = owner.fingerprint(queries)
    trace = [
        {
            "step": moment.step,
            "radius": moment.radius.tolist(),
            "confidence": moment.confidence.tolist(),
            "moving": int(moment.moving.sum()),
        }
        for moment in course
    ]
    finish(study, "deepcore", fingerprint, settings, started, {"trace": trace})
    return True


def judge(owner: Owner, ascent: Ascent, clusters: int) -> None:
    """Records of everything that is no row of the table of methods."""
    study = owner.study
    core = responses_at_core_points(owner)
    there = {suspect.model.kind for suspect in core.pool}
    if lacking := [name for name, kinds in GROUPS.items() if not there & set(kinds)]:
        missing = " and no ".join(lacking)
        raise UserError(f"{study.folder} has no {missing} models to compare at core points; train some")
    stolen = sum(suspect.kind.role == "pirated" for suspect in core.pool[1:])
    # The source and a suspect beside the references, if any, or beside the stolen models and one independent model.
    fewest = 2 + min(len(core.references) or stolen, stolen)
    if clusters > fewest:
        raise UserError(f"CLUSTERS={clusters} are more than the {fewest} models that are clustered at the least")
    found = {
        "deepcore_lengths": length_rows(core),
        "deepcore_scores": score_rows(core),
        "deepcore_clusters": cluster_rows(core, clusters),
        "deepcore_claims": claim_rows(owner, core, ascent),
        "deepcore_points": point_rows(study, core),
        "deepcore_models": model_rows(core, clusters),
        "deepcore_labels": label_rows(core),
        "deepcore_types": type_rows(core, clusters),
    }
    for topic, rows in found.items():
        rows = [
            {
                **row,
                "key": f"{study.folder}/{row['key']}",
                **study.columns,
                "provenance": runtime.provenance(study.device),
            }
            for row in rows
        ]
        Records.of(study, topic).replace(rows)


def length_rows(core: CoreResponses) -> list[dict]:
    """Radius and scores by how long the points were trained: the paper's Table II, over all points."""
    rows, metadata = [], core.stages[-1].metadata
    for stage, length in enumerate(metadata["settings"]["lengths"]):
        moment = [moment for moment in metadata["trace"] if moment["step"] <= length][-1]
        kept = {name: core.agreement(kinds, stage).mean().item() for name, kinds in GROUPS.items()}
        for method in SCORES:
            groups = grouped(by_kind(core.pool, core.distances(method, core.pool, stage)))
            rows.append(
                {
                    "key": f"{length}/{method.key}",
                    "steps": length,
                    "moving": moment["moving"],
                    "confidence": float(np.mean(moment["confidence"])),
                    "radius": float(np.mean(moment["radius"])),
                    "radius_min": min(moment["radius"]),
                    "radius_max": max(moment["radius"]),
                    "output": method.output,
                    "representation": method.representation.__name__,
                    **{f"{name}_n": len(values) for name, values in groups.items()},
                    **{name: float(values.mean()) for name, values in groups.items()},
                    **{f"{name}_kept": share for name, share in kept.items()},
                    "auc_homologous": statistics.auc(
                        np.concatenate([groups["modified"], groups["extracted"]]), groups["homologous"]
                    ),
                }
            )
    return rows


def point_rows(study: Study, core: CoreResponses) -> list[dict]:
    """A point of each class, up to POINTED classes, after so many steps of training: to be looked at."""
    metadata, targets = core.stages[-1].metadata, core.stages[-1].truth
    chosen = {label: int((targets == label).nonzero()[0]) for label in targets.unique()[:POINTED].tolist()}
    rows = []
    for stage, length in enumerate(metadata["settings"]["lengths"]):
        moment = [moment for moment in metadata["trace"] if moment["step"] <= length][-1]
        rows += [
            {
                "key": f"{length}/{label}",
                "steps": length,
                "label": label,
                "class": study.classes[label],
                "input": thumbnail(core.stages[stage].inputs[index]),
                "radius": moment["radius"][index],
                "confidence": moment["confidence"][index],
            }
            for label, index in chosen.items()
        ]
    return rows


def model_rows(core: CoreResponses, clusters: int) -> list[dict]:
    """Every model's scores at the core points and, of those that are clustered together, its cluster by each algorithm
    and its place among the others: their logits in two principal directions.
    """
    features = core.features(core.pool)
    places = PCA(2).fit_transform(features)
    numbers = {name: cluster(features, clusters) for name, cluster in ALGORITHMS.items()}
    scores = {method.key: core.distances(method, [*core.pool, *core.references]) for method in SCORES}
    rows = [
        {"key": s.model.name, "kind": s.model.kind, **{name: found[s.model.name] for name, found in scores.items()}}
        for s in (*core.pool, *core.references)
    ]
    for number, row in enumerate(rows[: len(core.pool)]):
        row["place"] = places[number].tolist()
        row["clusters"] = {name: int(found[number]) for name, found in numbers.items()}
    return rows


def score_rows(core: CoreResponses) -> list[dict]:
    """Each kind's scores, and how far they lie below the homologous models'."""
    rows = []
    for method in SCORES:
        distances = by_kind(core.pool, core.distances(method, core.pool))
        independent = distances["homologous"].mean()
        rows += [
            {
                "key": f"{method.key}/{kind}",
                "output": method.output,
                "representation": method.representation.__name__,
                "kind": kind,
                "n": len(values),
                "score": float(values.mean()),
                "score_std": float(values.std()),
                "score_min": float(values.min()),
                "score_max": float(values.max()),
                "homologous": float(independent),
                "difference": float(independent - values.mean()),
            }
            for kind, values in distances.items()
        ]
    return rows


def cluster_rows(core: CoreResponses, clusters: int) -> list[dict]:
    """Missed and false identification rates of three ways to cluster: stolen or not, whatever the type.

    Beside the owner's own models, where it has independent ones, and as the paper does.
    """
    source, *pool = core.pool
    judged = core.features(pool)
    known = core.features([source, *core.references])
    pirated_known = np.array([True, *(s.kind.role == "pirated" for s in core.references)])
    pirated = np.array([suspect.kind.role == "pirated" for suspect in pool])
    rows = []
    for name, cluster in ALGORITHMS.items():
        alone = {}
        if not pirated_known.all():
            alone["references"] = flagged_beside_references(cluster, clusters, known, pirated_known, judged)
        for group, kinds in NEGATIVES.items():
            independent = np.array([suspect.model.kind in kinds for suspect in pool])
            if not independent.any():
                continue
            there = pirated | independent
            together = np.zeros(len(pool), bool)
            features = np.vstack([known[:1], judged[there]])  # the source first
            together[there] = flagged_together(cluster, clusters, features, np.append(False, independent[there]))[1:]
            for named_by, flagged in (alone | {"scored": together}).items():
                mir, mir_low, mir_high = statistics.share(~flagged[pirated])
                fir, fir_low, fir_high = statistics.share(flagged[independent])
                rows.append(
                    {
                        "key": f"{name}/{group}/{named_by}",
                        "algorithm": name,
                        "clusters": clusters,
                        "negatives": group,
                        "named_by": named_by,
                        "n_pirated": int(pirated.sum()),
                        "mir": mir,
                        "mir_low": mir_low,
                        "mir_high": mir_high,
                        "n_independent": int(independent.sum()),
                        "fir": fir,
                        "fir_low": fir_low,
                        "fir_high": fir_high,
                    }
                )
    return rows
