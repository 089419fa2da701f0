"""An adaptive adversary: it detects, erases or evades queries, or trains its copy away from the source.

Only stolen models attack queries: independent models have nothing to hide and respond as they are. But an owner can
only compare like with like. Where responses visibly hold less (SEEN), the source's and the independent models' are
reduced likewise; where queries are refused, all models are compared on the others. A temperature or noise cannot be
seen, so nothing is corrected there.
"""

from collections import defaultdict
from itertools import product

import numpy as np
import torch
from tqdm import tqdm

from fingerprinting.calibrated import verdicts
from fingerprinting.calibrated.contents import TWINS
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.metrics import by_kind
from fingerprinting.fingerprints.registry import identity_of
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, Method, readable, shown
from fingerprinting.models import build, suspects, trained
from fingerprinting.models.kinds import KINDS, Job
from fingerprinting.models.suspects import ATTACKS, MEAN_SAME_TASK, Suspect
from fingerprinting.robustness import evasion
from fingerprinting.robustness.attacked_responses import REFUSED, Representations
from fingerprinting.robustness.attacker import Attacker, Removal
from fingerprinting.robustness.evasion import PERTURBATIONS, SEEN
from fingerprinting.robustness.paired_bootstrap import Draws
from fingerprinting.robustness.query_detector import Detection, FittedDetector
from fingerprinting.study.records import Records
from fingerprinting.study.renamed import as_first_called
from fingerprinting.study.study import Study

FULLY_READ = ("primary", "evolved")  # fingerprints of which every representation is reported; of others the first
RANDOM, REMOVAL = "random_responses", "removal"
BASELINE = "fine_tune_all"  # what removal is compared with: the same attacker, trained on without that aim


def attack(study: Study, **constants) -> str | None:
    """Detect and attack queries, read the responses and count: from models and fingerprints to records."""
    attacker = Attacker.of(**constants)
    pool = suspects.gather(study)
    names = [name for name in dict.fromkeys(m.name for m in METHODS) if store.path_of(study, name).is_file()]
    if not Records.of(study, "auc").rows():
        command = study.root_command("model_finger_match.py")
        raise UserError(f"the stolen models of {study.folder} have not been matched yet; run {command} first")
    source_sha256 = trained.weights_sha256(study, study.source_id)
    prints = {name: store.load(study, name, source_sha256) for name in names}
    store.check_origin(study, prints)
    skipped, removed = _remove(study, attacker.removal)
    if verdicts.METHOD in prints:
        verdicts.judge_too(study, prints[verdicts.METHOD], removed)
    fitted = FittedDetector(study, attacker)
    detected = {name: fitted.detection(found.inputs) for name, found in prints.items()}
    representations = Representations(chosen(prints), prints, detected, attacker.evasion)
    costs = _ask(study, fitted, detected, representations, [*pool, *removed])
    rows = _rows(study, representations, detected, costs, [*pool, *removed])
    Records.of(study, "erasure").replace(rows)
    if verdicts.METHOD in prints and TWINS in prints[verdicts.METHOD].extra:
        _keep_of_size(study, prints, representations.methods, rows)
    return skipped


def chosen(prints: dict[str, Fingerprint]) -> list[Method]:
    """Every representation of the fingerprints in FULLY_READ, of the others the first in which they can be read."""
    can_be_read = readable(prints)
    first = shown(can_be_read)
    return [method for method in can_be_read if method.name in FULLY_READ or method in first]


def _remove(study: Study, removal: Removal) -> tuple[str | None, list[Suspect]]:
    """Train the copies of an attacker that knows of fingerprints, and describe them as matching does the others."""
    options = {"feature_weight": removal.feature_weight, "ranking_weight": removal.ranking_weight}
    recipe = study.recipe(removal.removal_epochs, removal.removal_learning_rate)
    jobs = [
        Job(study.model_id(REMOVAL, study.source_architecture, copy), recipe, options, study.source_id)
        for copy in range(removal.removal_copies)
    ]
    skipped = build.train(study, KINDS[REMOVAL].script, jobs)
    removed = suspects.of_use(study, "adaptive")
    Records.of(study, "models").put(suspects.described(study, removed, removed))
    return skipped, removed


