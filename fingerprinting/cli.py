"""How a script runs: its UPPER_CASE constants, NAME=value on the command line, one call, and clear endings."""

import ast
import contextlib
import errno
import os
import pkgutil
import runpy
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from fingerprinting.core import explanations
from fingerprinting.core.errors import UserError
from fingerprinting.engines import workers
from fingerprinting.engines.machines import Machines
from fingerprinting.study.domain import DOMAINS, TIERS, Domain, load_domain, module_of
from fingerprinting.study.study import Study

# What every step understands, besides its own constants and its domain's.
COMMON = {
    "TIER": "cpu",  # smoke, quick, cpu or paper
    "DATASET": "",  # empty: the tier's own
    "TARGET": "",  # the other task to which a stolen model is transferred; empty: the data set's usual one
    "WORKERS": 0,  # models trained or asked side by side; 0: one per core, or one with an accelerator
    "DEVICE": "auto",  # cpu, cuda, mps or another of torch's; auto: an accelerator where there is one
    "PRECISION": "float32",  # of training: float32, or bfloat16 where it can be; responses are always float32
    "SPLIT_SEED": 0,  # another one: another split of the data, and models of its own
    "POOL": 0,  # examples taken of the published training set, in a study apart; 0: as many as the tier takes
    "VARIANT": "",  # a name: a study apart from the usual one, for other constants
    "FORCE": False,  # do again what is finished
    "ENGINE": "local",  # where models are trained: local, dask://host:8786 or slurm (docs/cluster.md)
    "CPUS_PER_JOB": 1,  # of Dask's and Slurm's jobs; a model is trained on one
    "GPUS_PER_JOB": 0,  # likewise
    "MEMORY_PER_JOB": 0.0,  # likewise, GB; 0: what the engine usually gives
    "SHARED": True,  # False: Dask's workers do not see the folder of artifacts, and models come back through it
}


SHARED = ("batch_size", "weight_decay", "min_updates", "augment")  # what a domain's constants may be
DOMAIN_SAID = "cv, nlp, bci, a folder of protect.py or the path of a domain.py of your own"
ITS_CONSTANTS = (
    "; a constant that a script imports from its domain's module, such as EPOCHS, LEARNING_RATE, EPSILON or PGD_STEPS "
    "of models from scratch, is then your module's where it has one of that name, else the script's"
)
HELP = ("--help", "-h")
OTHER = "other"  # in a table by domain or data set: all that it does not name
Step = Callable | str  # or module:name
Places = tuple[str, str]  # the data set and the domain that a table may name
OLD_NAMES = {  # of constants, understood until version 0.3
    "LEVEL": "ALPHA",
    "CLEARED": "BETA",
    "QUESTIONS": "QUERIES",
    "ANSWERS": "RESPONSES",
    "TAMPER_EPOCHS": "MODIFICATION_EPOCHS",
    "TAMPER_LEARNING_RATE": "MODIFICATION_LEARNING_RATE",
    "TAMPER_LEARNING_RATES": "MODIFICATION_LEARNING_RATES",
}
FURTHER = "CONSTANTS"  # a script's table of constants that stand elsewhere
TOO_MANY = 2**31  # of anything that is counted


def run(step: Step, script: dict, domain: str = "", report: Step | None = None, *, brief: bool = False) -> None:
    """Call `step(study, **constants)` with a script's globals; a user's mistake ends in one sentence and status 2.

    The step's seconds are recorded, unless it returns SKIPPED because some or all of its work was finished before.
    `report(study)` then shows what it recorded. Steps and reports named as module:name are imported when the command
    line was found to make sense: --help and a mistake in it need no torch. `domain` is that of a domain's step; root
    scripts carry it as their constant DOMAIN. DOMAIN= overrides both. brief: --help has a line for each constant of the
    script's own.
    """
    with endings():
        study, constants = resolve(script, domain, sys.argv[1:], brief=brief)
        if domain and study.machines.is_local and study.workers != 1:  # a domain's own steps train models
            workers.prepare()
        _called("fingerprinting.steps:run")(_called(step), study, constants, script, _called(report))


