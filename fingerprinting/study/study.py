"""A study: one source model and all that belongs to it, named by domain, data set and tier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.engines.machines import Machines
from fingerprinting.study.domain import DOMAINS, TIERS, Domain, is_folder, load_domain
from fingerprinting.training.recipe import PRECISIONS, Recipe

if TYPE_CHECKING:
    from types import ModuleType

    import torch

    from fingerprinting.data.datasets import Examples

APART = "-"  # between a tier and what sets a study apart from its usual one
SPLIT, POOL = f"{APART}split_", f"{APART}pool_"  # before the seed of another split; before the size of another pool
VARIANT = re.compile(r"(?!split_|pool_)[a-z0-9_]{1,40}")  # what a study with other constants may be called
MANY = 64  # models trained or asked side by side, whatever the cores
SKIPPED = "skipped"  # what a step returns when its work, or part of it, was finished before


def tier_of(zoo: str) -> str:
    """The tier of what Study.zoo calls a study."""
    return zoo.partition(APART)[0]


def apart(zoo: str) -> list[str]:
    """What sets a study apart from the usual one of its tier, as it is written on the command line."""
    return [_constant(APART + part) for part in zoo.split(APART)[1:]]


def _constant(part: str) -> str:
    for begin, name in ((POOL, "POOL"), (SPLIT, "SPLIT_SEED")):
        if part.startswith(begin):
            return f"{name}={part.removeprefix(begin)}"
    return f"VARIANT={part.removeprefix(APART)}"


@dataclass(frozen=True)
class ModelId:
    """Gives a model its name, key, path and seed: nothing else formats them."""

    domain: str
    dataset: str
    tier: str  # with what sets the study apart, Study.zoo
    kind: str
    architecture: str
    copy: int
    variant: str = ""

    @property
    def name(self) -> str:
        variant = f"-{self.variant}" if self.variant else ""
        return f"{self.domain}/{self.dataset}/{self.tier}/{self.kind}/{self.architecture}-{self.copy}{variant}"

    @property
    def path(self) -> Path:
        folder, stem = self.name.rsplit(f"/{self.kind}/", 1)  # a data set may be called as a kind
        return places.artifacts_dir() / folder / "models" / self.kind / f"{stem}.safetensors"


@dataclass(frozen=True)
class Study:
    """Domain, data set and tier, with what every step of them shares. Small to pickle: parts are cached per process."""

    address: str  # a domain's name or the path of a domain file, or of its folder
    dataset: str
    tier: str
    target_name: str = ""  # what an attacker transfers to; empty: the data set's usual one
    split_seed: int = 0  # another split of the data, and other seeds: a replicate with models of its own
    device_name: str = "auto"
    precision: str = "float32"  # of training, one of recipe.PRECISIONS
    batch_size: int = 128  # examples per update
    weight_decay: float = 0.01
    min_updates: int = 0  # small data sets are passed more often, until this many updates
    augment: bool = False
    workers: int = 0  # models trained or asked side by side; 0: one per core without an accelerator, one with it
    force: bool = False  # train and compute again what is finished
    variant: str = ""  # the name of a study with other constants, which keeps its models and records apart
    pool: int = 0  # examples taken from the published training set; 0: as many as the tier takes
    machines: Machines = Machines()  # where models are trained

    def __post_init__(self) -> None:
        if self.tier not in TIERS:
            raise UserError(f"unknown TIER {self.tier!r}; take one of {', '.join(TIERS)}")
        if self.precision not in PRECISIONS:
            raise UserError(f"unknown PRECISION {self.precision!r}; take one of {', '.join(PRECISIONS)}")
        if self.variant and not VARIANT.fullmatch(self.variant):
            raise UserError(
                f"VARIANT={self.variant!r} cannot name a study; take up to 40 small letters, digits and _, such as "
                "many_passes, and not split_ or pool_ first"
            )
        if self.workers > MANY and self.workers > (most := max(MANY, 4 * self._runtime.cores())):
            raise UserError(
                f"WORKERS={self.workers} are too many processes; give {most} or fewer, or 0 for one per core"
            )
        for name in (self.domain.name, self.dataset):
            if not is_folder(name):
                raise UserError(f"{name!r} cannot be the name of a folder; give the domain and its data sets others")
        targets = self.domain.data.targets
        for name in filter(None, (self.dataset, self.target)):
            if name not in targets and name not in targets.values():
                known = ", ".join(targets) or "none: DOMAIN.data.targets names them, each with its target or ''"
                raise UserError(f"unknown data set {name!r}; {self.domain.name} knows {known}")

    def __reduce__(self) -> tuple:
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)

    @cached_property
    def domain(self) -> Domain:
        return load_domain(self.address)

    @cached_property
    def device(self) -> torch.device:
        return self._runtime.device(self.device_name)

    @property
    def _runtime(self) -> ModuleType:
        """What knows devices, with torch: a study is named and checked without."""
        from fingerprinting.core import runtime

        return runtime

    @property
    def _loading(self) -> ModuleType:
        """What reads data, likewise."""
        from fingerprinting.study import loading

        return loading

    @property
    def at_a_time(self) -> int:
        """How many models are trained or asked side by side, each on one thread of a CPU."""
        if self.workers:
            return self.workers
        return self._runtime.cores() if self.device.type == "cpu" else 1

    @property
    def numerics(self) -> dict[str, str]:
        """What settings say of training's precision: nothing of the usual one, so that older models stay finished."""
        return {} if self.precision == "float32" else {"precision": self.precision}

    @property
    def zoo(self) -> str:
        """The tier as paths, names and tables have it; VARIANT, POOL and SPLIT_SEED share nothing with the usual study.

        Seeds are drawn from names, so models of another split have other initial weights too.
        """
        variant = f"{APART}{self.variant}" if self.variant else ""
        pool = f"{POOL}{self.pool}" if self.pool else ""
        return f"{self.tier}{variant}{pool}" + (f"{SPLIT}{self.split_seed}" if self.split_seed else "")

    @property
    def folder(self) -> str:
        return f"{self.domain.name}/{self.dataset}/{self.zoo}"

    def command(self, script: str) -> str:
        """What runs a step of the domain on this study; a user's own domain has the repository's scripts."""
        if script in self.domain.commands:
            return self.root_command(script)
        if (REPOSITORY / f"{script}.py").is_file():
            return self.root_command(f"{script}.py")
        if self.address not in DOMAINS:
            return self.root_command(f"{DOMAINS[0]}/{script}.py")
        return f"python {self.address}/{script}.py {self._constants}"

    def root_command(self, script: str) -> str:
        """What runs a script that must be told its domain, such as those in the root, on this study."""
        if own := self.domain.commands.get(script.removesuffix(".py")):
            return f"{own} TIER={self.tier} with its other constants as before"
        return f"python {script} DOMAIN={self.address} {self._constants}"

    @property
    def _constants(self) -> str:
        apart = {"VARIANT": self.variant, "POOL": self.pool, "SPLIT_SEED": self.split_seed}
        return f"DATASET={self.dataset} TIER={self.tier}" + "".join(
            f" {name}={value}" for name, value in apart.items() if value
        )

    @property
    def columns(self) -> dict[str, str]:
        """What rows of records carry of the study."""
        return {"tier": self.zoo, "domain": self.domain.name, "dataset": self.dataset}

    @property
    def artifacts(self) -> Path:
        return places.artifacts_dir() / self.folder

    @property
    def parts(self) -> dict[str, Examples]:
        """owner, attacker, reference, dev, test of the source's data set."""
        return self._loading.parts(self.address, self.dataset, self.tier, self.split_seed, self.pool)

    @property
    def target_parts(self) -> dict[str, Examples]:
        """The same five parts of the data set that an attacker transfers to; inputs have the source's shape."""
        if not self.target:
            raise UserError(f"{self.dataset} has no usual transfer target; give one with TARGET=")
        parts = self._loading.parts(self.address, self.target, self.tier, self.split_seed)
        if self.shape != (shape := tuple(parts["owner"].inputs.shape[1:])):
            raise UserError(f"{self.target} has inputs {shape}, {self.dataset} has {self.shape}: no transfer possible")
        return parts

    def data_sha256(self, *, on_target: bool) -> str:
        """The content of all parts of the source's data set, or of the one that an attacker transfers to."""
        name, pool = (self.target, 0) if on_target else (self.dataset, self.pool)
        return self._loading.sha256(self.address, name, self.tier, self.split_seed, pool)

    @property
    def target(self) -> str:
        return self.target_name or self.domain.data.targets.get(self.dataset, "")

    @property
    def classes(self) -> tuple[str, ...]:
        return self._loading.dataset(self.address, self.dataset).classes

    @property
    def target_classes(self) -> tuple[str, ...]:
        return self._loading.dataset(self.address, self.target).classes

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.parts["owner"].inputs.shape[1:])

    @property
    def tried(self) -> torch.Tensor:
        """Two inputs that a network is tried and traced on; nothing is learnt from them."""
        return self.parts["dev"].inputs[:2]

    @property
    def source_architecture(self) -> str:
        return self.domain.networks.source_of.get(self.dataset) or self.domain.of_tier("source", self.tier)

    @property
    def students(self) -> tuple[str, ...]:
        source, usual = self.source_architecture, self.domain.of_tier("source", self.tier)
        return tuple(usual if name == source else name for name in self.domain.of_tier("students", self.tier))

    @property
    def architectures(self) -> tuple[str, ...]:
        """The source's, and those of all students, each once."""
        return tuple(dict.fromkeys((self.source_architecture, *self.students)))

    @property
    def source_id(self) -> ModelId:
        return self.model_id("source", self.source_architecture, 0)

    def model_id(self, kind: str, architecture: str, copy: int, variant: str = "") -> ModelId:
        return ModelId(self.domain.name, self.dataset, self.zoo, kind, architecture, copy, variant)

    def recipe(self, epochs: int, learning_rate: float) -> Recipe:
        return Recipe(epochs, learning_rate, self.batch_size, self.weight_decay, self.min_updates, self.augment)
