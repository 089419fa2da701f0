"""Texts whose characters are replaced: the Evolved fingerprint, and adversarial examples.

The gradient by the embedded text ranks all replacements of one character by another; the source is asked about the
best of them, and the best answer is kept if it is better than the last one. What comes out is text.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from fingerprinting.fingerprints.owner import UnsuitedError
from fingerprinting.fingerprints.queries.evolved import Evolution
from nlp.characters import gb2312
from nlp.models import TextModel, continuous

CANDIDATES = 32  # replacements that the source is asked about, of an adversarial example; evolved.py has its own
TEXTS = 32  # evolved at a time: memory grows with texts x length x replacements
# Code points of ideographs, small letters, capitals, digits: a character is replaced by one of its own kind, and
# punctuation, blanks and other scripts stay.
KINDS = ((0x4E00, 0x9FFF), (ord("a"), ord("z")), (ord("A"), ord("Z")), (ord("0"), ord("9")))
# What they are replaced by: of the ideographs the 3,755 most common ones, GB 2312's first level.
REPLACEMENTS = (*gb2312(0xB0, 0xD7), *(point for low, high in KINDS[1:] for point in range(low, high + 1)))


@dataclass(frozen=True)
class Rule:
    """What is sought for n texts: their first and second classes at the start, top and confident (n,) each."""

    first: torch.Tensor
    second: torch.Tensor
    top: torch.Tensor
    confident: torch.Tensor
    mu: float

    def value(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Of k answers per text (n, k, C), what to raise (n, k): (p_a - p_b) / (1 - p_a + mu), or p_a itself."""
        count = probabilities.shape[1]
        first, second = (classes.view(-1, 1, 1).expand(-1, count, 1) for classes in (self.first, self.second))
        reached, next_best = probabilities.gather(2, first)[..., 0], probabilities.gather(2, second)[..., 0]
        others = probabilities.scatter(2, first, 0.0).sum(2)  # 1 - p_a, exact where p_a is nearly 1
        return torch.where(self.confident[:, None], (reached - next_best) / (others + self.mu), reached)

    def permitted(self, values: torch.Tensor) -> torch.Tensor:
        """Values (n, k), minus infinity where an uncertain text would rise above its top."""
        return values.masked_fill(~self.confident[:, None] & (values > self.top[:, None]), -torch.inf)


