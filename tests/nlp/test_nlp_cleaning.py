"""One cleaning for all sets of texts, as data/README.md describes it; files that are odd or empty."""

import csv
import json
from itertools import combinations
from pathlib import Path

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset, Examples
from fingerprinting.data.splits import cut
from nlp import data, synonyms
from nlp.data import GOODS, LENGTH, REVIEWS, TOPICS, decode, encode
from nlp.inputs import describe
from tests.nlp.test_nlp_data import phrases, texts_of, write_news, write_reviews, write_shopping, write_topics

CSV = "online_shopping_10_cats/online_shopping_10_cats.csv"
PHRASES = {topic: phrases(8, topic) for topic in TOPICS}
OPINIONS = {name: phrases(8, name) for name in REVIEWS}
SOLD = [(goods, "1", f"很好，{text}") for goods in GOODS for text in phrases(8, goods)]
NEWS = {
    part: [(text, number % 3) for number, text in enumerate(phrases(count, part))]
    for part, count in (("train", 60), ("dev", 15), ("test", 12))
}


@pytest.fixture
def sets(data_dir) -> Path:
    """All four sets in DATA_DIR; a test writes a file of them anew."""
    write_topics(data_dir, PHRASES)
    write_reviews(data_dir, OPINIONS)
    write_news(data_dir, ["finance", "realty", "stocks"], NEWS)
    write_shopping(data_dir, SOLD)
    return data_dir


def add(folder: Path, name: str, *groups: list[str]) -> None:
    """Texts written behind those of the first classes of a set; THUCNews has them in train."""
    if name == "thuocl":
        added = dict(zip(TOPICS, groups, strict=False))
        write_topics(folder, {topic: own + added.get(topic, []) for topic, own in PHRASES.items()})
    if name == "shop_reviews":
        added = dict(zip(REVIEWS, groups, strict=False))
        write_reviews(folder, {opinion: own + added.get(opinion, []) for opinion, own in OPINIONS.items()})
    if name == "thucnews":
        with (folder / "THUCNews" / "data" / "train.txt").open("a", encoding="utf-8", newline="") as file:
            file.writelines(f"{text}\t{label}\n" for label, group in enumerate(groups) for text in group)
    if name == "online_shopping":
        write_shopping(
            folder, SOLD + [(of, 0, text) for of, group in zip(GOODS, groups, strict=False) for text in group]
        )


def texts_in(found: Dataset) -> list[tuple[str, int]]:
    return [pair for part in (found.pool, found.test, found.dev) if part is not None for pair in texts_of(part)]


ALL_SETS = pytest.mark.parametrize("name", sorted(data.LOADERS))


@ALL_SETS
def test_a_text_in_two_classes_is_left_out(sets, name):
    add(sets, name, ["两类", "两\ufeff头 ", "一类"], ["\u3000两类", "两头", "长" * LENGTH + "短"])
    texts = [text for text, _ in texts_in(data.load(name))]
    assert "两类" not in texts and "两头" not in texts and texts.count("一类") == 1 and "长" * LENGTH in texts


@ALL_SETS
@pytest.mark.parametrize("missing", ["", " ", "\u3000\xa0", "\u200b", "\ufeff", *sorted(data.MISSING), " nan "])
def test_blank_and_missing_texts_are_left_out(sets, name, missing):
    add(sets, name, [missing], [])
    assert all(text.strip() and text.strip() not in data.MISSING for text, _ in texts_in(data.load(name)))


@ALL_SETS
@pytest.mark.parametrize(
    "kept", ["nano", "NAN", "null 字", "N/A", "0", "e\u0301", "é", "Ａ", "👩\u200d👩", "a\u200eb", "一\u3000 二"]
)
def test_what_has_a_meaning_is_kept_as_it_is(sets, name, kept):
    add(sets, name, [kept], [])
    assert (kept, 0) in texts_in(data.load(name))


@ALL_SETS
@pytest.mark.parametrize("around", ["{} ", "\u3000{}", "\ufeff{}", "{}\u200b", "{}\xa0", "\u2060{}\t ", "\x1f{}"])
def test_what_is_not_seen_around_a_text_makes_no_other_one(sets, name, around):
    add(sets, name, ["同一句", around.format("同一句")], [])
    parts = cut(data.load(name), None, 0)
    contents = [set(decode(part.inputs)) for part in parts.values()]
    assert sum("同一句" in content for content in contents) == 1
    assert not any(one & other for one, other in combinations(contents, 2))


