"""What kinds of models there are, and what one job of training is: every step that trains models reads this table."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import nn

from fingerprinting.data.datasets import Examples
from fingerprinting.study.study import ModelId, Study
from fingerprinting.training import objectives
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import Objective

INDEPENDENT, EXTRACTED, MODIFIED = range(3)  # origins of a model


@dataclass(frozen=True)
class Job:
    """One model to train: plain data, so that it can be hashed, recorded and sent to another process."""

    model: ModelId
    recipe: Recipe
    options: dict = field(default_factory=dict)
    parent: ModelId | None = None

    @property
    def made_from(self) -> ModelId:
        """The parent, of a kind that has one."""
        if self.parent is None:
            raise ValueError(f"{self.model.name} is made from no other model")
        return self.parent


@dataclass(frozen=True)
class Training:
    """What a kind of model hands to the one training loop; `release` makes what is kept of the result.

    part: None where the model is taken as it is.
    """

    model: nn.Module
    part: Examples | None
    objective: Objective = objectives.cross_entropy
    after_step: Callable[[nn.Module], None] = lambda model: None
    release: Callable[[nn.Module], nn.Module] = lambda model: model


@dataclass(frozen=True)
class Kind:
    """role: source, pirated or independent. on_target: its task is the transfer target's, not the source's.

    origin: where its behaviour comes from, one of INDEPENDENT, EXTRACTED, MODIFIED. prunes: it masks an architecture's
    prunable modules, which must therefore be known.

    use: what its models are for; no model serves two uses.
    `scored`: the models that every table is about.
    `reference`: the owner's own, to make queries, to weigh responses and to set thresholds with.
    `calibration`: the owner's own independents that chose and weighed nothing: how far independent models go.
    `audit`: further independents, on which false positives are counted.
    `adaptive`: a stealing attack against fingerprinting itself: made and judged by its own script, and in no mean.
    `sweep`: trained to see how a score changes along one quantity; reported beside, never in a mean nor a negative.
    `same_architecture`: students of the source's own architecture; reported beside, never in a mean.
    `low_data`: reference models on a third of the data: what an owner with less to spare could train.
    `twin`: repetitions of the source's own training, with other seeds.
    `transferred`: the source and its twins, moved to another task by the owner.
    `unseen`: attacks that were in no study when methods were chosen, scored once afterwards; in no mean nor a negative.
    `pair`: models that differ from their partners in origin alone: true labels, or the source's.

    seed_name: what the kind is called in the names that seeds are drawn from, where it was renamed or shares them.
    """

    role: str
    script: str
    prepare: Callable[[Study, Job], Training]
    on_target: bool = False
    use: str = "scored"
    origin: int = INDEPENDENT
    prunes: bool = False
    seed_name: str = ""


KINDS: dict[str, Kind] = {}  # name -> its row; filled by models/stealing.py


def examples_count(study: Study, job: Job) -> int:
    """How many examples a job trains on."""
    if KINDS[job.model.kind].on_target:
        return len(study.target_parts[job.options.get("part", "attacker")])
    if "inputs_of" in job.options:
        return len(study.target_parts["attacker"])
    names = "owner" if "overlap" in job.options else job.options.get("part", "attacker")
    return round(sum(len(study.parts[name]) for name in names.split("+")) * job.options.get("share", 1.0))


def seed_name(model: ModelId) -> str:
    """The name that a model's seeds are drawn from: with its kind as it was first called, so that weights stay."""
    return replace(model, kind=KINDS[model.kind].seed_name or model.kind).name
