"""The stealing attacks on a network with passports: what its passports still prove, and what fingerprints do."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np

from cv.passport import protected_study, verification
from cv.passport.layers import convolutions
from cv.passport.passports import Passports
from cv.passport.protected_study import ProtectedStudy
from fingerprinting.core import runtime, statistics, storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import baselines, generate, store
from fingerprinting.methods import METHODS
from fingerprinting.models import build, suspects, trained
from fingerprinting.models import stolen as stealing_attacks
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study

# One reading by labels alone, the least that a suspect gives, for each of three fingerprints.
COMPARED = [
    method
    for method in METHODS
    if method.identity
    in (("primary", "labels", "match_rate"), ("akh", "labels", "responses"), ("sac_m", "labels", "correlation"))
]


def steal(
    study: Study,
    *,
    scheme: str,
    architecture: str,
    norm: str,
    copies: int,
    modification_epochs: int,
    modification_learning_rate: float,
    ratios: tuple[float, ...],
    activity_examples: int,
    extract_epochs: int,
    extract_learning_rate: float,
    temperature: float,
    epsilon: float,
    pgd_steps: int,
    n: int,
    components_n: int,
) -> str | None:
    """Every stealing attack on every scheme's network; then passports and fingerprints side by side, in records."""
    protected_studies = [protected_study.of(study, architecture, norm, name) for name in protected_study.chosen(scheme)]
    plain = protected_study.of(study, architecture, norm, protected_study.PLAIN)
    for needed in (plain, *protected_studies):
        protected_study.require(needed)
    protected_study.same_start(plain, protected_studies)
    independent = independents(study)
    modification: dict[str, Any] = dict(
        copies=copies, epochs=modification_epochs, learning_rate=modification_learning_rate
    )
    attack: dict[str, Any] = dict(epsilon=epsilon, pgd_steps=pgd_steps)
    extract: dict[str, Any] = dict(
        copies=copies, epochs=extract_epochs, learning_rate=extract_learning_rate, temperature=temperature
    )
    skipped = []
    for protected in protected_studies:
        skipped += [
            stealing_attacks.fine_tune(protected, layers=("last", "all"), **modification),
            stealing_attacks.prune(
                protected,
                ratios=ratios,
                activity_examples=activity_examples,
                epochs=modification_epochs,
                learning_rate=modification_learning_rate,
            ),
            stealing_attacks.adversarial(protected, **modification, **attack),
            stealing_attacks.transfer(protected, irrelevant_copies=0, homologous_copies=0, **modification),
            stealing_attacks.extract(protected, same_copies=0, **extract, **attack),
            generate.primary(protected, n=components_n, labels="source", fewer=True),
            baselines.baselines(protected, method=("akh", "sac_m"), n=n),
        ]
        rows = compared(study, protected, independent)
        gone = protected_study.gone(
            plain, [protected_study.of(study, architecture, norm, name) for name in protected_study.SCHEMES]
        )
        with storage.alone_in_results():
            records = Records.of(study, "passport_stealing_attacks")
            others = [row for row in records.rows() if not row["key"].startswith(f"{protected.folder}/")]
            records.replace([*(row for row in others if not gone(row["key"], row.get("network"))), *rows])
    return SKIPPED if any(skipped) else None


def independents(study: Study) -> list[Suspect]:
    """The study's own independent models, the transferred ones among them: the zoo trained them without passports."""
    planned, found = build.planned(study), []
    for step in ("irrelevant", "homologous", "transfer"):
        if step not in planned or not all(model.path.is_file() for model in planned[step]):
            command = study.command(step)
            raise UserError(f"the comparison needs independent models; run {command}")
        found += [Suspect(model, trained.metadata_of(study, model)) for model in planned[step]]
    return [suspect for suspect in found if suspect.kind.role == "independent"]


def compared(study: Study, protected: ProtectedStudy, independent: list[Suspect]) -> list[dict]:
    """One row per kind of stealing attack, and of independent model: white-box and black-box evidence."""
    stolen = [
        Suspect(model, trained.metadata_of(protected, model))
        for models in build.planned(protected).values()
        for model in models
        if model != protected.source_id
    ]
    source = suspects.source_of(protected)
    distances = asked(study, protected, stolen, independent)
    kinds: dict[str, list[tuple[Study, Suspect]]] = defaultdict(list)
    for owner, models in ((protected, [source, *stolen]), (study, independent)):
        for suspect in models:
            kinds[suspect.model.kind].append((owner, suspect))
    held = protected.passports()
    rows = [_row(protected, kind, models, held, distances, independent) for kind, models in kinds.items()]
    return [{**row, "network": protected_study.weights(protected)} for row in rows]


