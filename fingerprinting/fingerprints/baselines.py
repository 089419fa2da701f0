"""The table of peers: whose queries they are and what makes them."""

import inspect
from collections.abc import Callable

from fingerprinting.core import storage
from fingerprinting.core.runtime import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.generate import begin, finish
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries import (
    adv_tra,
    cae,
    dataset_inference,
    fuap,
    ipguard,
    irisfp,
    metafinger,
    modeldiff,
    plain,
    sac,
)
from fingerprinting.models import suspects, trained
from fingerprinting.study.study import SKIPPED, Study

# Name -> make(owner, n, **constants); baselines.py's constants reach it by their prefix: IPGUARD_STEPS as `steps`.
PEERS: dict[str, Callable[..., Queries]] = {
    "random": plain.random,
    "akh": plain.akh,
    "sac_w": sac.sac_w,
    "sac_m": sac.sac_m,
    "ipguard": ipguard.ipguard,
    "cae": cae.cae,
    "adv_tra": adv_tra.adv_tra,
    "modeldiff": modeldiff.modeldiff,
    "fuap": fuap.fuap,
    "metafinger": metafinger.metafinger,
    "irisfp": irisfp.irisfp,
    "dataset_inference": dataset_inference.dataset_inference,
}

# What a peer's constant must be at least, for queries that can be read.
LEAST = {
    **dict.fromkeys(("cae_candidates", "cae_sampled", "metafinger_candidates", "metafinger_sampled"), 1),
    **dict.fromkeys(("adv_tra_candidates", "adv_tra_length", "irisfp_views", "irisfp_candidates"), 1),
    **dict.fromkeys(("fuap_points", "fuap_steps", "fuap_nearest", "fuap_views"), 1),
    **dict.fromkeys(("dataset_inference_directions", "dataset_inference_steps"), 1),
    **dict.fromkeys(("adv_tra_classes", "dataset_inference_points", "dataset_inference_fitted"), 2),
}

CHEAP = ("random", "akh", "sac_w", "sac_m", "ipguard", "adv_tra", "modeldiff")  # seconds in all


def baselines(study: Study, *, method: str | tuple[str, ...], n: int, **constants) -> str | None:
    """Make the queries of one peer, of several, the cheap ones or all; of several, what does not suit is left out."""
    groups = {"all": tuple(PEERS), "cheap": CHEAP}
    names = groups.get(method, (method,)) if isinstance(method, str) else method
    if unknown := set(names) - set(PEERS):
        raise UserError(f"unknown METHOD={', '.join(sorted(unknown))}; take all, cheap or one of {', '.join(PEERS)}")
    if n < 1:
        raise UserError(f"N={n} queries make no fingerprint; take 1 or more")
    for constant, least in LEAST.items():
        if constants.get(constant, least) < least:
            raise UserError(f"{constant.upper()}={constants[constant]} makes no fingerprint; take {least} or more")
    skipped = False
    for name in names:
        try:
            skipped |= _make(study, name, n, own_constants(name, constants))
        except UnsuitedError as reason:
            if len(names) == 1:
                store.set_aside_of_another_source(study, name, trained.weights_sha256(study, study.source_id))
                raise
            store.set_aside(study, name)
            print(f"{name} is left out: {reason}")
    return SKIPPED if skipped else None


def own_constants(name: str, constants: dict) -> dict:
    """Those of baselines.py's constants that are this peer's, under the names that its function gives them."""
    return {
        key: constants[f"{name}_{key}"]
        for key in inspect.signature(PEERS[name]).parameters
        if f"{name}_{key}" in constants
    }


def _make(study: Study, name: str, n: int, constants: dict) -> bool:
    """Returns whether it was finished before."""
    settings = {"n": n, **constants, "source_sha256": trained.weights_sha256(study, study.source_id)}
    if store.is_current(study, name, settings) and _references_are_the_same(study, name):
        print(f"the {name} fingerprint is finished already")
        return True
    owner = Owner(study, name)
    started = begin(study)
    queries = PEERS[name](owner, n, **constants)
    fingerprint = owner.fingerprint(queries)
    notes = {
        "extra_models": len(owner.used),
        "extra_models_seconds": sum(model.metadata["seconds"] for model in owner.used.values()),
        "extra_models_used": {model: used.metadata["sha256"] for model, used in sorted(owner.used.items())},
    }
    finish(study, name, fingerprint, settings, started, notes)
    return False


def _references_are_the_same(study: Study, name: str) -> bool:
    """Whether the reference models that made the queries are all those that are there now, of the kinds it looks at."""
    used = storage.read_metadata(store.path_of(study, name)).get("extra_models_used", {})
    now = suspects.standard_strength(study) if used else []
    kinds = {model.split("/")[-2] for model in used}
    return used == {model.model.name: model.metadata["sha256"] for model in now if model.model.kind in kinds}
