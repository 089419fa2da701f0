"""The calibrated fingerprint: queries and weights from reference models, verdicts against calibration models.

Disjoint sets of models: references choose the queries and weigh the responses, calibration independents say how far
independent models go, and suspects are judged by both. Models that saw a third of the data help to make candidates and
control queries, which say how accurate a suspect is. Only its top-1 labels are used.
"""

from collections import Counter
from collections.abc import Iterable
from functools import partial

import numpy as np
import torch

from fingerprinting.calibrated import evidence, responses, twins
from fingerprinting.calibrated.candidates import CANDIDATES, WITH_MODELS, Making, candidates
from fingerprinting.calibrated.contents import CalibratedFingerprint, Calibration, Controls
from fingerprinting.calibrated.responses import bits_of, labels_of, of_task
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import storage
from fingerprinting.core.runtime import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.generate import begin, finish, trained_besides
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.models import suspects, trained
from fingerprinting.models.kinds import INDEPENDENT, MODIFIED
from fingerprinting.models.suspects import Suspect, origin
from fingerprinting.study.study import SKIPPED, Study

FULL = "full"
SIZES = (*twins.SIZES, FULL)


def calibrated(study: Study, *, size: str, n: int, controls: int, **constants) -> str | None:
    """The fingerprint of the size that is asked for; the constants are those of `full`."""
    if size not in SIZES:
        raise UserError(f"unknown SIZE={size}; take {', '.join(SIZES)}")
    if n < 1 or controls < 1:
        raise UserError(f"N={n} and CONTROLS={controls} must be 1 or more")
    if size in twins.SIZES:
        return twins.calibrated(study, size=size, n=n, controls=controls)
    return full(study, n=n, controls=controls, **constants)


def full(
    study: Study,
    *,
    n: int,
    controls: int,
    kinds: tuple[str, ...],
    extraction_share: float,
    standardised: bool,
    folds: int,
    **making,
) -> str | None:
    """Choose queries, weigh responses, and keep what calibration models and held-out stolen models respond."""
    if not kinds:
        raise UserError(f"KINDS is empty; it takes {', '.join(CANDIDATES)}")
    if unknown := set(kinds) - set(CANDIDATES):
        raise UserError(f"unknown candidates {', '.join(sorted(unknown))}; KINDS takes {', '.join(CANDIDATES)}")
    if not 0 <= extraction_share <= 1:
        raise UserError(f"EXTRACTION_SHARE={extraction_share} must lie between 0 and 1")
    makes = Making(**making)
    if makes.candidates < 1 or folds < 2:
        raise UserError(f"CANDIDATES={makes.candidates} must be 1 or more, and FOLDS={folds} 2 or more")
    if makes.sampled < 1:
        raise UserError(f"SAMPLED={makes.sampled} must be 1 or more")
    references, low_data_references, independent = models_of(study, kinds)
    used = [*references, *low_data_references, *independent]
    same_task, judges = of_task(references, on_target=False), of_task(independent, on_target=False)
    origins = np.array([origin(model) for model in same_task])
    _check(origins, judges, low_data_references)
    settings = {
        "size": FULL,
        "n": n,
        "controls": controls,
        "kinds": list(kinds),
        "making": making,
        "extraction_share": extraction_share,
        "standardised": standardised,
        "folds": folds,
        "strength": evidence.STRENGTH,
        "spread": evidence.SPREAD,
        "source_sha256": trained.weights_sha256(study, study.source_id),
        **made_of(study, used),
    }
    if store.is_current(study, METHOD, settings):
        print(store.finished(study, METHOD))
        return SKIPPED
    started = begin(study)
    owner = Owner(study, METHOD)
    offered, kind = offer(owner, kinds, makes)
    bits = bits_of(study, same_task, offered.inputs)
    choice = partial(evidence.choose, n=n, extraction_share=extraction_share)
    chosen = choice(bits, origins)
    inputs = offered.inputs[chosen]
    fitted = evidence.fit_standardised if standardised else evidence.fit
    stolen = evidence.cross_fitted(bits, origins, folds, choice, fitted)[origins != INDEPENDENT]
    found = CalibratedFingerprint(
        source=Calibration.of(fitted(bits[:, chosen], origins), bits_of(study, judges, inputs), stolen),
        transfer=_transferred(study, references, independent, inputs, folds),
        controls=_controls(owner, _independent(same_task), _independent(low_data_references), judges, controls),
    )
    fingerprint = owner.fingerprint(Queries(inputs, offered.truth[chosen], found.extra))
    finish(
        study,
        METHOD,
        fingerprint,
        settings,
        started,
        {
            "query_kinds": dict(Counter(kinds[index] for index in kind[chosen].tolist())),
            "offered_kinds": dict(Counter(kinds[index] for index in kind.tolist())),
            "n_reference": len(references),
            "n_low_data": len(low_data_references),
            "n_calibration": len(independent),
            **trained_besides(used),
        },
    )
    return None


