"""The calibrated fingerprint from twins: nothing is fitted, and no attack is known beforehand.

Its queries are the source's mistakes that repetitions of its training do not make; a suspect's score is its agreement
with the source less its agreement with them. Matched pairs, where the size has them, show which queries tell the most.
Few independent models say how far independent ones go.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fingerprinting.calibrated import evidence
from fingerprinting.calibrated.contents import MATCHED, OTHER, SAME, CalibratedFingerprint, Controls, TwinsCalibration
from fingerprinting.calibrated.responses import controls_of, labels_of, made_of, of_task
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import minus_twins, store
from fingerprinting.fingerprints.generate import begin, finish, trained_besides
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.models import costs, mistakes, suspects, trained
from fingerprinting.models.mistakes import Candidates
from fingerprinting.models.reference import OTHER_DATA, matched_share
from fingerprinting.models.suspects import Suspect
from fingerprinting.models.twins import PAIR, TRANSFERRED
from fingerprinting.study.study import SKIPPED, Study
from fingerprinting.training.trainer import predict

PAIRS = "pairs"
SIZES = ("twins", PAIRS)


@dataclass(frozen=True)
class Chosen:
    """The n queries, the twins' labels (k, n), and which of these are subtracted where (k, n)."""

    queries: Candidates
    twins: np.ndarray
    subtracted: np.ndarray


def calibrated(study: Study, *, size: str, n: int, controls: int) -> str | None:
    """Choose the queries, and keep what twins and calibration models respond to them."""
    twins = suspects.there(study, "twin")
    if not twins:
        mistakes.candidates(study, n)  # too few are said before twins are asked for
        raise UserError(f"SIZE={size} compares with twins of the source; run {study.command('twins')}, COPIES above 0")
    pairs = suspects.there(study, "pair") if size == PAIRS else []
    if size == PAIRS and not pairs:
        raise UserError(f"SIZE={size} chooses queries with matched pairs; run {study.command('pairs')}, COPIES above 0")
    judges = calibrating(study)
    if set(data_of(study, judges)) != {SAME, OTHER, MATCHED}:
        raise UserError(
            "verdicts compare with calibration models of the source's data and of others; give the calibration COPIES "
            "and REFERENCE_COPIES above 0"
        )
    moved, moved_judges = suspects.there(study, "transferred"), calibrating(study, on_target=True)
    used = [*twins, *moved, *pairs, *judges, *moved_judges]
    settings = {
        "size": size,
        "n": n,
        "controls": controls,
        "source_sha256": trained.weights_sha256(study, study.source_id),
        **made_of(used),
    }
    if store.is_current(study, METHOD, settings):
        print(store.finished(study, METHOD))
        return SKIPPED
    print(f"SIZE={size}: {costs.spent(study, [model.model for model in used])}, besides the source's")
    started = begin(study)
    owner = Owner(study, METHOD)
    asked = chosen(owner, twins, pairs, n)
    queries = asked.queries
    found = CalibratedFingerprint(
        source=_of_source_task(study, judges, asked),
        transfer=_transferred(study, moved, moved_judges, queries.inputs),
        controls=_controls(owner, judges, controls),
    )
    fingerprint = owner.fingerprint(Queries(queries.inputs, queries.truth, found.extra))
    finish(
        study,
        METHOD,
        fingerprint,
        settings,
        started,
        {
            "n_twins": len(twins),
            "n_pairs": len(pairs) // len(PAIR),
            "n_calibration": len(judges) + len(moved_judges),
            **trained_besides(used),
        },
    )
    return None


def calibrating(study: Study, *, on_target: bool = False) -> list[Suspect]:
    """Independent models of all of their maker's data: those of a share, less able, lie further apart in scores.

    Of the source's task also those of a share that match models of other data.
    """
    shares = {1.0} if on_target else {1.0, matched_share(study)}
    models = of_task(suspects.of_use(study, "calibration"), on_target=on_target)
    return [model for model in models if suspects.share(model) in shares]


def data_of(study: Study, models: list[Suspect]) -> np.ndarray:
    """(m,): SAME, OTHER or MATCHED of each calibration model of the source's task."""
    of_owner = {1.0: SAME, matched_share(study): MATCHED}
    data = [OTHER if suspects.part(model) == OTHER_DATA else of_owner[suspects.share(model)] for model in models]
    return np.array(data, dtype=int)


def chosen(owner: Owner, twins: list[Suspect], pairs: list[Suspect], n: int) -> Chosen:
    """The n queries.

    Mistakes on held-out examples come first, then those on training examples, which copies repeat less, then mixtures.
    """
    offered = mistakes.candidates(owner.study, n)
    logits = predict(owner.source, offered.inputs, owner.device)
    source, margin = logits.argmax(1).numpy(), margin_of(logits).numpy()
    labels = labels_of(owner.study, twins, offered.inputs)
    draw = np.random.default_rng(owner.seed("choosing"))
    choosing = minus_twins.choosers(len(twins), len(source), draw)
    worth = minus_twins.merit(source, margin, labels, choosing)
    if pairs:
        of_kind = (
            labels_of(owner.study, [model for model in pairs if model.model.kind == kind], offered.inputs)
            for kind in PAIR
        )
        worth = minus_twins.with_pairs(worth, source, labels, choosing, *of_kind)
    taken = minus_twins.choose(offered.group, worth, n, draw)
    if len(taken) < n:
        print(f"{owner.method}: {len(taken)} queries instead of N={n}, for the source makes no more mistakes")
    return Chosen(offered.of(taken), labels[:, taken], ~choosing[:, taken])


def margin_of(logits: torch.Tensor) -> torch.Tensor:
    """(N, C) -> (N,): the probability of the most probable class less that of the next one."""
    first, second = logits.softmax(1).topk(2).values.unbind(1)
    return first - second


def _of_source_task(study: Study, judges: list[Suspect], asked: Chosen) -> TwinsCalibration:
    """What is known of the queries where a suspect's labels mean the source's classes."""
    labels = labels_of(study, [suspects.source_of(study), *judges], asked.queries.inputs)
    data = data_of(study, judges)
    learned = (data != SAME)[:, None] & asked.queries.of_reference
    return TwinsCalibration.of(labels[0], asked.twins, asked.subtracted, labels[1:], learned, data)


def _transferred(
    study: Study, moved: list[Suspect], judges: list[Suspect], inputs: torch.Tensor
) -> TwinsCalibration | None:
    """The same where labels mean other things, by their pattern: beside the source and twins that the owner moved.

    None without them or moved calibration models. What a moved twin responds chose nothing, so it counts everywhere.
    """
    source, twins = ([model for model in moved if model.model.kind == kind] for kind in TRANSFERRED)
    if not (source and judges):
        return None
    (of_source, *of_twins), of_judges = (labels_of(study, models, inputs) for models in ([*source, *twins], judges))
    labels = np.stack(of_twins)
    counted = np.ones_like(labels, dtype=bool)
    scores = [minus_twins.pattern(own, of_source, labels, counted) for own in of_judges]
    return TwinsCalibration(of_source, labels, counted, np.array(scores))


def _controls(owner: Owner, judges: list[Suspect], count: int) -> Controls:
    """Any examples of dev, classes in turn, and each judge's accuracy on them.

    Queries among them are asked twice: without these, the source's mistakes, no copy of it would seem to make any.
    """
    dev, draw = owner.dev, np.random.default_rng(owner.seed("controls"))
    order = draw.permutation(len(dev))
    return controls_of(owner, evidence.in_turns(order, dev.targets.numpy())[:count], judges)
