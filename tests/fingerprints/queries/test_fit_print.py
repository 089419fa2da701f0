"""FIT-Print: the loss and the signature's bits against numpy, and a signature that is found in the source alone."""

import numpy as np
import pytest
import torch

from fingerprinting.fingerprints.queries.fit_print import fit_print, signature_losses
from fingerprinting.fingerprints.representations import signature_kept
from fingerprinting.methods import METHODS
from tests.fingerprints.queries.linear import fingerprint_of
from tests.fingerprints.queries.perceptrons import network

CONSTANTS = dict(steps=150, learning_rate=0.02, epsilon=0.4, margin=0.3)


def apart_by_hand(outputs: np.ndarray) -> np.ndarray:
    one, other = np.split(outputs, 2)
    return 1 - (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))


def drawn(count: int, classes: int = 5, seed: int = 3) -> torch.Tensor:
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def test_the_loss_against_numpy():
    logits, signature = drawn(12), torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool)
    apart = apart_by_hand(logits.numpy())
    signs = np.where(signature.numpy(), 1, -1)
    expected = np.maximum(0.3 - signs * (apart - apart.mean()), 0)
    found = signature_losses(logits[6:], logits[:6], signature, 0.3)
    np.testing.assert_allclose(found.numpy(), expected)


def test_the_share_of_bits_against_numpy_also_of_a_suspect_with_other_classes():
    signature = torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.uint8)
    for classes in (5, 3):
        outputs = drawn(12, classes)
        fingerprint = fingerprint_of(torch.zeros(12), torch.zeros(12), {"signature": signature})
        apart = apart_by_hand(outputs.numpy())
        expected = np.mean((apart > apart.mean()) == signature.numpy().astype(bool))
        assert signature_kept(outputs, fingerprint).item() == pytest.approx(expected)


def test_the_source_shows_the_signature_and_another_network_about_half_of_it(owner, capsys):
    own = owner("fit_print")
    queries = fit_print(own, 40, **CONSTANTS)
    assert queries.inputs.shape == (40, 1, 8, 8) and queries.inputs.min() >= 0 and queries.inputs.max() <= 1
    assert (queries.inputs[20:] - queries.inputs[:20]).abs().max() <= 0.4 + 1e-6
    assert queries.notes["bits_shown"] > 0.9 and "the source shows" in capsys.readouterr().out
    fingerprint = own.fingerprint(queries)
    method = next(method for method in METHODS if method.name == "fit_print" and method.output == "logits")
    assert method.score(fingerprint.source_logits, fingerprint) == 0
    others = [method.score(network(seed, 10).float()(queries.inputs), fingerprint) for seed in range(30, 40)]
    assert 0.2 < np.mean(others) < 0.6  # of the source's bits, about half is missing
    assert own.used == {}


def test_two_owners_have_two_signatures(study, owner):
    first, again, other = (fit_print(owner(name), 20, **CONSTANTS | {"steps": 1}) for name in ("one", "one", "two"))
    assert torch.equal(first.extra["signature"], again.extra["signature"])
    assert not torch.equal(first.extra["signature"], other.extra["signature"])
