"""What a verdict costs: AUC over the number of twins and of queries, from the labels that are kept of a study.

Nothing is trained or asked here, so that anybody can score other rules on the same models.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from tqdm import tqdm

from fingerprinting.calibrated import p_values
from fingerprinting.core import runtime, statistics
from fingerprinting.core.runtime import UserError
from fingerprinting.evaluation import labels as kept
from fingerprinting.evaluation.labels import MIXED, ORDINARY, TRAINED, Labels
from fingerprinting.fingerprints import minus_twins
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.mistakes import HELD_OUT, OF_MIXTURES, OF_TRAINING
from fingerprinting.models.suspects import NEGATIVES, SAME_TASK
from fingerprinting.models.twins import PAIR
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

AUDIT = tuple(f"audit_{kind}" for kind in NEGATIVES["all"])
GROUPS = {"all": NEGATIVES["all"], "homologous": NEGATIVES["homologous"], "audit": AUDIT}
JUDGED = {"stolen": SAME_TASK, "independent": NEGATIVES["all"], "audit": AUDIT}
CALIBRATION = tuple(name for name, kind in KINDS.items() if kind.use == "calibration" and not kind.on_target)
GRID = "twins and queries"  # the study of both
PAIRS = (2, 4)  # numbers of matched pairs
USUAL_TWINS = 6  # where something else is varied
FEW = 50  # held-out mistakes of a source that is rarely wrong
OF_FEW = f"{FEW} held-out first"
Drawn = list[tuple[np.ndarray, int]]  # in each draw of the twins every model's score (M,), and the number of queries


@dataclass(frozen=True)
class Variant:
    """What is varied and how: kinds of candidates, twins of a kind, matched pairs, queries, the choice.

    labelled: only what the source gets wrong is asked; without true labels anything. choice: by `merit`; by `differing`
    twins alone, whatever the source's margin; or at `random`. order: `held-out first`; `one group`; or OF_FEW,
    as if there were no more of them.
    """

    study: str
    value: str
    twins: int
    queries: int
    candidates: tuple[str, ...] = (*HELD_OUT, TRAINED)
    labelled: bool = True
    choice: str = "merit"
    kind: str = "twin"
    pairs: int = 0
    order: str = "held-out first"


def price(
    study: Study, *, twins: tuple[int, ...], queries: tuple[int, ...], alphas: tuple[float, ...], draws: int
) -> None:
    """Record every variant's AUCs, and how many models are flagged at each false positive rate alpha.

    The models are asked first, where there are any, else the labels kept are used.
    """
    if min(draws, *queries) < 1 or min(twins) < 0:
        raise UserError(f"DRAWS={draws} and QUERIES={queries} must be 1 or more, and TWINS={twins} 0 or more")
    if any(not 0 < alpha < 1 for alpha in alphas):
        raise UserError(f"ALPHAS={alphas} are shares of models; give more than 0 and less than 1")
    found = kept.record(study) if study.source_id.path.is_file() else kept.read(study.folder)
    if not _count(found, "twin"):
        raise UserError(f"a price is counted in twins, and there are none; run {study.command('twins')}")
    if not all(np.isin(found.kinds, kinds).any() for kinds in (SAME_TASK, GROUPS["all"])):
        raise UserError("a price is scored on stolen and independent models; run the steps that train them first")
    variants = [
        variant
        for variant in _variants(twins, queries)
        if variant.twins <= _count(found, variant.kind) and variant.pairs <= _count(found, PAIR[0])
    ]
    rows: list[dict] = []
    flagged: list[dict] = []
    for variant in tqdm(variants, desc="price", unit="variant"):
        drawn = [scores_of(study, found, variant, number) for number in range(draws)]
        rows += _rows(study, found, variant, drawn)
        if variant.study in (GRID, "pairs") and variant.twins:
            flagged += _flagged(study, found, variant, drawn, alphas)
    Records.of(study, "price").replace(rows)
    Records.of(study, "price_verdicts").replace(flagged)


def _variants(twins: tuple[int, ...], queries: tuple[int, ...]) -> Iterator[Variant]:
    for count in twins:
        for n in queries:
            yield Variant(GRID, f"{count}/{n}", count, n)
    for n in queries:
        usual = Variant("", "", USUAL_TWINS, n)
        for count, pairs in product(twins, PAIRS):
            if count:
                value = f"{pairs} pairs, {count} twin{'s' * (count > 1)}"
                yield Variant("pairs", value, count, n, pairs=pairs)
        for value, candidates in (
            ("held-out mistakes only: training data are lost", HELD_OUT),
            ("mistakes on dev only: little is held out", HELD_OUT[:1]),
            ("training mistakes only: nothing is held out", (TRAINED,)),
            ("mixed mistakes", (MIXED,)),
        ):
            yield replace(usual, study="candidates", value=value, candidates=candidates)
        few = replace(usual, study="candidates", order=OF_FEW)
        yield replace(few, value=f"{FEW} held-out mistakes alone", candidates=HELD_OUT)
        yield replace(few, value=f"{FEW} held-out mistakes, then mixed mistakes", candidates=(*HELD_OUT, MIXED))
        unlabelled = replace(usual, study="candidates", candidates=HELD_OUT, labelled=False)
        yield replace(unlabelled, value="held-out inputs without labels")
        yield replace(unlabelled, value="ordinary inputs", candidates=(ORDINARY,), choice="random")
        yield replace(usual, study="choice", value="held-out and training mistakes alike", order="one group")
        yield replace(usual, study="choice", value="by twins alone, not the source's margin", choice="differing")
        yield replace(usual, study="choice", value="at random, all twins subtracted", choice="random")
        yield replace(usual, study="recipe", value="other number of passes", kind="other_recipe_twin", twins=2)
        yield replace(usual, study="recipe", value="the source's", twins=2)


def _count(found: Labels, kind: str) -> int:
    return int(np.count_nonzero(found.kinds == kind))


def _mean_seconds(found: Labels, *kinds: str) -> float:
    """Of training one model of these kinds; 0 where there is none."""
    own = found.seconds[np.isin(found.kinds, kinds)]
    return float(own.mean()) if len(own) else 0.0


def asked(found: Labels, variant: Variant, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices (n,) of the queries; the twins' labels (k, n) on them, and which are subtracted where (k, n)."""
    wrong = (found.source != found.truth) | (not variant.labelled)
    pool = np.flatnonzero(found.among(*variant.candidates) & wrong)
    if variant.order == OF_FEW:
        held_out = found.among(*HELD_OUT)[pool]
        pool = np.sort(np.concatenate([draw.permutation(pool[held_out])[:FEW], pool[~held_out]]))
    source, own = found.source[pool], found.of(variant.kind)[:, pool]
    own = own[draw.permutation(len(own))[: variant.twins]]
    choosing = minus_twins.choosers(len(own), len(pool), draw)
    if variant.choice == "random":
        choosing[:] = False
    margin = found.margin[pool].astype(float) if variant.choice == "merit" else np.ones(len(pool))
    worth = minus_twins.merit(source, margin, own, choosing)
    if variant.pairs:
        taken = draw.permutation(_count(found, PAIR[0]))[: variant.pairs]
        worth = minus_twins.with_pairs(worth, source, own, choosing, *(found.of(kind)[taken][:, pool] for kind in PAIR))
    group = (found.among(TRAINED) * OF_TRAINING + found.among(MIXED) * OF_MIXTURES)[pool]
    if variant.order == "one group":
        group[:] = 0
    chosen = minus_twins.choose(group, worth, variant.queries, draw)
    return pool[chosen], own[:, chosen], ~choosing[:, chosen]


