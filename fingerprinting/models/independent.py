"""The steps that train independent models from scratch: on the attacker's data, on the owner's, on some of both."""

from itertools import product

from fingerprinting.core.errors import UserError
from fingerprinting.models import build
from fingerprinting.models.kinds import Job
from fingerprinting.study.study import Study


def irrelevant(
    study: Study,
    *,
    copies: int,
    adversarial_copies: int,
    epochs: int,
    learning_rate: float,
    epsilon: float,
    pgd_steps: int,
) -> str | None:
    """Independent models on the attacker's part: `copies` of every architecture, and some adversarially trained."""
    recipe = study.recipe(epochs, learning_rate)
    part, attack = {"part": "attacker"}, {"epsilon": epsilon, "pgd_steps": pgd_steps}
    jobs = [
        Job(study.model_id("irrelevant", name, copy), recipe, part)
        for copy, name in product(range(copies), study.architectures)
    ]
    jobs += [
        Job(study.model_id("irrelevant_adversarial", name, copy), recipe, {**part, **attack})
        for copy, name in _cycle(study, adversarial_copies)
    ]
    return build.train(study, "irrelevant", jobs)


def homologous(
    study: Study,
    *,
    overlaps: tuple[float, ...],
    same_copies: int,
    other_copies: int,
    adversarial_copies: int,
    epochs: int,
    learning_rate: float,
    epsilon: float,
    pgd_steps: int,
) -> str | None:
    """Independent models on the owner's own data (per overlap: source's architecture, and each student's)."""
    if any(not 0 <= overlap <= 1 for overlap in overlaps):
        raise UserError(f"OVERLAPS={overlaps} must lie between 0 and 1")
    recipe, attack = study.recipe(epochs, learning_rate), {"epsilon": epsilon, "pgd_steps": pgd_steps}
    architectures = [(study.source_architecture, copy) for copy in range(same_copies)]
    architectures += [(name, copy) for copy, name in product(range(other_copies), study.students)]
    jobs = [
        Job(study.model_id("homologous", name, copy, f"overlap_{overlap:g}"), recipe, {"overlap": overlap})
        for overlap, (name, copy) in product(overlaps, architectures)
    ]
    jobs += [
        Job(study.model_id("homologous_adversarial", name, copy), recipe, {"overlap": 1.0, **attack})
        for copy, name in _cycle(study, adversarial_copies)
    ]
    return build.train(study, "homologous", jobs)


def overlap(
    study: Study,
    *,
    overlaps: tuple[float, ...],
    same_copies: int,
    other_copies: int,
    epochs: int,
    learning_rate: float,
) -> str | None:
    """Independent models that saw a rising share of the owner's data: the source's architecture, and one other."""
    if any(not 0 <= share <= 1 for share in overlaps):
        raise UserError(f"OVERLAPS={overlaps} must lie between 0 and 1")
    recipe = study.recipe(epochs, learning_rate)
    architectures = [(study.source_architecture, copy) for copy in range(same_copies)]
    architectures += [(study.students[0], copy) for copy in range(other_copies)]
    jobs = [
        Job(study.model_id("overlap", name, copy, f"overlap_{share:g}"), recipe, {"overlap": share})
        for share, (name, copy) in product(overlaps, architectures)
    ]
    return build.train(study, "overlap", jobs)


def _cycle(study: Study, count: int) -> list[tuple[int, str]]:
    """`count` (copy, architecture) pairs, going round the architectures, the source's first."""
    names = study.architectures
    return [(number // len(names), names[number % len(names)]) for number in range(count)]
