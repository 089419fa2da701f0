"""Looks at what a suspect said so far: when they are, what each may spend, and that together they keep their level."""

import numpy as np
import pytest
import torch

from fingerprinting.calibrated import p_values, stopping, verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint, Controls, TwinsCalibration, of_queries
from fingerprinting.fingerprints.store import Fingerprint

N, MODELS, TWINS = 60, 19, 3
LEVELS = dict(alpha=0.05, beta=0.05, tail="student")


def made(seed: int = 0) -> Fingerprint:
    """The source says 0 to all queries, its twins 1 or 2, calibration models 0 to a fifth of them."""
    draw = np.random.default_rng(seed)
    source, twins = np.zeros(N, int), draw.integers(1, 3, (TWINS, N))
    calibrating = (draw.random((MODELS, N)) > 0.2).astype(int)
    subtracted, data = draw.random((TWINS, N)) < 0.7, np.arange(MODELS) % 3
    learned = (data > 0)[:, None] & (draw.random(N) < 0.5)
    known = TwinsCalibration.of(source, twins, subtracted, calibrating, learned, data)
    controls = Controls(torch.rand(4, 1, 8, 8), torch.arange(4), torch.full((MODELS,), 0.5))
    labels = torch.zeros(N, dtype=torch.long)
    extra = CalibratedFingerprint(known, None, controls).extra
    return Fingerprint(
        torch.rand(N, 1, 8, 8), labels, labels + 3, labels - 1, torch.eye(4)[labels], {"classes": 4}, extra
    )


@pytest.mark.parametrize(("n", "when"), [(10, (10,)), (25, (25,)), (60, (25, 50, 60)), (200, (25, 50, 100, 200))])
def test_looks_double_until_all_queries_are_asked(n, when):
    assert stopping.looks(n) == when
    shares = stopping.shares(len(when))
    assert len(shares) == len(when) and sum(shares) == pytest.approx(1)
    assert len(when) == 1 or shares[-1] == pytest.approx(0.9) and len(set(shares[:-1])) == 1


def test_p_values_are_adjusted_for_all_looks_so_far_by_hand():
    p = np.array([[0.5, 0.0005, 0.2], [0.001, 1, 1], [0.9, 0.9, 0.045]])
    expected = [[1, 0.01, 0.01], [0.02, 0.02, 0.02], [1, 1, 0.05]]
    assert stopping.adjusted(p, 3) == pytest.approx(np.array(expected))
    assert stopping.adjusted(p[:, :2], 3) == pytest.approx(np.array(expected)[:, :2]), "later looks are not needed"


def test_all_looks_together_flag_no_more_independent_models_than_alpha():
    draw, alpha, trials = np.random.default_rng(0), 0.05, 4_000
    counts = stopping.looks(200)
    responses = draw.normal(size=(trials, 1 + MODELS, 200)) + draw.normal(size=(trials, 1 + MODELS, 1)) / 4
    scores = np.stack([responses[..., :count].mean(-1) for count in counts], -1)
    p = np.array(
        [[p_values.student(trial[0, look], trial[1:, look]) for look in range(len(counts))] for trial in scores]
    )
    flagged = (stopping.adjusted(p, len(counts))[:, -1] <= alpha).mean()
    assert 0.9 * alpha / 2 < flagged < alpha + 3 * (alpha / trials) ** 0.5


def test_the_first_queries_are_a_fingerprint_of_their_own():
    whole = made()
    part = of_queries(whole, torch.arange(N) < 25)
    held, of_all = CalibratedFingerprint.of(part).source, CalibratedFingerprint.of(whole).source
    assert len(part) == 25 and held.twins.shape == held.subtracted.shape == (TWINS, 25)
    asked = [shared[:25][~learned[:25]] for shared, learned in zip(of_all.contributions, of_all.learned, strict=True)]
    assert held.independent == pytest.approx([own.mean() for own in asked]) and {len(own) for own in asked} > {25}
    assert [len(own) for own in held.groups] == [7, 6, 6] and held.ranked == 7
    everything = CalibratedFingerprint.of(of_queries(whole, torch.ones(N) > 0)).source
    assert everything.independent == pytest.approx(of_all.independent)


def test_a_copy_is_flagged_at_the_first_look_and_who_agrees_as_independent_models_do_at_none():
    fingerprint, right = made(), torch.arange(4) - torch.tensor([0, 0, 1, 1])
    for count in (25, 50, 60):
        found = verdicts.measured_so_far(fingerprint, torch.zeros(count, dtype=torch.long), right, **LEVELS)
        assert verdicts.passed(found) == "stolen" and found["evidence"] == 1 and found["looks"] == [25, 50, 60]
    other = torch.tensor([0, 1, 1, 1, 1]).repeat(N // 5)
    found = [verdicts.measured_so_far(fingerprint, other[:count], right, **LEVELS) for count in (25, 50, 60)]
    assert {verdicts.passed(one) for one in found} == {"inconclusive"}
    p = [one["p_independent"] for one in found]
    assert p == sorted(p, reverse=True), "it is of all looks so far"


def test_what_was_flagged_once_stays_so():
    fingerprint, right = made(), torch.arange(4) - torch.tensor([0, 0, 1, 1])
    labels = torch.cat([torch.zeros(25), torch.ones(N - 25)]).long()
    outcomes = [
        verdicts.passed(verdicts.measured_so_far(fingerprint, labels[:count], right, **LEVELS)) for count in (25, 60)
    ]
    assert outcomes == ["stolen", "stolen"]


def test_the_last_look_alone_is_a_verdict_at_nine_tenths_of_alpha():
    fingerprint, labels = made(), torch.tensor([0, 1, 1]).repeat(N // 3)
    known = CalibratedFingerprint.of(fingerprint).source
    (evidence,) = known.traces(labels.numpy(), fingerprint.labels.numpy(), other_task=False)
    p = [
        p_values.beside(
            CalibratedFingerprint.of(cut).source.traces(labels[:n].numpy(), cut.labels.numpy(), other_task=False)[0],
            CalibratedFingerprint.of(cut).source.groups,
            "student",
        )
        for n in (25, 50)
        for cut in (stopping.first(fingerprint, n),)
    ]
    last = p_values.beside(evidence, known.groups, "student")
    assert stopping.p_value(fingerprint, labels, 0.05, "student") == pytest.approx(
        min(1, *(one / 0.05 for one in p), last / 0.9)
    )