def scores_of(study: Study, found: Labels, variant: Variant, number: int) -> tuple[np.ndarray, int]:
    """Every model's score (M,) in one draw of the twins and of what they choose, and the number of queries."""
    draw = np.random.default_rng(runtime.seed_from(f"price/{study.folder}/{variant}/{number}"))
    queries, twins, subtracted = asked(found, variant, draw)
    return minus_twins.score(found.labels[:, queries], found.source[queries], twins, subtracted), len(queries)


def _flagged(study: Study, found: Labels, variant: Variant, drawn: Drawn, alphas: tuple[float, ...]) -> Iterator[dict]:
    """One row per tail and alpha: the share of stolen and of independent models that calibration models flag."""
    calibrating = np.isin(found.kinds, CALIBRATION)
    groups = {group: own for group, kinds in JUDGED.items() if (own := np.isin(found.kinds, kinds)).any()}
    if not calibrating.any():
        return
    models = int(calibrating.sum())
    for tail, p_value in p_values.TAILS.items():
        p = np.stack([p_value(scores, scores[calibrating]) for scores, _ in drawn])
        for alpha in alphas:
            yield {
                "key": f"{study.folder}/{variant.value}/{variant.queries}/{tail}/{alpha:g}",
                **study.columns,
                "twins": variant.twins,
                "pairs": variant.pairs,
                "queries": drawn[0][1],
                "n_calibration": models,
                "tail": tail,
                "alpha": alpha,
                "extrapolated": p_values.extrapolated(alpha, models),
                "draws": len(drawn),
                **{f"flagged_{group}": float((p[:, own] <= alpha).mean()) for group, own in groups.items()},
                **{f"n_{group}": int(own.sum()) for group, own in groups.items()},
                "provenance": runtime.provenance(study.device),
            }


