"""How often an independent model shows as much evidence as a suspect, by independent models that were seen."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

Known = Sequence[float] | np.ndarray  # evidence of independent models (m,)


def conformal(evidence: float | np.ndarray, independent: Known) -> np.ndarray:
    """For models drawn like those given, whatever their distribution; never below 1 / (m + 1). Any shape, the same."""
    seen = np.asarray(independent)
    return (1 + (seen >= np.asarray(evidence)[..., None]).sum(-1)) / (1 + len(seen))


def student(evidence: float | np.ndarray, independent: Known) -> np.ndarray:
    """For normally distributed evidence: the prediction interval of one more draw, by Student's t. Any shape, the same.

    It goes on beyond the models that were seen, where nobody knows whether it holds: `extrapolated` says where.
    """
    seen = np.asarray(independent, dtype=float)
    if len(np.unique(seen)) < 2:
        return conformal(evidence, independent)
    standard = (np.asarray(evidence) - seen.mean()) / (seen.std(ddof=1) * np.sqrt(1 + 1 / len(seen)))
    return stats.t.sf(standard, len(seen) - 1)


def extrapolated(alpha: float, models: int) -> bool:
    """Whether so many models are too few to have seen evidence as rare as alpha."""
    return alpha < 1 / (1 + models)


TAILS: dict[str, Callable[[float | np.ndarray, Known], np.ndarray]] = {"conformal": conformal, "student": student}


def beside(evidence: float | np.ndarray, groups: Sequence[Known], tail: str) -> np.ndarray:
    """The largest p-value over groups of independent models: a suspect may be like any of them. Any shape, the same."""
    return np.max([TAILS[tail](evidence, independent) for independent in groups], axis=0)


def p_value(evidence: float, groups: Sequence[Known], alpha: float, tail: str) -> float:
    """By ranks where the models of each group support alpha, else by the tail."""
    return float(beside(evidence, groups, tail if extrapolated(alpha, min(map(len, groups))) else "conformal"))
