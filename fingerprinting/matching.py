"""Matching: every suspect's answers against the source's, and how well that tells who stole it."""

import time
from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter

import numpy as np
from tqdm import tqdm

from fingerprinting import (
    attacks,
    extraction,
    figures,
    fingerprints,
    runtime,
    statistics,
    suspects,
    sweep,
    tables,
    verdicts,
)
from fingerprinting.attacks import KINDS
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.methods import METHODS, Method, readable, shown
from fingerprinting.records import Records
from fingerprinting.runtime import UserError
from fingerprinting.study import Study
from fingerprinting.suspects import ATTACKS, MEANS, NEGATIVES, Suspect
from fingerprinting.training import predict

Distances = dict[str, np.ndarray]  # kind -> distances of its models
STEP_OF = {"generalisation": "generalisation.py", "erasure": "detect_erase_attack.py"}  # topic of records -> script
MEAN = {"mean": "mean_same_task"}  # as generalisation's rows have it -> as AUCs' do
TIMED = 3  # calls of which a suspect's seconds are the median


def match(study: Study, *, fingerprints_used: tuple[str, ...], level: float, cleared: float) -> None:
    """Ask, score, count, draw: from the zoo and the fingerprints to records, tables and figures."""
    names = _names(study, fingerprints_used)
    pool, references, swept = suspects.gather(study), suspects.references(study), suspects.there(study, "sweep")
    agreement = _describe(study, pool, suspects.beside(study))
    source = attacks.weights_sha256(study, study.source_id)
    prints = {name: fingerprints.load(study, name, source) for name in names}
    methods = readable(prints)
    fingerprints.check_origin(study, prints)
    scores: dict[str, dict[str, float]] = defaultdict(dict)  # method key -> model name -> distance
    for suspect in tqdm([*pool, *references, *swept], desc="match", unit="model"):
        for name, fingerprint in prints.items():
            logits = suspects.ask(study, suspect, fingerprint.inputs)
            for method in methods:
                if method.name == name and method.suits(suspect.kind.on_target):
                    scores[method.key][suspect.model.name] = method.score(logits, fingerprint)
    _record_scores(study, [*pool, *references, *swept], methods, scores)
    auc, errors, overlaps = [], [], []
    for method in methods:
        distances = by_kind(pool, scores[method.key])
        auc += [_row_of(study, method, row) for row in auc_rows(distances, f"{study.folder}/{method.key}")]
        errors += [
            _row_of(study, method, row) for row in error_rows(distances, by_kind(references, scores[method.key]))
        ]
        if method.suits(on_target=False):
            overlaps += sweep.overlap_rows(study, method, swept, scores[method.key], references, agreement)
    further = [*suspects.there(study, "audit"), *suspects.finished(study, "adaptive")]
    verdicts.judge(study, prints.get(verdicts.METHOD), [*pool, *further], level, cleared)
    pictured = shown(methods)
    extracted = extraction.rows(study, pictured, pool, swept, scores, agreement)
    timing = [_timing_row(study, fingerprint, methods) for fingerprint in prints.values()]
    topics = {"auc": auc, "mir_fir": errors, "timing": timing, "overlap": overlaps, "extraction": extracted}
    for topic, rows in topics.items():
        Records.of(study, topic).replace(rows)
    drop_outdated(study, auc)
    figures.roc(study, pictured, pool, scores)
    figures.strips(study, pictured, pool, scores)
    figures.fidelity(study, pictured, pool, scores, agreement)
    figures.radar(study, methods, [row for row in auc if row["negatives"] == "all"])
    figures.cost(study, timing)
    sweep.figure(study, pictured, pool, scores, overlaps)
    figures.extraction(study, pictured, extracted)
    tables.write()
    sweep.write()
    print(tables.page(study.folder))
    print(f"tables: {tables.folder()}\nfigures: {figures.folder()}")


