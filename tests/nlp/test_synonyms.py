"""N-grams that flag text, and words of a lexicon that are replaced."""

import math

import pytest
import torch

from nlp import data, synonyms
from nlp.language import NGrams
from nlp.synonyms import Lexicon


def test_n_grams_by_hand():
    """Texts ab, ab, ac, and order 2: after a came b twice and c once; all in all a 3, b 2, c 1, end 3 times."""
    language = NGrams(["ab", "ab", "ac"], 2)
    alone = {"a": (3 + 4 / 5) / 13, "b": (2 + 4 / 5) / 13, "c": (1 + 4 / 5) / 13, "\0": (3 + 4 / 5) / 13}
    unknown = (0 + 4 / 5) / 13
    assert sum(alone.values()) + unknown == pytest.approx(1)
    for character, expected in alone.items():
        assert language.probability(character, "") == pytest.approx(expected)
    assert language.probability("b", "a") == pytest.approx((2 + 2 * alone["b"]) / (3 + 2))
    assert language.probability("x", "a") == pytest.approx((0 + 2 * unknown) / (3 + 2))
    assert language.probability("a", "x") == pytest.approx(alone["a"])  # a history that was never seen says nothing
    steps = [
        (3 + 1 * alone["a"]) / (3 + 1),  # every text begins with a
        (2 + 2 * alone["b"]) / (3 + 2),
        (2 + 1 * alone["\0"]) / (2 + 1),  # after b always the end
    ]
    assert language.cross_entropy("ab") == pytest.approx(-sum(map(math.log2, steps)) / 3)


def test_n_grams_flag_shuffled_text():
    language = NGrams(["春夏秋冬", "东南西北"] * 20, 3)
    assert language.cross_entropy("春夏秋冬") < 1 < 3 < language.cross_entropy("冬春西夏")


LEXICON = Lexicon(
    [["美丽", "漂亮", "好看得很"], ["漂亮", "出色"], ["快", "迅速"], ["大夫", "医生"], ["大夫人", "太太们"]]
)


def test_only_words_of_the_lexicon_are_replaced():
    texts = ["美丽的城市", "没有这样的词", "医生快来", "", "大夫人", "大夫来"]
    replaced = data.decode(LEXICON.replaced(data.encode(texts)))
    assert replaced == ["漂亮的城市", "没有这样的词", "大夫快来", "", "太太们", "医生来"]
    assert LEXICON.synonyms["漂亮"] == ["美丽", "好看得很"]  # its first group
    assert "快" not in LEXICON.synonyms and "迅速" not in LEXICON.synonyms  # of one character, and then alone


def test_replacing_is_deterministic_and_keeps_the_length_limit():
    many = Lexicon([["一二", "一二三四"], ["甲乙", "丙丁", "戊己", "庚辛"]])
    full = "一二" * (data.LENGTH // 2)
    assert many.rewritten(full) == full  # no room for a longer word
    assert many.rewritten(full[:-2]) == "一二三四" + full[4:]  # room for one
    inputs = data.encode(["甲乙" + chr(0x4E00 + n) for n in range(40)])
    assert torch.equal(many.replaced(inputs), many.replaced(inputs))
    assert len({text[:2] for text in data.decode(many.replaced(inputs))}) == 3  # never the word itself


def test_the_lexicon_is_read_from_its_synonym_lines_alone(data_dir):
    (data_dir / "synonyms").mkdir()
    lines = "\nAa01A02= 人类 全人类\nAa01B03# 良民 顺民\nAa01C05@ 众学生\n"
    (data_dir / "synonyms" / "cilin.txt").write_text(lines, encoding="utf-8")
    assert synonyms.read().synonyms == {"人类": ["全人类"], "全人类": ["人类"]}


def test_without_a_lexicon_it_says_so(data_dir, capsys):
    assert synonyms.read() is None
    assert "python data/prepare.py DOMAIN=nlp" in capsys.readouterr().out
