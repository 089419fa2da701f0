"""What a domain is: data sets, architectures and constants. Everything else is the same in all of them."""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.study.later import Declared, stated

if TYPE_CHECKING:
    import torch
    from torch import nn

    from fingerprinting.data.datasets import Dataset

TIERS = ("smoke", "quick", "cpu", "paper")
COMMITTED = ("cpu", "paper")  # tiers that README and docs show; what others give stays on the user's machine
DOMAINS = ("cv", "nlp", "bci")


@dataclass(frozen=True)
class Architecture:
    """How to build a classifier, and where in it the parts are that attackers work on.

    build(classes, shape) -> module that maps physical inputs (N, *shape) to logits (N, classes).
    head: path of the last linear layer.
    prunable: paths of the modules that make the last convolutional features, in order (convolution, its norm).
    None: found by a traced forward pass (study/trace.py).
    """

    build: Callable[[int, tuple[int, ...]], nn.Module]
    head: str | None = None
    prunable: tuple[str, ...] | None = None
    rectified: bool = True  # a unit is as active as its outputs are positive on average; else as they are large
    base: Path | None = None  # safetensors that a training starts from, as far as names and shapes fit
    # train(model, inputs, labels, seed) -> model: its maker's own recipe for true and for the source's labels, physical
    # inputs (N, *shape) and labels (N,). None: the one training loop.
    train: Callable[..., nn.Module | None] | None = None
    # build() of a network of the same size that needs no files, by which plans are counted. None: build itself.
    sized: Callable[[int, tuple[int, ...]], nn.Module] | None = None

    def __post_init__(self) -> None:
        paths = self.prunable is None or _are_texts(self.prunable) and len(self.prunable) > 0
        if not (callable(self.build) and isinstance(self.head, str | None) and paths):
            raise UserError(
                "an Architecture has build=, a function, head=, the path of a module, and prunable=, a tuple of paths; "
                "None where they are to be found"
            )
        if not (isinstance(self.base, Path | None) and _may_be_called(self.train)):
            raise UserError("an Architecture has base=, a Path of safetensors, and train=, a function; or None")


@dataclass(frozen=True)
class Size:
    """Of a published data set: examples of its pool, its test and its dev part, an input's shape and stored type."""

    pool: int
    test: int
    shape: tuple[int, ...]
    classes: int
    dev: int = 0  # 0: half of the test part
    dtype: str = "uint8"


@dataclass(frozen=True)
class Data(Declared):
    """A domain's data sets: what they are called, and how they are fetched and read."""

    load: Callable[[str], Dataset]  # a data set by name, from files that are there already
    prepare: Callable[[str], None]  # fetch or make those files
    datasets: dict[str, str]  # tier -> its data set unless DATASET= says another
    targets: dict[str, str]  # data set -> what an attacker transfers to; its keys are the known data sets
    pool_size: dict[str, int | None]  # tier -> examples taken from the published training set
    # data set or lexicon -> file below DATA_DIR -> its published sha256 or md5; who has another one is told so
    published: dict[str, dict[str, str]] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)  # data set -> what is known before it is read
    lexicons: tuple[str, ...] = ()  # what `prepare` fetches besides the data sets; steps go without it where they must


@dataclass(frozen=True)
class Networks(Declared):
    """A domain's architectures, and which of them the tiers train."""

    architectures: dict[str, Architecture]
    source: dict[str, str]  # tier -> architecture of the source model
    students: dict[str, tuple[str, ...]]  # tier -> architectures of extractions and of half the independent models
    # data set -> the source's architecture there, where another suits it better: it changes places with the tier's
    source_of: dict[str, str] = field(default_factory=dict)


def _as_they_are(inputs: torch.Tensor) -> torch.Tensor:
    return inputs


def _from_the_inputs(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, Callable]:
    return inputs, model


