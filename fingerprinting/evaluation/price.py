"""What a verdict costs: AUC over the number of twins and of queries, from the labels that are kept of a study.

Nothing is trained or asked here, so that anybody can score other rules on the same models.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from tqdm import tqdm

from fingerprinting.calibrated import p_values, stopping
from fingerprinting.calibrated.contents import means
from fingerprinting.core import runtime, statistics
from fingerprinting.core.errors import UserError
from fingerprinting.evaluation import labels as kept
from fingerprinting.evaluation import price_beside, price_level
from fingerprinting.evaluation.labels import MIXED, ORDINARY, TRAINED, Labels
from fingerprinting.fingerprints import minus_twins
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.mistakes import HELD_OUT, OF_MIXTURES, OF_TRAINING
from fingerprinting.models.reference import OTHER_DATA, matching
from fingerprinting.models.suspects import NEGATIVES, SAME_TASK
from fingerprinting.models.twins import PAIR
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

AUDIT = tuple(f"audit_{kind}" for kind in NEGATIVES["all"])
GROUPS = {"all": NEGATIVES["all"], "homologous": NEGATIVES["homologous"], "audit": AUDIT}
JUDGED = {"stolen": SAME_TASK, "independent": NEGATIVES["all"], "audit": AUDIT}
CALIBRATION = tuple(name for name, kind in KINDS.items() if kind.use == "calibration" and not kind.on_target)
OF_REFERENCE = tuple(name for name in CALIBRATION if "irrelevant" in name)  # those that the reference part trained
AUDITED = ("irrelevant", "homologous", "adversarially trained", "less able")  # groups of the audit's models
GRID = "twins and queries"  # the study of both
WITH_PAIRS = "pairs"  # the same beside matched pairs
PAIRS = (2, 4)  # numbers of matched pairs
USUAL_TWINS = 6  # where something else is varied
TO_ANOTHER_TASK = (200, 800)  # queries, where suspects of another task are scored
FEW = 50  # held-out mistakes of a source that is rarely wrong
OF_FEW = f"{FEW} held-out first"


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


@dataclass(frozen=True)
class Looked:
    """One draw of the twins: every model's score, and its share of responses of its own, at each look (M, k); after how
    many queries these are.
    """

    scores: np.ndarray
    own: np.ndarray
    queries: tuple[int, ...]

    def in_range(self, groups: list[np.ndarray]) -> np.ndarray:
        """(M, k): whether calibration models of the source's data, the first of the groups (M,), are like it."""
        return minus_twins.as_able(self.own, groups[0])


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
    with_models = study.source_id.path.is_file()
    found = kept.record(study) if with_models else kept.read(study.folder)
    if not _count(found, "twin"):
        raise UserError(f"a price is counted in twins, and there are none; run {study.command('twins')}")
    if not all(np.isin(found.kinds, kinds).any() for kinds in (SAME_TASK, GROUPS["all"])):
        raise UserError("a price is scored on stolen and independent models; run the steps that train them first")
    variants = [
        variant
        for variant in _variants(twins, queries)
        if variant.twins <= _count(found, variant.kind)
        and variant.pairs <= _count(found, PAIR[0])
        and len(_pool(found, variant))
    ]
    rows: list[dict] = []
    flagged: list[dict] = []
    stopped: list[dict] = []
    for variant in tqdm(variants, desc="price", unit="variant"):
        looked = [scores_of(study, found, variant, number) for number in range(draws)]
        rows += _rows(study, found, variant, looked)
        if variant.study in (GRID, WITH_PAIRS) and variant.twins:
            flagged += _flagged(study, found, variant, looked, alphas)
            stopped += _stopped(study, found, variant, looked, alphas)
    Records.of(study, "price_transfer").replace(list(_of_another_task(study, found, queries, alphas, draws)))
    by_source = price_level.of_each_source(study, found, calibrating(found), learned(found), alphas, draws)
    Records.of(study, "price_level").replace(list(by_source))
    Records.of(study, "price").replace(rows)
    Records.of(study, "price_verdicts").replace(flagged)
    Records.of(study, "price_stopping").replace(stopped)
    if with_models:
        Records.of(study, "price_baselines").replace(price_beside.of_baselines(study))


def by_spending(records: list[dict], negatives: str = "all") -> dict[tuple[int, int, int], dict]:
    """(twins, pairs, queries) -> its row; where the source's mistakes fill none of several budgets, the largest's."""
    return {
        (row["twins"], row["pairs"], row["queries"]): row
        for row in records
        if row["study"] in (GRID, WITH_PAIRS) and row["negatives"] == negatives
    }


def _variants(twins: tuple[int, ...], queries: tuple[int, ...]) -> Iterator[Variant]:
    for count in twins:
        for n in queries:
            yield Variant(GRID, f"{count}/{n}", count, n)
    for n in queries:
        usual = Variant("", "", USUAL_TWINS, n)
        for count, pairs in product(twins, PAIRS):
            if count:
                value = f"{pairs} pairs, {count} twin{'s' * (count > 1)}"
                yield Variant(WITH_PAIRS, value, count, n, pairs=pairs)
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