def run_alone(step: Step, script: dict, first: str = "", *, brief: bool = False) -> None:
    """The same for a step about no study; `first` is the constant that the first word may give without its name."""
    with endings():
        words = sys.argv[1:]
        if first and words and "=" not in words[0] and words[0] not in HELP:
            words[0] = f"{first}={words[0]}"
        constants = of_no_study(script, words, brief=brief)
        _called(step)(**constants)


def _called(named: Any) -> Any:
    """What stands at module:name; a function is itself."""
    return pkgutil.resolve_name(named) if isinstance(named, str) else named


def resolve(script: dict, domain: str, words: list[str], *, brief: bool = False) -> tuple[Study, dict]:
    """The study and the step's own constants (lower case), tier by tier values chosen, overrides applied.

    Where DOMAIN= is somebody's own file, what a script imports from its domain's module (such as EPOCHS and EPSILON) is
    taken from that file, if it has a constant of the name; else the script's holds.
    """
    own = _constants(script)
    usual = domain or own["DOMAIN"]
    if asks_for_help(words):
        _help(script, usual, words, brief=brief)
    overrides = _split(renamed(words, {*COMMON, *load_domain(usual).constants, *own}))
    address = overrides.get("DOMAIN") or usual
    chosen = load_domain(address)
    own |= _from_domain(own, usual, address)
    defaults = {**COMMON, **chosen.constants, **own}
    _check_names(set(overrides) - {"DOMAIN"}, defaults)
    tier = _typed("TIER", overrides.get("TIER"), defaults["TIER"])
    if tier not in TIERS:
        raise UserError(f"unknown TIER {tier!r}; take one of {', '.join(TIERS)}")
    dataset = _typed("DATASET", overrides.get("DATASET"), defaults["DATASET"]) or chosen.of_tier("datasets", tier)
    places = (dataset, chosen.name)
    values = _values(defaults, overrides, tier, places, may_lack=script.get(FURTHER, {}))
    shared = {name.lower(): values[name] for name in chosen.constants}
    _check_shared(chosen, shared)
    study = Study(
        address=address,
        dataset=dataset,
        tier=tier,
        target_name=values["TARGET"],
        split_seed=values["SPLIT_SEED"],
        pool=values["POOL"],
        variant=values["VARIANT"],
        device_name=values["DEVICE"],
        precision=values["PRECISION"],
        workers=values["WORKERS"],
        force=values["FORCE"],
        machines=_machines(values),
        **shared,
    )
    hidden = set(COMMON) | set(chosen.constants) | {"DOMAIN"}
    return study, {name.lower(): values[name] for name in own if name in values and name not in hidden}


def _machines(values: dict) -> Machines:
    cpus, gpus, memory = (values[f"{name}_PER_JOB"] for name in ("CPUS", "GPUS", "MEMORY"))
    return Machines(values["ENGINE"], cpus, gpus, memory, values["SHARED"])


def _values(defaults: dict, overrides: dict[str, str], tier: str, places: Places, may_lack: Iterable[str]) -> dict:
    """Every constant's value; one of `may_lack` that the domain has none for is left out, for its step to ask for."""
    values = {}
    for name, default in defaults.items():
        try:
            usual = chosen(name, default, tier, places)
        except UnnamedDomainError:
            if name not in overrides and name in may_lack:
                continue
            if name not in overrides:
                raise
            usual = None
        if usual is None and name in overrides:  # of the same type as what others have
            usual = next(value for value in _entries(default) if value is not None)
        values[name] = _typed(name, overrides.get(name), usual)
    return values


def _from_domain(own: dict, usual: str, address: str) -> dict:
    """Those of a script's constants that it imports from its domain's module, as the module at `address` has them."""
    ours, theirs = module_of(usual), module_of(address)
    if address == usual or ours is None or theirs is None:  # a script imports nothing from what was not loaded
        return {}
    imported = [name for name, value in own.items() if name != "DOMAIN" and vars(ours).get(name) is value]
    found = {name: vars(theirs)[name] for name in imported if name in vars(theirs)}
    for name, value in found.items():
        for entry, like in product(_entries(value), _entries(own[name])):
            _check_type(name, entry, like, address)
    return found


