"""A suspect's responses in a file: whatever stands in it, the classes that it means or a sentence."""

import os
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fingerprinting.asking import response_files
from fingerprinting.asking import texts as text_files
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.respondent import Response
from fingerprinting.core.errors import UserError

CLASSES = ("ankle boot", "bag", "7")
ODD = ("a\x0bb", "a\x1cb", "a\u2028b", "a\x85b", "e\u0301t\u00e9", "Straße", "教育", "3rd", "1.5", " blank ")
STARS = ("1", "2", "3", "4", "5")
CASED = ("a", "A", "b")
PATH = Path("responses.txt")


def read(path: Path, count: int, classes: Classes) -> list[int]:
    """The places in a file, which are what its words mean wherever these are read again."""
    found = response_files.read(path, count, classes)
    assert [said.label for said in found] == [classes.label(said.raw) for said in found]
    return places_of(found)


def parse(text: str, count: int, classes: Classes, path: Path) -> list[int]:
    return places_of(response_files.parse(text, count, classes, path))


def places_of(responses: list[Response]) -> list[int]:
    """-1 where there is no class."""
    return [-1 if said.label is None else said.label for said in responses]


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def number(text: str) -> str:
    """A whole number in plain digits, whatever way it is written without a sign less than it; else the text."""
    word = folded(text)
    if not word.isascii() or set(word) - set("0123456789.e+") or word.startswith(".") or "e-" in word:
        return word
    try:
        value = Decimal(word)
    except InvalidOperation:
        return word
    return str(int(value)) if value < 10**9 and value == int(value) else word


def meant(line: str, classes: tuple[str, ...]) -> int | None:
    """Independent of the parser: the class that is spelt so, else the one that is spelt alike, else the place."""
    for alike in (str.strip, folded, number):
        found = [place for place, name in enumerate(classes) if alike(name) == alike(line)]
        if len({alike(name) for name in classes}) == len(classes) and found:
            return found[0]
    places = [str(place) for place in range(len(classes))]
    clash = any(number(name) in places and number(name) != places[place] for place, name in enumerate(classes))
    return places.index(number(line)) if number(line) in places and not clash else None


def lines_of(text: str, count: int) -> list[str]:
    """By the standard library's universal newlines."""
    ended = re.sub(r"\r\n?", "\n", text.replace("\ufeff", ""))
    lines = [line.strip() for line in ended.removesuffix("\n").split("\n")] if ended else []
    while len(lines) > count and not lines[-1]:
        lines.pop()
    return lines


def expected_of(text: str, count: int, classes: tuple[str, ...]) -> list[int] | None:
    """None where the file is to be refused; -1 for queries without a response."""
    lines = lines_of(text, count)
    found = [-1 if meant(line, classes) is None and line in ("", "-") else meant(line, classes) for line in lines]
    return None if len(lines) != count or None in found or set(found) <= {-1} else found


spelt = st.sampled_from([*CLASSES, *ODD, *STARS, *CASED]).flatmap(
    lambda name: st.sampled_from([name, name.upper(), name.title(), f" {name}\t", unicodedata.normalize("NFD", name)])
)
numbers = st.integers(0, 11).flatmap(
    lambda one: st.sampled_from([str(one), f"{one}.0", f"{one}.", f"0{one}", f"+{one}", f"{one:.3e}", f"{one}.5"])
)
ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\x0b", "\u2028", "\x85", "\x1c", "\ufeff", " ", ""])
texts = st.lists(st.tuples(spelt | numbers | st.text(max_size=4), ends), max_size=6).map(
    lambda found: "".join(one + end for one, end in found)
)


@settings(max_examples=1_000)
@given(texts, st.sampled_from([CLASSES, ODD, STARS, CASED]), st.integers(0, 6))
@example("7.0\n1\n", CLASSES, 2)
@example("1.0\n5e0\n", STARS, 2)
def test_whatever_the_text_it_means_what_an_independent_reader_says_or_is_refused(text, classes, count):
    expected = expected_of(text, count, classes)
    if expected is None:
        with pytest.raises(UserError) as refused:
            parse(text, count, Classes(classes), PATH)
        assert "\n" not in str(refused.value)
    else:
        assert parse(text, count, Classes(classes), PATH) == expected


@settings(max_examples=300)
@given(texts, st.integers(1, 6))
def test_words_of_another_task_are_equal_where_they_are_written_alike(text, count):
    lines = lines_of(text, count)
    if len(lines) != count or not any(lines):
        with pytest.raises(UserError):
            parse(text, count, Classes(None), PATH)
    else:
        found = parse(text, count, Classes(None), PATH)
        assert [one == -1 for one in found] == [line == "" for line in lines]
        assert [[one == other for other in found] for one in found] == [[a == b for b in lines] for a in lines]


