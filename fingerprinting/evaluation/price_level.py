"""Whether verdicts by twins keep their level for a given source: its twins in its place, one after the other.

A level that holds on average over sources may not hold for one of them, and an owner has one. The source and its twins
are repetitions of one training, so each may stand for the source, the others being its twins.
"""

from collections.abc import Iterator

import numpy as np

from fingerprinting.calibrated import p_values
from fingerprinting.calibrated.contents import means
from fingerprinting.core import runtime
from fingerprinting.evaluation.labels import Labels
from fingerprinting.fingerprints import minus_twins
from fingerprinting.models.mistakes import HELD_OUT
from fingerprinting.study.study import Study

QUERIES = (200, 800)
SAME, LARGER, BOTH = COMPARED = ("same data", "larger p-value", "same and other data")
LEAST = 3  # models that are repetitions of one training: a source, a twin that chooses and one that is subtracted
SUSPECTS = {side: (side, f"{side}_adversarial") for side in ("irrelevant", "homologous")}


def of_each_source(
    study: Study, found: Labels, groups: list[np.ndarray], learned: np.ndarray, alphas: tuple[float, ...], draws: int
) -> Iterator[dict]:
    """A row for each model in the source's place, number of queries, rate and what suspects are compared with.

    Calibration models of the same data; of other data too, by the larger of two p-values; or by what other data show
    more, as verdicts do. groups: masks (M,) of the calibration models, learned (M, m): on which of the candidates each
    is not scored. Mistakes on held-out examples are asked, all of the same margin, for a twin's is not kept.
    """
    family = np.flatnonzero(np.isin(found.kinds, ("source", "twin"))).tolist()
    if len(family) < LEAST or len(groups) < 2:
        return
    judged = {side: own for side, kinds in SUSPECTS.items() if (own := np.isin(found.kinds, kinds)).any()}
    for source in family:
        pool = np.flatnonzero(found.among(*HELD_OUT) & (found.labels[source] != found.truth))
        for n in QUERIES:
            twins = [model for model in family if model != source]
            shared = [_contributions(study, found, source, twins, pool, n, draw) for draw in range(draws)]
            scores = [means(own, learned[:, queries]) for queries, own in shared]
            p_of = [_p_values(own, [own[group] for group in groups]) for own in scores]
            in_range = np.stack([minus_twins.as_able(minus_twins.own_responses(own), groups[0]) for _, own in shared])
            for name in COMPARED:
                p = np.stack([of_draw[name] for of_draw in p_of])
                for alpha in alphas:
                    flags = (p <= alpha) & in_range
                    yield {
                        "key": f"{study.folder}/{found.models[source]}/{n}/{name}/{alpha:g}",
                        **study.columns,
                        "model": str(found.models[source]),
                        "accuracy": float(found.accuracy[source]),
                        "mistakes": len(pool),
                        "queries": min(n, len(pool)),
                        "budget": n,
                        "compared_with": name,
                        "n_calibration": int(groups[0].sum()),
                        "alpha": alpha,
                        "draws": draws,
                        **{f"flagged_{side}": float(flags[:, own].mean()) for side, own in judged.items()},
                        **{f"n_{side}": int(own.sum()) for side, own in judged.items()},
                        "provenance": runtime.provenance(study.device),
                    }


def _p_values(scores: np.ndarray, groups: list[np.ndarray]) -> dict[str, np.ndarray]:
    """(M,) by each of COMPARED: of scores (M,), beside those of the calibration models."""
    same, other = (p_values.student(scores, group) for group in groups[:2])
    return {SAME: same, LARGER: np.maximum(same, other), BOTH: p_values.beside(scores, groups, "student")}


def _contributions(
    study: Study, found: Labels, source: int, twins: list[int], pool: np.ndarray, n: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n,) of the queries of one draw of which twins choose, and every model's contributions (M, n)."""
    draw = np.random.default_rng(runtime.seed_from(f"price/{study.folder}/{found.models[source]}/{n}/{number}"))
    of_twins, of_source = found.labels[twins][:, pool], found.labels[source, pool]
    choosing = minus_twins.choosers(len(twins), len(pool), draw)
    worth = minus_twins.merit(of_source, np.ones(len(pool)), of_twins, choosing)
    chosen = minus_twins.choose(np.zeros(len(pool)), worth, n, draw)
    queries = pool[chosen]
    asked = (found.labels[:, queries], of_source[chosen], of_twins[:, chosen], ~choosing[:, chosen])
    return queries, minus_twins.contributions(*asked)