def drop_outdated(study: Study, auc: list[dict]) -> None:
    """Later steps' records, unless they began from these very AUCs: from others they would be about other models."""
    place = itemgetter("method", "output", "representation", "attack", "negatives")
    now = {place(row): row["auc"] for row in auc}
    began = {
        "generalisation": [
            ((verdicts.METHOD, "labels", "theft_evidence", MEAN.get(row["attack"], row["attack"]), "all"), row["auc"])
            for row in Records.of(study, "generalisation").rows()
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
    found = [name for name in known if name in wanted or not wanted and fingerprints.path_of(study, name).is_file()]
    return found or ["primary"]


def by_kind(pool: list[Suspect], distances: dict[str, float]) -> Distances:
    grouped: dict[str, list[float]] = defaultdict(list)
    for suspect in pool:
        if suspect.model.name in distances:
            grouped[suspect.model.kind].append(distances[suspect.model.name])
    return {kind: np.array(values) for kind, values in grouped.items()}


def auc_rows(
    distances: Distances, name: str, groups: Iterable[str] = tuple(NEGATIVES), means: dict[str, tuple] = MEANS
) -> list[dict]:
    """AUC, its bootstrap interval and true positive rates per attack and group of negatives, then the means."""
    rows = []
    for group in groups:
        draws, found = {}, {}
        counts = {}  # one resampling of a group's negatives serves all attacks, so that a mean's interval is honest
        for attack in ATTACKS:
            kinds = [kind for kind in suspects.negatives_of(group, KINDS[attack].on_target) if kind in distances]
            if attack not in distances or not kinds:
                continue
            pirated, independent = distances[attack], np.concatenate([distances[kind] for kind in kinds])
            key = tuple(kinds)
            if key not in counts:
                counts[key] = statistics.resampled(len(independent), statistics.DRAWS, _generator(name, *kinds))
            own = statistics.resampled(len(pirated), statistics.DRAWS, _generator(name, group, attack))
            draws[attack] = statistics.auc_draws(pirated, independent, own, counts[key])
            found[attack] = _row(attack, group, pirated, independent, draws[attack])
        rows += found.values()
        for mean, attacks_named in means.items():
            if set(attacks_named) <= set(found):
                rows.append(mean_row(mean, group, [found[a] for a in attacks_named], [draws[a] for a in attacks_named]))
    return rows


def _row(attack: str, group: str, pirated: np.ndarray, independent: np.ndarray, draws: np.ndarray) -> dict:
    low, high = statistics.interval(draws)
    return {
        "attack": attack,
        "negatives": group,
        "n_pirated": len(pirated),
        "n_independent": len(independent),
        "auc": statistics.auc(pirated, independent),
        "auc_low": low,
        "auc_high": high,
        "tpr_at_fpr0": statistics.tpr_at_fpr(pirated, independent, 0.0),
        "tpr_at_fpr1": statistics.tpr_at_fpr(pirated, independent, 0.01),
    }


def mean_row(
    mean: str,
    group: str,
    rows: list[dict],
    draws: list[np.ndarray],
    averaged: tuple[str, ...] = ("auc", "tpr_at_fpr0", "tpr_at_fpr1"),
) -> dict:
    """The mean of several thefts' rows; its interval is that of the mean of their bootstrap draws (each (draws,))."""
    low, high = statistics.interval(np.mean(draws, axis=0))
    return {
        "attack": mean,
        "mean_over": [row["attack"] for row in rows],
        "negatives": group,
        "n_pirated": sum(row["n_pirated"] for row in rows),
        "n_independent": max(row["n_independent"] for row in rows),
        **{name: float(np.mean([row[name] for row in rows])) for name in averaged},
        "auc_low": low,
        "auc_high": high,
    }


def error_rows(distances: Distances, references: Distances) -> list[dict]:
    """DeepCore's missed and false identification rates (MIR, FIR) over the thefts of the same task.

    The threshold comes from the owner's reference models; beside it stands what the paper does, the best threshold for
    the very models that are scored, which no owner could know.
    """
    groups = {group: NEGATIVES[group] for group in NEGATIVES if set(NEGATIVES[group]) <= set(distances)}
    thefts = [kind for kind in MEANS["mean_same_task"] if kind in distances]
    if not (groups and thefts and references):
        return []
    pirated = _joined(distances, thefts)
    calibrating = [
        _joined(references, [kind for kind in references if KINDS[kind].role == role])
        for role in ("pirated", "independent")
    ]
    rows = []
    for group, kinds in groups.items():
        independent = _joined(distances, kinds)
        for origin, (stolen, honest) in (("references", calibrating), ("scored", (pirated, independent))):
            threshold = statistics.threshold(stolen, honest)
            mir, mir_low, mir_high = statistics.share(pirated > threshold)
            fir, fir_low, fir_high = statistics.share(independent <= threshold)
            rows.append(
                {
                    "negatives": group,
                    "threshold_from": origin,
                    "n_calibration": len(stolen) + len(honest),
                    "threshold": threshold,
                    "n_pirated": len(pirated),
                    "mir": mir,
                    "mir_low": mir_low,
                    "mir_high": mir_high,
                    "n_independent": len(independent),
                    "fir": fir,
                    "fir_low": fir_low,
                    "fir_high": fir_high,
                }
            )
    return rows


def _joined(distances: Distances, kinds: Iterable[str]) -> np.ndarray:
    return np.concatenate([distances[kind] for kind in kinds])


def _timing_row(study: Study, fingerprint: Fingerprint, methods: list[Method]) -> dict:
    """What a method costs: making its queries; asking one suspect and reading its answers in every way, timed now."""
    metadata = fingerprint.metadata
    suspect = attacks.open_model(study, study.source_id)
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


def _record_scores(study: Study, pool: list[Suspect], methods: list[Method], scores: dict) -> None:
    rows = [
        {
            "key": f"{method.key}/{suspect.model.name}",
            "method": method.key,
            "model": suspect.model.name,
            "kind": suspect.model.kind,
            "distance": scores[method.key][suspect.model.name],
        }
        for method in methods
        for suspect in pool
        if suspect.model.name in scores[method.key]
    ]
    Records.of(study, "scores").replace(rows)


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


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(runtime.seed_from("/".join(names)))
