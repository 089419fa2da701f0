"""Ours: the source's mistakes that repetitions of its training do not make, read minus what those respond."""

import numpy as np
import torch

from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints import minus_twins, registry
from fingerprinting.fingerprints.distances import shortfall
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import correlation
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.training.trainer import predict

HELD_OUT = ("dev", "reference")  # parts that the owner holds out from the source's training

TWINS_QUERIES = dict(smoke=40, quick=200, cpu=200, paper=200)  # at most as many as the source makes mistakes


def twins(owner: Owner, _n: int, *, queries: int) -> Queries:
    """Mistakes on held-out examples, then on training examples: those that it is sure of and its twins do not make."""
    models = owner.twins()
    inputs, truth, group = mistakes(owner)
    logits = predict(owner.source, inputs, owner.device)
    source, margin = logits.argmax(1).numpy(), margin_of(logits).numpy()
    labels = np.stack([owner.ask(model, inputs).argmax(1).numpy() for model in models])
    draw = np.random.default_rng(owner.seed("choosing"))
    choosing = minus_twins.choosers(len(models), len(source), draw)
    chosen = minus_twins.choose(group, minus_twins.merit(source, margin, labels, choosing), queries, draw)
    if len(chosen) < queries:
        print(f"{owner.method}: {len(chosen)} queries instead of {queries}, for the source makes no more mistakes")
    extra = {
        "twins": torch.from_numpy(labels[:, chosen]),
        "subtracted": torch.from_numpy(~choosing[:, chosen]),
    }
    return Queries(inputs[chosen], truth[chosen], extra)


def margin_of(logits: torch.Tensor) -> torch.Tensor:
    """(N, C) -> (N,): the probability of the most probable class less that of the next one."""
    first, second = logits.softmax(1).topk(2).values.unbind(1)
    return first - second


def mistakes(owner: Owner) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Inputs (m, ...) and true classes (m,) of all examples that the source gets wrong, and the group (m,) of each.

    0: held out from its training, 1: of its training.
    """
    inputs, truth, group = [], [], []
    for name in (*HELD_OUT, "owner"):
        part = owner.study.parts[name]
        wrong = (predict(owner.source, part.inputs, owner.device).argmax(1) != part.targets).nonzero().flatten()
        inputs.append(physical(part.inputs[wrong]))
        truth.append(part.targets[wrong])
        group.append(np.full(len(wrong), int(name not in HELD_OUT)))
    if not sum(map(len, truth)):
        raise UnsuitedError(
            f"{owner.method} asks what the source gets wrong, and it gets none of the owner's data wrong"
        )
    return torch.cat(inputs), torch.cat(truth), np.concatenate(group)


def agreement_minus_twins(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) of the source's classes -> (): agreement with the source less the mean agreement with its twins."""
    twins_labels, subtracted = (fingerprint.extra[name].numpy() for name in ("twins", "subtracted"))
    found = minus_twins.score(labels.numpy(), fingerprint.labels.numpy(), twins_labels, subtracted)
    return torch.tensor(found)


def pattern_minus_twins(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) of another task -> (): how much less their pattern differs from the source's than from its twins'.

    The pattern is which queries get the same label (SAC 2022); twins that chose a query are left out of its pairs.
    """

    def distance(to: torch.Tensor, asked: torch.Tensor) -> float:
        pairs = asked[:, None] & asked
        differing = (correlation(labels, fingerprint) - correlation(to, fingerprint)).abs()
        return float(differing[pairs].mean()) if pairs.any() else 0.0

    twins_labels, subtracted = fingerprint.extra["twins"], fingerprint.extra["subtracted"]
    differences = [
        distance(twin, asked) - distance(fingerprint.labels, asked)
        for twin, asked in zip(twins_labels, subtracted, strict=True)
    ]
    return torch.tensor(np.mean(differences))


registry.add(
    Method("twins", "labels", agreement_minus_twins, shortfall, judges="source"),
    Method("twins", "labels", pattern_minus_twins, shortfall, judges="target"),
    queries=twins,
    cheap=True,
    least=dict(queries=1),
)
