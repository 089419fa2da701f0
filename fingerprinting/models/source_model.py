"""The first steps: the data, and the owner's model."""

from functools import partial
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.models import build, stealing
from fingerprinting.models.kinds import Job
from fingerprinting.study import weights as foreign
from fingerprinting.study.loading import load_dataset
from fingerprinting.study.study import Study


def prepare(study: Study) -> None:
    """The files of the study's data set and of its transfer target, checked by reading them."""
    for name in filter(None, (study.dataset, study.target)):
        study.domain.data.prepare(name)
        dataset = load_dataset(study.domain, name)
        shape = "x".join(str(side) for side in dataset.pool.inputs.shape[1:])
        print(f"{name}: {len(dataset.pool)} + {len(dataset.test)} examples of {shape}, {len(dataset.classes)} classes")
    for name in study.domain.data.lexicons:
        try:
            study.domain.data.prepare(name)
        except UserError as reason:
            print(f"{name} is left out: {reason}")


def source(study: Study, *, epochs: int, learning_rate: float, weights: str) -> str | None:
    """The owner's model, trained on the owner's part, or with the weights of one that was trained elsewhere."""
    recipe = study.recipe(epochs, learning_rate)
    if not weights:
        return build.train(study, "source", [Job(study.source_id, recipe, {"part": "owner"})])
    path = Path(weights).resolve()
    given = foreign.read(path)
    options = {"weights_sha256": storage.digest(given)}
    job = Job(study.source_id, recipe, options)
    # What does not fit is said before it takes the place of the model that is there.
    model = stealing.adopted(path, study, job).model
    if prefix := foreign.prefix_of(given, model.state_dict()):
        print(f"{path}: {prefix!r}, with which all of its names begin, is left out", flush=True)
    build.check(study, job.model.architecture, path)
    skipped = build.train(study, "source", [job], partial(stealing.adopted, path))
    print(
        "compare that accuracy with the one measured where the model was trained; a lower one means that "
        "inputs are scaled, or classes ordered, in another way here"
    )
    return skipped