def models_of(study: Study, kinds: Iterable[str]) -> tuple[list[Suspect], list[Suspect], list[Suspect]]:
    """References, low-data references (stolen ones only where they make candidates) and calibration models.

    Of the latter those of the owner's part: weights were fitted on what is learned on the reference part.
    """
    references, low_data_references = suspects.of_use(study, "reference"), suspects.low_data_references(study)
    if not set(kinds) & set(WITH_MODELS):
        low_data_references = _independent(low_data_references)
    calibrating = [model for model in suspects.of_use(study, "calibration") if suspects.part(model) == "owner"]
    return references, low_data_references, calibrating


def made_of(study: Study, used: Iterable[Suspect]) -> dict[str, str | None]:
    """Digests of the fingerprints and models that are there now; a fingerprint keeps those that it was made of."""
    return {
        "primary_sha256": _content(study, "primary"),
        "evolved_sha256": _content(study, "evolved"),
        **responses.made_of(used),
    }


def offer(owner: Owner, kinds: tuple[str, ...], making: Making) -> tuple[Queries, np.ndarray]:
    """The candidates, no input twice, and the index (n,) into `kinds` of what each one is."""
    found, kind = candidates(owner, kinds, making)
    first = np.unique(found.inputs.flatten(1).numpy(), axis=0, return_index=True)[1]
    kept = torch.from_numpy(np.sort(first))
    return Queries(found.inputs[kept], found.truth[kept]), kind[kept].numpy()


def _independent(models: list[Suspect]) -> list[Suspect]:
    return [model for model in models if origin(model) == INDEPENDENT]


def _controls(
    owner: Owner, accurate: list[Suspect], weak: list[Suspect], judges: list[Suspect], count: int
) -> Controls:
    """Control queries of all classes alike, held out from all training, and each judge's accuracy on them."""
    study, dev = owner.study, owner.dev
    truth = dev.targets.numpy()
    able_right, weak_right = (labels_of(study, models, physical(dev.inputs)) == truth for models in (accurate, weak))
    return responses.controls_of(owner, evidence.controls(able_right, weak_right, truth, count), judges)


def _transferred(
    study: Study, references: list[Suspect], independent: list[Suspect], inputs: torch.Tensor, folds: int
) -> Calibration | None:
    """The same idea where labels mean other things: which queries get the same label. None without such models."""
    moved, calibrating = (of_task(models, on_target=True) for models in (references, independent))
    origins = np.array([origin(model) for model in moved])
    if not calibrating or min(np.count_nonzero(origins == side) for side in (INDEPENDENT, MODIFIED)) < 2:  # 1 held out
        return None
    pairs, judging = (evidence.same_response(labels_of(study, models, inputs)) for models in (moved, calibrating))
    stolen = evidence.cross_fitted(pairs, origins, folds)[origins != INDEPENDENT]
    return Calibration.of(evidence.fit(pairs, origins), judging, stolen)


def _content(study: Study, method: str) -> str | None:
    path = store.path_of(study, method)
    return storage.read_metadata(path)["sha256"] if path.is_file() else None


def _check(origins: np.ndarray, calibration: list[Suspect], low_data_references: list[Suspect]) -> None:
    if not (origins == INDEPENDENT).any() or (origins == INDEPENDENT).all():
        raise UserError(
            "responses are weighed on stolen reference models and independents; give the references COPIES above 0"
        )
    if not calibration:
        raise UserError("verdicts are passed against calibration models; give the calibration COPIES above 0")
    if not _independent(low_data_references):
        raise UserError(
            "control queries are chosen with independent low-data references; give low_data_references.py COPIES above "
            "0"
        )