def calibrating(found: Labels) -> list[np.ndarray]:
    """Masks (M,) of the groups of models that verdicts compare with, as `TwinsCalibration.groups`; none without any."""
    there, other = np.isin(found.kinds, CALIBRATION), np.isin(found.kinds, OF_REFERENCE)
    same = there & ~other & (found.share == 1)
    if not (same.any() and other.any()):
        return [same] if same.any() else []
    share = matching(int(found.examples[other].max()), int(found.examples[same].max()))
    matched = there & ~other & (found.share == share)
    return [same, other, matched] if matched.any() else [same]


def learned(found: Labels) -> np.ndarray:
    """Mask (M, m) of the candidates on which models of other data, trained on them, and matched ones are not scored."""
    left_out = np.isin(found.kinds, CALIBRATION) & (np.isin(found.kinds, OF_REFERENCE) | (found.share < 1))
    return left_out[:, None] & found.among(OTHER_DATA)


def _mean_seconds(found: Labels, *kinds: str) -> float:
    """Of training one model of these kinds; 0 where there is none."""
    own = found.seconds[np.isin(found.kinds, kinds)]
    return float(own.mean()) if len(own) else 0.0


def _pool(found: Labels, variant: Variant) -> np.ndarray:
    """Indices of the candidates that queries are chosen among."""
    wrong = (found.source != found.truth) | (not variant.labelled)
    return np.flatnonzero(found.among(*variant.candidates) & wrong)


