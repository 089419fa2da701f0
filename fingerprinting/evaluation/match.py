"""Matching: every suspect's responses against the source's, and how well that tells who stole it."""

import time
from collections import defaultdict
from operator import itemgetter

import numpy as np
from tqdm import tqdm

from fingerprinting.calibrated import verdicts
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.evaluation import overlap_sweep, query_budget
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.metrics import auc_rows, by_kind, error_rows
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, Method, and_minus_twins, readable, shown
from fingerprinting.models import suspects, trained
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

STEP_OF = {"ablation": "ablation.py", "erasure": "detect_erase_attack.py"}  # topic of records -> script
MEAN = {"mean": "mean_same_task"}  # as generalisation's rows have it -> as AUCs' do
TIMED = 3  # calls of which a suspect's seconds are the median


def match(study: Study, *, fingerprints_used: tuple[str, ...], alpha: float, beta: float, tail: str) -> None:
    """Query, score, count: from models and fingerprints to records."""
    verdicts.check_rates(alpha, beta, tail)
    names = _names(study, fingerprints_used)
    pool, references = suspects.gather(study), suspects.references(study)
    swept = [*suspects.there(study, "sweep"), *suspects.there(study, "same_architecture")]
    twins = suspects.there(study, "twin")
    source = trained.weights_sha256(study, study.source_id)
    prints = {name: store.load(study, name, source) for name in names}
    if not references:
        print(
            "without reference models the owner has no threshold: error rates stand at the in-sample one alone, and an "
            f"overlap sweep is left out; {study.command('references')} trains them"
        )
    published = readable(prints)
    methods = and_minus_twins(published) if twins else published
    store.check_origin(study, prints)
    agreement = _describe(study, pool, suspects.beside(study))
    twins_logits = {name: suspects.ask_all(study, twins, found.inputs) for name, found in prints.items()}
    read = {method.key: method.reading(prints[method.name], twins_logits[method.name]) for method in methods}
    scores: dict[str, dict[str, float]] = defaultdict(dict)  # method key -> model name -> distance
    for suspect in tqdm([*pool, *references, *swept], desc="match", unit="model"):
        for name, fingerprint in prints.items():
            logits = suspects.ask(study, suspect, fingerprint.inputs)
            for method in methods:
                if method.name == name and method.suits(suspect.kind.on_target):
                    scores[method.key][suspect.model.name] = read[method.key](logits)
    Records.of(study, "distances").replace(_distance_rows([*pool, *references, *swept], scores))
    auc, errors, overlaps = [], [], []
    for method in methods:
        distances = by_kind(pool, scores[method.key])
        auc += [_row_of(study, method, row) for row in auc_rows(distances, f"{study.folder}/{method.seed_name}")]
        errors += [
            _row_of(study, method, row) for row in error_rows(distances, by_kind(references, scores[method.key]))
        ]
        if method.suits(on_target=False):
            overlaps += overlap_sweep.overlap_rows(study, method, swept, scores[method.key], references, agreement)
    further = [*suspects.there(study, "audit"), *suspects.finished(study, "adaptive")]
    verdicts.judge(study, prints.get(verdicts.METHOD), [*pool, *further], alpha, beta, tail)
    extracted = query_budget.rows(study, shown(published), pool, swept, scores, agreement)
    timing = [_timing_row(study, fingerprint, published) for fingerprint in prints.values()]
    topics = {"auc": auc, "mir_fir": errors, "timing": timing, "overlap": overlaps, "extraction": extracted}
    for topic, rows in topics.items():
        Records.of(study, topic).replace(rows)
    drop_outdated(study, auc)


def drop_outdated(study: Study, auc: list[dict]) -> None:
    """Later steps' records, unless they began from these very AUCs: from others they would be about other models."""
    place = itemgetter("method", "output", "representation", "attack", "negatives")
    now = {place(row): row["auc"] for row in auc}
    began = {
        "ablation": [
            (
                (verdicts.METHOD, "labels", "stealing_evidence", MEAN.get(row["attack"], row["attack"]), "all"),
                row["auc"],
            )
            for row in Records.of(study, "ablation").rows()
            if row["study"] == "all references"
        ],
        "erasure": [(place(row), row["auc_before"]) for row in Records.of(study, "erasure").rows()],
    }
    for topic, before in began.items():
        if any(where in now and not np.isclose(now[where], then) for where, then in before):
            Records.of(study, topic).replace([])
            print(f"what {STEP_OF[topic]} measured was of other models or fingerprints, and is dropped; run it again")


def _names(study: Study, wanted: tuple[str, ...]) -> list[str]:
    """The fingerprints to match: those asked for, or all that there are, in the order of the table of methods."""
    known = dict.fromkeys(method.name for method in METHODS)
    if unknown := set(wanted) - set(known):
        raise UserError(f"unknown fingerprint {', '.join(sorted(unknown))}; FINGERPRINTS_USED takes {', '.join(known)}")
    found = [name for name in known if name in wanted or not wanted and store.path_of(study, name).is_file()]
    return found or ["primary"]


def _timing_row(study: Study, fingerprint: Fingerprint, methods: list[Method]) -> dict:
    """What a method costs: making its queries; asking one suspect and reading its responses in every way, timed now."""
    metadata = fingerprint.metadata
    suspect = trained.open_model(study, study.source_id)
    seconds = []
    for _ in range(1 + TIMED):
        started = time.perf_counter()
        logits = predict(suspect, fingerprint.inputs, study.device)
        for method in methods:
            if method.name == metadata["method"]:
                method.score(logits, fingerprint)
        seconds.append(time.perf_counter() - started)
    return {
        "key": f"{study.folder}/{metadata['method']}",
        **study.columns,
        "method": metadata["method"],
        "generate_s": metadata["seconds"],
        "match_s": float(np.median(seconds[1:])),  # the first call warms up
        "queries": len(fingerprint),
        "extra_models": metadata.get("extra_models", 0),
        "extra_models_s": metadata.get("extra_models_seconds", 0.0),
        "provenance": runtime.provenance(study.device),
    }


def _row_of(study: Study, method: Method, row: dict) -> dict:
    name = row.get("attack") or row["threshold_from"]
    return {
        "key": f"{study.folder}/{method.key}/{name}/{row['negatives']}",
        **study.columns,
        **method.columns,
        **row,
        "provenance": runtime.provenance(study.device),
    }


def _distance_rows(models: list[Suspect], scores: dict[str, dict[str, float]]) -> list[dict]:
    """One row per model: its distance to the source by every method that suits its task, by the method's key."""
    return [
        {
            "key": suspect.model.name,
            "kind": suspect.model.kind,
            **{method: found[suspect.model.name] for method, found in scores.items() if suspect.model.name in found},
        }
        for suspect in models
    ]


def _describe(study: Study, pool: list[Suspect], beside: list[Suspect]) -> dict[str, float | None]:
    """Add fidelity and the accuracy flag to the models' records, and drop the records of models that are no more.

    Returns the fidelity of every model by its name.
    """
    records = Records.of(study, "models")
    rows = suspects.described(study, [suspects.source_of(study), *pool, *beside], pool)
    records.put(rows)
    adaptive = [model.model.name for model in suspects.finished(study, "adaptive")]
    records.keep_only([*adaptive, *(row["key"] for row in rows)])
    return {row["key"]: row["fidelity"] for row in rows}
