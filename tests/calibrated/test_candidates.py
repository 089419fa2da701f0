"""Candidates for the calibrated fingerprint, as far as they need no zoo, and constants that make none."""

import numpy as np
import pytest
import torch

from fingerprinting.calibrated import fitting
from fingerprinting.calibrated.candidates import CANDIDATES, Making, contrast
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.study.study import Study

SETTINGS = {
    "size": "full",
    "n": 24,
    "controls": 10,
    "kinds": ("wrong", "mixed"),
    "extraction_share": 0.75,
    "standardised": True,
}
SETTINGS |= {"candidates": 30, "contrasted": 12, "steps": 5, "step_size": 0.03, "epsilon": 0.15, "sampled": 2}
SETTINGS |= {"folds": 3}


def test_contrast_by_hand():
    """Two inputs, three classes: the source answers 2 and 0; shares of exp."""
    source = torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]])
    stolen = torch.tensor([[[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
    independent = torch.tensor([[[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])

    def share(logits: torch.Tensor, answer: int) -> float:
        values = np.exp(logits.numpy())
        return values[answer] / values.sum()

    expected = [
        share(independent[0, i], a) - np.mean([share(model[i], a) for model in stolen]) - 0.1 * share(source[i], a)
        for i, a in enumerate((2, 0))
    ]
    assert contrast(source, stolen, independent).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["patched", "contrasted_extraction"])
def test_text_is_not_taken_for_numbers(kind):
    with pytest.raises(UserError, match="moves inputs as numbers"):
        CANDIDATES[kind](Owner(Study("nlp", "thuocl", "smoke"), "calibrated"), Making(5, 5, 5, 0.03, 0.15, 2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": "small"}, "unknown SIZE=small; take twins, pairs, full"),
        ({"kinds": ("mixed", "noise", "chaos")}, "unknown candidates chaos, noise; KINDS takes primary, evolved"),
        ({"n": 0}, "N=0 and CONTROLS=10 must be 1 or more"),
        ({"extraction_share": 2.0}, "EXTRACTION_SHARE=2.0 must lie between 0 and 1"),
        ({"kinds": ()}, "KINDS is empty; it takes primary, evolved"),
        ({"candidates": 0}, "CANDIDATES=0 must be 1 or more, and FOLDS=3 2 or more"),
        ({"controls": 0}, "N=24 and CONTROLS=0 must be 1 or more"),
        ({"sampled": 0}, "SAMPLED=0 must be 1 or more"),
        ({"folds": 1}, "FOLDS=1 2 or more"),
        ({"folds": 0}, "FOLDS=0 2 or more"),
        ({}, "the models of python cv/references.py DATASET=digits TIER=smoke are missing; run it first"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(study, changes, said):
    with pytest.raises(UserError) as refused:
        fitting.calibrated(study, **{**SETTINGS, **changes})
    assert said in str(refused.value) and "\n" not in str(refused.value)
