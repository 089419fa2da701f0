"""How often an independent model shows as much evidence as a suspect, by independent models that were seen."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

Known = Sequence[float] | np.ndarray  # evidence of independent models (m,)


def conformal(evidence: float | np.ndarray, independent: Known, _further: float = 0.0) -> np.ndarray:
    """For models drawn like those given, whatever their distribution; never below 1 / (m + 1). Any shape, the same."""
    seen = np.asarray(independent)
    return (1 + (seen >= np.asarray(evidence)[..., None]).sum(-1)) / (1 + len(seen))


def student(evidence: float | np.ndarray, independent: Known, further: float = 0.0) -> np.ndarray:
    """For normally distributed evidence: the prediction interval of one more draw, by Student's t. Any shape, the same.

    It goes on beyond the models that were seen, where nobody knows whether it holds: `extrapolated` says where.
    further: a variance that the draw has besides.
    """
    seen = np.asarray(independent, dtype=float)
    if len(np.unique(seen)) < 2:
        return conformal(evidence, independent)
    deviation = np.sqrt(seen.var(ddof=1) * (1 + 1 / len(seen)) + further)
    return stats.t.sf((np.asarray(evidence) - seen.mean()) / deviation, len(seen) - 1)


def extrapolated(alpha: float, models: int) -> bool:
    """Whether so many models are too few to have seen evidence as rare as alpha."""
    return alpha < 1 / (1 + models)


TAILS: dict[str, Callable[..., np.ndarray]] = {"conformal": conformal, "student": student}


def beside(evidence: float | np.ndarray, groups: Sequence[Known], tail: str) -> np.ndarray:
    """Beside independent models of the source's data, where a suspect may be of other data. Any shape, the same.

    groups: evidence of models of the source's data; where there are some, that of models of other data, and of models
    of as little of the source's, which differ from these in the data alone. What the former show more than the latter
    is added to what all independent models may show; ranks do not know how uncertain it is.
    """
    more, variance = of_other_data(*groups[1:]) if groups[1:] else (0.0, 0.0)
    return TAILS[tail](np.asarray(evidence) - more, groups[0], variance)


def of_other_data(other: Known, matched: Known) -> tuple[float, float]:
    """How much more evidence models of other data show than matched ones, at least 0, and the variance of that mean."""
    variance = sum(np.var(group, ddof=1) / len(group) if len(group) > 1 else 0.0 for group in (other, matched))
    return max(0.0, float(np.mean(other) - np.mean(matched))), float(variance)


def p_value(evidence: float, groups: Sequence[Known], alpha: float, tail: str) -> float:
    """`beside` groups: by ranks where the models of the source's data support alpha, else by the tail."""
    return float(beside(evidence, groups, tail if extrapolated(alpha, len(groups[0])) else "conformal"))
