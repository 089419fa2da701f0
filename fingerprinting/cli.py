"""How a script runs: its UPPER_CASE constants, NAME=value on the command line, one call, and clear endings."""

import ast
import contextlib
import errno
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import joblib

from fingerprinting.core.runtime import REPOSITORY, UserError, provenance
from fingerprinting.study import checksums
from fingerprinting.study.domain import DOMAINS, TIERS, Domain, load_domain
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study

# What every step understands, besides its own constants and its domain's.
COMMON = {
    "TIER": "cpu",  # smoke, quick, cpu or paper
    "DATASET": "",  # empty: the tier's own
    "TARGET": "",  # what a thief transfers to; empty: the data set's usual one
    "WORKERS": 0,  # models trained or asked side by side; 0: one per core, or one with an accelerator
    "DEVICE": "auto",
    "PRECISION": "float32",  # of training: float32, or bfloat16 where it can be; answers are always float32
    "SPLIT_SEED": 0,
    "FORCE": False,  # do again what is finished
}


SHARED = ("batch_size", "weight_decay", "min_updates", "augment")  # what a domain's constants may be
TOO_MANY = 2**31  # of anything that is counted


def run(step: Callable, script: dict, domain: str = "", report: Callable[[Study], None] | None = None) -> None:
    """Call `step(study, **constants)` with a script's globals; a user's mistake ends in one sentence and status 2.

    The step's seconds are recorded, unless it returns SKIPPED because some or all of its work was finished before.
    `report` then shows what it recorded. `domain` is that of a domain's step; root scripts carry it as their constant
    DOMAIN. DOMAIN= overrides both.
    """
    with endings():
        study, constants = resolve(script, domain, sys.argv[1:])
        altered = checksums.altered(study)
        checksums.announce(altered)
        started = time.perf_counter()
        if step(study, **constants) is not SKIPPED:
            _record_time(study, script, time.perf_counter() - started)
        checksums.record(study, altered)
        if report:
            report(study)


def _record_time(study: Study, script: dict, seconds: float) -> None:
    path = Path(script["__file__"]).resolve()
    name = path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else path.name
    row = {"key": name, "seconds": seconds, "cores": joblib.cpu_count(), "provenance": provenance(study.device)}
    Records.of(study, "steps").put([row])


def resolve(script: dict, domain: str, words: list[str]) -> tuple[Study, dict]:
    """The study and the step's own constants (lower case), tier by tier values chosen, overrides applied."""
    own = _constants(script)
    usual = domain or own["DOMAIN"]
    overrides = _split(words, script, lambda: {**COMMON, **load_domain(usual).constants, **own})
    address = overrides.get("DOMAIN") or usual
    chosen = load_domain(address)
    defaults = {**COMMON, **chosen.constants, **own}
    _check_names(set(overrides) - {"DOMAIN"}, defaults)
    tier = _typed("TIER", overrides.get("TIER"), defaults["TIER"])
    if tier not in TIERS:
        raise UserError(f"unknown TIER {tier!r}; take one of {', '.join(TIERS)}")
    values = {}
    for name, default in defaults.items():
        values[name] = _typed(name, overrides.get(name), _chosen(name, default, tier, chosen.name))
    shared = {name.lower(): values[name] for name in chosen.constants}
    _check_shared(chosen, shared)
    study = Study(
        address=address,
        dataset=values["DATASET"] or _usual_dataset(chosen, tier),
        tier=tier,
        target_name=values["TARGET"],
        split_seed=values["SPLIT_SEED"],
        device_name=values["DEVICE"],
        precision=values["PRECISION"],
        workers=values["WORKERS"],
        force=values["FORCE"],
        **shared,
    )
    hidden = set(COMMON) | set(chosen.constants) | {"DOMAIN"}
    return study, {name.lower(): values[name] for name in own if name not in hidden}


def _check_shared(domain: Domain, shared: dict) -> None:
    """A domain's constants are those that all steps share; somebody's own may name others, or give other types."""
    usual = {part.name: part.default for part in fields(Study) if part.name in SHARED}
    for name, value in shared.items():
        if name not in usual:
            known = ", ".join(SHARED).upper()
            raise UserError(f"no step knows constant {name.upper()} of {domain.name}; constants= may hold {known}")
        like = usual[name]
        if type(value) is not type(like) and not (type(value) is int and isinstance(like, float)):
            wanted = f"{_article(like)} like {like!r}"
            raise UserError(f"constant {name.upper()}={value!r} of {domain.name} has the wrong type; give {wanted}")


def of_no_study(script: dict, words: list[str]) -> dict:
    """The constants (lower case) of a script that is not about a single study, overrides applied."""
    own = _constants(script)
    overrides = _split(words, script, lambda: own)
    _check_names(overrides, own)
    return {name.lower(): _typed(name, overrides.get(name), value) for name, value in own.items()}


def _constants(script: dict) -> dict:
    return {name: value for name, value in script.items() if name.isupper()}


def _check_names(given: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"unknown constant {', '.join(unknown)}; this script knows {', '.join(sorted(known))}")


def _usual_dataset(domain: Domain, tier: str) -> str:
    if tier not in domain.data.datasets:
        raise UserError(f"{domain.name} names no data set for tier {tier}; give DATASET=, or DOMAIN.data.datasets one")
    return domain.data.datasets[tier]


def _chosen(name: str, value, tier: str, domain: str):
    """A constant may be a table by domain, by tier, or both; a domain it does not name takes the first entry."""
    if not isinstance(value, dict):
        return value
    if set(value) & set(TIERS):
        if tier not in value or not set(value) <= set(TIERS):
            raise UserError(f"{name} has values for {_listed(value)}; give one for each tier: {_listed(TIERS)}")
        return _chosen(name, value[tier], tier, domain)
    if not set(value) & {*DOMAINS, domain}:
        raise UserError(
            f"{name} has values for {_listed(value)}, which are neither tiers ({_listed(TIERS)}) nor domains"
        )
    return _chosen(name, value.get(domain, next(iter(value.values()))), tier, domain)


def _listed(names: Iterable) -> str:
    return ", ".join(map(str, names))


def own_constants(script: Path) -> set[str]:
    """The names of a script's constants, without running it."""
    assigned = (node for node in ast.parse(script.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign))
    names = (target.id for node in assigned for target in node.targets if isinstance(target, ast.Name))
    return {name for name in names if name.isupper()}


def _split(words: list[str], script: dict, constants: Callable[[], dict]) -> dict[str, str]:
    if any(word in ("--help", "-h") for word in words):
        print((script.get("__doc__") or "").strip())
        print("\nConstants, each overridable as NAME=value:")
        for name, value in constants().items():
            print(f"  {name} = {value!r}", flush=True)
        raise SystemExit(0)
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
