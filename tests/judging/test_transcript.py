"""A closed journal of somebody else's: read as it is meant, or one sentence."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.core.runtime import UserError
from fingerprinting.judging import transcript

TIME = "2026-01-02T03:04:05+00:00"
HEADER = {
    "format": 1,
    "fingerprint_sha256": "a",
    "queries_sha256": "b",
    "suspect": "c",
    "encoding": "d",
    "started": TIME,
}
QUERIES, CLASSES = 4, 3


def entry(index: int, label: int | None = 1, **changes) -> dict:
    usual = {"raw": "b", "attempts": 1, "seconds": 0.5, "time": TIME, "repeat": False}
    return {"index": index, "label": label, **usual, **changes}


def written(*lines) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_labels_are_those_of_the_queries_and_repeats_are_counted_apart():
    lines = [
        entry(0, 2),
        entry(1, None, attempts=3),
        entry(3, 0),
        entry(0, 1, repeat=True, time="2026-01-02T03:05:00Z"),
    ]
    found = transcript.read(written(HEADER, *lines), QUERIES, CLASSES)
    assert found.labels == [2, None, None, 0]
    assert (found.asked, found.repeats, found.suspect) == (6, 1, "c")
    assert (found.last - found.first).total_seconds() == 55


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER], "holds no responses, or more than there are queries"),
        ([HEADER, *[entry(0, repeat=True)] * 9], "holds no responses, or more than there are queries"),
        ([HEADER, 3], "holds no responses"),
        ([{**HEADER, "format": 2}, entry(0)], "damaged"),
        ([{**HEADER, "started": "yesterday"}, entry(0)], "damaged"),
        ([{**HEADER, "started": "2026-01-02T03:04:05"}, entry(0)], "damaged"),
        ([{**HEADER, "suspect": None}, entry(0)], "damaged"),
        ([HEADER, entry(1), entry(0)], "line 3 of responses.jsonl is out of the order"),
        ([HEADER, entry(1), entry(1)], "line 3 of responses.jsonl is out of the order"),
        ([HEADER, entry(0, time="2026-01-02T03:04:04+00:00")], "line 2 of responses.jsonl is of an earlier time"),
        ([HEADER, entry(4)], "line 2 of responses.jsonl is no response"),
        ([HEADER, entry(-1)], "is no response"),
        ([HEADER, entry(True)], "is no response"),
        ([HEADER, entry(0, 3)], "is no response"),
        ([HEADER, entry(0, "a")], "is no response"),
        ([HEADER, entry(0, raw="x" * 2_001)], "is no response"),
        ([HEADER, entry(0, seconds=10**400)], "is no response"),
        ([HEADER, entry(0, attempts=1.5)], "is no response"),
        ([HEADER, entry(0, repeat=0)], "is no response"),
        ([HEADER, {}], "is no response"),
    ],
)
def test_what_is_no_journal_is_named(lines, said):
    with pytest.raises(UserError, match=said):
        transcript.read(written(*lines), QUERIES, CLASSES)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\n", b"[" * 100_000 + b"\n", b'{"a": NaN}\n', b"1" * 5_000 + b"\n"]
)
def test_bytes_that_are_no_lines_of_json_are_refused(content):
    with pytest.raises(UserError, match="torn line|damaged"):
        transcript.read(content, QUERIES, CLASSES)


def test_a_torn_line_and_a_journal_without_end_are_refused():
    whole = written(HEADER, entry(0))
    with pytest.raises(UserError, match="ends in a torn line; a closed journal has none"):
        transcript.read(whole[:-1], QUERIES, CLASSES)
    with pytest.raises(UserError, match="bytes; 4 queries have .* at most"):
        transcript.read(whole + b" " * 1_000_000, QUERIES, CLASSES)


def test_labels_of_another_task_may_be_any_numbers():
    content = written(HEADER, entry(0, 2**48))
    assert transcript.read(content, QUERIES, None).labels[0] == 2**48
    with pytest.raises(UserError, match="is no response"):
        transcript.read(content, QUERIES, CLASSES)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(TIME)


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.sampled_from([*entry(0), *HEADER]), values), max_size=4), st.binary(max_size=40))
def test_whatever_the_lines_they_are_read_or_refused_in_one_sentence(lines, tail):
    for content in (written(HEADER, *(entry(number) | line for number, line in enumerate(lines))), tail, tail + b"\n"):
        try:
            transcript.read(content, QUERIES, CLASSES)
        except UserError as error:
            assert len(str(error).splitlines()) == 1
