"""A closed journal of somebody else's: read as it is meant, or one sentence."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.judging import transcript

TIME = "2026-01-02T03:04:05+00:00"
HEADER = {"format": 1, "fingerprint_sha256": "a", "queries_sha256": "b", "suspect": "c", "encoding": "d"}
HEADER |= {"started": TIME}
QUERIES = 4


def entry(index: int, label: int | None = 1, **changes) -> dict:
    usual = {"raw": "b", "attempts": 1, "seconds": 0.5, "time": TIME, "repeat": False}
    return {"index": index, "label": label, **usual, **changes}


def written(*lines) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "responses.jsonl"


def refused(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as refusal:
        transcript.read(path, QUERIES)
    assert len(str(refusal.value).splitlines()) == 1 and str(path.parent) not in str(refusal.value)


def test_it_says_when_responses_came(path):
    lines = [entry(0), entry(1, None, attempts=3), entry(3, 0), entry(0, repeat=True, time="2026-01-02T03:05:00Z")]
    path.write_bytes(written(HEADER, *lines))
    found = transcript.read(path, QUERIES)
    assert (found.last - found.first).total_seconds() == 55
    assert list(found.journal.responses) == [0, 1, 3] and list(found.journal.repeats) == [0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER], "holds no responses"),
        ([HEADER, 3], "line 2 of responses.jsonl is damaged; get the case again"),
        ([{**HEADER, "format": 2}, entry(0)], "does not begin as a journal of this project does; get the case again"),
        ([{**HEADER, "started": "yesterday"}, entry(0)], "does not say when they began"),
        ([{**HEADER, "started": "2026-01-02T03:04:05"}, entry(0)], "does not say when they began"),
        ([{**HEADER, "suspect": None}, entry(0)], "does not begin as"),
        ([HEADER, entry(1), entry(0)], "line 3 of responses.jsonl is out of the order"),
        ([HEADER, entry(1), entry(1)], "line 3 of responses.jsonl is the second of query 1"),
        ([HEADER, entry(0, time="2026-01-02T03:04:04+00:00")], "line 2 of responses.jsonl is of an earlier time"),
        ([HEADER, entry(4)], "line 2 of responses.jsonl is no response"),
        ([HEADER, entry(0, raw="x" * 2_001)], "is no response"),
        ([HEADER, entry(0, attempts=10**400)], "is no response"),
        ([HEADER, entry(0, time="noon")], "is no response"),
        ([HEADER, entry(-1)], "is damaged"),
        ([HEADER, entry(True)], "is damaged"),
        ([HEADER, entry(0, "a")], "is damaged"),
        ([HEADER, entry(0, attempts=1.5)], "is damaged"),
        ([HEADER, entry(0, repeat=0)], "is damaged"),
        ([HEADER, {}], "is damaged"),
    ],
)
def test_what_is_no_journal_is_named(path, lines, said):
    refused(path, written(*lines), said)


@pytest.mark.parametrize("content", [b"\xff\n", b"[" * 100_000 + b"\n", b"1" * 5_000 + b"\n", b"\n"])
def test_bytes_that_are_no_lines_of_json_are_refused(path, content):
    refused(path, content, "does not begin as a journal|is damaged or was altered")


def test_a_torn_line_is_refused(path):
    for content in (b"", written(HEADER, entry(0))[:-1]):
        refused(path, content, "responses.jsonl ends in a torn line; a closed journal has none")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(TIME)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from([*entry(0), *HEADER]), values), max_size=4), st.binary(max_size=40))
def test_whatever_the_lines_they_are_read_or_refused_in_one_sentence(path, lines, tail):
    for content in (written(HEADER, *(entry(number) | line for number, line in enumerate(lines))), tail, tail + b"\n"):
        path.write_bytes(content)
        try:
            transcript.read(path, QUERIES)
        except UserError as error:
            assert len(str(error).splitlines()) == 1
