"""How an owner's source compares with its twins: whether they repeat its training, and on the same data."""

from math import sqrt

import numpy as np
import torch
from scipy import stats

from fingerprinting.models import suspects, trained
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import ModelId, Study

NEAR = 0.03  # of held-out examples right: a twin further from its source is no repetition of its training
FEWEST = 3  # twins, by which chance is known well enough
RARE = 0.01  # how often a source is said to have learned from other data where it has not, at most
UNSEEN = ("dev", "reference", "test")  # parts that no twin learned from


def held_out(study: Study, model: ModelId) -> tuple[float, int]:
    """The share of dev and test that a model gets right, and how many these are."""
    about = trained.metadata_of(study, model)
    total = about["n_dev"] + about["n_test"]
    return (about["dev_accuracy"] * about["n_dev"] + about["test_accuracy"] * about["n_test"]) / total, total


def otherwise(study: Study, twins: list[ModelId]) -> str:
    """What shows that the source was trained by another recipe than its twins; empty where nothing does."""
    source, total = held_out(study, study.source_id)
    usual = np.mean([held_out(study, twin)[0] for twin in twins])
    if abs(usual - source) <= NEAR:
        return ""
    of_twins = "a twin is" if len(twins) == 1 else f"{len(twins)} twins are"
    return (
        f"{of_twins} right on {usual:.3f} of {total} held-out examples and the source on {source:.3f}, not "
        f"within {round(100 * NEAR)} points, so the source was trained otherwise"
    )


def on_other_data(study: Study, twins: list[ModelId]) -> str:
    """What shows that the source did not learn from the owner's part, as its twins did; empty where nothing does.

    A network is more accurate on what it learned from. Whoever learns from the source's own data then shares more with
    it than twins do, and would be called stolen. The source's gain in accuracy is compared with its twins' by the
    prediction interval of Student's t for one more of them.
    """
    if len(twins) < FEWEST:
        return ""
    gains = np.array([_gain(study, twin) for twin in twins])
    source, usual = _gain(study, study.source_id), gains.mean()
    scale = max(gains.std(ddof=1), np.finfo(float).tiny) * sqrt(1 + 1 / len(gains))
    if usual <= 0 or source > usual / 2 or stats.t.cdf((source - usual) / scale, len(gains) - 1) > RARE:
        return ""
    more = f"{100 * source:.1f} points" if 100 * source >= 0.05 else "no"
    return (
        f"its twins are {100 * usual:.1f} points more accurate on the owner's part than on other examples and the "
        f"source is {more} more accurate there, so it learned from other data, and an independent model of those may "
        "be called stolen"
    )


def _gain(study: Study, model: ModelId) -> float:
    """How much more accurate a model is on the owner's part than on examples that no twin learned from."""
    asked = Suspect(model, trained.metadata_of(study, model))

    def right(name: str) -> torch.Tensor:
        part = study.parts[name]
        return (suspects.ask(study, asked, part.inputs).argmax(1) == part.targets).double()

    return (right("owner").mean() - torch.cat([right(name) for name in UNSEEN]).mean()).item()