encoded = texts.flatmap(lambda text: st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]).map(text.encode))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40) | encoded, st.integers(1, 4))
def test_whatever_the_bytes_they_are_read_as_utf_8_or_refused(tmp_path, content, count):
    path = tmp_path / "responses.txt"
    path.write_bytes(content)
    try:
        expected = None if b"\0" in content else expected_of(content.decode(), count, CLASSES)
    except UnicodeDecodeError:
        expected = None
    if expected is None:
        with pytest.raises(UserError):
            read(path, count, Classes(CLASSES))
    else:
        assert read(path, count, Classes(CLASSES)) == expected


@pytest.mark.parametrize("fmt", ["%.18e", "%d", "%.1f", "%02d"])
def test_what_numpy_saves_is_read(tmp_path, fmt):
    classes, places = tuple(f"class {place}" for place in range(120)), list(range(119, -1, -1))
    np.savetxt(tmp_path / "responses.txt", np.array(places), fmt=fmt)
    assert read(tmp_path / "responses.txt", 120, Classes(classes)) == places


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_of_another_encoding_is_refused(tmp_path, encoding, end):
    path = tmp_path / "responses.txt"
    path.write_bytes(end.join(["教育", "体育", "教育", "", ""]).encode(encoding))
    if encoding.startswith("utf-8"):
        assert read(path, 3, Classes(("体育", "教育"))) == [1, 0, 1]
    else:
        with pytest.raises(UserError, match="responses.txt is no text in UTF-8; save it as one"):
            read(path, 3, Classes(("体育", "教育")))


def test_no_file_a_folder_and_one_that_is_far_too_large_are_refused(tmp_path, monkeypatch):
    for name, said in (
        ("nothing.txt", "nothing.txt does not exist"),
        (".", "is no file"),
        ("x" * 300, "cannot be read .*; give another file"),
    ):
        with pytest.raises(UserError, match=said):
            read(tmp_path / name, 1, Classes(CLASSES))
    path = tmp_path / "responses.txt"
    with path.open("wb") as file:
        os.truncate(file.fileno(), text_files.LARGEST + 1)
    with pytest.raises(UserError, match="has 10000001 bytes, far too many to be read here"):
        read(path, 1, Classes(CLASSES))
    path.write_text("bag\n")

    def refused(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(UserError, match="responses.txt cannot be read .Permission denied.; give another file"):
        read(path, 1, Classes(CLASSES))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.data())
def test_names_and_places_say_the_same_with_any_ends_of_line(places, data):
    """A class may be called as another one's place: names go first."""
    lines = [CLASSES[place] if place == 2 or data.draw(st.booleans()) else str(place) for place in places]
    ends = [data.draw(st.sampled_from(["\n", " \n", "\r\n", "\r", "\t\r\n"])) for _ in lines]
    text = "".join(line + end for line, end in zip(lines, ends, strict=True))
    assert parse(text, len(places), Classes(CLASSES), Path("responses.txt")) == places