@dataclass(frozen=True)
class Inputs(Declared):
    """What can be done to a domain's inputs (N, ...), in physical units."""

    input_range: tuple[float, float] | None  # physical bounds of an input, inside which queries stay; None for text
    augment: Callable[[torch.Tensor], torch.Tensor] = _as_they_are  # used when AUGMENT is true
    # continuous(model, inputs) -> (start, forward): where a perturbation is added, and the logits from there.
    continuous: Callable[..., tuple[torch.Tensor, Callable]] = _from_the_inputs
    # mix(first, second, generator) -> inputs of which a piece comes from `second`, for SAC's CutMix
    mix: Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor] | None = None
    # evolve(model, inputs, confident, constants, input_range) -> inputs of the Evolved fingerprint
    # None: by gradient (fingerprints/queries/evolved.py)
    evolve: Callable[..., torch.Tensor] | None = None
    # mislead(model, inputs, labels, most) -> adversarial examples, `most` characters of each replaced at most
    # None: by gradient (fingerprints/queries/deepjudge.py)
    mislead: Callable[..., torch.Tensor] | None = None
    # pieces(input, most) -> how many pieces the input has, up to `most`, and seen(kept (m, pieces)) -> inputs (m, ...)
    # of which some are gone. None: blocks of the last axes (fingerprints/queries/zest.py)
    pieces: Callable[[torch.Tensor, int], tuple[int, Callable[[torch.Tensor], torch.Tensor]]] | None = None
    # query_detector(inputs, detector, name, device, input_range) -> what an attacker learns of its own inputs, to judge
    # queries by. None: an autoencoder's (robustness/autoencoder.py)
    query_detector: Callable | None = None
    show: Callable | None = None  # show(axis, input) draws one input; a domain whose inputs are read gives `describe`
    describe: Callable[[torch.Tensor], str] | None = None
    encode: Callable[[list[str]], torch.Tensor] | None = None  # texts as inputs (N, ...): the reverse of `describe`


@dataclass(frozen=True)
class Domain:
    """What differs between vision, text and EEG: one folder's data, networks and inputs."""

    name: str
    data: Data
    networks: Networks
    inputs: Inputs
    constants: dict[str, object] = field(default_factory=dict)  # shared by all steps, overridable in each
    limit: str = ""  # why no verdict by its models goes further than inconclusive; empty: they may
    scope: str = ""  # what alone verdicts on its source cover; empty: all attacks
    asked_once: bool = False  # whether its source was asked beforehand, and knows no other inputs
    files: tuple[Path, ...] = ()  # what its networks are built from, besides its own file
    commands: dict[str, str] = field(default_factory=dict)  # step -> the command that runs it for this domain alone

    def __post_init__(self) -> None:
        for part, kind in PARTS.items():
            if not isinstance(getattr(self, part), kind):
                raise UserError(f"{part}= of domain {shortened(self.name)} must be {kind.__name__}(...)")
        for holder in (self, *(getattr(self, part) for part in PARTS)):
            given = stated(holder)
            for part, (fits, wanted) in FIELDS.items():
                if part in given and not fits(value := given[part]):
                    raise UserError(f"{part}={shortened(value)} of domain {shortened(self.name)} must be {wanted}")
        for part in BY_TIER:
            if unknown := sorted(set(map(str, self._by_tier(part))) - set(TIERS)):
                raise UserError(f"{part}= of {self.name} names tier {unknown[0]!r}; tiers are {', '.join(TIERS)}")
        if wrong := [name for name in stated(self.networks).get("architectures", ()) if not is_folder(name)]:
            raise UserError(f"architecture {wrong[0]!r} of {self.name} names files; give it a name without slashes")

    def _by_tier(self, part: str) -> dict:
        return getattr(getattr(self, BY_TIER[part]), part)

    def of_tier(self, part: str, tier: str):
        """What the domain has for that tier in `part`, one of BY_TIER."""
        table = self._by_tier(part)
        if tier not in table:
            raise UserError(f"{self.name} names no {part} for tier {tier}; add it to {part}= of its DOMAIN")
        return table[tier]

    def architecture(self, name: str) -> Architecture:
        known = self.networks.architectures
        if name not in known:
            raise UserError(f"unknown architecture {name!r}; {self.name} has {', '.join(known)}")
        return known[name]


LONGEST = 60  # characters of somebody's value that a sentence shows
BY_TIER = {"datasets": "data", "pool_size": "data", "source": "networks", "students": "networks"}  # field -> its part
PARTS: dict[str, type[Data] | type[Networks] | type[Inputs]] = {
    "data": Data,
    "networks": Networks,
    "inputs": Inputs,
}  # of a Domain


def holder_of(name: str) -> str | None:
    """The part of a Domain that has a field of that name."""
    return next((part for part, kind in PARTS.items() if name in {own.name for own in fields(kind)}), None)


def is_folder(name) -> bool:
    """Whether a name can be that of a folder or a file, and leads nowhere else."""
    return isinstance(name, str) and bool(re.fullmatch(r"[^/\\\0-\x1f]{1,100}", name)) and name.strip(". ") != ""


