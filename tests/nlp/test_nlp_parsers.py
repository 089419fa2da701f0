"""Each parser of texts against another one written here by hand.

Whatever the bytes, the result is what the plain reader here gives, or one sentence.
"""

import json
import os
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset
from nlp import data, synonyms
from nlp.data import GOODS, LENGTH, REVIEWS, TOPICS
from tests.nlp.test_nlp_data import phrases, texts_of, write_news, write_reviews, write_shopping, write_topics

TRIES = settings(max_examples=150)
FILES = {
    "thuocl": "thuocl/THUOCL.json",
    "shop_reviews": "shop_reviews/pos.txt",
    "thucnews": "THUCNews/data/train.txt",
    "online_shopping": "online_shopping_10_cats/online_shopping_10_cats.csv",
}
NEWS = ["finance", "realty", "stocks"]
PARTS = {part: [(text, number % 3) for number, text in enumerate(phrases(6, part))] for part in ("test", "dev")}


# Plain readers


def seen(text: str) -> str:
    kept = [character for character in text if character not in "\0\ufeff\u200b\u2060"]
    while kept and kept[0].isspace():
        kept.pop(0)
    while kept and kept[-1].isspace():
        kept.pop()
    return "".join("?" if "\ud800" <= character <= "\udfff" else character for character in kept)


def plain(text: str) -> str:
    """What data/README.md says of a text."""
    whole = seen(text)
    return "" if whole in ("nan", "NaN", "<NA>", "None", "null", "NULL") else whole[:LENGTH]


def decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None


def lines_of(content: bytes) -> list[str] | None:
    """Lines that are not blank; None where they are to be refused."""
    text, lines = decoded(content), []
    for line in [] if text is None else text.split("\n"):
        while line.endswith("\r"):
            line = line[:-1]
        if "\r" in line and line.strip():
            return None
        if line.strip():
            lines.append(line)
    return lines or None


def titles_of(content: bytes) -> list[tuple[str, int]] | None:
    pairs = [line.split("\t") for line in lines_of(content) or []]
    if not pairs or not all(len(pair) > 1 and pair[-1] in ("0", "1", "2") for pair in pairs):
        return None
    return [(plain("\t".join(pair[:-1])), int(pair[-1])) for pair in pairs]


def rows_of(content: bytes) -> list[list[str]] | None:
    """CSV by hand (RFC 4180): fields that begin with a quote end at a quote that is not doubled."""
    text, rows, row, at = decoded(content), [], [], 0
    if text is None:
        return None
    text = text.replace("\0", "")
    while at < len(text):
        field = ""
        if text[at] == '"':
            at += 1
            while at < len(text) and (text[at] != '"' or text[at : at + 2] == '""'):
                field += text[at]
                at += 2 if text[at] == '"' else 1
            if at == len(text):
                return None
            at += 1
            if at < len(text) and text[at] not in ",\r\n":
                return None
        else:
            while at < len(text) and text[at] not in ",\r\n":
                field += text[at]
                at += 1
        row.append(field)
        if at < len(text) and text[at] == ",":
            at += 1
            if at < len(text):
                continue
            row.append("")
        rows.append(row)
        row, at = [], at + (2 if text[at : at + 2] == "\r\n" else 1)
    return [row for row in rows if len(row) > 1 or row[0].strip()]


