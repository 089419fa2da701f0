"""The end of a case: one digest over the journal and the verdict, chained to the commitment, signed and timestamped."""

from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.judging import commitment, queries, signature, statements, timestamp
from fingerprinting.judging.commitment import COMMITMENT, JOURNAL, MAP

CLOSING, VERDICT, REPORT = "closing.json", queries.VERDICT, "report.html"
NEEDED = {COMMITMENT, JOURNAL, VERDICT}
COVERED = (
    *(COMMITMENT, COMMITMENT + signature.SUFFIX, COMMITMENT + timestamp.REPLY),
    *(JOURNAL, MAP, VERDICT, REPORT),
)
FORMAT = 1
KIND = "closing"


def close(folder: Path, key: str) -> None:
    """State what the journal and the verdict are, unless that is stated already of these very files."""
    if lacking := sorted(name for name in NEEDED if not (folder / name).is_file()):
        raise UserError(
            f"EVIDENCE= needs {', '.join(lacking)} in {folder}; ask the suspect by SUSPECT=, or give RESPONSES=, first"
        )
    path, files = folder / CLOSING, statements.digests(folder, COVERED)
    if not (path.is_file() and read(path.read_bytes(), str(path))["files"] == files):
        for suffix in commitment.SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        found = {"kind": KIND, "format": FORMAT, "closed": statements.now(), "files": files}
        with storage.atomic(path) as temporary:
            temporary.write_bytes(statements.written(found))
    _sign(path, folder / COMMITMENT, key)
    if not timestamp.request_of(path).is_file():
        timestamp.ask_for(path)


def _sign(path: Path, committed: Path, key: str) -> None:
    """By the key that the commitment is signed by, if it is."""
    if not signature.beside(committed).is_file():
        return
    if not signature.beside(path).is_file():
        if not key:
            raise UserError(f"{committed} is signed; give KEY= the same key, which signs {path.name} too")
        signature.sign(path, key)
    if signature.key_of(path) != signature.key_of(committed):
        signature.beside(path).unlink()
        raise UserError(f"KEY={key} is another key than {committed} is signed by; give that one")


def read(content: bytes, name: str = CLOSING) -> dict:
    """A closing from outside: its types are right, what it says is not yet compared with anything."""
    found = statements.read(content, name)
    if (found.get("kind"), found.get("format")) != (KIND, FORMAT):
        raise UserError(f"{name} is no closing of this version; verify it by the code that made it")
    files, whole = found.get("files"), set(found) == {"kind", "format", "closed", "files"}
    if not (whole and statements.is_time(found["closed"]) and commitment.is_digests(files)):
        raise statements.damaged(name)
    if not NEEDED <= set(found["files"]) <= set(COVERED):
        raise statements.damaged(name)
    return found
