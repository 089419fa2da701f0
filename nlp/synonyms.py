"""Words replaced by synonyms out of the Harbin Institute of Technology's Cilin; source and terms: data/README.md."""

import hashlib
import re
from pathlib import Path

import torch

from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from nlp import data

MARK = re.compile(r"[A-Z][a-z][0-9]{2}[A-Z][0-9]{2}[=#@]")
SHORTEST = 2  # characters; single ones are as often pieces of an unknown word as words


class Lexicon:
    """Groups of words that mean the same; a word of several groups means what its first one does."""

    def __init__(self, groups: list[list[str]]) -> None:
        self.synonyms: dict[str, list[str]] = {}
        for group in groups:
            words = [word for word in dict.fromkeys(group) if len(word) >= SHORTEST]
            for word in words if len(words) > 1 else ():
                self.synonyms.setdefault(word, [other for other in words if other != word])
        self.longest = max(map(len, self.synonyms), default=0)

    def replaced(self, inputs: torch.Tensor) -> torch.Tensor:
        """Texts (n, length) in which every word of the lexicon stands for another one of its group."""
        return data.encode([self.rewritten(text) for text in data.decode(inputs)])

    def rewritten(self, text: str) -> str:
        """Words are found from the left, the longest first; what replaces a word depends on it and the text alone.

        A synonym as long as the word is taken where there is one, and none that makes the text too long for a model.
        """
        pieces, place, room = [], 0, data.LENGTH - len(text)
        while place < len(text):
            word = self._word_at(text, place)
            synonym = self._synonym(word, text, room)
            room -= len(synonym) - len(word)
            pieces.append(synonym)
            place += len(word)
        return "".join(pieces)

    def _word_at(self, text: str, place: int) -> str:
        """The longest word of the lexicon that begins there, or one character."""
        for size in range(min(self.longest, len(text) - place), SHORTEST - 1, -1):
            if text[place : place + size] in self.synonyms:
                return text[place : place + size]
        return text[place]

    def _synonym(self, word: str, text: str, room: int) -> str:
        offered = [other for other in self.synonyms.get(word, ()) if len(other) - len(word) <= room]
        offered = [other for other in offered if len(other) == len(word)] or offered
        if not offered:
            return word
        draw = hashlib.sha256(f"{word}/{text}".encode("utf-8", "replace")).digest()
        return offered[int.from_bytes(draw[:8], "big") % len(offered)]


def read() -> Lexicon | None:
    """The lexicon, from lines such as `Aa01A02= word word`; None where it was not fetched.

    Lines marked `#` hold words that are related without meaning the same, those marked `@` a word without synonyms.
    """
    path = places.data_dir() / "synonyms" / "cilin.txt"
    if not path.is_file():
        print("no synonyms: run python data/prepare.py DOMAIN=nlp to fetch the lexicon, see data/README.md")
        return None
    try:
        lines = [line.split() for line in storage.text_of(path, "utf-8-sig").split("\n")]
    except UnicodeDecodeError:
        raise _damaged(path, "is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        if line and not MARK.fullmatch(line[0]):
            raise _damaged(path, f"has no mark such as Aa01A02= at the beginning of line {number}")
    lexicon = Lexicon([words for mark, *words in filter(None, lines) if mark.endswith("=")])
    if not lexicon.synonyms:
        raise _damaged(path, "holds no synonyms")
    return lexicon


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path} {what}; delete it and run python data/prepare.py DOMAIN=nlp")