def _ask(
    study: Study,
    fitted: FittedDetector,
    detected: dict[str, Detection],
    representations: Representations,
    pool: list[Suspect],
) -> dict[str, list[float]]:
    """Every suspect's responses under every attack; returns what each costs same-task copies in test accuracy."""
    prints, query_detector, evades = representations.prints, fitted.query_detector, fitted.attacker.evasion
    sizes = [len(found) for found in prints.values()]
    inputs, labels = fitted.cost_inputs
    erased = {
        attack: torch.cat([erase(part.clone()) for part in (*(found.inputs for found in prints.values()), inputs)])
        for attack, erase in query_detector.erasures.items()
    }
    benign_flagged = fitted.benign > fitted.evasion_threshold
    costs: dict[str, list[float]] = defaultdict(list)
    for suspect in tqdm(pool, desc="attacks on queries", unit="model"):
        plain = {name: suspects.ask(study, suspect, found.inputs) for name, found in prints.items()}
        for name, logits in plain.items():
            representations.put("", suspect, name, logits)
        if suspect.kind.use == "adaptive":
            continue
        for name in representations.compared[REFUSED]:
            representations.put(REFUSED, suspect, name, plain[name][~detected[name].flagged])
        if suspect.kind.role != "pirated":
            for attack, name in product(SEEN, plain):
                representations.put(attack, suspect, name, PERTURBATIONS[attack](plain[name], evades, None))
            continue
        given = {}
        for attack, asked in erased.items():
            given[attack] = suspects.ask(study, suspect, asked).split([*sizes, len(inputs)])
        clean = suspects.ask(study, suspect, inputs)
        for attack, perturb in PERTURBATIONS.items():
            draw = runtime.generator(f"{suspect.model.name}/{attack}")
            given[attack] = [perturb(logits, evades, draw) for logits in (*plain.values(), clean)]
        draw = runtime.generator(f"{suspect.model.name}/{as_first_called(RANDOM)}")
        flags = [*(detected[name].flagged for name in plain), benign_flagged]
        pairs = zip((*plain.values(), clean), flags, strict=True)
        given[RANDOM] = [evasion.at_random(logits, flagged, draw) for logits, flagged in pairs]
        for attack, found in given.items():
            for name, logits in zip(prints, found, strict=False):
                representations.put(attack, suspect, name, logits)
        if not suspect.kind.on_target:
            right = clean.argmax(1) == labels
            after = {attack: found[-1].argmax(1) == labels for attack, found in given.items()}
            after[REFUSED] = right & ~benign_flagged  # a refused input is not classified correctly
            for attack, still_right in after.items():
                costs[attack].append((right.double().mean() - still_right.double().mean()).item())
    return costs


def _rows(
    study: Study, representations: Representations, detected: dict[str, Detection], costs: dict, pool: list[Suspect]
) -> list[dict]:
    rows = []
    removal_costs = _removal_cost(pool)
    draws = Draws(study.folder)
    for method in representations.methods:
        before = by_kind(pool, representations.distances[""][method.key])
        for attack in [name for name in representations.distances if name]:
            if method.key in representations.distances[attack]:
                after = by_kind(pool, representations.distances[attack][method.key])
                cost = {"accuracy_cost": float(np.mean(costs[attack]))} if costs[attack] else {}
                found = detected[method.name]
                answered = {"answered": 1 - found.flagged.double().mean().item()} if attack == REFUSED else {}
                changes = draws.changes(before, before | after, {attack: attack for attack in ATTACKS})
                rows += [
                    _row(study, method, attack, {**row, **found.rates, **cost, **answered})
                    for row in changes
                    if row["attack"] != REMOVAL
                ]
        rows += [
            _row(study, method, REMOVAL, {**row, "accuracy_cost": removal_costs})
            for row in draws.changes(before, before, {REMOVAL: BASELINE})
        ]
    return rows


def _keep_of_size(study: Study, prints: dict[str, Fingerprint], methods: list[Method], rows: list[dict]) -> None:
    """Means of a fingerprint from twins, beside those of the others in use, by its size and number of queries.

    Other sizes and numbers of the same source stay: `erasure` is about the fingerprint alone that is there now.
    """
    metadata = prints[verdicts.METHOD].metadata
    about = {
        "size": metadata["settings"]["size"],
        "n_twins": metadata["n_twins"],
        "n_pairs": metadata["n_pairs"],
        "source_sha256": metadata["source_sha256"],
    }
    compared = {method.identity for method in shown(methods) if method.name in (*FULLY_READ, verdicts.METHOD)}
    sizes = {name: len(found) for name, found in prints.items()}
    place = f"{study.folder}/{about['size']}/{about['n_twins']}/{about['n_pairs']}/{sizes[verdicts.METHOD]}"
    found = [
        {**row, **about, "queries": sizes[row["method"]], "key": f"{place}/{row['method']}/{row['attack_on_queries']}"}
        for row in rows
        if row["attack"] in (MEAN_SAME_TASK, REMOVAL) and row["negatives"] == "all" and identity_of(row) in compared
    ]
    records = Records.of(study, "price_erasure")
    records.keep_only(row["key"] for row in records.rows() if row["source_sha256"] == about["source_sha256"])
    records.put(found)


def _row(study: Study, method: Method, attack: str, row: dict) -> dict:
    return {
        "key": f"{study.folder}/{method.key}/{attack}/{row['attack']}/{row['negatives']}",
        **study.columns,
        **method.columns,
        "attack_on_queries": attack,
        **row,
        "provenance": runtime.provenance(study.device),
    }


def _removal_cost(pool: list[Suspect]) -> float:
    """Test accuracy of the copies that were only trained on, less that of those that were also trained away."""
    kinds = ([s.metadata["test_accuracy"] for s in pool if s.model.kind == kind] for kind in (BASELINE, REMOVAL))
    baseline, removed = (float(np.mean(found)) for found in kinds)
    return baseline - removed