def test_names_that_are_other_classes_places_are_taken_alone():
    stars, path = ("1", "2", "3", "4", "5"), Path("responses.txt")
    assert parse("1\n5\n3\n", 3, Classes(stars), path) == [0, 4, 2]
    with pytest.raises(
        UserError, match="line 2 of responses.txt says '0', which is no class; take 1, 2, 3, 4, 5, - where"
    ):
        parse("1\n0\n", 2, Classes(stars), path)
    assert parse("0\n2\n", 2, Classes(("0", "1", "2")), path) == [0, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bag", "responses.txt has 1 responses to 2 queries; give a line for each, an empty one where there is no"),
        ("", "responses.txt has 0 responses to 2 queries"),
        ("bag\n", "responses.txt has 1 responses to 2 queries"),
        ("bag\n\nbag\n\n", "has 3 responses to 2 queries"),
        ("\n\n", "responses.txt has a class in no line; give the suspect's responses"),
        ("-\nrefused", "responses.txt has a class in no line"),
        (
            "bag\ntrousers",
            "line 2 of responses.txt says 'trousers', which is no class; take ankle boot, bag, 7 or 0 to 2",
        ),
        ("bag\n3", "line 2 of responses.txt says '3', which is no class"),
        ("bag\n1.5", "line 2 of responses.txt says '1.5', which is no class"),
        ("bag\n-1", "line 2 of responses.txt says '-1', which is no class"),
        ("bag\nnan", "line 2 of responses.txt says 'nan', which is no class"),
        ("bag\n" + "9" * 5_000, f"line 2 of responses.txt says '{'9' * 40}…', which is no class"),
        ("answer\nbag\nbag\n", "has 3 responses to 2 queries"),
    ],
)
def test_responses_that_cannot_be_read_are_refused(text, said):
    with pytest.raises(UserError) as refused:
        parse(text, 2, Classes(CLASSES), Path("responses.txt"))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("responses.txt", "bag\n\n-\n7\n", [1, -1, -1, 2]),
        ("responses.txt", "bag\nrefused\n7\n\n", [1, -1, 2, -1]),
        ("responses.csv", "bag\n\n-\n7\n", [1, -1, -1, 2]),
        ("responses.csv", "bag,0.93\nANKLE BOOT,0.5\n,\n7,1.0\n", [1, 0, -1, 2]),
        ("responses.csv", "0.93,bag\n0.5,-\n0.1,\n1.0,7\n", [1, -1, -1, 2]),
        ("responses.csv", "Label,probability\nbag,0\n1,1\n,\n7,1\n", [1, 1, -1, 2]),
        ("responses.csv", '\ufeffindex,score,class\r\n3,1,7\r\n0,1,"bag"\r\n', [1, -1, -1, 2]),
        ("responses.jsonl", '"bag"\n[0.1, 0.2, 0.7]\nnull\n{"label": "7", "score": 0.5}\n', [1, 2, -1, 2]),
        ("responses.jsonl", '{"index": 3, "label": 2}\n{"index": 0, "label": null, "raw": "bag"}\n', [1, -1, -1, 2]),
        (
            "responses.jsonl",
            '[{"label": "bag", "score": 0.1}, {"label": "7", "score": 0.9}]\n1\n1.0\n""\n',
            [2, 1, 1, -1],
        ),
    ],
)
def test_responses_by_hand_may_lack_some_and_have_columns(tmp_path, name, text, found):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read(tmp_path / name, 4, Classes(CLASSES)) == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("responses.txt", "red, old\nblue\n-\n1\n"),
        ("responses.csv", '"red, old"\nblue\n-\n1\n'),
        ("responses.csv", "red, old\nblue\n-\n1\n"),
        ("responses.csv", "label\nred, old\nblue\n-\n1\n"),
        ("responses.csv", "index,label\n3,1\n0,red, old\n1,blue,\n2,-\n"),
        ("responses.csv", 'label,score\n"red, old",0.5\nblue,0.9\n-,\n1,1\n'),
        ("responses.jsonl", '"red, old"\n{"label": "blue"}\n"-"\n1\n'),
    ],
)
def test_a_class_may_be_called_with_a_comma(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read(tmp_path / name, 4, Classes(("red, old", "blue"))) == [0, 1, -1, 1]


def test_a_name_with_a_comma_is_named_as_one(tmp_path):
    (tmp_path / "responses.txt").write_text("red\nblue\n")
    with pytest.raises(UserError, match="line 1 of .* says 'red', which is no class; take 'red, old', blue or 0 to 1"):
        read(tmp_path / "responses.txt", 2, Classes(("red, old", "blue")))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("responses.csv", "1,2\n0,1\n", "has 2 columns, of which it is not plain which holds the responses; call it"),
        ("responses.csv", "label\nbag\n", "has 1 responses to 2 queries"),
        ("responses.csv", "index,label\n0,bag\n0,bag\n", "line 3 of .* is of query '0'; number them from 0 to 1"),
        ("responses.jsonl", "bag\n7\n", "line 1 of .* is no JSON; give a value a line"),
        (
            "responses.jsonl",
            '{"index": 2, "label": 1}\n',
            "line 1 of .* is of query 2; number them from 0 to 1, each once",
        ),
        ("responses.jsonl", "[0.1, 0.2]\n1\n", r"line 1 of .* says '\[0.1, 0.2\]', which is no class"),
    ],
)
def test_columns_and_lines_that_cannot_be_read_are_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        read(tmp_path / name, 2, Classes(CLASSES))


@given(
    st.text(max_size=30) | st.sampled_from(["index,label\n", '"', "[" * 3_000, "1" * 5_000, '{"label":{"label":{}}}'])
)
def test_whatever_a_file_with_columns_or_json_holds_it_is_read_or_refused(text):
    for name in ("responses.csv", "responses.jsonl"):
        try:
            found = parse(text, 2, Classes(CLASSES), Path(name))
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert len(found) == 2 and set(found) <= {-1, 0, 1, 2}
