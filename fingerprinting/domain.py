"""What a domain is: data sets, architectures and constants. Everything else is the same in all of them."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from fingerprinting import autoencoder
from fingerprinting.defences import Screen
from fingerprinting.examples import Dataset
from fingerprinting.queries.evolved import evolve as evolve_by_gradient
from fingerprinting.runtime import REPOSITORY, UserError

TIERS = ("smoke", "quick", "cpu", "paper")
COMMITTED = ("cpu", "paper")  # tiers that README and docs show; what others give stays on the user's machine
DOMAINS = ("cv", "nlp", "bci")


@dataclass(frozen=True)
class Architecture:
    """How to build a classifier, and where in it the parts are that thieves work on.

    build(classes, shape) -> module that maps physical inputs (N, *shape) to logits (N, classes).
    head: path of the last linear layer.
    prunable: paths of the modules that make the last convolutional features, in order (convolution, its norm).
    """

    build: Callable[[int, tuple[int, ...]], nn.Module]
    head: str
    prunable: tuple[str, ...] = ()
    rectified: bool = True  # a unit is as active as its outputs are positive on average; else as they are large


@dataclass(frozen=True)
class Domain:
    """One folder's answers to what differs between vision, text and EEG."""

    name: str
    load: Callable[[str], Dataset]  # a data set by name, from files that are there already
    prepare: Callable[[str], None]  # fetch or make those files
    datasets: dict[str, str]  # tier -> its data set unless DATASET= says another
    targets: dict[str, str]  # data set -> what a thief transfers to; its keys are the known data sets
    pool_size: dict[str, int | None]  # tier -> examples taken from the published training set
    architectures: dict[str, Architecture]
    source: dict[str, str]  # tier -> architecture of the source model
    students: dict[str, tuple[str, ...]]  # tier -> architectures of extractions and of half the independents
    input_range: tuple[float, float] | None  # physical bounds of an input, inside which queries stay; None for text
    constants: dict[str, object] = field(default_factory=dict)  # shared by all steps, overridable in each
    augment: Callable[[torch.Tensor], torch.Tensor] = lambda inputs: inputs  # used when AUGMENT is true
    # continuous(model, inputs) -> (start, forward): where a perturbation is added, and the logits from there.
    continuous: Callable[[nn.Module, torch.Tensor], tuple[torch.Tensor, Callable]] = lambda model, inputs: (
        inputs,
        model,
    )
    # mix(first, second, generator) -> inputs of which a piece comes from `second`, for SAC's CutMix
    mix: Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor] | None = None
    # evolve(model, inputs, confident, constants, input_range) -> inputs of the Evolved fingerprint
    evolve: Callable[..., torch.Tensor] = evolve_by_gradient
    # screen(inputs, thief, name, device, input_range) -> what a thief learns of its own inputs, to judge queries by
    screen: Callable[..., Screen] = autoencoder.screen
    # data set or lexicon -> file below DATA_DIR -> its published sha256 or md5; who has another one is told so
    published: dict[str, dict[str, str]] = field(default_factory=dict)
    lexicons: tuple[str, ...] = ()  # what `prepare` fetches besides the data sets; steps go without it where they must
    show: Callable | None = None  # show(axis, input) draws one input; a domain whose inputs are read gives `describe`
    describe: Callable[[torch.Tensor], str] | None = None

    def architecture(self, name: str) -> Architecture:
        if name not in self.architectures:
            raise UserError(f"unknown architecture {name!r}; {self.name} has {', '.join(self.architectures)}")
        return self.architectures[name]


def _imported(path: Path) -> ModuleType:
    """The file as a module, which may import what lies beside it."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: it must hide nothing
    spec = importlib.util.spec_from_file_location(f"domain_at_{path.as_posix()}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


def load_domain(address: str) -> Domain:
    """The domain called `address`, or the DOMAIN that a user's own Python file at that path defines."""
    if address in DOMAINS:
        return importlib.import_module(f"{address}.domain").DOMAIN
    path = Path(address)
    if path.suffix != ".py" or not path.is_file():
        raise UserError(f"unknown domain {address!r}; take one of {', '.join(DOMAINS)} or the path of a domain.py")
    module = _imported(path.resolve())
    if not isinstance(getattr(module, "DOMAIN", None), Domain):
        raise UserError(f"{path} defines no DOMAIN; see cv/domain.py for what one looks like")
    if module.DOMAIN.name in DOMAINS and path.resolve() != REPOSITORY / module.DOMAIN.name / "domain.py":
        raise UserError(f"{path} is called {module.DOMAIN.name}, whose models lie there already; give it another name=")
    return module.DOMAIN
