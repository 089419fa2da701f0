"""Making the baselines' fingerprints; whose they are and what makes them stands in their modules, in queries/."""

import pkgutil
from importlib import import_module

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import queries, store
from fingerprinting.fingerprints.generate import begin, finish, trained_besides
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.fingerprints.registry import ROWS, Row
from fingerprinting.models import suspects, trained
from fingerprinting.study.study import SKIPPED, Study

for found in pkgutil.iter_modules(queries.__path__):  # each adds its rows
    import_module(f"{queries.__name__}.{found.name}")


def rows() -> dict[str, Row]:
    """The fingerprints that baselines.py makes, by name, in the order of all tables."""
    return {name: row for name, row in ROWS.items() if row.queries}


def baselines(study: Study, *, method: str | tuple[str, ...], n: int, **constants) -> str | None:
    """Make the queries of one baseline, of several, the cheap ones or all; of several, what does not suit is left out.

    constants: of the methods, ipguard_steps for `steps`; those asked for need theirs.
    """
    known = rows()
    groups = {"all": tuple(known), "cheap": tuple(name for name, row in known.items() if row.cheap)}
    names = groups.get(method, (method,)) if isinstance(method, str) else method
    if unknown := set(names) - set(known):
        raise UserError(f"unknown METHOD={', '.join(sorted(unknown))}; take all, cheap or one of {', '.join(known)}")
    if n < 1:
        raise UserError(f"N={n} queries make no fingerprint; take 1 or more")
    for row in known.values():
        for key, least in row.least.items():
            if (given := constants.get(constant := f"{row.name}_{key}", least)) < least:
                raise UserError(f"{constant.upper()}={given} makes no fingerprint; take {least} or more")
    skipped = False
    for name in names:
        try:
            skipped |= _make(study, known[name], n, constants)
        except UnsuitedError as reason:
            if len(names) == 1:
                store.set_aside_of_another_source(study, name, trained.weights_sha256(study, study.source_id))
                raise
            store.set_aside(study, name)
            print(f"{name} is left out: {reason}")
    return SKIPPED if skipped else None


def own_constants(owner: Owner, row: Row, constants: dict) -> dict:
    """A row's own among all constants, under the names that its function gives them; UnsuitedError where one lacks."""
    if lacking := [name for name in row.constants if name.lower() not in constants]:
        owner.movable()  # constants have an input's unit where inputs are numbers; where they are not, this says so
        raise UnsuitedError(
            f"{row.name} has no {lacking[0]} for {owner.study.domain.name}; give {lacking[0]}=, in its inputs' unit"
        )
    return {name.lower().removeprefix(f"{row.name}_"): constants[name.lower()] for name in row.constants}


def _make(study: Study, row: Row, n: int, constants: dict) -> bool:
    """Returns whether it was finished before."""
    owner = Owner(study, name := row.name)
    if row.queries is None:
        raise ValueError(f"{name} is made by a script of its own")
    own = own_constants(owner, row, constants)
    settings = {"n": n, **own, "source_sha256": trained.weights_sha256(study, study.source_id)}
    if store.is_current(study, name, settings) and _references_are_the_same(study, name):
        print(store.finished(study, name))
        return True
    started = begin(study)
    queries = row.queries(owner, n, **own)
    used = [model for _, model in sorted(owner.used.items())]
    finish(study, name, owner.fingerprint(queries), settings, started, queries.notes | trained_besides(used))
    return False


def _references_are_the_same(study: Study, name: str) -> bool:
    """Whether the reference models that made the queries are all those that are there now, of the kinds it looks at.

    Of a handful that was drawn: whether they are there, and it was drawn of as many.
    """
    about = storage.read_metadata(store.path_of(study, name))
    used = about.get("extra_models_used", {})
    now = suspects.standard_strength(study) if used else []
    if drawn_of := about.get("drawn_of"):
        independent = {model.model.name: model.metadata["sha256"] for model in now if model.kind.role == "independent"}
        return len(independent) == drawn_of and used.items() <= independent.items()
    kinds = {model.split("/")[-2] for model in used}
    return used == {model.model.name: model.metadata["sha256"] for model in now if model.model.kind in kinds}
