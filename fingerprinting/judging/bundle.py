"""case.zip: the files of a case in one archive, the same bytes whenever and wherever it is written.

Nothing is compressed, so that nothing can be larger than it looks. What others hand over is read by names that are
known before, and only if writing its files again gives the same bytes: not one of them is left unread.
"""

import io
import os
import struct
import zipfile
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.judging import commitment, signature, statements, timestamp
from fingerprinting.judging.closing import CLOSING, NEEDED, REPORT
from fingerprinting.judging.commitment import COMMITMENT, MAP, QUERIES

SUMS = "SHA256SUMS"  # of all other members, as sha256sum writes and checks them
ALWAYS = (CLOSING, *sorted(NEEDED), *sorted(commitment.NEEDED))
SIGNED = tuple(name + suffix for name in (COMMITMENT, CLOSING) for suffix in (signature.SUFFIX, timestamp.REPLY))
MEMBERS = tuple(sorted({*ALWAYS, *SIGNED, *QUERIES, MAP, REPORT}))
LARGEST = 1 << 30  # bytes of a case
DIRECTORY = 16_384  # bytes of the list of its members, at most
END = struct.Struct("<4s4H2LH")  # what an archive without a comment ends in
MADE = (1980, 1, 1, 0, 0, 0)  # the earliest date that an archive can give


def write(folder: Path, path: Path) -> None:
    """Pack the case in a folder; an archive that is another case's, or none, is not written over."""
    members = {name: (folder / name).read_bytes() for name in MEMBERS if (folder / name).is_file()}
    if os.path.lexists(path):
        _check_same_case(path, members[COMMITMENT])
    members[SUMS] = sums(members)
    content = packed(members)
    if len(content) > LARGEST:
        raise UserError(f"{path} would have {len(content)} bytes, and a case has {LARGEST} at most; give fewer queries")
    with storage.atomic(path) as temporary:
        temporary.write_bytes(content)


def _check_same_case(path: Path, made: bytes) -> None:
    try:
        same = read(path)[COMMITMENT] == made
    except UserError:
        same = False
    if not same:
        raise UserError(f"{path} is there and is no earlier state of this case; give EVIDENCE= another name")


def sums(members: dict[str, bytes]) -> bytes:
    """A line for each member: its sha256 and its name."""
    return "".join(f"{statements.sha256(members[name])}  {name}\n" for name in sorted(members)).encode()


def packed(members: dict[str, bytes]) -> bytes:
    """The archive of these files, by name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            about = zipfile.ZipInfo(name, MADE)
            about.create_system, about.external_attr = 3, 0o100644 << 16  # a regular file
            archive.writestr(about, members[name])
    return content.getvalue()


def read(path: Path) -> dict[str, bytes]:
    """The members of a case by name; every damage, and every way to hide something, ends in a sentence."""
    content = _content(path)
    _check_end(path, content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_list(path, archive.infolist(), len(content))
            members = {about.filename: archive.read(about) for about in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, struct.error, OverflowError):
        raise _damaged(path) from None
    if lacking := [name for name in (*ALWAYS, SUMS) if name not in members]:
        raise UserError(f"{path} lacks {', '.join(lacking)}; get the whole case again")
    if packed(members) != content:
        raise UserError(f"{path} holds more than its files, or was packed once more; get it as judge.py wrote it")
    if sums({name: value for name, value in members.items() if name != SUMS}) != members[SUMS]:
        raise UserError(f"{path} holds files that differ from its {SUMS}; get the case again")
    return members


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise UserError(f"{path} is no file; give the path of a case.zip")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} has {size} bytes, and a case has {LARGEST} at most; get it again")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it readable") from None


def _check_end(path: Path, content: bytes) -> None:
    """Before anything is read that may be as long as it likes: one short list of members, at the very end."""
    if len(content) < END.size:
        raise _damaged(path)
    mark, disk, first, here, count, size, start, comment = END.unpack(content[-END.size :])
    if mark != b"PK\5\6" or (disk, first, comment) != (0, 0, 0) or here != count:
        raise _damaged(path)
    if count > len(MEMBERS) + 1 or size > DIRECTORY:
        raise UserError(f"{path} holds {count} files, and a case has {len(MEMBERS) + 1} at most; get it again")
    if start + size + END.size != len(content):
        raise _damaged(path)


def _check_list(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    names = [about.filename for about in members]
    for about in members:
        name = statements.shown(about.filename)
        if about.filename not in (*MEMBERS, SUMS):
            raise UserError(f"{path} holds {name}, which no case does; get it as judge.py wrote it")
        if names.count(about.filename) > 1:
            raise UserError(f"{path} holds {name} twice; get it as judge.py wrote it")
        if about.external_attr != 0o100644 << 16:
            raise UserError(f"{name} of {path} is a link, or no regular file; get it as judge.py wrote it")
        if about.compress_type != zipfile.ZIP_STORED or about.flag_bits or about.compress_size != about.file_size:
            raise UserError(
                f"{name} of {path} is compressed or encrypted, which no case is; get it as judge.py wrote it"
            )
    if sum(about.file_size for about in members) > size:
        raise _damaged(path)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged, truncated or no zip archive; get the case again")