def _check_shared(domain: Domain, shared: dict) -> None:
    """A domain's constants are those that all steps share; somebody's own may name others, or give other types."""
    usual = {part.name: part.default for part in fields(Study) if part.name in SHARED}
    for name, value in shared.items():
        if name not in usual:
            known = ", ".join(SHARED).upper()
            raise UserError(f"no step knows constant {name.upper()} of {domain.name}; constants= may hold {known}")
        _check_type(name.upper(), value, usual[name], domain.name)


def _check_type(name: str, value, like, whose: str) -> None:
    if type(value) is not type(like) and not (type(value) is int and isinstance(like, float)):
        wanted = f"{_article(like)} like {like!r}"
        raise UserError(f"constant {name}={value!r} of {whose} has the wrong type; give {wanted}")


def of_no_study(script: dict, words: list[str], *, brief: bool = False) -> dict:
    """The constants (lower case) of a script that is not about a single study, overrides applied.

    brief: --help has a line for each.
    """
    own = _constants(script)
    if asks_for_help(words):
        _show_help(script, own, own, brief=own if brief else ())
    overrides = _split(renamed(words, own))
    _check_names(overrides, own)
    return {name.lower(): _typed(name, overrides.get(name), value) for name, value in own.items()}


def _constants(script: dict) -> dict:
    """Its own, and those it takes from other modules as a table of that name, before which its own go."""
    own = {name: value for name, value in script.items() if name.isupper()}
    further = own.pop(FURTHER, {})
    return {**own, **further, **own}


def _check_names(given: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"unknown constant {', '.join(unknown)}; this script knows {', '.join(sorted(known))}")


class UnnamedDomainError(UserError):
    """A constant has values for some domains, and none for this one."""


def chosen(name: str, value, tier: str, places: Places):
    """A constant may be a table by data set or domain, by tier, or both.

    OTHER is the entry of all that a table does not name. None is that of one which has no use for the constant.
    """
    if not isinstance(value, dict):
        return value
    if set(value) & set(TIERS):
        if tier not in value or not set(value) <= set(TIERS):
            raise UserError(f"{name} has values for {_listed(value)}; give one for each tier: {_listed(TIERS)}")
        return chosen(name, value[tier], tier, places)
    if not set(value) & {*DOMAINS, *places, OTHER}:
        raise UserError(
            f"{name} has values for {_listed(value)}, which are neither tiers ({_listed(TIERS)}) nor domains"
        )
    place = next((place for place in (*places, OTHER) if place in value), None)
    if place is None:
        raise UnnamedDomainError(f"{name} has values for {_listed(value)}, and none for {places[-1]}; give {name}=")
    return chosen(name, value[place], tier, places)


def _entries(value) -> list:
    """All that a constant may be, whatever the tier and the domain."""
    return [entry for part in value.values() for entry in _entries(part)] if isinstance(value, dict) else [value]


def _listed(names: Iterable) -> str:
    return ", ".join(map(str, names))


def own_constants(script: Path) -> set[str]:
    """The names of a script's constants, imported ones among them; its step is not run."""
    return set(_constants(runpy.run_path(str(script), run_name=script.stem)))


def renamed(words: list[str], known: Iterable[str]) -> list[str]:
    """The words with constants under the names that they have now."""
    found = []
    for word in words:
        name, _, value = word.partition("=")
        if name in OLD_NAMES and name not in known and OLD_NAMES[name] in known:
            print(f"{name} is called {OLD_NAMES[name]} now", flush=True)
            word = f"{OLD_NAMES[name]}={value}"
        found.append(word)
    return found


def _split(words: list[str]) -> dict[str, str]:
    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise UserError(f"cannot read {wrong[0]!r}; give constants as NAME=value, or --help to list them")
    return dict(word.split("=", 1) for word in words)


