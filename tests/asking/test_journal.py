"""The journal: on disk before the next query, whole after any end, and never another asking's."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprinting.asking import journal
from fingerprinting.asking.journal import About
from fingerprinting.asking.respondent import Response
from fingerprinting.core.errors import UserError

ABOUT = About("f" * 64, "q" * 64, "my_module:ask", "array")
SAID = [Response(2, "bag"), Response(None, "I'd rather not\n\ud800", 3, 0.25), Response(0, "Größe\u2028", 1, 1e-9)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queries" / journal.NAME


def kept(path) -> None:
    with journal.opened(path, ABOUT) as writing:
        writing.append([0, 1], SAID[:2])
        writing.append([2], SAID[2:])
        writing.append([1], [Response(1, "boot")], repeat=True)


def test_what_is_appended_is_read_again(path):
    kept(path)
    found = journal.read(path)
    assert [found.responses[index].label for index in range(3)] == [2, None, 0]
    assert found.responses[1].attempts == 3 and found.responses[1].seconds == 0.25
    assert found.responses[2].raw == "Größe\u2028" and found.repeats[1].label == 1
    assert replace(found.about, started="") == ABOUT and found.about.started.endswith("+00:00")
    first, *lines = map(json.loads, path.read_text().splitlines())
    assert list(first) == ["format", "fingerprint_sha256", "queries_sha256", "suspect", "encoding", "started"]
    assert list(lines[0]) == ["index", "label", "raw", "attempts", "seconds", "time", "repeat"]


def test_a_line_that_was_torn_off_is_dropped_and_written_again(path):
    kept(path)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with journal.opened(path, ABOUT) as writing:
            missing = [index for index in range(3) if index not in writing.responses]
            writing.append(missing, [SAID[index] for index in missing])
        assert [journal.read(path).responses[index].label for index in range(3)] == [2, None, 0]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"suspect": "other:ask"}, "holds the responses of my_module:ask; give QUERIES=another folder for other:ask"),
        ({"encoding": "png"}, "was asked with ENCODING=array; give the same, or QUERIES=another folder"),
        ({"queries_sha256": "0" * 64}, "holds responses to other queries than are there now"),
        ({"fingerprint_sha256": "0" * 64}, "holds responses to other queries than are there now"),
    ],
)
def test_another_askings_journal_stays_as_it_is(path, other, said):
    kept(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=said), journal.opened(path, replace(ABOUT, **other)):
        pass
    assert path.read_bytes() == before


def test_two_processes_cannot_write_to_one_journal(path):
    with (
        journal.opened(path, ABOUT),
        pytest.raises(UserError, match="is being written by another process"),
        journal.opened(path, ABOUT),
    ):
        pass


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"index": 0}', "line 2 of .* is damaged; restore the file, or move it away and ask again"),
        (b"[" * 100_000, "line 2 of .* is damaged"),
        (b"\xff\xfe", "line 2 of .* is damaged"),
    ],
)
def test_a_damaged_line_is_named(path, line, said):
    with journal.opened(path, ABOUT):
        pass
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=said):
        journal.read(path)


def test_a_query_stands_once_in_it(path):
    kept(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(UserError, match="line 6 of .* is the second of query 0"):
        journal.read(path)
    path.write_bytes(b"{}\n")
    with pytest.raises(UserError, match="does not begin as a journal of this project does"):
        journal.read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.integers(0, 4))
def test_whatever_the_bytes_they_are_read_or_refused(path, content, after):
    path.unlink(missing_ok=True)
    kept(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:after], content, *lines[after:]]))
    try:
        journal.read(path)
    except UserError as error:
        assert "\n" not in str(error)
