"""The steps that make models which are never scored: the owner's own, to learn and calibrate with, and the audit's."""

from dataclasses import replace
from itertools import product

from fingerprinting.core.errors import UserError
from fingerprinting.models import build
from fingerprinting.models.kinds import KINDS, Job, seed_name
from fingerprinting.study.study import Study
from fingerprinting.training.recipe import Recipe

TARGET_PARTS = {"calibration": "owner", "audit": "attacker"}  # of the transfer target, for models that are transferred
OTHER_DATA = "reference"  # the part whose calibration models learned from none of the source's examples
OF_SAME_DATA, OF_OTHER_DATA = {"homologous": "owner"}, {"irrelevant": OTHER_DATA}  # calibration kinds and their parts
ALL = "owner+reference"  # the parts that the owner has
MOST_MATCHED = 0.99  # of the owner's part, where people are few and a part of them is as large as another
EACH = "each"  # in place of a draw's name: every model draws its own
LOW_DATA = 1 / 3  # of the part that the owner's reference models train on, in low_data_references.py


def references(
    study: Study,
    *,
    copies: int,
    students: int,
    transfer_copies: int,
    transfer_epochs: int,
    transfer_learning_rate: float,
    drawn: float,
    **constants,
) -> str | None:
    """The owner's own independent and stolen models, `copies` of each kind and architecture.

    Of the first `transfer_copies` of them the independent ones are transferred to the target, the source as often as
    they are.
    """
    _check_moved(transfer_copies, copies)
    own, moved = {"part": "reference"}, study.recipe(transfer_epochs, transfer_learning_rate)
    jobs = _of_both_sides(
        study,
        "reference",
        own,
        {"overlap": 1.0},
        _of_stolen(own, drawn),
        {"part": ALL},
        copies=copies,
        students=students,
        **constants,
    )
    jobs += _moved("reference", jobs, transfer_copies, moved, "reference")
    jobs += [
        Job(study.model_id("reference_transfer", study.source_architecture, copy), moved, own, study.source_id)
        for copy in range((1 + len(study.students[:students])) * transfer_copies)
    ]
    return build.train(study, "references", jobs)


def low_data_references(study: Study, *, drawn: float, **constants) -> str | None:
    """Reference models of the source's task once more, on a third of the reference part, or of the owner's."""
    own, owners, asked = ({"part": part, "share": LOW_DATA} for part in ("reference", "owner", ALL))
    jobs = _of_both_sides(study, "low_data", own, owners, _of_stolen(own, drawn), asked, **constants)
    return build.train(study, "low_data_references", jobs)


def _of_stolen(own: dict, drawn: float) -> dict:
    """What stolen reference models are made with: what independents have, or a share `drawn` of all that the owner has.

    An attacker's data are others than the owner's, and where they are few, models depend much on which they are: stolen
    models that are all made with the same ones are too much alike.
    """
    if not 0 <= drawn <= 1:
        raise UserError(f"DRAWN={drawn} is a share of the owner's data; give 0 to 1")
    return {"part": ALL, "share": drawn * own.get("share", 1), "draw": EACH} if drawn else own


def _of_both_sides(
    study: Study,
    use: str,
    own: dict,
    owners: dict,
    stolen: dict,
    asked: dict,
    *,
    copies: int,
    students: int,
    ratios: tuple[float, ...],
    epochs: int,
    learning_rate: float,
    modification_epochs: int,
    modification_learning_rates: tuple[float, ...],
    temperature: float,
    epsilon: float,
    pgd_steps: int,
) -> list[Job]:
    """Independents and stolen models of the source's task.

    `own` and `owners` say what independents, and homologous ones, train on, `stolen` what stolen models do. Nobody
    knows how far an attacker goes: stolen weights are trained on at every rate, and extractors ask the source about
    `stolen`, or about all that the owner has (`asked`). Else weights would tell accurate models from less accurate
    ones, not stolen from independent ones.
    """
    if any(not 0 < ratio < 1 for ratio in ratios):
        raise UserError(f"RATIOS={ratios} must lie between 0 and 1, both excluded")
    scratch = study.recipe(epochs, learning_rate)
    modifications = {f"rate_{rate:g}": study.recipe(modification_epochs, rate) for rate in modification_learning_rates}
    attack, pupils = {"epsilon": epsilon, "pgd_steps": pgd_steps}, study.students[:students]
    names = (study.source_architecture, *pupils)
    of_what = "of_draw" if "draw" in stolen else f"of_{stolen['part']}"
    pruned = {"activity_examples": len(study.parts["reference"])}  # all that there are, where it is but a share

    def job(kind: str, recipe: Recipe, architecture: str, copy: int, options: dict, variant: str = "") -> Job:
        parent = study.source_id if KINDS[kind].role == "pirated" else None
        model = study.model_id(f"{use}_{kind}", architecture, copy, variant)
        return Job(model, recipe, options | ({"draw": seed_name(model)} if options.get("draw") == EACH else {}), parent)

    jobs = []
    for copy in range(copies):
        jobs += [job("irrelevant", scratch, name, copy, own) for name in names]
        jobs += [job("homologous", scratch, name, copy, owners) for name in names]
        for name in (
            names[(2 * copy + number) % len(names)] for number in range(2)
        ):  # every architecture in three copies
            jobs.append(job("irrelevant_adversarial", scratch, name, copy, own | attack))
            jobs.append(job("homologous_adversarial", scratch, name, copy, owners | attack))
        for name, modification in modifications.items():
            for kind, options in (("fine_tune_last", {}), ("fine_tune_all", {}), ("adversarial", attack)):
                jobs.append(job(kind, modification, study.source_architecture, copy, stolen | options, name))
            for ratio in ratios:
                cut = stolen | pruned | {"ratio": ratio}
                jobs.append(job("prune", modification, study.source_architecture, copy, cut, f"ratio_{ratio:g}-{name}"))
        for name, (options, variant) in product(pupils, ((stolen, of_what), (asked, ""))):
            jobs.append(job("extract_labels", scratch, name, copy, options, variant))
            softened = options | {"temperature": temperature}
            jobs.append(job("extract_probabilities", scratch, name, copy, softened, variant))
            jobs.append(job("extract_adversarial", scratch, name, copy, options | attack, variant))
    return jobs


