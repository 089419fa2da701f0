"""DeepJudge (Chen et al., S&P 2022), its black-box metrics: how models respond to the source's adversarial examples.

Seeds are the examples that the source is surest of and right about. What is left of a suspect's accuracy on their
adversarial examples is one metric (RobD), how far its probabilities are from the source's the other (JSD).
"""

import torch

from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import jensen_shannon, total_absolute
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries.adv_tra import walk
from fingerprinting.fingerprints.queries.descent import ball
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import responses, robustness
from fingerprinting.training.trainer import predict

DEEPJUDGE_CANDIDATES = 3  # seeds tried per query, at most
DEEPJUDGE_STEPS = 10  # of PGD (released code)
DEEPJUDGE_STEP = dict(cv=0.03, bci=1.0, nlp=1.0)  # its length (released code: 0.03); EEG: microvolt; texts: a character
DEEPJUDGE_EPSILON = dict(cv=0.33, bci=11.0, nlp=3.0)  # infinity norm of x' - x; EEG: microvolt; texts: characters


def deepjudge(owner: Owner, n: int, *, candidates: int, steps: int, step: float, epsilon: float) -> Queries:
    """Adversarial examples on the source, from as many of its surest seeds as it takes until n of them fool it."""
    right = (owner.source_logits.argmax(1) == owner.part.targets).nonzero().flatten()
    gini = torch.softmax(owner.source_logits[right].double(), 1).square().sum(1)
    seeds = right[gini.argsort(descending=True, stable=True)]
    found, truth, tried = [], [], 0
    for chosen in seeds[: candidates * n].split(n):
        moved, labels = _misled(owner, chosen, steps, step, epsilon), owner.part.targets[chosen]
        fooled = (predict(owner.source, moved, owner.device).argmax(1) != labels).nonzero().flatten()
        found.append(moved.cpu()[fooled])
        truth.append(labels[fooled])
        tried += len(chosen)
        if sum(map(len, found)) >= n:
            break
    inputs, classes = torch.cat(found), torch.cat(truth)
    if not len(inputs):
        raise UnsuitedError(f"no adversarial example of {owner.method} fools the source; give more DEEPJUDGE_EPSILON")
    fooling = len(inputs) / tried
    print(f"deepjudge: {fooling:.0%} of {tried} seeds' adversarial examples fool the source")
    return Queries(inputs[:n], classes[:n], notes={"fooling_rate": fooling})


registry.add(
    Method("deepjudge", "labels", robustness, total_absolute, judges="source"),
    Method("deepjudge", "probabilities", responses, jensen_shannon, judges="source"),
    queries=deepjudge,
    cheap=True,
    least=dict(candidates=1, steps=1),
)


def _misled(owner: Owner, chosen: torch.Tensor, steps: int, step: float, epsilon: float) -> torch.Tensor:
    """Examples of the owner's part moved away from their class: texts by their domain, others by PGD as released.

    It begins up to a step away, at random, and goes `steps` signed steps up the cross-entropy.
    """
    start, labels = place(owner.inputs(chosen), owner.device), owner.part.targets[chosen].to(owner.device)
    if mislead := owner.study.domain.inputs.mislead:
        return mislead(owner.source, start, labels, min(steps, round(epsilon / step)))
    bounds = owner.movable()
    within = ball(start, epsilon * owner.recorded.to(owner.device), bounds)
    nudge = torch.rand(start.shape, generator=owner.generator("start")).to(owner.device) * 2 - 1
    sizes = torch.full((len(start), steps), -step, device=owner.device)
    return walk(owner.source, (start + step * nudge).clamp(*within), labels, sizes, within)[-1]
