"""Dataset Inference: walks, steps until the label flips, and Welch's t of the confidence."""

import numpy as np
import pytest
import torch
from scipy.stats import ttest_ind

from fingerprinting.fingerprints.distances import shortfall
from fingerprinting.fingerprints.queries import dataset_inference
from fingerprinting.fingerprints.queries.dataset_inference import (
    DATASET_INFERENCE_DIRECTIONS,
    DATASET_INFERENCE_STEP,
    DATASET_INFERENCE_STEPS,
)
from fingerprinting.fingerprints.representations import membership, steps_until_flip
from fingerprinting.fingerprints.store import Fingerprint
from tests.fingerprints.queries.linear import BOUNDS, EVERYWHERE, fingerprint_of, generator, images, linear_model


def flips_by_loops(labels: np.ndarray, truth: np.ndarray) -> list[list[int]]:
    counts = []
    for point, own in zip(labels, truth, strict=True):
        row = []
        for walk in point:
            count = 0
            while count < len(walk) and walk[count] == own:
                count += 1
            row.append(count)
        counts.append(row)
    return counts


def test_steps_until_the_flip_equal_a_loop():
    truth = torch.randint(2, (30,), generator=generator(1))
    labels = truth[:, None, None] + (torch.rand(30, 4, 6, generator=generator()) < 0.3)
    found = steps_until_flip(labels, truth)
    assert found.tolist() == flips_by_loops(labels.numpy(), truth.numpy())
    assert {0, 6} <= set(found.flatten().tolist())


def noises(inputs: torch.Tensor, directions: int, step: float) -> torch.Tensor:
    return dataset_inference.noises(inputs, directions, step * EVERYWHERE, generator())


def test_a_walk_goes_straight_on_inside_the_range():
    inputs = 0.5 * torch.ones(4, 1, 4, 4)
    noise = noises(inputs, 2, 0.01)
    found = dataset_inference.walked(inputs, noise, 5, BOUNDS)
    assert found.shape == (4, 6, 5, 1, 4, 4)
    torch.testing.assert_close(found - 0.5, torch.arange(1, 6).view(5, 1, 1, 1) * noise[:, :, None], atol=1e-6, rtol=0)
    assert noise[:, :2].abs().max() <= 0.01 < noise[:, 2:].abs().max()
    far = dataset_inference.walked(inputs, noises(inputs, 2, 10.0), 5, BOUNDS)
    assert far.min() == 0 and far.max() == 1


def test_a_walks_noise_has_the_spread_of_its_kind():
    noise = noises(torch.zeros(1, 1, 100, 100), 1, 1.0)
    expected = [1 / 3**0.5, 1.0, 2 * 2**0.5]  # uniform on [-1, 1], normal, Laplace of scale 2
    np.testing.assert_allclose(noise.flatten(2).std(2)[0].numpy(), expected, rtol=0.05)


def blind_walk(label, image: np.ndarray, delta: np.ndarray, own: int, steps: int) -> int:
    """Steps of a label-only attack that repeats one random direction, clipped to the range, until the label flips."""
    for magnitude in range(1, steps + 1):
        if label(np.clip(image + magnitude * delta, *BOUNDS)) != own:
            return magnitude - 1
    return steps


def test_the_published_constants_give_thirty_features_of_fifty_steps_by_the_blind_walk():
    directions, steps = DATASET_INFERENCE_DIRECTIONS["cpu"], DATASET_INFERENCE_STEPS["cpu"]
    step = DATASET_INFERENCE_STEP["cv"]["cpu"]
    assert (3 * directions, steps, step) == (30, 50, 0.005)
    model, inputs = linear_model(scale=12.0), images(5)
    noise = noises(inputs, directions, step)
    walks = dataset_inference.walked(inputs, noise, steps, BOUNDS)
    truth = model(inputs).argmax(1)
    flips = steps_until_flip(model(walks.flatten(0, 2)).argmax(1).view(5, 30, 50), truth)

    def label(image: np.ndarray) -> int:
        return model(torch.from_numpy(image)[None].float()).argmax(1).item()

    expected = [
        [blind_walk(label, image.numpy(), delta.numpy(), own, steps) for delta in deltas]
        for image, deltas, own in zip(inputs, noise, truth.tolist(), strict=True)
    ]
    assert flips.tolist() == expected
    assert flips.shape == (5, 30) and 0 < (flips < 50).double().mean() < 1


def inference_case(separation: int) -> tuple[torch.Tensor, Fingerprint]:
    """Responses to 2 * 20 points, 3 walks, 6 steps, of a model that follows training ones `separation` steps more."""
    inside = torch.arange(40) < 20
    counts = torch.randint(0, 4, (40, 3), generator=generator()) + separation * inside[:, None]
    truth = torch.randint(3, (40,), generator=generator(1))
    labels = torch.where(torch.arange(6) < counts[:, :, None], truth[:, None, None], 3).flatten()
    weights = dataset_inference.regressor(counts.float(), inside, 10, 50, 0.1, generator(2))
    extra = {**weights, "inside": inside, "steps": torch.tensor(6)}
    return labels, fingerprint_of(labels, truth.repeat_interleave(18), extra)


def test_the_evidence_is_welchs_t_of_the_regressors_confidence():
    labels, fingerprint = inference_case(separation=2)
    weights = {name: value.double().numpy() for name, value in fingerprint.extra.items()}
    flips = np.array(flips_by_loops(labels.view(40, 3, 6).numpy(), fingerprint.truth.view(40, 18)[:, 0].numpy()))
    standard = (flips - weights["mean"]) / weights["deviation"]
    active = np.maximum(standard @ weights["hidden"].T + weights["hidden_bias"], 0)
    confidence = np.tanh(active @ weights["out"].T + weights["out_bias"])[:, 0]
    expected = ttest_ind(confidence[:20], confidence[20:], equal_var=False, alternative="greater")
    assert membership(labels, fingerprint).item() == pytest.approx(expected.statistic, rel=1e-4)
    assert expected.pvalue < 1e-3


def test_a_model_that_saw_no_examples_gives_less_evidence():
    seen, fingerprint = inference_case(separation=2)
    unseen, _ = inference_case(separation=0)
    evidence = [membership(labels, fingerprint) for labels in (unseen, seen)]
    assert abs(evidence[0].item()) < 2 < evidence[1].item()
    assert shortfall(*evidence) == pytest.approx((evidence[1] - evidence[0]).item())
    assert shortfall(evidence[1], evidence[1]) == 0


def test_a_model_that_responses_one_class_gives_no_evidence():
    _, fingerprint = inference_case(separation=2)
    assert membership(torch.full((720,), 3), fingerprint).item() == 0