def test_a_test_title_is_not_trained_on_in_another_guise(sets):
    title, label = NEWS["test"][0]
    with (sets / "THUCNews" / "data" / "train.txt").open("a", encoding="utf-8") as file:
        file.writelines(
            f"{guise}\t{label}\n" for guise in (f"\u3000{title}", f"\ufeff{title}", title[:1] + "\u200b" + title[1:])
        )
    parts = cut(data.load("thucnews"), None, 0)
    assert [name for name, part in parts.items() if title in decode(part.inputs)] == ["test"]


def test_a_title_of_two_topics_in_two_files_is_left_out_of_both(sets):
    title, label = NEWS["test"][0]
    with (sets / "THUCNews" / "data" / "train.txt").open("a", encoding="utf-8") as file:
        file.write(f"{title}\t{(label + 1) % 3}\n")
    found = data.load("thucnews")
    assert texts_of(found.test) == NEWS["test"][1:] and texts_of(found.pool) == NEWS["train"]


# Files that are odd


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("finance\t0\nrealty\t1\nstocks\t2\n", 1, "is not the name of one class"),
        ("finance\n\nrealty\nstocks\n", 2, "a blank line, which would move the numbers"),
        ("\nfinance\nrealty\nstocks\n", 1, "a blank line"),
        ("finance\nrealty\nrealty \n", 3, "a second class called 'realty'"),
        ("finance\nrealty\u2028x\nstocks\n", 2, "is not the name of one class"),
        ("finance\n\u200b\nstocks\n", 2, "is not the name of one class"),
        ("finance\rrealty\rstocks\r", 1, "a carriage return inside the line"),
    ],
)
def test_odd_class_names_are_refused_by_line(sets, content, line, said):
    path = sets / "THUCNews" / "data" / "class.txt"
    path.write_bytes(content.encode())
    with pytest.raises(UserError, match=f"class.txt, line {line}: .*{said}"):
        data.load("thucnews")


def test_class_names_lose_what_is_not_seen(sets):
    path = sets / "THUCNews" / "data" / "class.txt"
    path.write_bytes("\ufefffinance\r\nrealty \r\n\u3000Realty\r\n\r\n".encode())
    assert data.load("thucnews").classes == ("finance", "realty", "Realty")


@pytest.mark.parametrize("name", ["", "realty ", "\u3000a", "a\nb", "a\u2028b", "a\x0bb"])
def test_no_set_has_a_class_that_no_response_can_name(name):
    part = Examples(torch.zeros(2, 1), torch.arange(2))
    with pytest.raises(UserError, match="its loader must give names on one line, without blanks around them"):
        Dataset("own", ("a", name), part, part)
    Dataset("own", ("1", "0"), part, part)
    Dataset("own", ("a", "A"), part, part)


@pytest.mark.parametrize(
    ("name", "file"),
    [("thucnews", f"THUCNews/data/{file}.txt") for file in ("class", "train", "dev", "test")]
    + [("shop_reviews", f"shop_reviews/{file}") for file, _ in REVIEWS.values()],
)
@pytest.mark.parametrize("content", ["", "\n", " \r\n\n", "\ufeff"])
def test_an_empty_file_is_named(sets, name, file, content):
    (sets / file).write_bytes(content.encode())
    with pytest.raises(UserError, match=f"{file} holds no text; get the file again"):
        data.load(name)


@pytest.mark.parametrize(
    ("name", "file"), [("thucnews", "THUCNews/data/dev.txt"), ("shop_reviews", "shop_reviews/neg.txt")]
)
def test_a_stray_carriage_return_is_refused_by_line(sets, name, file):
    (sets / file).write_bytes("好\t0\r\n很\t1\r坏\t0\r\n".encode())
    with pytest.raises(UserError, match=f"{file}, line 2: a carriage return inside the line"):
        data.load(name)


def test_a_class_without_a_text_of_its_own_is_named(sets):
    write_topics(sets, {**PHRASES, "法律": [" ", "nan"]})
    write_reviews(sets, {**OPINIONS, "positive": OPINIONS["negative"]})
    write_shopping(sets, [row for row in SOLD if row[0] != "蒙牛"])
    for name, empty in (("thuocl", "law"), ("shop_reviews", "negative"), ("online_shopping", "milk")):
        with pytest.raises(UserError, match=f"{name} has no text of class '{empty}' alone; get its files again"):
            data.load(name)


