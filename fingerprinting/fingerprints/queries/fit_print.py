"""FIT-Print (Shao et al., arXiv 2501.15509), its variant of ModelDiff: pairs of inputs that spell a signature.

A bit of the signature is whether the decisions within a pair lie farther apart than in pairs on average. A claim
is about these bits and no longer about whatever the source happens to say, so that nobody finds queries for somebody
else's model afterwards. Only the abstract could be read: the loss is this project's.
"""

import torch
from torch import nn

from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import shortfall
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.descent import ball, descend
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import signature_kept

FIT_PRINT_STEPS = dict(smoke=10, quick=100, cpu=100, paper=500)  # of Adam
FIT_PRINT_LEARNING_RATE = dict(cv=0.01, bci=0.5)  # of Adam; EEG: microvolt
FIT_PRINT_EPSILON = dict(cv=0.2, bci=10.0)  # infinity norm of x' - x, as ModelDiff's; EEG: microvolt
FIT_PRINT_MARGIN = 0.3  # by how much a pair's distance is to lie on its bit's side of the mean


def fit_print(owner: Owner, n: int, *, steps: int, learning_rate: float, epsilon: float, margin: float) -> Queries:
    """n // 2 examples, then their partners; extra: the signature (n // 2,), as many bits drawn beforehand."""
    bounds = owner.movable()
    chosen = owner.drawn(max(2, n // 2))
    start, movable = place(owner.inputs(chosen), owner.device), owner.recorded.to(owner.device)
    signature = torch.rand(len(chosen), generator=owner.generator("signature")) < 1 / 2
    nudge = torch.rand(start.shape, generator=owner.generator("start")).to(owner.device) * 2 - 1
    within = ball(start, epsilon * movable, bounds)
    begun = (start + epsilon * nudge * movable).clamp(*within)
    with torch.no_grad():
        before = owner.source(start)
    partners = descend(
        begun,
        lambda moved: signature_losses(owner.source(moved), before, signature.to(owner.device), margin),
        steps,
        learning_rate,
        within,
    )
    queries = Queries(
        torch.cat([start, partners]).cpu(), owner.part.targets[chosen].repeat(2), {"signature": signature.byte()}
    )
    fingerprint = owner.fingerprint(queries)
    kept = signature_kept(fingerprint.source_logits, fingerprint).item()
    print(f"fit_print: the source shows {kept:.0%} of {len(chosen)} bits")
    return Queries(queries.inputs, queries.truth, queries.extra, {"bits_shown": kept})


registry.add(
    Method("fit_print", "probabilities", signature_kept, shortfall, needs="signature"),
    Method("fit_print", "logits", signature_kept, shortfall, needs="signature"),
    queries=fit_print,
    cheap=True,
)


def signature_losses(after: torch.Tensor, before: torch.Tensor, signature: torch.Tensor, margin: float) -> torch.Tensor:
    """relu(margin - b_i (d_i - mean of d)) (m,): logits of partners and examples (m, C), signature (m,), b = 1 or -1.

    d_i is 1 - cosine within pair i.
    """
    apart = 1 - nn.functional.cosine_similarity(before, after)
    return torch.relu(margin - (2 * signature.to(apart) - 1) * (apart - apart.mean()))
