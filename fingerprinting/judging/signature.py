"""Who made a statement: signatures by an SSH key, which OpenSSH writes and verifies."""

import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fingerprinting.core.errors import UserError
from fingerprinting.judging import programs
from fingerprinting.judging.statements import shown

NAMESPACE = "case@cross-domain-fingerprinting"  # a signature for something else is none of a case
SUFFIX = ".sig"


@dataclass(frozen=True)
class Signer:
    """name: as allowed signers have it. key: its type and fingerprint, as OpenSSH says them."""

    name: str
    key: str


def beside(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def sign(path: Path, key: str) -> None:
    """Write the signature of a file beside it; the private key stays with OpenSSH, or its agent."""
    place = Path(key).expanduser()
    if not place.is_file():
        raise UserError(f"KEY={key} is no file; give the path of an SSH key, such as ~/.ssh/id_ed25519")
    done = programs.run("ssh-keygen", "-q", "-Y", "sign", "-f", place, "-n", NAMESPACE, path)
    if done.returncode or not beside(path).is_file():
        raise UserError(f"ssh-keygen does not sign with KEY={key} ({programs.said(done)}); give another SSH key")


def key_of(path: Path) -> str:
    """The key that a file is signed by, whoever's it is."""
    words = ("-Y", "check-novalidate", "-n", NAMESPACE, "-s", beside(path))
    return _key(path, programs.run("ssh-keygen", *words, given=path))


def _key(path: Path, done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise UserError(f"the signature of {path.name} does not hold ({programs.said(done)})")
    return done.stdout.strip().partition(" with ")[2]


def signer_of(path: Path, signers: str, at: datetime | None = None) -> Signer:
    """Who signed a file, by a list of allowed signers; UserError where it was nobody of these.

    at: when it was signed, where that is known; keys that the list limits to a time must be valid then, else now.
    """
    allowed, signature = Path(signers).expanduser(), beside(path)
    if not allowed.is_file():
        raise UserError(f"SIGNER={signers} is no file; give allowed signers, a line each: name key-type key")
    when = [f"-Overify-time={at:%Y%m%d%H%M%S}"] if at else []
    found = programs.run("ssh-keygen", "-Y", "find-principals", "-s", signature, "-f", allowed, *when)
    names = found.stdout.splitlines()
    if found.returncode or not names:
        raise UserError(f"the signature of {path.name} is by no key of SIGNER={signers} ({programs.said(found)})")
    name = names[0].split(",")[0]
    words = ("-I", name, "-n", NAMESPACE, *when, "-s")
    done = programs.run("ssh-keygen", "-Y", "verify", "-f", allowed, *words, signature, given=path)
    return Signer(shown(name), _key(path, done))
