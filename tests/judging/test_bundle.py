"""case.zip comes from the enemy: whatever its bytes, it is the archive that judge.py wrote, or one sentence."""

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.judging import bundle
from tests import cases

ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(UserError, match=match) as refusal:
        bundle.read(path)
    assert len(str(refusal.value).splitlines()) == 1


def rewritten(path: Path, members: list[tuple[zipfile.ZipInfo, bytes]], way: int = zipfile.ZIP_STORED) -> Path:
    """The archive of these entries, as anybody's program packs them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", way) as archive:
        for about, value in members:
            about.compress_type = way
            archive.writestr(about, value)
    path.write_bytes(content.getvalue())
    return path


def entries(path: Path) -> list[tuple[zipfile.ZipInfo, bytes]]:
    with zipfile.ZipFile(path) as archive:
        return [(about, archive.read(about)) for about in archive.infolist()]


def named(name: str, like: zipfile.ZipInfo) -> zipfile.ZipInfo:
    about = zipfile.ZipInfo(name, like.date_time)
    about.create_system, about.external_attr = like.create_system, like.external_attr
    return about


def test_a_case_is_read_as_it_was_written_and_written_the_same_each_time(made, tmp_path):
    members = bundle.read(made.path)
    assert {bundle.SUMS, *bundle.ALWAYS, *bundle.SIGNED} == set(members)
    for name, value in members.items():
        assert name == bundle.SUMS or (made.queries / name).read_bytes() == value
    bundle.write(made.queries, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == made.path.read_bytes()


def test_the_sums_are_those_that_sha256sum_writes(made):
    lines = bundle.read(made.path)[bundle.SUMS].decode().splitlines()
    assert all(len(digest) == 64 and blanks == "" for digest, blanks, _ in (line.split(" ") for line in lines))


@ONCE
@given(st.data())
def test_any_byte_that_is_another_is_noticed(made, handed, data):
    content = bytearray(made.path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    handed.write_bytes(content)
    refused(handed)


@ONCE
@given(st.data())
def test_a_byte_of_each_member_that_is_another_is_noticed(made, handed, data):
    content = bytearray(made.path.read_bytes())
    with zipfile.ZipFile(made.path) as archive:
        about = data.draw(st.sampled_from(archive.infolist()))
    start = about.header_offset + 30 + len(about.filename)
    content[start + data.draw(st.integers(0, about.file_size - 1))] ^= data.draw(st.integers(1, 255))
    handed.write_bytes(content)
    refused(handed)


@ONCE
@given(st.data())
def test_a_truncated_or_longer_case_is_refused(made, handed, data):
    content = made.path.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    handed.write_bytes(content[:cut])
    refused(handed)
    handed.write_bytes(content + data.draw(st.binary(min_size=1, max_size=30)))
    refused(handed)
    handed.write_bytes(data.draw(st.binary(min_size=1, max_size=30)) + content)
    refused(handed)


@given(st.binary(max_size=300))
@ONCE
def test_whatever_the_bytes_it_is_one_sentence(tmp_path, content):
    (tmp_path / "case.zip").write_bytes(content)
    refused(tmp_path / "case.zip", "damaged, truncated or no zip archive")


def test_what_is_no_file_is_named(tmp_path):
    refused(tmp_path, "is no file; give the path of a case.zip")
    refused(tmp_path / "nowhere.zip", "is no file")


def test_a_case_of_too_many_bytes_is_not_read(handed, monkeypatch):
    monkeypatch.setattr(bundle, "LARGEST", 1_000)
    refused(handed, "bytes, and a case has 1000 at most")


def test_a_bomb_of_compressed_zeros_is_refused_unread(made, handed):
    members = [(named(about.filename, about), b"\0" * 50_000_000) for about, _ in entries(made.path)[-1:]]
    rewritten(handed, members, zipfile.ZIP_DEFLATED)
    assert handed.stat().st_size < 100_000
    refused(handed, "is compressed or encrypted, which no case is")


def test_a_size_that_is_only_claimed_is_refused(handed):
    """As in a bomb whose members overlap: each claims the same bytes."""
    content = bytearray(handed.read_bytes())
    start = content.rindex(b"PK\1\2")
    for place in (start + 20, start + 24):
        content[place : place + 4] = struct.pack("<L", len(content) - 100)
    handed.write_bytes(content)
    refused(handed, "damaged, truncated")


def test_more_members_than_a_case_has_are_not_listed(handed):
    with zipfile.ZipFile(handed, "w") as archive:
        for number in range(1_000):
            archive.writestr(str(number), b"")
    refused(handed, "holds 1000 files, and a case has")


@pytest.mark.parametrize(
    "name", ["../responses.jsonl", "/etc/passwd", "a/../closing.json", "notes.txt", "..\\x", "C:\\x"]
)
def test_names_that_lead_elsewhere_or_are_no_cases_are_refused(made, handed, name):
    members = entries(made.path)
    rewritten(handed, [*members[:-1], (named(name, members[0][0]), b"x")])
    refused(handed, "which no case does")


def test_a_name_that_is_there_twice_is_refused(made, handed):
    members = entries(made.path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        rewritten(handed, [*members, members[0]])
    refused(handed, f"holds {bundle.SUMS} twice")


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o010644])
def test_links_folders_and_pipes_are_refused(made, handed, mode):
    members = entries(made.path)
    members[3][0].external_attr = mode << 16
    rewritten(handed, members)
    refused(handed, f"{members[3][0].filename} of .* is a link, or no regular file")


def test_a_case_that_was_packed_once_more_is_refused(made, handed):
    rewritten(handed, entries(made.path)[::-1])
    refused(handed, "holds more than its files, or was packed once more")


def test_a_comment_is_refused(handed):
    with zipfile.ZipFile(handed, "a") as archive:
        archive.comment = b"trust me"
    refused(handed, "damaged")


def test_a_file_that_is_lacking_is_named(made, handed):
    members = [entry for entry in entries(made.path) if entry[0].filename != "responses.jsonl"]
    rewritten(handed, members)
    refused(handed, "lacks responses.jsonl; get the whole case again")


def test_sums_of_other_files_are_refused(made, handed):
    members = bundle.read(made.path)
    members["responses.jsonl"] += b"\n"
    handed.write_bytes(bundle.packed(members))
    refused(handed, f"holds files that differ from its {bundle.SUMS}")


def test_another_file_is_not_written_over(made, tmp_path):
    path = tmp_path / "thesis.zip"
    path.write_text("years of work")
    with pytest.raises(UserError, match="is there and is no earlier state of this case; give EVIDENCE= another name"):
        bundle.write(made.queries, path)
    assert path.read_text() == "years of work"
    path.write_bytes(made.path.read_bytes())
    cases.forged(path, **{"commitment.json": b"{}"})
    with pytest.raises(UserError, match="is no earlier state of this case"):
        bundle.write(made.queries, path)


def test_a_case_that_would_be_too_large_is_not_written(made, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "LARGEST", 1_000)
    with pytest.raises(UserError, match="a case has 1000 at most; give fewer queries"):
        bundle.write(made.queries, tmp_path / "large.zip")
    assert not (tmp_path / "large.zip").exists()
