"""When a statement was there: timestamps by an authority (RFC 3161), which OpenSSL asks for and verifies."""

import hashlib
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx2

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.judging import programs
from fingerprinting.judging.statements import shown

REQUEST, REPLY = ".tsq", ".tsr"
TYPES = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
PATIENCE = 30.0  # seconds for an authority
MOST = 100_000  # bytes of a reply; its chain of certificates is the most of it
TICK = timedelta(seconds=1)  # what an authority's seconds leave open
STATED = re.compile(r"^Time stamp: (\w{3}) +(\d+) (\d\d:\d\d:\d\d)(?:\.\d+)? (\d{4}) GMT$", re.MULTILINE)


def request_of(path: Path) -> Path:
    return path.with_name(path.name + REQUEST)


def reply_to(path: Path) -> Path:
    return path.with_name(path.name + REPLY)


def ask_for(path: Path) -> None:
    """Write the request for a timestamp of a file beside it; an authority gets to see its digest alone."""
    words = ("ts", "-query", "-data", path, "-sha256", "-cert", "-out", request_of(path))
    done = programs.run("openssl", *words)
    if done.returncode:
        raise UserError(f"openssl writes no request for a timestamp ({programs.said(done)}); install a newer one")


def send(path: Path, authority: str) -> None:
    """Have an authority stamp a file's request; its reply is kept beside it if it is for this very file."""
    by_hand = f"run the same command again, or have {request_of(path)} stamped and put the reply at {reply_to(path)}"
    try:
        with httpx2.stream(
            "POST", authority, content=request_of(path).read_bytes(), headers=TYPES, timeout=PATIENCE
        ) as response:
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MOST:
                    break
        status = response.status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise UserError(
            f"TSA={authority} does not respond ({shown(error) or type(error).__name__}); {by_hand}"
        ) from None
    if status != httpx2.codes.OK:
        raise UserError(f"TSA={authority} gives no timestamp (HTTP status {status}); {by_hand}")
    with storage.atomic(reply_to(path)) as temporary:
        temporary.write_bytes(content)
        _check_reply(path, temporary, f"TSA={authority} gives no timestamp of {path.name}; {by_hand}")


def check(path: Path) -> datetime:
    """When the reply beside a file says that it was there; no authority is trusted by that."""
    wrong = f"{reply_to(path)} is no timestamp of {path.name}; have {request_of(path)} stamped"
    return _check_reply(path, reply_to(path), wrong)


def check_clock(path: Path) -> None:
    """Refuse to go on where responses would seem to come before the timestamp, by this machine's clock."""
    at = check(path)
    if at > datetime.now(timezone.utc) + TICK:
        raise UserError(
            f"this machine's clock is behind the authority's, which says {at:%Y-%m-%d %H:%M:%S} UTC; set it"
        )


def _check_reply(path: Path, reply: Path, wrong: str) -> datetime:
    about = hashlib.sha256(path.read_bytes()).digest()
    if reply.stat().st_size > MOST or about not in reply.read_bytes():
        raise UserError(wrong)
    return _stated(reply, wrong)


def _stated(reply: Path, wrong: str) -> datetime:
    done = programs.run("openssl", "ts", "-reply", "-in", reply, "-text")
    found = STATED.findall(done.stdout)
    if done.returncode or len(found) != 1:
        raise UserError(wrong)
    return datetime.strptime(" ".join(found[0]), "%b %d %H:%M:%S %Y").replace(tzinfo=timezone.utc)


def verified(path: Path, authorities: str) -> datetime:
    """When a file was there, by the reply beside it; UserError unless an authority of that file stands behind it.

    authorities: certificates in PEM. The authority's own has to be valid at the time that it states.
    """
    trusted, reply = Path(authorities).expanduser(), reply_to(path)
    if not trusted.is_file():
        raise UserError(f"TSA_CA={authorities} is no file; give the authority's certificates in PEM")
    at = _stated(reply, f"the timestamp of {path.name} is damaged")
    words = ("-data", path, "-in", reply, "-CAfile", trusted, "-attime", str(int(at.timestamp())))
    done = programs.run("openssl", "ts", "-verify", *words)
    if done.returncode or "Verification: OK" not in done.stdout + done.stderr:
        raise UserError(
            f"the timestamp of {path.name} is by no authority of TSA_CA={authorities}, or of something else"
        )
    return at
