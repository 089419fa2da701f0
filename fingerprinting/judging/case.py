"""judge.py with evidence: commit before the suspect is asked, close the journal afterwards, and pack both."""

from pathlib import Path

from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import bundle, closing, commitment, timestamp, verification
from fingerprinting.judging import judge as judging
from fingerprinting.judging.closing import CLOSING
from fingerprinting.judging.commitment import COMMITMENT, JOURNAL, Rules
from fingerprinting.models import trained
from fingerprinting.study.study import SKIPPED, Study

ASKING = ("responses", "suspect")  # constants of which one says that a verdict is to be passed


def judge(study: Study, *, queries: str, commit: bool, key: str, tsa: str, evidence: str, **constants) -> str:
    """As judging.judge, whose constants the others are; with a commitment in the folder of queries by its rules alone.

    commit: make one. key, tsa: who signs and timestamps it, and the closed journal. evidence: the archive to write.
    """
    folder, asked = Path(queries), any(constants.get(name) for name in ASKING)
    if not (commit or commitment.is_there(folder)):
        if key or tsa or evidence:
            raise UserError(
                f"KEY=, TSA= and EVIDENCE= need a commitment, and {folder} holds none; give COMMIT=True before the "
                "suspect is asked"
            )
        return judging.judge(study, queries=queries, **constants)
    rules = Rules(*(constants[name] for name in Rules.__dataclass_fields__))
    class_map, encoding = "" if rules.other_task else constants.get("classes", ""), constants.get("encoding", "")
    if commit:
        commitment.refuse_second(folder)
        judging.judge(study, queries=queries, **{**constants, **{name: "" for name in ASKING if name in constants}})
        digest = commitment.make(study, folder, rules, class_map, encoding, key)
        print(f"\nThe commitment is {digest}, sha256 of {folder / COMMITMENT}; from now on {folder} stays as it is.")
    commitment.check(folder, study, _fingerprint(study), rules, class_map, encoding)
    _stamp_commitment(folder, tsa)
    if asked:
        judging.judge(study, queries=queries, committed=True, **constants)
        commitment.keep_map(folder, class_map)
    if evidence:
        _pack(folder, Path(evidence).expanduser(), key, tsa)
    return SKIPPED


def _fingerprint(study: Study) -> Fingerprint:
    return store.load(study, METHOD, trained.weights_sha256(study, study.source_id))


def _stamp_commitment(folder: Path, tsa: str) -> None:
    """Before the suspect is asked, and never after: then a timestamp would prove no order."""
    path, begun = folder / COMMITMENT, (folder / JOURNAL).exists()
    if tsa and not begun and not timestamp.reply_to(path).exists():
        timestamp.send(path, tsa)
    if timestamp.reply_to(path).exists():
        timestamp.check(path)
        if not begun:
            timestamp.check_clock(path)
    elif not begun:
        print(
            f"It is not timestamped: give TSA= an authority's address, or have {timestamp.request_of(path)} stamped "
            f"and put the reply at {timestamp.reply_to(path)}, before the suspect is asked."
        )


def _pack(folder: Path, path: Path, key: str, tsa: str) -> None:
    """Close the journal, and write the archive after it was verified as others will."""
    closing.close(folder, key)
    found = verification.held_together(folder)
    closed = folder / CLOSING
    if tsa and not timestamp.reply_to(closed).exists():
        timestamp.send(closed, tsa)
    if all(timestamp.reply_to(one).exists() for one in (folder / COMMITMENT, closed)):
        verification.check_order(found, timestamp.check(folder / COMMITMENT), timestamp.check(closed))
    else:
        print(f"Not both of {COMMITMENT} and {CLOSING} are timestamped: the case does not prove when it was made.")
    bundle.write(folder, path)
    print(f"The case is in {path}: python verify_case.py {path} SIGNER=allowed_signers TSA_CA=authority.pem")
