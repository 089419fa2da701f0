"""What the calibrated fingerprint loses with something left out, on models whose responses are made by hand."""

import numpy as np
import pytest

from fingerprinting.evaluation import ablation
from fingerprinting.evaluation.ablation import Variant
from fingerprinting.evaluation.score_combinations import SCORES, Responses
from fingerprinting.models import suspects
from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, MODIFIED
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study


def test_fewer_references_are_the_same_ones_in_every_process(study):
    """Equal ranks keep the models' order, which no hash of a process decides."""
    kinds = [f"reference_{kind}" for kind in ("extract_labels", "irrelevant", "homologous", "prune", "adversarial")]
    models = [Suspect(study.model_id(kind, "mlp", 0), {}) for kind in kinds]
    responses = Responses(models, np.zeros((len(models), 3), int))
    usual = Variant("all references", "", responses, responses, 2, 0.5, np.arange(3), "two log-odds")
    kept = [[model.model.kind for model in few.fitted.models] for few in ablation._fewer(usual, (2, 3, 4))]
    assert kept == [kinds[:2], kinds[:3], kinds[:4]]


def ten_of_each(study: Study, prefix: str = "") -> tuple[list[Suspect], np.ndarray]:
    """Ten models of each origin, and their origins."""
    kinds = {INDEPENDENT: "irrelevant", EXTRACTED: "extract_labels", MODIFIED: "prune"}
    origins = np.repeat(list(kinds), 10)
    models = [Suspect(study.model_id(prefix + kinds[one], "mlp", copy), {}) for copy, one in enumerate(origins)]
    return models, origins


def told_apart(study: Study, prefix: str = "") -> Responses:
    """Stolen models answer all of 60 queries as the source does, independent models the truth."""
    models, origins = ten_of_each(study, prefix)
    return Responses(models, np.where(origins[:, None] == INDEPENDENT, 1, 0).repeat(60, 1))


@pytest.mark.parametrize("name", SCORES)
def test_every_score_says_that_who_responds_as_the_source_is_stolen(study, name):
    fitted, judged = told_apart(study, "reference_"), told_apart(study)
    rows = ablation._rows(study, Variant("score", name, fitted, judged, 40, 0.5, np.arange(60), score=name))
    assert {row["attack"]: row["auc"] for row in rows} == {"extract_labels": 1, "prune": 1, "mean": 1}


def test_what_is_left_out_is_not_fitted_and_is_judged_alone(study):
    def kinds(found: Responses) -> set[str]:
        return {model.model.kind for model in found.models}

    usual = Variant(
        "all", "", told_apart(study, "reference_"), told_apart(study), 2, 0.5, np.arange(60), "two log-odds"
    )
    left = {one.value: one for one in ablation._without(usual) if one.study == "leave-one-attack-out"}
    assert set(left) == {"extract_labels", "prune"}
    for attack, variant in left.items():
        assert kinds(usual.fitted) - kinds(variant.fitted) == {f"reference_{attack}"}
        assert kinds(variant.judged) == {attack, "irrelevant"}


def test_each_test_alone_sees_its_own_stealing_attack(study):
    """Queries 0 to 2 tell extraction, 3 to 5 modification; what was never fitted says nothing."""
    models, origins = ten_of_each(study, "reference_")
    bits = np.zeros((30, 6), bool)
    bits[origins == EXTRACTED, :3] = bits[origins == MODIFIED, 3:] = True
    responses = Responses(models, np.where(bits, 0, 1))
    for name, own in (("extraction's log-odds", EXTRACTED), ("modification's log-odds", MODIFIED)):
        score = SCORES[name]
        found = score(responses, responses)
        assert found[origins == own].min() > found[origins != own].max()
        without = responses.where(lambda model, own=own: suspects.origin(model) != own)
        assert not score(without, responses).any()