def without_contradictions(*parts: list[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    labels: dict[str, set[int]] = {}
    for text, label in (pair for part in parts for pair in part):
        labels.setdefault(text, set()).add(label)
    return [[(text, label) for text, label in part if text and len(labels[text]) == 1] for part in parts]


def by_class(labelled: list[tuple[str, int]], classes: int) -> list[tuple[str, int]] | None:
    """Distinct texts of one class alone; None where a class is left without any."""
    (kept,) = without_contradictions(labelled)
    return sorted(set(kept)) if {label for _, label in kept} == set(range(classes)) else None


# Files of bytes


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """All four sets, small; a test writes one file of them anew."""
    folder = tmp_path_factory.mktemp("texts")
    write_topics(folder, {topic: phrases(6, topic) for topic in TOPICS})
    write_reviews(folder, {name: phrases(6, name) for name in REVIEWS})
    write_news(folder, NEWS, {"train": [("题", 0)], **PARTS})
    write_shopping(folder, [])
    return folder


def read(sets: Path, name: str, content: bytes, file: str = "") -> Dataset | None:
    """The set with a file's content; None where it is refused, in one sentence that names what is wrong."""
    path = sets / (file or FILES[name])
    path.write_bytes(content)
    with mock.patch.dict(os.environ, DATA_DIR=str(sets)):
        try:
            return data.load(name)
        except UserError as refusal:
            assert "\n" not in str(refusal) and (path.name in str(refusal) or name in str(refusal))
            return None


def everything(found: Dataset | None) -> list[tuple[str, int]] | None:
    return None if found is None else sorted(texts_of(found.pool) + texts_of(found.test))


def pieces(*words: str | bytes) -> st.SearchStrategy[bytes]:
    """Bytes of these words, of odd characters and of anything."""
    odd = ["字", "a", " ", "\u3000", "\ufeff", "\u200b", "\u2028", "\x0b", "\x85", "\0", "nan", "None", "长" * LENGTH]
    known = [word.encode() if isinstance(word, str) else word for word in (*words, *odd)]
    return st.lists(st.sampled_from(known), max_size=12).map(b"".join)


def mostly(rows: st.SearchStrategy[bytes], *words: str) -> st.SearchStrategy[bytes]:
    """Well-formed rows, now and then with something else between them."""
    return st.lists(st.one_of(rows, rows, rows, pieces(*words)), max_size=12).map(b"".join)


LABELS = ["0", "1", "2", "3", "+1", "٣", "1_0", "1" * 5_000, "1 "]
TITLE = st.sampled_from(["题", "题 ", "\ufeff题", "题\u200b", "test一", "dev丁", "\t", " ", "nan", "题\t目", "好" * 70])
LINE = st.builds(
    lambda title, label, end: f"{title}\t{label}{end}".encode(), TITLE, st.sampled_from("012"), st.just("\n")
)
NEWS_FILES = mostly(LINE, "\t", "\n", "\r", "\r\n", "题\t0\n", *LABELS)


@TRIES
@given(st.one_of(NEWS_FILES, NEWS_FILES, st.binary(max_size=40)))
def test_titles_are_what_a_plain_reader_finds(sets, content):
    found, train = read(sets, "thucnews", content), titles_of(content)
    kept = without_contradictions(train or [], PARTS["test"], PARTS["dev"])
    if not all(kept):
        assert found is None
    else:
        assert [texts_of(found.pool), texts_of(found.test), texts_of(found.dev)] == kept


REVIEW = st.sampled_from(
    ["好\n", "好 \r\n", "坏\r\r\n", "\u3000好\n", "nan\n", "negative一\n", "很\u2028好\n", "长" * 80 + "\n"]
)
REVIEW_FILES = mostly(REVIEW.map(str.encode), "\n", "\r")


@TRIES
@given(st.one_of(REVIEW_FILES, REVIEW_FILES, st.binary(max_size=40)))
def test_reviews_are_what_a_plain_reader_finds(sets, content):
    negative = [(text, 0) for text in phrases(6, "negative")]
    lines = lines_of(content)
    expected = lines and by_class(negative + [(plain(line), 1) for line in lines], 2)
    assert everything(read(sets, "shop_reviews", content)) == expected


PHRASES = st.lists(st.sampled_from(["字", "字 ", "\ufeff字", "NaN", "\ud800", "?", "长" * 70, "IT0", ""]), max_size=3)
JSON = st.recursive(
    st.sampled_from([None, True, 0, float("nan"), "字"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("a"), inner),
    max_leaves=3,
)


@st.composite
def topic_files(draw) -> tuple[str, list[tuple[str, int]] | None]:
    """JSON of the topics, and what is to be found in it; now and then with something else in it."""
    own = [[f"{topic}0", f"{topic}1", *draw(PHRASES)] for topic in TOPICS]
    pairs: list[tuple[str, object]] = list(zip(TOPICS, own, strict=True))
    right = by_class([(plain(text), label) for label, group in enumerate(own) for text in group], len(TOPICS))
    odd = draw(st.sampled_from(["", "", "", "value", "order", "twice", "cut"]))
    if odd == "value":
        pairs[3] = (pairs[3][0], draw(JSON.filter(lambda value: value not in ([], ["字"], ["字", "字"]))))
    if odd == "order":
        pairs.reverse()
    if odd == "twice":
        pairs.append(pairs[0])
    text = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"
    return text[: -draw(st.integers(1, 20)) if odd == "cut" else None], None if odd else right


@TRIES
@given(topic_files())
def test_topics_are_what_was_written(sets, written):
    content, expected = written
    assert everything(read(sets, "thuocl", content.encode())) == expected


@given(st.one_of(st.binary(max_size=60), JSON.map(json.dumps).map(str.encode)))
def test_any_other_json_is_refused(sets, content):
    assert read(sets, "thuocl", content) is None


CELL = st.sampled_from(
    ["好", '"好"', '"好\n的"', '"好""的"', "", "nan", " 好", '"一,二"', "长" * 70, "好\u2028", "\ufeff"]
)
ROW = st.builds(
    lambda goods, cell, end: f"{goods},1,{cell}{end}".encode(),
    st.sampled_from(list(GOODS)),
    CELL,
    st.sampled_from(["\n", "\r\n"]),
)
WHOLE = "".join(f"{goods},0,{goods}{number}\n" for goods in GOODS for number in range(2)).encode()
BEFORE = st.sampled_from(["cat,label,review\n", '\ufeff"cat","label","review"\r\n', "cat,label,review\r\n\r\n"])
TABLES = st.builds(
    lambda head, rows: head.encode() + WHOLE + rows, BEFORE, mostly(ROW, ",", '"', "\n", "\r", "酒店,1,好\n")
)


@TRIES
@given(TABLES)
def test_rows_are_what_a_plain_csv_reader_finds(sets, content):
    rows, expected = rows_of(content), None
    if rows is not None and all(len(row) == 3 and row[0] in GOODS for row in rows[1:]):
        expected = by_class([(plain(review), list(GOODS).index(goods)) for goods, _, review in rows[1:]], len(GOODS))
    assert everything(read(sets, "online_shopping", content)) == expected


@given(st.one_of(st.binary(max_size=60), pieces(",", '"', "\n", "cat", "label", "review")))
def test_a_csv_without_its_header_is_refused(sets, content):
    assert read(sets, "online_shopping", content) is None


@TRIES
@given(st.one_of(mostly(st.sampled_from([b"a\n", b"b \r\n", b"c"]), "\n", "\t", "\r"), st.binary(max_size=20)))
def test_class_names_are_what_a_plain_reader_finds(sets, content):
    (sets / FILES["thucnews"]).write_bytes("题\t0\n".encode())
    lines = lines_of(content)
    names = [seen(line) for line in lines or []]
    distinct = len(set(names)) == len(names) >= len(NEWS)
    right = distinct and all("\t" not in name and len(name.splitlines()) == 1 for name in names)
    numbered = (decoded(content) or "").split("\n")[: len(names)]
    right = right and all(line.strip() for line in numbered)
    found = read(sets, "thucnews", content, "THUCNews/data/class.txt")
    (sets / "THUCNews/data/class.txt").write_text("\n".join(NEWS))
    assert (found.classes if found else None) == (tuple(names) if right else None)


@given(
    mostly(
        st.sampled_from(
            [b"Aa01A01= \xe4\xba\xba \xe5\xa3\xab\n", "Ab02C03= 美丽 漂亮\r\n".encode(), b"Ab02C03# a b\n"]
        ),
        "\n",
        "Aa01A01=",
        "美丽",
    )
)
def test_synonyms_are_what_a_plain_reader_finds(sets, content):
    (sets / "synonyms").mkdir(exist_ok=True)
    (sets / "synonyms" / "cilin.txt").write_bytes(content)
    with mock.patch.dict(os.environ, DATA_DIR=str(sets)):
        try:
            found = synonyms.read().synonyms
        except UserError as refusal:
            assert "cilin.txt" in str(refusal) and "DOMAIN=nlp" in str(refusal) and "\n" not in str(refusal)
            return
    words = set(content.decode("utf-8-sig").split())
    assert found and all(word in words and set(others) <= words - {word} for word, others in found.items())
