"""The steps that make the zoo: each turns a script's constants into the jobs of PROTOCOL's table."""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from fingerprinting import attacks, checkpoints, files, zoo
from fingerprinting.attacks import KINDS, Job
from fingerprinting.runtime import UserError
from fingerprinting.study import Study
from fingerprinting.training import Recipe

ZOO = (
    "source",
    "irrelevant",
    "homologous",
    "overlap",
    "fine_tune",
    "prune",
    "adversarial",
    "transfer",
    "extract",
    "extract_sweep",
    "references",
    "calibration",
    "thirds",
    "audit",
)
TARGET_PARTS = {"calibration": "owner", "audit": "attacker"}  # of the transfer target, for models that are moved
THIRD = 1 / 3  # of the part that the owner's reference models train on, in thirds.py
ROOT = (
    "primary",
    "evolved",
    "baselines",
    "deepcore",
    "calibrated",
    "model_finger_match",
    "generalisation",
    "detect_erase_attack",
)


def prepare(study: Study) -> None:
    """The files of the study's data set and of its transfer target, checked by reading them."""
    for name in filter(None, (study.dataset, study.target)):
        study.domain.prepare(name)
        dataset = study.domain.load(name)
        shape = "x".join(str(side) for side in dataset.pool.inputs.shape[1:])
        print(f"{name}: {len(dataset.pool)} + {len(dataset.test)} examples of {shape}, {len(dataset.classes)} classes")
    for name in study.domain.lexicons:
        try:
            study.domain.prepare(name)
        except UserError as reason:
            print(f"{name} is left out: {reason}")


def source(study: Study, *, epochs: int, learning_rate: float, weights: str) -> str | None:
    """The owner's model, trained on the owner's part, or with the weights of one that was trained elsewhere."""
    recipe = study.recipe(epochs, learning_rate)
    if not weights:
        return zoo.train(study, "source", [Job(study.source_id, recipe, {"part": "owner"})])
    path = Path(weights).resolve()
    options = {"weights_sha256": files.digest(checkpoints.foreign_weights(path))}
    job = Job(study.source_id, recipe, options)
    attacks.adopted(path, study, job)  # what does not fit is said before it takes the place of the model that is there
    skipped = zoo.train(study, "source", [job], partial(attacks.adopted, path))
    metadata = attacks.metadata_of(study, study.source_id)
    print(
        f"{metadata['test_accuracy']:.4f} of {metadata['n_test']} test examples answered rightly; if the model is "
        "known to do better, its inputs' scale or the order of its classes is another than the domain's; mend that "
        "there and run this, and what was run after it, again with FORCE=True"
    )
    return skipped


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
        for copy, name in product(range(copies), _architectures(study))
    ]
    jobs += [
        Job(study.model_id("irrelevant_adversarial", name, copy), recipe, {**part, **attack})
        for copy, name in _cycle(study, adversarial_copies)
    ]
    return zoo.train(study, "irrelevant", jobs)


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
    designs = [(study.source_architecture, copy) for copy in range(same_copies)]
    designs += [(name, copy) for copy, name in product(range(other_copies), study.students)]
    jobs = [
        Job(study.model_id("homologous", name, copy, f"overlap_{overlap:g}"), recipe, {"overlap": overlap})
        for overlap, (name, copy) in product(overlaps, designs)
    ]
    jobs += [
        Job(study.model_id("homologous_adversarial", name, copy), recipe, {"overlap": 1.0, **attack})
        for copy, name in _cycle(study, adversarial_copies)
    ]
    return zoo.train(study, "homologous", jobs)


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
    designs = [(study.source_architecture, copy) for copy in range(same_copies)]
    designs += [(study.students[0], copy) for copy in range(other_copies)]
    jobs = [
        Job(study.model_id("overlap", name, copy, f"overlap_{share:g}"), recipe, {"overlap": share})
        for share, (name, copy) in product(overlaps, designs)
    ]
    return zoo.train(study, "overlap", jobs)


def fine_tune(study: Study, *, layers: tuple[str, ...], copies: int, epochs: int, learning_rate: float) -> str | None:
    """The stolen source, trained on: its head only (`last`) or all of it (`all`)."""
    if unknown := set(layers) - {"last", "all"}:
        raise UserError(f"LAYERS={', '.join(sorted(unknown))} is unknown; take last, all or both")
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id(f"fine_tune_{layer}", study.source_architecture, copy), recipe, parent=study.source_id)
        for layer, copy in product(layers, range(copies))
    ]
    return zoo.train(study, "fine_tune", jobs)


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
    return zoo.train(study, "prune", jobs)


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
    return zoo.train(study, "adversarial", jobs)