def shortened(value) -> str:
    """What somebody wrote, as a sentence can show it."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _are_texts(values) -> bool:
    return isinstance(values, tuple | list) and all(isinstance(value, str) for value in values)


def _is_table(values, fits: Callable[[object], bool]) -> bool:
    return isinstance(values, dict) and all(isinstance(key, str) and fits(value) for key, value in values.items())


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_range(value) -> bool:
    if value is None:
        return True
    numbers = isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(end, int | float) for end in value)
    return numbers and -math.inf < value[0] < value[1] < math.inf


def _is_size(value) -> bool:
    return value is None or type(value) is int and value > 0


def _may_be_called(value) -> bool:
    return value is None or callable(value)


# Field of a Domain or of one of its parts -> (whether a value fits, what it must be).
FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (is_folder, "a text that can name a folder"),
    **dict.fromkeys(("limit", "scope"), (_is_text, "a sentence, or an empty text")),
    "asked_once": (lambda value: type(value) is bool, "True or False"),
    **dict.fromkeys(("load", "prepare", "augment", "continuous"), (callable, "a function")),
    **dict.fromkeys(
        ("mix", "evolve", "mislead", "pieces", "query_detector", "show", "describe", "encode"),
        (_may_be_called, "a function or None"),
    ),
    "datasets": (lambda value: _is_table(value, _is_text), "a dict from tiers to names of data sets"),
    "targets": (lambda value: _is_table(value, _is_text), "a dict from data sets to their targets, '' where none is"),
    "pool_size": (lambda value: _is_table(value, _is_size), "a dict from tiers to counts above 0, or None for all"),
    "architectures": (
        lambda value: _is_table(value, lambda one: isinstance(one, Architecture)) and bool(value),
        "a dict from names to Architectures, one at least",
    ),
    "source": (lambda value: _is_table(value, _is_text), "a dict from tiers to an architecture's name"),
    "source_of": (lambda value: _is_table(value, _is_text), "a dict from data sets to an architecture's name"),
    "students": (
        lambda value: _is_table(value, lambda names: _are_texts(names) and bool(names)),
        "a dict from tiers to tuples of architectures' names, one at least",
    ),
    "input_range": (_is_range, "the lowest and the highest number of an input, or None"),
    "sizes": (lambda value: _is_table(value, lambda one: isinstance(one, Size)), "a dict from data sets to Sizes"),
    "constants": (lambda value: _is_table(value, lambda _: True), "a dict of constants"),
    "lexicons": (_are_texts, "a tuple of names"),
}


def _imported(path: Path) -> ModuleType:
    """The file as a module, which may import what lies beside it."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: it must hide nothing
    if b"\0" in path.read_bytes():
        raise UserError(f"{path} is no Python: it holds a zero byte")
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    assert spec is not None and spec.loader is not None  # as every .py file has
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look for their module there
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("fingerprinting."):
            moved = f"{path} imports {error.name}, which version 0.2 has elsewhere; see CHANGELOG.md"
            raise UserError(moved) from error
        raise UserError(f"{path} imports {error.name}, which is not there; install it or put it beside") from error
    except SyntaxError as error:
        raise UserError(f"{error.filename}, line {error.lineno}, is no Python: {error.msg}") from None
    except TypeError as error:
        if not re.match(r"(Domain|Data|Networks|Inputs|Architecture)\.__init__\(\)", str(error)):
            raise
        raise UserError(f"{path}: {_misdeclared(str(error))}; see cv/domain.py for what one looks like") from error
    return module


def _module_name(path: Path) -> str:
    return f"domain_at_{path.as_posix()}"


def module_of(address: str) -> ModuleType | None:
    """The module that defines a domain; None where the domain was not loaded."""
    return sys.modules.get(f"{address}.domain" if address in DOMAINS else _module_name(file_of(address)))


def file_of(address: str) -> Path:
    """The domain file at an address, which may be the folder that it lies in."""
    path = Path(address).resolve()
    return path / "domain.py" if path.is_dir() else path


def _misdeclared(error: str) -> str:
    """What Python says of a field too many or too few; until version 0.1 a Domain had those of its parts itself."""
    named = re.match(r"Domain\.__init__\(\) got an unexpected keyword argument '(\w+)'", error)
    if named and (part := holder_of(named[1])):
        return f"{named[1]}= is no field of a Domain but of its {part}={PARTS[part].__name__}(...)"
    return error.replace(".__init__()", "")


def load_domain(address: str) -> Domain:
    """The domain called `address`, or the DOMAIN that a user's own Python file at that path defines.

    A folder, such as protect.py makes, stands for the domain.py in it.
    """
    if address in DOMAINS:
        return importlib.import_module(f"{address}.domain").DOMAIN
    path = file_of(address)
    if path.suffix != ".py" or not path.is_file():
        raise UserError(f"unknown domain {address!r}; take one of {', '.join(DOMAINS)} or the path of a domain.py")
    module = _imported(path)
    if not isinstance(getattr(module, "DOMAIN", None), Domain):
        raise UserError(f"{path} defines no DOMAIN; see cv/domain.py for what one looks like")
    if module.DOMAIN.name in DOMAINS and path != REPOSITORY / module.DOMAIN.name / "domain.py":
        raise UserError(f"{path} is called {module.DOMAIN.name}, whose models lie there already; give it another name=")
    return module.DOMAIN