def asked(
    study: Study, protected: ProtectedStudy, stolen: list[Suspect], independent: list[Suspect]
) -> dict[str, dict[str, float]]:
    """Method's key -> model's name -> distance from the protected source, by the fingerprints that it allowed."""
    sha256 = trained.weights_sha256(protected, protected.source_id)
    distances: dict[str, dict[str, float]] = {}
    for method in COMPARED:
        if not store.path_of(protected, method.name).is_file():  # AKH, where the source is never wrong
            distances[method.key] = {}
            continue
        fingerprint = store.load(protected, method.name, sha256)
        distances[method.key] = {
            suspect.model.name: method.score(suspects.ask(owner, suspect, fingerprint.inputs), fingerprint)
            for owner, models in ((protected, stolen), (study, independent))
            for suspect in models
            if method.suits(suspect.kind.on_target)
        }
    return distances


def _row(
    protected: ProtectedStudy,
    kind: str,
    models: list[tuple[Study, Suspect]],
    held: Passports,
    distances: dict[str, dict[str, float]],
    independent: list[Suspect],
) -> dict:
    on_target = models[0][1].kind.on_target
    checked = [_checked(owner, suspect, held) for owner, suspect in models]
    read = [row for row in checked if "agreed" in row]
    agreed, bits = (sum(row[name] for row in read) for name in ("agreed", "bits"))
    same_task = [suspect.model.name for suspect in independent if suspect.kind.on_target == on_target]
    auc, intervals = {}, {}
    for method in COMPARED:
        own = distances[method.key]
        found = [own[suspect.model.name] for _, suspect in models if suspect.model.name in own]
        others = [own[name] for name in same_task if name in own]
        if models[0][1].kind.role == "pirated" and found and others:
            auc[method.name] = statistics.auc(np.array(found), np.array(others))
            draw = np.random.default_rng(runtime.seed_from(f"{protected.folder}/{kind}/{method.seed_name}"))
            intervals[method.name] = statistics.auc_interval(np.array(found), np.array(others), draw)
    return {
        "key": f"{protected.folder}/{kind}",
        **protected.columns,
        "kind": kind,
        "role": models[0][1].kind.role,
        "n": len(models),
        "test_accuracy": float(np.mean([suspect.metadata["test_accuracy"] for _, suspect in models])),
        "n_passports": len(read),
        "signature_detection": agreed / bits if bits else None,
        "lowest_detection": min((row["agreed"] / row["bits"] for row in read), default=None),
        "highest_detection": max((row["agreed"] / row["bits"] for row in read), default=None),
        "highest_p_value": max((row["p_value"] for row in read), default=None),
        "passport_accuracy": _mean([row["accuracy"] for row in read if "accuracy" in row]),
        "triggers_agreed": _mean([row["triggers"] for row in checked if "triggers" in row]),
        "n_independent": len(same_task),
        "auc": auc,
        "auc_interval": intervals,
        "models": {suspect.model.name: row for (_, suspect), row in zip(models, checked, strict=True)},
        "provenance": runtime.provenance(protected.device),
    }


def _checked(owner: Study, suspect: Suspect, held: Passports) -> dict:
    """White-box evidence of one model, where it has the layers; the share of trigger images, where it has the task."""
    found: dict = {}
    needs_net = suspect.model.architecture == held.metadata["architecture"]
    triggers = None if suspect.kind.on_target else held.triggers
    if not needs_net and triggers is None:
        return found
    net = trained.open_model(owner, suspect.model)
    if needs_net and convolutions(net):
        reading = verification.total(verification.passport_readings(net, held))
        found |= {name: value for name, value in asdict(reading).items() if name in ("bits", "agreed")}
        found["p_value"] = reading.p_value
        if not suspect.kind.on_target:
            found["accuracy"] = verification.passport_accuracy(net, held, owner.parts["test"], owner.device)
    if triggers is not None:
        found["triggers"] = verification.triggers_agreed(net, held, owner.device) / len(triggers)
    return found


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