# online_shopping_10_cats


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", " \n", "\r\n\r\n\r\n", '""\n'])
def test_blank_lines_of_a_csv_are_no_rows(sets, end):
    path = sets / CSV
    whole = path.read_bytes()
    before = texts_in(data.load("online_shopping"))
    path.write_bytes(whole.replace(b"review\r\n", b"review\r\n" + end.encode(), 1) + end.encode())
    assert texts_in(data.load("online_shopping")) == before


def test_a_quoted_header_behind_a_byte_order_mark_and_nul(sets):
    path = sets / CSV
    before = texts_in(data.load("online_shopping"))
    rows = path.read_bytes().split(b"\r\n", 1)[1]
    path.write_bytes(b'\xef\xbb\xbf"cat","label","review"\r\n' + rows.replace("很好".encode(), "很\0好".encode()))
    assert texts_in(data.load("online_shopping")) == before


@pytest.mark.parametrize(
    "header", ["Cat,Label,Review", "label,cat,review", ",cat,label,review", "cat,label,review,", "cat;label;review"]
)
def test_another_header_is_refused(sets, header):
    (sets / CSV).write_text(f"{header}\n", encoding="utf-8")
    with pytest.raises(UserError, match="cats.csv, line 1: not the header cat,label,review; mend that line"):
        data.load("online_shopping")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('酒店,1,"没有结尾\n酒店,1,好\n酒店,1,好\n', "unexpected end of data"),
        ('酒店,1,"没有结尾\n酒店,1,"好"\n', "expected after"),
        (f'酒店,1,"{"长" * (csv.field_size_limit() + 1)}"\n', "field larger than field limit"),
        ('酒店,1,"没有结尾\n' + "酒店,1,好\n" * 20_000, "field larger than field limit"),
    ],
    ids=range(4),
)
def test_an_open_quote_is_named_by_the_line_where_its_row_begins(sets, rows, said):
    (sets / CSV).write_text('cat,label,review\n酒店,1,"好\n的"\n' + rows, encoding="utf-8")
    with pytest.raises(
        UserError, match=f"cats.csv, line 4: the row that begins there is no CSV: .*{said}.*is a quote left open"
    ):
        data.load("online_shopping")


def test_a_long_category_is_not_repeated(sets):
    write_shopping(sets, [("酒" * 100_000, "1", "好")])
    with pytest.raises(UserError) as refusal:
        data.load("online_shopping")
    assert "line 2: unknown category '酒" in str(refusal.value) and len(str(refusal.value)) < 1_000


# Synonyms, and texts on one line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Aa01A01= 人类 生人\n人类 生人\n", "has no mark such as Aa01A02= at the beginning of line 2"),
        ('{"a": 1}\n', "has no mark such as Aa01A02= at the beginning of line 1"),
        ("", "holds no synonyms"),
        ("Aa01A01# 人类 生人\n", "holds no synonyms"),
        ("Aa01A01= 人类\nAa01A02= 人 士\n", "holds no synonyms"),
        ("\ufeffAa01A01= 人类 \udcff\n", "is not UTF-8"),
    ],
)
def test_an_odd_lexicon_is_refused(data_dir, content, said):
    (data_dir / "synonyms").mkdir()
    (data_dir / "synonyms" / "cilin.txt").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=f"cilin.txt {said}.*; delete it and run python data/prepare.py DOMAIN=nlp"):
        synonyms.read()


def test_a_lexicon_with_a_byte_order_mark_and_windows_ends_of_line(data_dir):
    (data_dir / "synonyms").mkdir()
    (data_dir / "synonyms" / "cilin.txt").write_bytes("\ufeffAa01A01= 人类\x0b生人\r\n\r\n".encode())
    assert synonyms.read().synonyms == {"人类": ["生人"], "生人": ["人类"]}


@pytest.mark.parametrize("mark", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\t"])
def test_a_query_stands_on_one_line(mark):
    assert describe(encode([f"一{mark}二{mark}"])[0]) == "一 二"
    assert json.dumps(describe(encode([mark])[0])) == '""'