def transfer(
    study: Study,
    *,
    copies: int,
    irrelevant_copies: int,
    homologous_copies: int,
    epochs: int,
    learning_rate: float,
) -> str | None:
    """The stolen source moved to another task, and independents moved there too: transfer's own negatives."""
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id("transfer", study.source_architecture, copy), recipe, parent=study.source_id)
        for copy in range(copies)
    ]
    for kind, count in (("irrelevant", irrelevant_copies), ("homologous", homologous_copies)):
        parents = zoo.planned(study).get(kind, [])
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
    return zoo.train(study, "transfer", jobs)


def extract(
    study: Study,
    *,
    copies: int,
    epochs: int,
    learning_rate: float,
    temperature: float,
    epsilon: float,
    pgd_steps: int,
) -> str | None:
    """Students of every other architecture on the source's answers: labels, probabilities, labels and perturbations."""
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
    return zoo.train(study, "extract", jobs)


def extract_sweep(
    study: Study,
    *,
    shares: tuple[float, ...],
    students: int,
    copies: int,
    epochs: int,
    learning_rate: float,
) -> str | None:
    """Students on the source's labels of a rising share of the attacker's inputs: how much a thief must ask."""
    answered = len(study.parts["attacker"])
    if any(not 0 < share <= 1 or round(share * answered) < 2 for share in shares):
        raise UserError(f"SHARES={shares} must lie between 0 and 1 and leave two of {answered} inputs or more")
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id("extract_sweep", name, copy, f"share_{share:g}"), recipe, {"share": share}, study.source_id)
        for share, copy, name in product(shares, range(copies), study.students[:students])
    ]
    return zoo.train(study, "extract_sweep", jobs)


def references(
    study: Study,
    *,
    copies: int,
    students: int,
    transfer_copies: int,
    transfer_epochs: int,
    transfer_learning_rate: float,
    **constants,
) -> str | None:
    """The owner's own independents and thefts, `copies` of each kind and design: to make queries and calibrate with.

    Of the first `transfer_copies` of them the independents are moved to the transfer target, the source as often as
    they are.
    """
    _check_moved(transfer_copies, copies)
    own, moved = {"part": "reference"}, study.recipe(transfer_epochs, transfer_learning_rate)
    asked = {"part": "owner+reference"}
    jobs = _of_both_sides(
        study, "reference", own, {"overlap": 1.0}, asked, copies=copies, students=students, **constants
    )
    jobs += _moved("reference", jobs, transfer_copies, moved, "reference")
    jobs += [
        Job(study.model_id("reference_transfer", study.source_architecture, copy), moved, own, study.source_id)
        for copy in range((1 + len(study.students[:students])) * transfer_copies)
    ]
    return zoo.train(study, "references", jobs)


def thirds(study: Study, **constants) -> str | None:
    """Reference models of the source's task once more, on a third of the reference part, or of the owner's."""
    parts = ({"part": part, "share": THIRD} for part in ("reference", "owner", "owner+reference"))
    return zoo.train(study, "thirds", _of_both_sides(study, "third", *parts, **constants))


def _of_both_sides(
    study: Study,
    use: str,
    own: dict,
    owners: dict,
    asked: dict,
    *,
    copies: int,
    students: int,
    ratios: tuple[float, ...],
    epochs: int,
    learning_rate: float,
    tamper_epochs: int,
    tamper_learning_rates: tuple[float, ...],
    temperature: float,
    epsilon: float,
    pgd_steps: int,
) -> list[Job]:
    """Independents and thefts of the source's task.

    `own` and `owners` say what they, and homologous ones, train on. Nobody knows how far a thief goes: stolen weights
    are trained on at every rate, and extractors ask the source about `own`, or about all that the owner has (`asked`).
    Else weights would tell able models from less able ones, not stolen from honest ones.
    """
    if any(not 0 < ratio < 1 for ratio in ratios):
        raise UserError(f"RATIOS={ratios} must lie between 0 and 1, both excluded")
    scratch = study.recipe(epochs, learning_rate)
    tampering = {f"rate_{rate:g}": study.recipe(tamper_epochs, rate) for rate in tamper_learning_rates}
    attack, pupils = {"epsilon": epsilon, "pgd_steps": pgd_steps}, study.students[:students]
    names = (study.source_architecture, *pupils)
    pruned = {"activity_examples": len(study.parts["reference"])}  # all that there are, where it is but a share

    def job(kind: str, recipe: Recipe, architecture: str, copy: int, options: dict, variant: str = "") -> Job:
        parent = study.source_id if KINDS[kind].role == "pirated" else None
        return Job(study.model_id(f"{use}_{kind}", architecture, copy, variant), recipe, options, parent)

    jobs = []
    for copy in range(copies):
        jobs += [job("irrelevant", scratch, name, copy, own) for name in names]
        jobs += [job("homologous", scratch, name, copy, owners) for name in names]
        for name in (names[(2 * copy + number) % len(names)] for number in range(2)):  # every design in three copies
            jobs.append(job("irrelevant_adversarial", scratch, name, copy, own | attack))
            jobs.append(job("homologous_adversarial", scratch, name, copy, owners | attack))
        for name, tamper in tampering.items():
            for kind, options in (("fine_tune_last", own), ("fine_tune_all", own), ("adversarial", own | attack)):
                jobs.append(job(kind, tamper, study.source_architecture, copy, options, name))
            for ratio in ratios:
                cut = own | pruned | {"ratio": ratio}
                jobs.append(job("prune", tamper, study.source_architecture, copy, cut, f"ratio_{ratio:g}-{name}"))
        for name, (options, variant) in product(pupils, ((own, f"of_{own['part']}"), (asked, ""))):
            jobs.append(job("extract_labels", scratch, name, copy, options, variant))
            softened = options | {"temperature": temperature}
            jobs.append(job("extract_probabilities", scratch, name, copy, softened, variant))
            jobs.append(job("extract_adversarial", scratch, name, copy, options | attack, variant))
    return jobs