def _rows(study: Study, found: Labels, variant: Variant, drawn: Drawn) -> Iterator[dict]:
    """One row per group of independents: the mean over draws of the mean AUC over attacks and of the least one."""
    results: dict[str, list[dict[str, float]]] = {}
    for scores, _ in drawn:
        for group, aucs in aucs_of(found, scores).items():
            results.setdefault(group, []).append(aucs)
    of_twins, of_pairs = (_mean_seconds(found, *kinds) for kinds in ((variant.kind,), PAIR))
    for group, of_group in results.items():
        means = [float(np.mean(list(aucs.values()))) for aucs in of_group]
        yield {
            "key": f"{study.folder}/{variant.study}/{variant.value}/{variant.queries}/{group}",
            **study.columns,
            "study": variant.study,
            "value": variant.value,
            "twins": variant.twins,
            "pairs": variant.pairs,
            "queries": drawn[0][1],
            "negatives": group,
            "auc": float(np.mean(means)),
            "auc_lowest_draw": min(means),
            "auc_least": float(np.mean([min(aucs.values()) for aucs in of_group])),
            "auc_by_attack": {attack: float(np.mean([aucs[attack] for aucs in of_group])) for attack in of_group[0]},
            "draws": len(drawn),
            "n_pirated": int(np.isin(found.kinds, SAME_TASK).sum()),
            "n_independent": int(np.isin(found.kinds, GROUPS[group]).sum()),
            "seconds": variant.twins * of_twins + variant.pairs * len(PAIR) * of_pairs,
            "source_seconds": float(found.seconds[found.kinds == "source"][0]),
            "provenance": runtime.provenance(study.device),
        }


def aucs_of(found: Labels, scores: np.ndarray) -> dict[str, dict[str, float]]:
    """Group of independents -> attack of the same task -> its AUC by scores (M,), of the groups that are there."""
    return {
        group: {
            attack: statistics.auc(-scores[found.kinds == attack], -scores[np.isin(found.kinds, kinds)])
            for attack in SAME_TASK
            if (found.kinds == attack).any()
        }
        for group, kinds in GROUPS.items()
        if np.isin(found.kinds, kinds).any()
    }
