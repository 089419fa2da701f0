"""Attacks run and recorded: every one asked for on every scheme asked for, what is finished skipped."""

import json
from dataclasses import asdict

from tqdm import tqdm

from cv.passport import protected_study
from cv.passport.attacks import ATTACKS
from cv.passport.protected_study import ProtectedStudy
from cv.passport.target import Outcome, Plan, Target
from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, ModelId, Study


def attack(
    study: Study,
    *,
    kind: str,
    scheme: str,
    architecture: str,
    norm: str,
    shares: tuple[float, ...],
    forged_shares: tuple[float, ...],
    draws: int,
    forge_epochs: int,
    forge_learning_rate: float,
    fine_tune_epochs: int,
    fine_tune_learning_rate: float,
    sign_weight: float,
    noise: float,
    data_share: float,
    chosen_shares: tuple[float, ...],
    expansion: int,
) -> str | None:
    """Run the attacks asked for on every scheme asked for; what was measured with the same settings is skipped."""
    if kind not in (*ATTACKS, "all"):
        raise UserError(f"KIND={kind} is unknown; take all or one of {', '.join(ATTACKS)}")
    if any(not 0 <= share <= 1 for share in (*shares, *forged_shares, *chosen_shares)) or not 0 < data_share <= 1:
        raise UserError("SHARES, FORGED_SHARES and CHOSEN_SHARES must lie between 0 and 1, and DATA_SHARE above 0")
    if draws < 1 or expansion < 1:
        raise UserError("DRAWS and EXPANSION must be 1 or more")
    forge = study.recipe(forge_epochs, forge_learning_rate)
    tune = study.recipe(fine_tune_epochs, fine_tune_learning_rate)
    plan = Plan(shares, forged_shares, draws, forge, tune, sign_weight, noise, data_share, chosen_shares, expansion)
    plain = protected_study.of(study, architecture, norm, protected_study.PLAIN)
    protected_studies = [protected_study.of(study, architecture, norm, name) for name in protected_study.chosen(scheme)]
    for needed in (plain, *protected_studies):
        protected_study.require(needed)
    protected_study.same_start(plain, protected_studies)
    records, pieces, pretrained = Records.of(study, "passports"), [], protected_study.open_released(plain)
    for protected in protected_studies:
        target = Target(protected, protected_study.open_released(protected), protected.passports(), pretrained)
        for name in ATTACKS if kind == "all" else (kind,):
            pieces += [(target, name, strength, run) for strength, run in ATTACKS[name](target, plan).items()]
    known = {row["key"]: row for row in records.rows()}
    todo = []
    for target, name, strength, run in pieces:
        settings = json.loads(json.dumps(asdict(plan)))
        settings |= {
            "model": protected_study.weights(target.protected_study),
            "split_seed": study.split_seed,
            **study.numerics,
        }
        key = key_of(target, name, strength)
        if study.force or known.get(key, {}).get("settings") != settings:
            todo.append((target, name, strength, run, key, settings))
    _forget(
        records,
        pieces,
        todo,
        plain,
        [protected_study.of(study, architecture, norm, name) for name in protected_study.SCHEMES],
    )
    records.put([plain_row(plain, plain.source_id), plain_row(plain, plain.longer_id)])
    if len(todo) < len(pieces):
        print(f"{len(pieces) - len(todo)} of {len(pieces)} attacks are finished already", flush=True)
    for target, name, strength, run, key, settings in tqdm(todo, desc="attack", unit="attack", disable=not todo):
        records.put([{"key": key, **row_of(target, name, strength, run()), "settings": settings}])
    return SKIPPED if len(todo) < len(pieces) else None


def key_of(target: Target, attack: str, strength) -> str:
    return f"{target.protected_study.folder}/{attack}/{'' if strength is None else strength}"


def _forget(
    records: Records, pieces: list[tuple], todo: list[tuple], plain: ProtectedStudy, every: list[ProtectedStudy]
) -> None:
    """Drop what earlier constants measured of the attacks that are run, and what any measured of networks gone.

    Should this run be stopped, neither may stand beside what it measured until then.
    Those of a scheme that did not go on from the plain network which is there now are gone too, run or not: all schemes
    stand in one table beside it.
    """
    finished = {key_of(target, name, strength) for target, name, strength, _ in pieces} - {key for *_, key, _ in todo}
    run_again = tuple({f"{target.protected_study.folder}/{name}/" for target, name, *_ in pieces})
    gone = protected_study.gone(plain, every)

    def stands(row: dict) -> bool:
        if gone(row["key"], row.get("settings", {}).get("model")):  # the plain network's rows have none
            return False
        return row["key"] in finished or not row["key"].startswith(run_again)

    records.keep_only(row["key"] for row in records.rows() if stands(row))


def row_of(target: Target, attack: str, strength, outcome: Outcome) -> dict:
    claimed, owner = outcome.claimed, outcome.owner
    return {
        **target.protected_study.columns,
        "attack": attack,
        "strength": strength,
        "accuracy": outcome.accuracy,
        "signature_detection": claimed.detection,
        "n": len(target.protected_study.parts["test"]),
        "bits": claimed.bits,
        "p_value": None if outcome.notes.get("draws", 1) > 1 else claimed.p_value,  # bits of several draws are no test
        "owner_detection": owner.detection,
        **outcome.notes,
        "provenance": runtime.provenance(target.device),
    }


def plain_row(plain: ProtectedStudy, model: ModelId) -> dict:
    """The same network without passports, to compare with; strength: "longer" where it was trained on."""
    metadata = storage.read_metadata(model.path)
    return {
        "key": f"{plain.folder}/none/{model.variant}",
        **plain.columns,
        "attack": "none",
        "strength": model.variant or None,
        "accuracy": metadata["test_accuracy"],
        "signature_detection": None,
        "n": metadata["n_test"],
        "provenance": metadata["provenance"],
    }
