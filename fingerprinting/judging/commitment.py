"""A commitment: one digest over all that could be chosen later, made before a suspect is asked.

The queries' folder then holds the fingerprint too, whose arrays (the source's and the twins' responses, the weights of
the score, the calibration models' scores, the control queries with their truth) let others pass the verdict again
without any weights. The digest is that of commitment.json, which holds the digest of everything else.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingerprinting.asking import encodings, journal, texts
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import arrays, queries, signature, statements, timestamp
from fingerprinting.judging.verdict import Levels
from fingerprinting.models import trained
from fingerprinting.study.study import Study

COMMITMENT, FINGERPRINT, JOURNAL = "commitment.json", "fingerprint.safetensors", journal.NAME
QUERIES = (queries.INPUTS, queries.ABOUT, queries.TEXTS)  # the last of texts alone
MAP = "class_map.json"  # what CLASSES= named, if anything: what the suspect says -> class of the source
NEEDED = {FINGERPRINT, *QUERIES[:2]}
SUFFIXES = ("", signature.SUFFIX, timestamp.REQUEST, timestamp.REPLY)  # of the files of a statement
FORMAT = 2
KIND = "commitment"


@dataclass(frozen=True)
class Rules:
    """How a verdict is passed, as judge.py has it; the names of its constants in lower case."""

    alpha: float
    beta: float
    tail: str
    early: bool
    other_task: bool
    budget: int

    def levels(self, limit: str, scope: str) -> Levels:
        return Levels(self.alpha, self.beta, self.tail, self.other_task, self.early, limit, scope)


def is_there(folder: Path) -> bool:
    return (folder / COMMITMENT).is_file()


def refuse_second(folder: Path) -> None:
    """A suspect that was asked, or a commitment that others may hold, is not committed to once more."""
    if any((folder / (COMMITMENT + suffix)).exists() for suffix in SUFFIXES):
        raise UserError(f"{folder} holds a commitment already; another case needs a folder of its own: QUERIES=")
    if (folder / JOURNAL).exists():
        raise UserError(f"{folder / JOURNAL} shows that the suspect was asked before; COMMIT=True comes first")


def make(study: Study, folder: Path, rules: Rules, class_map: str, encoding: str, key: str) -> str:
    """Commit to the queries in the folder and to all that their verdict rests on; returns the digest.

    class_map: the file of CLASSES=, if there is one. encoding: ENCODING=, empty for the suspect's usual one. The
    commitment appears together with a request for a timestamp, and its signature where there is a key.
    """
    refuse_second(folder)
    made = store.path_of(study, METHOD)
    if encoding:
        encodings.encoding(encoding, study.domain.inputs, tuple(store.read(made).inputs.shape[1:]))
    names = [COMMITMENT, *([COMMITMENT + signature.SUFFIX] if key else []), COMMITMENT + timestamp.REQUEST]
    with storage.atomic(folder / FINGERPRINT) as copied:
        shutil.copyfile(made, copied)
    keep_map(folder, class_map)
    with storage.together(folder, names[::-1]) as place:
        content = statements.written(_statement(study, folder, rules, encoding))
        (place / COMMITMENT).write_bytes(content)
        if key:
            signature.sign(place / COMMITMENT, key)
        timestamp.ask_for(place / COMMITMENT)
    return statements.sha256(content)


def _statement(study: Study, folder: Path, rules: Rules, encoding: str) -> dict:
    fingerprint = store.read(folder / FINGERPRINT)
    arrays.check(fingerprint, len(study.classes), FINGERPRINT)
    source = trained.metadata_of(study, study.source_id)
    return {
        "kind": KIND,
        "format": FORMAT,
        "made": statements.now(),
        "study": study.folder,
        "tier": study.tier,
        "seed": {"split": study.split_seed, "names": study.folder},
        "rules": vars(rules),
        "encoding": encoding,
        "limit": study.domain.limit,
        "scope": study.domain.scope,
        "files": statements.digests(folder, (FINGERPRINT, *QUERIES, MAP)),
        "code": runtime.provenance(study.device),
        "source": {"sha256": source["sha256"], "recipe_sha256": storage.key_of(source["settings"])},
        **about(fingerprint),
    }


def about(fingerprint: Fingerprint) -> dict:
    """What a commitment says of the fingerprint, computed from its content."""
    tensors = {name: getattr(fingerprint, name) for name in store.TENSORS} | fingerprint.extra
    return {
        "fingerprint_sha256": fingerprint.metadata["sha256"],
        "arrays": {name: storage.digest({name: tensor}) for name, tensor in tensors.items()},
        "settings_sha256": storage.key_of(fingerprint.metadata.get("settings")),
        "models": fingerprint.metadata.get("extra_models_used", {}),
    }


def read(content: bytes, name: str = COMMITMENT) -> dict:
    """A commitment from outside: its types are right, what it says is not yet compared with anything."""
    found = statements.read(content, name)
    if (found.get("kind"), found.get("format")) != (KIND, FORMAT):
        raise UserError(f"{name} is no commitment of this version; verify it by the code that it names")
    shape: dict[str, Callable[[Any], bool]] = {
        "made": statements.is_time,
        "study": _is_text,
        "tier": _is_text,
        "seed": lambda value: isinstance(value, dict),
        "code": lambda value: isinstance(value, dict),
        "rules": _is_rules,
        "encoding": lambda value: value in ("", *encodings.NAMES),
        "limit": _is_text,
        "scope": _is_text,
        "files": lambda value: is_digests(value) and NEEDED <= set(value) <= {FINGERPRINT, *QUERIES, MAP},
        "arrays": is_digests,
        "models": is_digests,
        "source": is_digests,
        "fingerprint_sha256": _is_digest,
        "settings_sha256": _is_digest,
    }
    if set(found) != {"kind", "format", *shape} or not all(is_right(found[key]) for key, is_right in shape.items()):
        raise statements.damaged(name)
    return found


def keep_map(folder: Path, class_map: str) -> None:
    """A copy of the file of CLASSES= among those of the case; none where none is given."""
    if class_map:
        storage.write_text(folder / MAP, texts.text_of(Path(class_map)))
    else:
        (folder / MAP).unlink(missing_ok=True)


def check(folder: Path, study: Study, fingerprint: Fingerprint, rules: Rules, class_map: str, encoding: str) -> None:
    """Refuse to judge by other than was committed to: other rules, another fingerprint, queries that were altered.

    class_map: the file of CLASSES=; one that was not committed to may be given later, and the case will say so.
    """
    found = read((folder / COMMITMENT).read_bytes(), str(folder / COMMITMENT))
    fixed, given = found["rules"] | {"encoding": found["encoding"]}, vars(rules) | {"encoding": encoding}
    if other := [name for name, value in fixed.items() if given[name] != value]:
        wanted = ", ".join(f"{name.upper()}={fixed[name]}" for name in other)
        raise UserError(f"the commitment in {folder} fixed {wanted}; give the same, or QUERIES=a folder without one")
    if MAP in found["files"] and (not class_map or texts.text_of(Path(class_map)) != texts.text_of(folder / MAP)):
        raise UserError(f"the commitment in {folder} fixed CLASSES={folder / MAP}; give the same")
    domain = study.domain
    is_now = {"fingerprint_sha256": fingerprint.metadata["sha256"], "limit": domain.limit, "scope": domain.scope}
    if any(found[name] != value for name, value in is_now.items()):
        raise UserError(
            f"the commitment in {folder} is about another fingerprint than is there now; put that one back, or give "
            "QUERIES=a folder without one"
        )
    check_files(folder, found)


def check_files(folder: Path, statement: dict) -> None:
    """Refuse files that are no longer what a statement about them says."""
    if changed := statements.changed(folder, statement):
        raise UserError(f"{', '.join(map(statements.shown, changed))} of {folder} changed since it was committed to")


def is_digests(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_digest, value.values()))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_rules(value: object) -> bool:
    kinds: Sequence[type] = (float, float, str, bool, bool, int)
    names = tuple(Rules.__dataclass_fields__)
    return (
        isinstance(value, dict)
        and set(value) == set(names)
        and all(type(value[name]) is kind for name, kind in zip(names, kinds, strict=True))
    )