@dataclass(frozen=True)
class Misleading:
    """That n texts are taken for another class than labels (n,)."""

    labels: torch.Tensor

    def value(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Of k answers per text (n, k, C), what to raise (n, k): 1 - p of the label, exact where p is nearly 1."""
        labels = self.labels.view(-1, 1, 1).expand(-1, probabilities.shape[1], 1)
        return probabilities.scatter(2, labels, 0.0).sum(2)

    def permitted(self, values: torch.Tensor) -> torch.Tensor:
        return values


def evolve(
    model: TextModel, inputs: torch.Tensor, confident: torch.Tensor, constants: Evolution, bounds: None = None
) -> torch.Tensor:
    """Evolved copies of texts (n, length); confident (n,) tells which of the two rules applies. Text has no bounds."""

    def rule(rows: torch.Tensor, probabilities: torch.Tensor) -> Rule:
        reached, classes = probabilities.topk(2)
        top = reached[:, 0] + constants.omega * (reached[:, 0] - 1 / probabilities.shape[1])
        return Rule(classes[:, 0], classes[:, 1], top, confident[rows], constants.mu)

    return _replaced(model, inputs, rule, constants.substitutions, constants.candidates)


def mislead(model: TextModel, inputs: torch.Tensor, labels: torch.Tensor, most: int) -> torch.Tensor:
    """Copies of texts (n, length) that the model no longer takes for labels (n,), or less: up to `most` characters."""
    return _replaced(model, inputs, lambda rows, _: Misleading(labels[rows]), most, CANDIDATES)


def _replaced(
    model: TextModel,
    inputs: torch.Tensor,
    rule_of: Callable[[torch.Tensor, torch.Tensor], Rule | Misleading],
    substitutions: int,
    candidates: int,
) -> torch.Tensor:
    """Copies of texts (n, length) with up to that many characters replaced, by rule_of(rows, their probabilities)."""
    if not hasattr(model, "tokens"):
        raise UnsuitedError(
            "evolving texts needs to know which row of its embedding the network gives a character; build one with "
            "tokens and logits() as nlp/models.py has them"
        )
    model.eval()
    model.requires_grad_(False)
    replaced = inputs.clone()
    for rows in torch.arange(len(inputs)).split(TEXTS):
        used = max(1, int((inputs[rows] != 0).sum(1).max()))
        texts = inputs[rows, :used]
        responses = _ask(model, texts[:, None])
        rule = rule_of(rows, responses[:, 0])
        replaced[rows, :used] = _searched(model, texts, responses, rule, substitutions, candidates)
    return replaced


def _searched(
    model: TextModel,
    inputs: torch.Tensor,
    responses: torch.Tensor,
    rule: Rule | Misleading,
    substitutions: int,
    candidates: int,
) -> torch.Tensor:
    texts = inputs.clone()
    best = rule.value(responses)[:, 0]
    for _ in range(substitutions):
        offered = _offers(model, texts, rule, candidates)
        value, chosen = rule.permitted(rule.value(_ask(model, offered))).max(1)
        better = value > best
        texts[better] = offered[better, chosen[better]]
        best = torch.where(better, value, best)
    return texts


@torch.no_grad()
def _ask(model: TextModel, texts: torch.Tensor) -> torch.Tensor:
    """Probabilities (n, k, C) of texts (n, k, length)."""
    return torch.softmax(model(texts.flatten(0, 1)), 1).unflatten(0, texts.shape[:2])


def _offers(model: TextModel, texts: torch.Tensor, rule: Rule | Misleading, count: int) -> torch.Tensor:
    """Of each text (n, length), up to `count` versions (n, k, length): the replacements that promise most."""
    embedded, forward = continuous(model, texts)
    embedded = embedded.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(rule.value(torch.softmax(forward(embedded), 1)[:, None]).sum(), embedded)
    replacements = torch.tensor(REPLACEMENTS, dtype=texts.dtype, device=texts.device)
    vectors = model.embedding(_rows(model, replacements))
    places = model.tokens.places(texts)
    rows = places.clamp(min=0)[..., None].expand(-1, -1, embedded.shape[2])
    gradient, present = gradient.gather(1, rows), embedded.detach().gather(1, rows)
    gains = gradient @ vectors.T - (gradient * present).sum(2, keepdim=True)  # (n, length, replacements)
    kinds = _kinds(texts)[..., None]
    fitting = (kinds == _kinds(replacements)) & (kinds >= 0) & (texts[..., None] != replacements)
    gains.masked_fill_(~(fitting & (places >= 0)[..., None]), -torch.inf)
    promised, best = gains.flatten(1).topk(min(count, gains[0].numel()))
    position, replacement = best // len(replacements), replacements[best % len(replacements)]
    replacement = torch.where(promised > -torch.inf, replacement, texts.gather(1, position))
    return texts[:, None].repeat(1, best.shape[1], 1).scatter(2, position[..., None], replacement[..., None])


def _rows(model: TextModel, points: torch.Tensor) -> torch.Tensor:
    """The model's row (V,) of each of the characters (V,), alone in a text."""
    rows, _ = model.tokens(points[:, None])
    return rows.gather(1, model.tokens.places(points[:, None]))[:, 0]


def _kinds(points: torch.Tensor) -> torch.Tensor:
    """The number of each character's kind; -1 for those that stay."""
    kinds = torch.full_like(points, -1)
    for number, (low, high) in enumerate(KINDS):
        kinds[(points >= low) & (points <= high)] = number
    return kinds