def calibration(study: Study, **constants) -> str | None:
    """The owner's own independents that neither choose queries nor weigh responses: how far independent models go.

    On the owner's part, and `reference_copies` of every architecture on other data and on as little of the owner's:
    where twins, which have the source's data, share more with models of the same data than with others, these show it.
    """
    return build.train(study, "calibration", calibration_jobs(study, **constants))


def calibration_jobs(study: Study, *, reference_copies: int, **constants) -> list[Job]:
    """Calibration models of the source's data; of the reference part, from which neither it nor its twins learned; and
    matched ones, of as many examples of the owner's part: the latter two differ in whose the data are alone.
    """
    jobs = independents(study, "calibration", OF_SAME_DATA, **constants)
    there = {job.model for job in jobs}
    none = {"copies": 0, "shares": (), "share_copies": 0, "transfer_copies": 0}
    other = independents(study, "calibration", OF_OTHER_DATA, **constants | none | {"copies": reference_copies})
    matching = {"shares": (matched_share(study),), "share_copies": reference_copies}
    matched = independents(study, "calibration", OF_SAME_DATA, **constants | none | matching)
    return jobs + other + [job for job in matched if job.model not in there]


def is_whole(job: Job) -> bool:
    """Whether a calibration model has all of the source's data, so that suspects are ranked among such models."""
    return "part" not in job.options


def matched_share(study: Study) -> float:
    """The share of the owner's part that is as large as the reference part."""
    return matching(len(study.parts[OTHER_DATA]), len(study.parts["owner"]))


def matching(others: int, owners: int) -> float:
    """The share of the owner's examples that are as many as others are; never all of them, which is no share.

    As precise as the names of models have a share, so that no two of the same name have different ones.
    """
    return min(MOST_MATCHED, float(f"{others / owners:.2g}"))


def audit(study: Study, **constants) -> str | None:
    """Independents made as those that are scored, but more of them: false positives are counted on these."""
    parts = {"irrelevant": "attacker", "homologous": "owner"}
    return build.train(study, "audit", independents(study, "audit", parts, **constants))


def independents(
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
    """Per copy every architecture on the part of each kind, and one of each kind adversarially trained; some moved.

    Of those that see but a share of the data, and are less accurate, `share_copies` per share. Each draws its own
    share: no two would otherwise be independent, as a p-value and an interval take them to be.
    """
    _check_moved(transfer_copies, copies)
    if any(not 0 < share < 1 for share in shares):
        raise UserError(f"SHARES={shares} must lie between 0 and 1, both excluded")
    recipe, attack = study.recipe(epochs, learning_rate), {"epsilon": epsilon, "pgd_steps": pgd_steps}
    names, jobs = study.architectures, []

    def job(kind: str, name: str, copy: int, part: str, share: float, training: dict) -> Job:
        model = study.model_id(f"{use}_{kind}", name, copy, f"share_{share:.2g}" if share < 1 else "")
        options: dict[str, object] = {"overlap": 1.0} if part == "owner" else {"part": part}
        if share < 1:
            options = {"part": part, "share": share, "draw": seed_name(model)}
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
    """The first copies of the plain independents among the jobs, transferred to the target by their maker."""
    return [
        Job(replace(job.model, kind=f"{job.model.kind}_transfer"), recipe, {"part": part}, job.model)
        for job in jobs
        if job.model.kind in (f"{use}_irrelevant", f"{use}_homologous")
        and job.model.copy < copies
        and "share" not in job.options
    ]