def _typed(name: str, text: str | None, default):
    """The value that `text` spells, if it has the default's type."""
    if text is None or isinstance(default, str):
        return default if text is None else text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = text
    if isinstance(default, tuple):
        return _typed_tuple(name, value, default)
    if isinstance(default, float) and type(value) is int:
        with contextlib.suppress(OverflowError):
            value = float(value)
    if type(value) is not type(default):
        raise UserError(f"{name}={text} has the wrong type; give {_article(default)} like {default!r}")
    if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
        raise UserError(f"{name}={text} must not be negative or infinite")
    if type(value) is int and value >= TOO_MANY:
        raise UserError(f"{name}={text} is too large; give a whole number below {TOO_MANY}")
    return value


def _typed_tuple(name: str, value, default: tuple) -> tuple:
    if isinstance(value, str):
        value = tuple(value.split(",")) if value else ()
    items = value if isinstance(value, tuple) else (value,)
    like = default[0] if default else "a name"
    return tuple(_typed(name, str(item), like) for item in items)


def word(name: str, values: tuple[str, ...]) -> str:
    """The word on a shell's command line that gives a constant these names, whatever commas and blanks they hold."""
    plain = ",".join(values)
    text = f"{name}={plain if _typed(name, plain, ()) == values else repr(values)}"
    return f'"{text}"' if "'" in text and not set(text) & set('"$`\\!') else shlex.quote(text)


def asks_for_help(words: list[str]) -> bool:
    return any(word in HELP for word in words)


def _help(script: dict, usual: str, words: list[str], *, brief: bool) -> None:
    """Shows what holds for the tier, the data set and the domain among the words, where there are such."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    tier = given["TIER"] if given.get("TIER") in TIERS else _constants(script).get("TIER", COMMON["TIER"])
    address = given.get("DOMAIN") or usual
    domain, own = load_domain(address), _constants(script)
    own |= {**_from_domain(own, usual, address), "DOMAIN": address}
    constants = {**own, **domain.constants, **COMMON, **own}
    places = (given.get("DATASET") or domain.of_tier("datasets", tier), domain.name)
    _show_help(script, constants, {**constants, "TIER": tier}, tier, places, address, brief=own if brief else ())


def _show_help(
    script: dict,
    constants: dict,
    values: dict,
    tier: str = "",
    places: Places = ("", ""),
    address: str = "",
    *,
    brief: Collection[str] = (),
) -> None:
    """brief: constants that have a line each; what others hold stands together. Empty: all of them are explained."""
    print((script.get("__doc__") or "").strip())
    where = f", as they are for TIER={tier} and DOMAIN={address}" if tier else ""
    print(f"\nConstants, each overridable as NAME=value{where}:")
    said = {**explanations.of(script, constants), "DOMAIN": DOMAIN_SAID + ("" if brief else ITS_CONSTANTS)}
    held = {name: _held(name, value, tier, places) for name, value in values.items()}
    if brief:
        print(explanations.in_brief(held, said, brief), flush=True)
    else:
        for name, value in values.items():
            print(explanations.shown(name, held[name], value, said.get(name, "")), flush=True)
    raise SystemExit(0)


def _held(name: str, value, tier: str, places: Places) -> str:
    try:
        return repr(chosen(name, value, tier, places))
    except UnnamedDomainError:
        return f"(none for {places[-1]})"


def _article(value) -> str:
    kind = {"int": "a whole number", "float": "a number", "bool": "True or False"}
    return kind.get(type(value).__name__, f"a {type(value).__name__}")


class endings:  # noqa: N801 (a context manager, used like a function)
    """Ends a user's mistake with its sentence and status 2; a bug keeps its traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, _traceback) -> None:
        if isinstance(error, UserError):
            self._stop(str(error), 2)
        if isinstance(error, OSError) and (error.errno == errno.ENOSPC or "No space left" in str(error)):
            self._stop("the disk is full; free some space and run the same command again, it goes on from there", 2)
        if isinstance(error, BrokenPipeError):  # whoever reads has read enough: --help | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
            raise SystemExit(128 + signal.SIGPIPE) from None
        if isinstance(error, KeyboardInterrupt):
            self._stop("interrupted; run the same command again, it goes on from there", 130)

    @staticmethod
    def _stop(sentence: str, status: int) -> None:
        print(sentence, file=sys.stderr)
        raise SystemExit(status) from None
