"""The baselines in several variants, as published and otherwise: the AUC of each, on one study's models.

    python benchmarks/baseline_variants.py                     # cpu tier, Fashion-MNIST: variants are chosen here
    python benchmarks/baseline_variants.py SPLIT_SEED=1        # its replicate: they are reported here
    python benchmarks/baseline_variants.py METHOD=ipguard,cae TIER=smoke DATASET=digits

Needs what baselines.py and model_finger_match.py need. A variant is baselines.py's own constants but for those that it
names. Its queries are made, every model is asked and scored, and nothing but a record of each AUC is kept
(docs/baselines.md).
"""

import time
from collections.abc import Iterator

from tqdm import tqdm

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import baselines
from fingerprinting.fingerprints import constants as queries_constants
from fingerprinting.fingerprints.metrics import auc_rows, by_kind
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.methods import METHODS
from fingerprinting.models import suspects, trained
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

DOMAIN = "cv"
METHOD = ()  # some of those with variants; empty: all
N = dict(smoke=20, quick=100, cpu=100, paper=100)  # queries, unless the method fixes them
CONSTANTS = queries_constants.OF_BASELINES

fewer = dict(points=200, fitted=1_000, directions=1, steps=5, step=0.05)  # features and steps, of more examples
variants: dict[str, tuple[dict, ...]] = {  # method -> the constants that each variant changes; n among them
    "ipguard": (
        {},
        {"ipguard_margin": 10.0},
        {"ipguard_target": "least_likely"},
        {"ipguard_target": "least_likely", "ipguard_margin": 10.0},
        {"ipguard_target": "random"},
        {"ipguard_target": "random", "ipguard_margin": 10.0},
    ),
    "cae": ({}, {"cae_steps": 30}, {"cae_steps": 100}, {"cae_epsilon": 0.05}, {"cae_dropout": 0.0}),
    "adv_tra": (
        {},
        {"n": 2_190, "adv_tra_classes": 10},
        {"n": 1_110, "adv_tra_classes": 10, "adv_tra_length": 4},
    ),
    "modeldiff": ({},),
    "outvoted": ({}, {"outvoted_among": "all"}, {"outvoted_models": 3}, {"outvoted_models": 100}),
    "fit_print": ({}, {"fit_print_steps": 300}, {"fit_print_epsilon": 0.1}),
    "anafp": (
        {},
        {"anafp_robust": 0.9, "anafp_unique": 0.1},
        {"anafp_robust": 0.1, "anafp_unique": 0.9},
        {"anafp_candidates": 10.0},
    ),
    "deepjudge": ({}, {"deepjudge_epsilon": 0.1}, {"n": 1_000}),
    "zest": ({}, {"zest_references": 128}, {"zest_masks": 250}, {"zest_pieces": 49}),
    "dataset_inference": ({}, {f"dataset_inference_{key}": value for key, value in fewer.items()}),
    "metafinger": ({}, {"metafinger_anchor": "source"}, {"metafinger_steps": 80}),
}
SHOWN = (("mean_same_task", "all"), ("transfer", "all"))  # attacks and the independent models beside them


def measure(study: Study, *, method: tuple[str, ...], n: int, **constants) -> None:
    """Make, ask and score each variant; what an earlier run recorded of a method asked for is replaced."""
    if unknown := [name for name in method if name not in variants]:
        raise UserError(f"METHOD={unknown[0]} has no variants; take some of {', '.join(variants)}")
    pool, records = suspects.gather(study), Records.of(study, "baseline_variants")
    for name in method or variants:
        try:
            rows = [row for changed in variants[name] for row in _of_variant(study, pool, name, changed, n, constants)]
        except UnsuitedError as reason:
            print(f"{name} is left out: {reason}")
            continue
        records.keep_only(row["key"] for row in records.rows() if row["method"] != name)
        records.put(rows)
        for row in rows:
            print(f"{row['key'].removeprefix(study.folder)}: {row['auc']:.3f}")


def _of_variant(study: Study, pool: list[Suspect], name: str, changed: dict, n: int, constants: dict) -> Iterator[dict]:
    started, owner = time.perf_counter(), Owner(study, name)
    own = baselines.own_constants(owner, baselines.rows()[name], constants | changed)
    queries = baselines.rows()[name].queries(owner, changed.get("n", n), **own)
    fingerprint, seconds = owner.fingerprint(queries), time.perf_counter() - started
    about = {
        "method": name,
        "variant": " ".join(f"{key.upper()}={value}" for key, value in changed.items()),
        "queries": len(fingerprint),
        "reference_models": len(owner.used),
        "seconds": seconds,
        "source_sha256": trained.weights_sha256(study, study.source_id),
        **queries.notes,
        "provenance": runtime.provenance(study.device),
    }
    methods = [method for method in METHODS if method.name == name]
    scores: dict[str, dict[str, float]] = {method.key: {} for method in methods}
    for suspect in tqdm(pool, desc=f"{name} {about['variant']}".strip(), unit="model"):
        logits = suspects.ask(study, suspect, fingerprint.inputs)
        for method in methods:
            if method.suits(suspect.kind.on_target):
                scores[method.key][suspect.model.name] = method.score(logits, fingerprint)
    for method in methods:
        for row in auc_rows(by_kind(pool, scores[method.key]), f"{study.folder}/{method.seed_name}"):
            if (row["attack"], row["negatives"]) in SHOWN:
                key = f"{study.folder}/{method.key}/{row['attack']}/{about['variant']}"
                yield {"key": key, **about, **method.columns, **row}


if __name__ == "__main__":
    cli.run(measure, globals())
