"""How likely a text is among an attacker's own: character n-grams, and what is flagged and answered by them."""

import math
from collections import defaultdict

import torch

from fingerprinting.robustness.attacker import Detector
from fingerprinting.robustness.evasion import QueryDetector
from nlp import data, synonyms

END = "\0"  # stands before and after every text


class NGrams:
    """Witten-Bell smoothed n-grams of characters (Bell, Cleary and Witten 1990).

    p(c | h) = (count(h c) + t(h) p(c | h')) / (count(h) + t(h)), where t(h) is the number of different characters seen
    after h, h' is h without its first character, and below the empty history all characters and an unknown one are
    equally likely.
    """

    def __init__(self, texts: list[str], order: int) -> None:
        self.order = order
        self.after: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for text in texts:
            for history, character in self._steps(text):
                for start in range(order):
                    self.after[history[start:]][character] += 1
        self.totals = {history: sum(found.values()) for history, found in self.after.items()}
        self.uniform = 1 / (len(self.after[""]) + 1)

    def probability(self, character: str, history: str) -> float:
        """history: the order - 1 characters before it, or fewer."""
        lower = self.probability(character, history[1:]) if history else self.uniform
        if history not in self.totals:
            return lower
        found, kinds = self.after[history], len(self.after[history])
        return (found.get(character, 0) + kinds * lower) / (self.totals[history] + kinds)

    def cross_entropy(self, text: str) -> float:
        """Bits per character, the text's end counted as one."""
        bits = [-math.log2(self.probability(character, history)) for history, character in self._steps(text)]
        return sum(bits) / len(bits)

    def _steps(self, text: str) -> list[tuple[str, str]]:
        """Every character of a text and its end, with the order - 1 characters before it."""
        padded, before = END * (self.order - 1) + text + END, self.order - 1
        return [(padded[place - before : place], padded[place]) for place in range(before, len(padded))]


def query_detector(
    inputs: torch.Tensor, detector: Detector, name: str, device: torch.device, bounds: None
) -> QueryDetector:
    """Flags texts (n, length) by their cross-entropy; answers texts whose words were replaced by synonyms."""
    language = NGrams(data.decode(inputs), detector.order)

    def score(asked: torch.Tensor) -> torch.Tensor:
        return torch.tensor([language.cross_entropy(text) for text in data.decode(asked)], dtype=torch.double)

    lexicon = synonyms.read()
    return QueryDetector(score, {"synonyms": lexicon.replaced} if lexicon else {})