def calibration(study: Study, **constants) -> str | None:
    """The owner's own independents that neither choose queries nor weigh answers: how far honest models go.

    On the owner's part only: models of the part that references train on look more honest than any others, for answers
    were weighed on what is learned there.
    """
    return zoo.train(study, "calibration", _independents(study, "calibration", {"homologous": "owner"}, **constants))


def audit(study: Study, **constants) -> str | None:
    """Independents made as those that are scored, but more of them: false accusations are counted on these."""
    parts = {"irrelevant": "attacker", "homologous": "owner"}
    return zoo.train(study, "audit", _independents(study, "audit", parts, **constants))


def _independents(
    study: Study,
    use: str,
    parts: dict[str, str],
    *,
    copies: int,
    shares: tuple[float, ...],
    share_copies: int,
    transfer_copies: int,
    epochs: int,
    learning_rate: float,
    transfer_epochs: int,
    transfer_learning_rate: float,
    epsilon: float,
    pgd_steps: int,
) -> list[Job]:
    """Per copy every design on the part of each kind, and one of each kind adversarially trained; some moved.

    Of those that see but a share of the data, and are less able, `share_copies` per share. Each draws its own share: no
    two would otherwise be independent, as a p-value and an interval take them to be.
    """
    _check_moved(transfer_copies, copies)
    if any(not 0 < share < 1 for share in shares):
        raise UserError(f"SHARES={shares} must lie between 0 and 1, both excluded")
    recipe, attack = study.recipe(epochs, learning_rate), {"epsilon": epsilon, "pgd_steps": pgd_steps}
    names, jobs = _architectures(study), []

    def job(kind: str, name: str, copy: int, part: str, share: float, training: dict) -> Job:
        model = study.model_id(f"{use}_{kind}", name, copy, f"share_{share:.2g}" if share < 1 else "")
        options = {"overlap": 1.0} if part == "owner" else {"part": part}
        if share < 1:
            options = {"part": part, "share": share, "draw": model.name}
        return Job(model, recipe, options | training)

    for share, count in ((1, copies), *((share, share_copies) for share in shares)):
        for copy, (kind, part) in product(range(count), parts.items()):
            jobs += [job(kind, name, copy, part, share, {}) for name in names]
            jobs.append(job(f"{kind}_adversarial", names[copy % len(names)], copy, part, share, attack))
    moved, part = study.recipe(transfer_epochs, transfer_learning_rate), TARGET_PARTS[use]
    return jobs + _moved(use, jobs, transfer_copies, moved, part)


def _check_moved(transfer_copies: int, copies: int) -> None:
    if not 0 <= transfer_copies <= copies:
        raise UserError(f"TRANSFER_COPIES={transfer_copies} must lie between 0 and COPIES={copies}")


def _moved(use: str, jobs: list[Job], copies: int, recipe: Recipe, part: str) -> list[Job]:
    """The first copies of the plain independents among the jobs, moved to the transfer target by their maker."""
    return [
        Job(replace(job.model, kind=f"{job.model.kind}_transfer"), recipe, {"part": part}, job.model)
        for job in jobs
        if job.model.kind in (f"{use}_irrelevant", f"{use}_homologous")
        and job.model.copy < copies
        and "share" not in job.options
    ]


def _architectures(study: Study) -> tuple[str, ...]:
    return (study.source_architecture, *study.students)


def _cycle(study: Study, count: int) -> list[tuple[int, str]]:
    """`count` (copy, architecture) pairs, going round the architectures, the source's first."""
    names = _architectures(study)
    return [(number // len(names), names[number % len(names)]) for number in range(count)]
