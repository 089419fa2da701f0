"""What an attack on queries changes: AUCs before and after it."""

from collections.abc import Iterable

import numpy as np

from fingerprinting.core import runtime, statistics
from fingerprinting.fingerprints.metrics import Distances, mean_row
from fingerprinting.models import suspects
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import MEANS

GROUPS = ("irrelevant", "all")  # of independents


class Draws:
    """AUCs of many attacks over the same bootstrap draws of models, so that what differs is the attack alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[tuple, np.ndarray] = {}

    def changes(self, before: Distances, after: Distances, compared: dict[str, str]) -> list[dict]:
        """Per attack, and as their mean: AUC after, its interval, and AUC before, of the attack it is compared with."""
        rows: list[dict] = []
        for group in GROUPS:
            found: dict[str, dict] = {}
            drawn: dict[str, np.ndarray] = {}
            for attack, origin in compared.items():
                kinds = [kind for kind in suspects.negatives_of(group, KINDS[attack].on_target) if kind in after]
                if attack in after and origin in before and kinds:
                    found[attack], drawn[attack] = self._row(attack, origin, group, kinds, before, after)
            rows += found.values()
            attacks = MEANS["mean_same_task"]
            if set(attacks) <= set(found):
                mean_of, draws = [found[attack] for attack in attacks], [drawn[attack] for attack in attacks]
                rows.append(mean_row("mean_same_task", group, mean_of, draws, ("auc_before", "auc_after")))
        return rows

    def _row(
        self, attack: str, origin: str, group: str, kinds: Iterable[str], before: Distances, after: Distances
    ) -> tuple[dict, np.ndarray]:
        pirated, independent = after[attack], np.concatenate([after[kind] for kind in kinds])
        unchanged = np.concatenate([before[kind] for kind in kinds])
        own = self._drawn(len(pirated), attack)
        drawn = statistics.auc_draws(pirated, independent, own, self._drawn(len(independent), *kinds))
        low, high = statistics.interval(drawn)
        row = {
            "attack": attack,
            "negatives": group,
            "n_pirated": len(pirated),
            "n_independent": len(independent),
            "auc_before": statistics.auc(before[origin], unchanged),
            "auc_after": statistics.auc(pirated, independent),
            "auc_low": low,
            "auc_high": high,
        }
        return row, drawn

    def _drawn(self, count: int, *names: str) -> np.ndarray:
        key = (count, *names)
        if key not in self.counts:
            generator = np.random.default_rng(runtime.seed_from("/".join((self.name, *names))))
            self.counts[key] = statistics.resampled(count, statistics.DRAWS, generator)
        return self.counts[key]
