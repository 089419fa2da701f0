"""The sentences of the documents whose numbers are checked: words, where they stand, and numbers that nobody listed."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter

from fingerprinting.core.places import REPOSITORY

README = "README.md"
CIFAR, FASHION = "cv/cifar10/cpu", "cv/fashion_mnist/cpu"
THUCNEWS, THUOCL, EEG = "nlp/thucnews/cpu", "nlp/thuocl/cpu", "bci/scp1/cpu"
CONSTANTS = REPOSITORY / "docs" / "numbers.txt"
NOT_READ = (
    "data/README.md",  # bytes, rows and classes of published files, which their loaders check
    "docs/extending.md",  # sizes of changes, which tests/repository/test_extending.py counts
    "docs/inputs.md",  # bounds on what is taken, each with a test beside it
    "docs/papers.md",  # titles and years
)
SKIPPED = ("## Papers",)  # sections of nothing but titles and years

COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS = (
    *COUNTS,
    "eleven",
    "twelve",
    "twenty",
    "thirty",
    "forty",
    "dozen",
    "hundreds?",
    "thousands?",
    "million",
    "twice",
    *("half", "halves", "thirds?", "quarters?", "fifths?", "tenths?", "hundredths?"),
)
NUMBER = re.compile(rf"(?<![\w.,-])-?\.?\d+(?:[.,]\d+)*(?:e-?\d+)?|\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)
BLOCK = re.compile(r"<!-- (\w+): written by code .*?<!-- end of \1 -->", re.DOTALL)
NO_PROSE = (  # code, what links lead to, the numbers of steps and of lists
    re.compile(r"^ {4}\S.*$", re.MULTILINE),
    re.compile(r"`[^`]*`"),
    re.compile(r"\]\([^)]*\)|<https?:[^>]*>"),
    re.compile(r"^(?:\| )?\d+(?:\. | \|)", re.MULTILINE),
)


def between(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def in_words(number: float) -> str:
    return ("none", "one", *COUNTS)[round(number)]


@dataclass(frozen=True)
class Measured:
    """Words of a document, with a format field for each number, and what these are by the records."""

    document: str
    words: str
    values: Callable[[], Iterable]

    def said(self) -> str:
        values, fields = tuple(self.values()), sum(name is not None for _, name, *_ in Formatter().parse(self.words))
        if len(values) != fields:  # several values, say, where all should be the same
            raise ValueError(f"{self.words!r} has room for {fields} numbers, the records give {values}")
        return self.words.format(*values)


def documents() -> list[str]:
    """Every document whose prose is read, from the repository's root."""
    found = [path.relative_to(REPOSITORY).as_posix() for path in sorted(REPOSITORY.glob("docs/*.md"))]
    return [name for name in (README, *found, "data/README.md") if name not in NOT_READ]


def constants() -> dict[str, list[str]]:
    """Document -> the words in it whose numbers were not measured: a line each in docs/numbers.txt."""
    found: dict[str, list[str]] = {}
    for line in CONSTANTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            words = found.setdefault(line[1:-1], [])
        elif line.strip() and not line.startswith("#"):
            words.append(line.strip())
    return found


def places(words: str, text: str) -> list[range]:
    """Where words stand in a text, whose lines may be broken anywhere between them."""
    pattern = r"\s+".join(map(re.escape, words.split()))
    return [range(*found.span()) for found in re.finditer(pattern, _masked(text, [BLOCK]))]


def unlisted(text: str, listed: Sequence[str]) -> Iterator[str]:
    """The numbers of a text's prose that stand in none of the words that are listed, each with what is around it."""
    known = {place for words in listed for found in places(words, text) for place in found}
    for section in SKIPPED:
        found = re.search(rf"^{section}$.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        known |= set(range(*found.span())) if found else set()
    for found in NUMBER.finditer(_masked(text, [BLOCK, *NO_PROSE])):
        if not known.issuperset(range(*found.span())):
            yield " ".join(text[max(0, found.start() - 40) : found.end() + 40].split())


def _masked(text: str, patterns: Sequence[re.Pattern]) -> str:
    """The text with what matches blotted out, every other character in its place."""
    for pattern in patterns:
        text = pattern.sub(lambda found: re.sub(r"[^\n]", "·", found[0]), text)
    return text
