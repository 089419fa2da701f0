"""What steps would cost: models, passes over examples, operations, memory and disk, of networks without weights."""

from dataclasses import dataclass
from functools import cache

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from fingerprinting.data.datasets import physical
from fingerprinting.models.kinds import KINDS, Job, examples_count
from fingerprinting.study.domain import Architecture
from fingerprinting.study.planned import PlannedStudy

PROBE = 2  # examples that a network is counted on: one has no variance
OF_A_WEIGHT = 4  # numbers in memory while it is trained: itself, its gradient, AdamW's two moments


@dataclass(frozen=True)
class Network:
    """asked, trained: operations for one example, an addition and a multiplication counted apart.

    kept: bytes that training keeps of an example for its gradient. weights: bytes of the file.
    """

    asked: float
    trained: float
    kept: float
    weights: float


@dataclass(frozen=True)
class Cost:
    """images: examples that training passes, each as often as it does. memory: bytes, of the largest model."""

    models: int = 0
    epochs: int = 0
    images: float = 0.0
    operations: float = 0.0
    memory: float = 0.0
    disk: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.models + other.models,
            max(self.epochs, other.epochs),
            self.images + other.images,
            self.operations + other.operations,
            max(self.memory, other.memory),
            self.disk + other.disk,
        )


def of_step(study: PlannedStudy, step: str) -> Cost:
    """What training the step's models costs."""
    return sum((_of_job(study, job) for job in study.steps[step]), Cost())


def of_asking(study: PlannedStudy, queries: int) -> Cost:
    """What it costs to ask every model that all steps would make about so many queries."""
    jobs = [job for jobs in study.steps.values() for job in jobs]
    operations = sum(queries * network(study, job.model.architecture).asked for job in jobs)
    return Cost(images=float(queries * len(jobs)), operations=operations)


def _of_job(study: PlannedStudy, job: Job) -> Cost:
    """An adversarial example takes a gradient for each of its steps, a student the source's response to each input."""
    own, count = network(study, job.model.architecture), examples_count(study, job)
    dev = (study.target_parts if KINDS[job.model.kind].on_target else study.parts)["dev"]
    passes = job.recipe.passes(count)
    images = float(passes * job.recipe.updates(count) * min(job.recipe.batch_size, count))
    steps = job.options.get("pgd_steps", 0)
    operations = images * own.trained * (1 + steps) + passes * len(dev) * own.asked
    if "extract" in job.model.kind:
        operations += count * network(study, study.source_architecture).asked
    memory = OF_A_WEIGHT * own.weights + job.recipe.batch_size * own.kept
    return Cost(1, passes, images, operations, memory, own.weights)


def network(study: PlannedStudy, name: str) -> Network:
    """An architecture's costs, counted on tensors without content."""
    example = physical(study.parts["dev"].inputs[:1])
    return _counted(study.domain.architecture(name), len(study.classes), study.shape, example.dtype)


@cache
def _counted(architecture: Architecture, classes: int, shape: tuple[int, ...], dtype: torch.dtype) -> Network:
    with torch.device("meta"):
        model = (architecture.sized or architecture.build)(classes, shape)
        inputs, labels = torch.zeros(PROBE, *shape, dtype=dtype), torch.zeros(PROBE, dtype=torch.long)
    kept: dict[int, torch.UntypedStorage] = {}

    def note(value: torch.Tensor) -> torch.Tensor:
        kept[value.untyped_storage()._cdata] = value.untyped_storage()
        return value

    with FlopCounterMode(display=False) as asked, torch.no_grad():
        model.eval()(inputs)
    with FlopCounterMode(display=False) as trained, saved_tensors_hooks(note, lambda value: value):
        cross_entropy(model.train()(inputs), labels).backward()
    own = {value.untyped_storage()._cdata for value in model.state_dict().values()}
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    return Network(
        asked.get_total_flops() / PROBE,
        trained.get_total_flops() / PROBE,
        sum(storage.nbytes() for place, storage in kept.items() if place not in own) / PROBE,
        float(weights),
    )
