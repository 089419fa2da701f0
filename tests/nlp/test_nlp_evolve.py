"""Evolved text against an exhaustive search, one text at a time; only real characters, only where they are allowed."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fingerprinting.core.runtime import seed_everything
from fingerprinting.fingerprints.queries.evolved import Evolution
from fingerprinting.study import checkpoints
from nlp import evolve as evolution
from nlp.characters import gb2312
from nlp.data import LENGTH, decode, encode
from nlp.domain import DOMAIN

SMALL = ("textcnn_small", "dpcnn_small", "textrcnn_small", "textrnn_small", "bert_small")
TEXTS = [
    "中国",
    "一",
    "hello 世界!",
    "",
    "漢字と仮名",
    "𠮷野家",
    "长" * LENGTH,
    "北京大学出版社",
    "A9z",
    "。，！",
    "ไทย",
]
CLASSES = 5
COMMON = set(map(chr, gb2312(0xB0, 0xD7)))
FEW = tuple(map(ord, "大小山水xyQ7"))  # a vocabulary small enough to try all of it


def constants(substitutions: int = 3, candidates: int = 32, mu: float = 1e-5, omega: float = 2.0) -> Evolution:
    return Evolution(10, 1e-3, mu, omega, substitutions, candidates)


@torch.no_grad()
def built(name: str, sharpness: float = 20.0) -> nn.Module:
    """A network with random weights whose answers differ: some sure, some not."""
    seed_everything(name)
    model = checkpoints.build(DOMAIN, name, CLASSES, (LENGTH,)).eval()
    model.embedding.weight.mul_(5)
    model.head.weight.mul_(sharpness)
    return model


@torch.no_grad()
def probabilities(model: nn.Module, text: str) -> list[float]:
    return torch.softmax(model(encode([text]))[0].double(), 0).tolist()


def same_kind(old: str, new: str) -> bool:
    """The rule in other words: an ideograph becomes an ideograph, a Latin letter one of its case, a digit a digit."""
    if "\u4e00" <= old <= "\u9fff":
        return new in COMMON
    letters = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789")
    return any(old in kind and new in kind for kind in letters)


def objective(values: list[float], first: int, second: int, confident: bool, mu: float) -> float:
    rest = sum(value for index, value in enumerate(values) if index != first)
    return (values[first] - values[second]) / (rest + mu) if confident else values[first]


def exhaustive(model: nn.Module, text: str, confident: bool, chosen: Evolution, vocabulary: str) -> str:
    """Round by round the best of all permitted replacements of one character, if it is better; in plain Python."""
    at_start = probabilities(model, text)
    first, second = sorted(range(CLASSES), key=lambda index: -at_start[index])[:2]
    top = at_start[first] + chosen.omega * (at_start[first] - 1 / CLASSES)
    best = objective(at_start, first, second, confident, chosen.mu)
    for _ in range(chosen.substitutions):
        offers = []
        for index, old in enumerate(text):
            for new in vocabulary:
                if same_kind(old, new) and new != old:
                    offer = text[:index] + new + text[index + 1 :]
                    values = probabilities(model, offer)
                    if confident or values[first] <= top:
                        offers.append((objective(values, first, second, confident, chosen.mu), offer))
        if not offers or max(offers)[0] <= best:
            break
        best, text = max(offers)
    return text


@pytest.mark.parametrize("confident", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_with_all_candidates_verified_it_is_an_exhaustive_search(monkeypatch, name, confident):
    monkeypatch.setattr(evolution, "REPLACEMENTS", FEW)
    model, texts = built(name), ["中国", "hello", "上海x7!", "", "A9z", "人工智能"]
    chosen = constants(substitutions=3, candidates=len(FEW) * max(map(len, texts)), omega=0.5)
    found = DOMAIN.inputs.evolve(model, encode(texts), torch.full((len(texts),), confident), chosen, None)
    expected = [exhaustive(model, text, confident, chosen, "".join(map(chr, FEW))) for text in texts]
    assert decode(found) == expected
    assert sum(one != other for one, other in zip(texts, expected, strict=True)) >= 2


@pytest.mark.parametrize("confident", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_the_offers_are_those_of_largest_first_order_gain(monkeypatch, name, confident):
    """Gradient times difference of vectors, computed per replacement, from a gradient taken for one text alone."""
    monkeypatch.setattr(evolution, "REPLACEMENTS", FEW)
    model, text, count = built(name), "人x工B智能", 6
    start, forward = DOMAIN.inputs.continuous(model, encode([text]))
    start = start.detach().requires_grad_(True)
    responses = torch.softmax(forward(start), 1)[0]
    first, second = responses.topk(2).indices.tolist()
    rest = responses.sum() - responses[first]
    value = (responses[first] - responses[second]) / (rest + 0.01) if confident else responses[first]
    (gradient,) = torch.autograd.grad(value, start)
    shift = 1 if name == "bert_small" else 0
    gains = {}
    for index, old in enumerate(text):
        for new in map(chr, FEW):
            if same_kind(old, new) and new != old:
                vectors = [model.embedding(model.tokens(encode([each]))[0])[0, shift] for each in (old, new)]
                gain = gradient[0, index + shift] @ (vectors[1] - vectors[0])
                gains[text[:index] + new + text[index + 1 :]] = gain.item()
    rule = evolution.Rule(*(torch.tensor([x]) for x in (first, second, math.inf, confident)), mu=0.01)
    (offers,) = evolution._offers(model, encode([text]), rule, count)
    assert decode(offers) == sorted(gains, key=lambda offer: -gains[offer])[:count]


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_evolved_like_its_texts_alone(monkeypatch, name):
    model, inputs = built(name), encode(TEXTS)
    confident = torch.arange(len(TEXTS)) % 2 == 0
    together = DOMAIN.inputs.evolve(model, inputs, confident, constants(), None)
    rows = torch.arange(len(TEXTS)).split(1)
    alone = [DOMAIN.inputs.evolve(model, inputs[row], confident[row], constants(), None) for row in rows]
    assert decode(together) == decode(torch.cat(alone))
    assert not torch.equal(together, inputs)
    monkeypatch.setattr(evolution, "TEXTS", 3)
    assert torch.equal(DOMAIN.inputs.evolve(model, inputs, confident, constants(), None), together)


CHARACTERS = st.sampled_from("中国一的龘abzAZ09 。，!ไ𠮷か\ufeff") | st.characters(
    exclude_categories=["Cs"], exclude_characters="\0"
)
MODEL = built("textcnn_small")


@given(
    st.lists(st.text(CHARACTERS, max_size=LENGTH), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from([1, 8]),
    st.booleans(),
)
def test_a_few_characters_become_others_of_their_kind_and_nothing_else_moves(
    texts, substitutions, candidates, confident
):
    inputs = encode(texts)
    rule = torch.full((len(texts),), confident)
    evolved = DOMAIN.inputs.evolve(MODEL, inputs, rule, constants(substitutions, candidates), None)
    assert evolved.dtype == inputs.dtype and evolved.shape == inputs.shape
    for old_text, new_text in zip(decode(inputs), decode(evolved), strict=True):
        assert len(old_text) == len(new_text)
        changed = [(old, new) for old, new in zip(old_text, new_text, strict=True) if old != new]
        assert len(changed) <= substitutions
        assert all(same_kind(old, new) for old, new in changed)


@pytest.mark.parametrize("omega", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("confident", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_the_source_says_more_and_never_less(name, confident, omega):
    model = built(name)
    chosen = constants(omega=omega)
    evolved = decode(DOMAIN.inputs.evolve(model, encode(TEXTS), torch.full((len(TEXTS),), confident), chosen, None))
    risen = 0
    for old, new in zip(TEXTS, evolved, strict=True):
        before, after = probabilities(model, old), probabilities(model, new)
        first, second = sorted(range(CLASSES), key=lambda index: -before[index])[:2]
        values = [objective(answer, first, second, confident, chosen.mu) for answer in (before, after)]
        assert values[1] > values[0] if new != old else values[1] == values[0]
        risen += new != old
        if not confident:
            assert after[first] <= before[first] + omega * (before[first] - 1 / CLASSES) + 1e-6
    assert risen >= 5 or omega < 1 and not confident


def test_a_source_that_is_entirely_sure_is_no_trouble():
    model, inputs = built("textcnn_small", sharpness=1e4), encode([text for text in TEXTS if text])
    assert torch.softmax(model(inputs), 1).amax(1).min() == 1
    for confident in (True, False):
        evolved = DOMAIN.inputs.evolve(model, inputs, torch.full((len(inputs),), confident), constants(), None)
        assert torch.isfinite(model(evolved)).all()


def test_texts_without_replaceable_characters_stay():
    texts = ["", "。，！", " ", "ไทย", "かな", "😀"]
    evolved = DOMAIN.inputs.evolve(MODEL, encode(texts), torch.ones(len(texts), dtype=torch.bool), constants(), None)
    assert decode(evolved) == texts


def test_the_inputs_stay_as_they_were():
    inputs = encode(TEXTS)
    DOMAIN.inputs.evolve(MODEL, inputs, torch.ones(len(TEXTS), dtype=torch.bool), constants(), None)
    assert torch.equal(inputs, encode(TEXTS))


def misled_by_trying_all(model: nn.Module, text: str, label: int, most: int, vocabulary: str) -> str:
    """Round by round the replacement that leaves the label the least probability, if less than before."""
    least = probabilities(model, text)[label]
    for _ in range(most):
        offers = [
            text[:index] + new + text[index + 1 :]
            for index, old in enumerate(text)
            for new in vocabulary
            if same_kind(old, new) and new != old
        ]
        values = {offer: probabilities(model, offer)[label] for offer in offers}
        if not offers or min(values.values()) >= least:
            break
        text = min(values, key=values.get)
        least = values[text]
    return text


@pytest.mark.parametrize("name", SMALL)
def test_misleading_with_all_candidates_verified_is_an_exhaustive_search(monkeypatch, name):
    monkeypatch.setattr(evolution, "REPLACEMENTS", FEW)
    monkeypatch.setattr(evolution, "CANDIDATES", len(FEW) * LENGTH)
    model, texts = built(name, sharpness=3.0), ["中国", "hello", "上海x7!", "", "A9z", "人工智能"]
    labels = [max(range(CLASSES), key=probabilities(model, text).__getitem__) for text in texts]
    found = decode(DOMAIN.inputs.mislead(model, encode(texts), torch.tensor(labels), 2))
    vocabulary = "".join(map(chr, FEW))
    expected = [misled_by_trying_all(model, *each, 2, vocabulary) for each in zip(texts, labels, strict=True)]
    assert found == expected
    assert sum(one != other for one, other in zip(texts, found, strict=True)) >= 3


@given(st.lists(st.text(CHARACTERS, max_size=LENGTH), min_size=1, max_size=4), st.integers(0, 3))
def test_misled_texts_have_a_few_other_characters_and_their_label_no_more_probability(texts, most):
    inputs = encode(texts)
    labels = MODEL(inputs).argmax(1)
    misled = DOMAIN.inputs.mislead(MODEL, inputs, labels, most)
    for old_text, new_text in zip(decode(inputs), decode(misled), strict=True):
        changed = [(old, new) for old, new in zip(old_text, new_text, strict=True) if old != new]
        assert len(changed) <= most and all(same_kind(old, new) for old, new in changed)
    before, after = (torch.softmax(MODEL(some).double(), 1).gather(1, labels[:, None]) for some in (inputs, misled))
    assert (after <= before + 1e-6).all()
