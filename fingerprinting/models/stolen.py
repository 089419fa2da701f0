"""The steps that steal the source: modified, transferred to another task, extracted by its responses."""

from itertools import product

from fingerprinting.core.errors import UserError
from fingerprinting.models import build
from fingerprinting.models.kinds import Job
from fingerprinting.study.study import Study


def fine_tune(study: Study, *, layers: tuple[str, ...], copies: int, epochs: int, learning_rate: float) -> str | None:
    """The stolen source, trained on: its head only (`last`) or all of it (`all`)."""
    if unknown := set(layers) - {"last", "all"}:
        raise UserError(f"LAYERS={', '.join(sorted(unknown))} is unknown; take last, all or both")
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id(f"fine_tune_{layer}", study.source_architecture, copy), recipe, parent=study.source_id)
        for layer, copy in product(layers, range(copies))
    ]
    return build.train(study, "fine_tune", jobs)


def prune(
    study: Study, *, ratios: tuple[float, ...], activity_examples: int, epochs: int, learning_rate: float
) -> str | None:
    """The stolen source, fine-pruned at rising ratios."""
    if any(not 0 < ratio < 1 for ratio in ratios):
        raise UserError(f"RATIOS={ratios} must lie between 0 and 1, both excluded")
    if activity_examples < 1:
        raise UserError(f"ACTIVITY_EXAMPLES={activity_examples} measures no activity; give 1 or more")
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(
            study.model_id("prune", study.source_architecture, 0, f"ratio_{ratio:g}"),
            recipe,
            {"ratio": ratio, "activity_examples": activity_examples},
            study.source_id,
        )
        for ratio in ratios
    ]
    return build.train(study, "prune", jobs)


def adversarial(
    study: Study, *, copies: int, epochs: int, learning_rate: float, epsilon: float, pgd_steps: int
) -> str | None:
    """The stolen source, adversarially trained."""
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(
            study.model_id("adversarial", study.source_architecture, copy),
            recipe,
            {"epsilon": epsilon, "pgd_steps": pgd_steps},
            study.source_id,
        )
        for copy in range(copies)
    ]
    return build.train(study, "adversarial", jobs)


def transfer(
    study: Study,
    *,
    copies: int,
    irrelevant_copies: int,
    homologous_copies: int,
    epochs: int,
    learning_rate: float,
) -> str | None:
    """The stolen source transferred to another task, and independent models likewise: transfer's own negatives."""
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id("transfer", study.source_architecture, copy), recipe, parent=study.source_id)
        for copy in range(copies)
    ]
    for kind, count in (("irrelevant", irrelevant_copies), ("homologous", homologous_copies)):
        parents = build.planned(study).get(kind, [])
        parents = [parent for parent in parents if parent.kind == kind]
        if len(parents) < count:
            raise UserError(
                f"transfer needs {count} {kind} models to move, {len(parents)} are planned; run {study.command(kind)} "
                "first"
            )
        jobs += [
            Job(
                study.model_id(f"{kind}_transfer", parent.architecture, parent.copy, parent.variant),
                recipe,
                parent=parent,
            )
            for parent in parents[:count]
        ]
    return build.train(study, "transfer", jobs)


def extract(
    study: Study,
    *,
    copies: int,
    same_copies: int,
    epochs: int,
    learning_rate: float,
    temperature: float,
    epsilon: float,
    pgd_steps: int,
) -> str | None:
    """Students of every other architecture on the source's labels, probabilities, or labels with perturbations.

    Of the source's own architecture, `same_copies` on labels and as many on probabilities, which stand in no mean.
    """
    recipe = study.recipe(epochs, learning_rate)
    options = {
        "extract_labels": {},
        "extract_probabilities": {"temperature": temperature},
        "extract_adversarial": {"epsilon": epsilon, "pgd_steps": pgd_steps},
    }
    jobs = [
        Job(study.model_id(kind, name, copy), recipe, options[kind], study.source_id)
        for kind, copy, name in product(options, range(copies), study.students)
    ]
    jobs += [
        Job(study.model_id(f"{kind}_same", study.source_architecture, copy), recipe, options[kind], study.source_id)
        for kind, copy in product(("extract_labels", "extract_probabilities"), range(same_copies))
    ]
    return build.train(study, "extract", jobs)


def unseen(
    study: Study, *, copies: int, epochs: int, learning_rate: float, quantise_copies: int, range_examples: int
) -> str | None:
    """Attacks that no method was chosen on: students of the source's labels of other distributions, and int8 copies.

    Inputs of the data set that an attacker transfers to, and pieces of two of the attacker's inputs in one. Each int8
    copy draws the examples that it takes ranges from.
    """
    if range_examples < 1:
        raise UserError(f"RANGE_EXAMPLES={range_examples} have no range; give 1 or more")
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(
            study.model_id("quantise_int8", study.source_architecture, copy),
            recipe,
            {"range_examples": range_examples},
            study.source_id,
        )
        for copy in range(quantise_copies)
    ]
    asked: dict[str, dict] = {}
    if study.target:
        asked["extract_other_data"] = {"inputs_of": study.target, "inputs_sha256": study.data_sha256(on_target=True)}
    else:
        print(f"{study.dataset} has no transfer target, so no student is trained on the source's labels of other data")
    if study.domain.inputs.mix:
        asked["extract_mixed"] = {"mixed": True}
    else:
        print(f"{study.domain.name} mixes no inputs, so no student is trained on the source's labels of mixed ones")
    jobs += [
        Job(study.model_id(kind, name, copy), recipe, options, study.source_id)
        for (kind, options), copy, name in product(asked.items(), range(copies), study.students)
    ]
    return build.train(study, "unseen", jobs)


def extract_sweep(
    study: Study,
    *,
    shares: tuple[float, ...],
    students: int,
    copies: int,
    epochs: int,
    learning_rate: float,
) -> str | None:
    """Students on the source's labels of a rising share of the attacker's inputs: how much an attacker must ask."""
    answered = len(study.parts["attacker"])
    if any(not 0 < share <= 1 or round(share * answered) < 2 for share in shares):
        raise UserError(f"SHARES={shares} must lie between 0 and 1 and leave two of {answered} inputs or more")
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id("extract_sweep", name, copy, f"share_{share:g}"), recipe, {"share": share}, study.source_id)
        for share, copy, name in product(shares, range(copies), study.students[:students])
    ]
    return build.train(study, "extract_sweep", jobs)