def asked(found: Labels, variant: Variant, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices (n,) of the queries; the twins' labels (k, n) on them, and which are subtracted where (k, n)."""
    pool = _pool(found, variant)
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


def _drawn(study: Study, found: Labels, variant: Variant, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is asked in one draw of the twins and of what they choose."""
    draw = np.random.default_rng(runtime.seed_from(f"price/{study.folder}/{variant}/{number}"))
    return asked(found, variant, draw)


def scores_of(study: Study, found: Labels, variant: Variant, number: int) -> Looked:
    """Every model at each look in one draw of the twins and of what they choose."""
    queries, twins, subtracted = _drawn(study, found, variant, number)
    shared = minus_twins.contributions(found.labels[:, queries], found.source[queries], twins, subtracted)
    left_out, looks = learned(found)[:, queries], stopping.looks(len(queries))
    return Looked(
        np.stack([means(shared[:, :count], left_out[:, :count]) for count in looks], axis=-1),
        np.stack([minus_twins.own_responses(shared[:, :count]) for count in looks], axis=-1),
        looks,
    )


def _flagged(
    study: Study, found: Labels, variant: Variant, looked: list[Looked], alphas: tuple[float, ...]
) -> Iterator[dict]:
    """One row per tail and alpha: the share of stolen and of independent models that calibration models flag."""
    groups = calibrating(found)
    if not groups:
        return
    last = [one.scores[:, -1] for one in looked]
    in_range = np.stack([one.in_range(groups)[:, -1] for one in looked])
    for tail in p_values.TAILS:
        p = np.stack([p_values.beside(scores, [scores[group] for group in groups], tail) for scores in last])
        for alpha in alphas:
            at_alpha = p <= alpha
            flags = at_alpha & in_range
            yield {
                "key": f"{study.folder}/{variant.value}/{variant.queries}/{tail}/{alpha:g}",
                **study.columns,
                "twins": variant.twins,
                "pairs": variant.pairs,
                "queries": looked[0].queries[-1],
                "n_calibration": int(groups[0].sum()),
                "n_further": int(np.any(groups[1:], axis=0).sum()) if groups[1:] else 0,
                "tail": tail,
                "alpha": alpha,
                "extrapolated": p_values.extrapolated(alpha, int(groups[0].sum())),
                "draws": len(looked),
                **_shares(found, flagged=flags, out_of_range=~in_range, in_any_range=at_alpha),
                "audit": {group: [int(flags[0, own].sum()), int(own.sum())] for group, own in audited(found)},
                "audit_in_any_range": {group: int(at_alpha[0, own].sum()) for group, own in audited(found)},
                "provenance": runtime.provenance(study.device),
            }


def audited(found: Labels) -> Iterator[tuple[str, np.ndarray]]:
    """Groups of the audit's models that are there, each in one, and the mask (M,) of each.

    They are counted by what one owner has, the first draw: no model of the audit counts more than once.
    """
    there = np.isin(found.kinds, AUDIT)
    less, adversarial = found.share < 1, np.char.endswith(found.kinds, "_adversarial")
    usual = there & ~less & ~adversarial
    by_data = (usual & (found.kinds == kind) for kind in ("audit_irrelevant", "audit_homologous"))
    groups = zip(AUDITED, (*by_data, there & ~less & adversarial, there & less), strict=True)
    return ((name, own) for name, own in groups if own.any())


def _shares(found: Labels, **masks: np.ndarray) -> dict[str, float]:
    """The share of each mask (draws, M) in each group of models that is there, and how many models these are.

    `flagged`; `out_of_range` by responses of their own; `in_any_range`: flagged if these did not matter.
    """
    groups = {group: own for group, kinds in JUDGED.items() if (own := np.isin(found.kinds, kinds)).any()}
    shares = {
        f"{name}_{group}": float(mask[:, own].mean()) for name, mask in masks.items() for group, own in groups.items()
    }
    return shares | {f"n_{group}": int(own.sum()) for group, own in groups.items()}


def _stopped(
    study: Study, found: Labels, variant: Variant, looked: list[Looked], alphas: tuple[float, ...]
) -> Iterator[dict]:
    """One row per alpha: the share of models flagged at some look, and how many queries they were asked."""
    groups = calibrating(found)
    if not groups:
        return
    for alpha in alphas:
        flagged, asked_of = (
            np.stack(part) for part in zip(*(stops(one, groups, alpha) for one in looked), strict=True)
        )
        of_stolen = np.isin(found.kinds, SAME_TASK)
        until = asked_of[:, of_stolen][flagged[:, of_stolen]]
        yield {
            "key": f"{study.folder}/{variant.value}/{variant.queries}/{alpha:g}",
            **study.columns,
            "twins": variant.twins,
            "pairs": variant.pairs,
            "queries": looked[0].queries[-1],
            "n_calibration": int(groups[0].sum()),
            "alpha": alpha,
            "draws": len(looked),
            **_shares(found, flagged=flagged),
            "asked_stolen": float(asked_of[:, of_stolen].mean()),
            "asked_flagged": float(until.mean()) if len(until) else None,
            "asked_by_attack": {
                attack: float(asked_of[:, own].mean()) for attack in SAME_TASK if (own := found.kinds == attack).any()
            },
            "provenance": runtime.provenance(study.device),
        }


def _of_another_task(
    study: Study, found: Labels, budgets: tuple[int, ...], alphas: tuple[float, ...], draws: int
) -> Iterator[dict]:
    """One row per number of queries, where the owner moved its source and twins: the usual queries of each draw."""
    for n in (n for n in budgets if n in TO_ANOTHER_TASK):
        chosen = [
            _drawn(study, found, Variant(GRID, f"{USUAL_TWINS}/{n}", USUAL_TWINS, n), number) for number in range(draws)
        ]
        if row := price_beside.of_another_task(found, [queries for queries, *_ in chosen], alphas):
            yield {
                "key": f"{study.folder}/{n}",
                **study.columns,
                "queries": len(chosen[0][0]),
                "draws": draws,
                **row,
                "provenance": runtime.provenance(study.device),
            }


def stops(looked: Looked, groups: list[np.ndarray], alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Which models (M,) are flagged at some look, and how many queries each is asked until then; all, where it is not.

    Against each group (M,) of calibration models, by the normal tail.
    """
    p = np.stack(
        [p_values.beside(scores, [scores[group] for group in groups], "student") for scores in looked.scores.T], axis=-1
    )
    seen = (stopping.adjusted(p, len(looked.queries)) <= alpha) & looked.in_range(groups)
    flagged = seen.any(1)
    return flagged, np.array(looked.queries)[np.where(flagged, seen.argmax(1), len(looked.queries) - 1)]


def _rows(study: Study, found: Labels, variant: Variant, looked: list[Looked]) -> Iterator[dict]:
    """One row per group of independents: the mean over draws of the mean AUC over attacks and of the least one."""
    results: dict[str, list[dict[str, float]]] = {}
    scores = np.stack([one.scores[:, -1] for one in looked])
    for own in scores:
        for group, aucs in aucs_of(found, own).items():
            results.setdefault(group, []).append(aucs)
    usual = (variant.study, variant.twins) == (GRID, USUAL_TWINS)
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
            "queries": looked[0].queries[-1],
            "negatives": group,
            "auc": float(np.mean(means)),
            "auc_lowest_draw": min(means),
            "auc_least": float(np.mean([min(aucs.values()) for aucs in of_group])),
            "auc_by_attack": {attack: float(np.mean([aucs[attack] for aucs in of_group])) for attack in of_group[0]},
            **price_beside.of_unseen_attacks(found, scores, GROUPS[group]),
            **price_beside.of_attackers_data(found, scores, GROUPS[group]),
            **(price_beside.of_architectures(found, scores, GROUPS[group]) if usual else {}),
            "draws": len(looked),
            "n_pirated": int(np.isin(found.kinds, SAME_TASK).sum()),
            "n_independent": int(np.isin(found.kinds, GROUPS[group]).sum()),
            "seconds": variant.twins * of_twins + variant.pairs * len(PAIR) * of_pairs,
            "source_seconds": float(found.seconds[found.kinds == "source"][0]),
            "source_examples": int(found.examples[found.kinds == "source"][0]),
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
