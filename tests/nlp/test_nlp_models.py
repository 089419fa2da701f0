"""Text's architectures: rows of characters, padding that cannot matter, gradients by the embedded text, heads, pruning.

The published BERT is stood in for by a folder of the same layout with a tiny network and vocabulary, written here.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from unittest import mock

import huggingface_hub
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.core.runtime import seed_everything
from fingerprinting.study import checkpoints, trace
from fingerprinting.study.domain import TIERS
from fingerprinting.training import objectives, pruning
from nlp import bert
from nlp.characters import BEGIN, GB2312, PADDING, ROWS, SPARE, Characters, gb2312, table
from nlp.data import LENGTH, encode
from nlp.domain import DOMAIN
from nlp.inputs import describe
from nlp.models import ARCHITECTURES
from tests.networks import output_of

SMALL = ("textcnn_small", "dpcnn_small", "textrcnn_small", "textrnn_small", "bert_small")
LARGE = ("textcnn", "dpcnn", "textrcnn", "textrnn")
PUBLISHED = "bert_base_chinese"
ALL = (*SMALL, *LARGE, PUBLISHED)
CLASSES = 7
TEXTS = ["中国", "一", "hello 世界!", "", "漢字と仮名", "𠮷野家", "长" * LENGTH, "北京大学出版社", "a", "。，！"]


def write_published(folder: Path) -> None:
    """The files of bert-base-chinese, but tiny; its words are some characters and word pieces."""
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"中国一世界北京大学出版社长，。！", "hel", "##lo", "a", "!"]
    config = BertConfig(
        vocab_size=len(words), hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    seed_everything("published")
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")


@pytest.fixture(autouse=True)
def published_folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "published"
    write_published(folder)
    monkeypatch.setenv("BERT_DIR", str(folder))
    return folder


@torch.no_grad()
def built(name: str, classes: int = CLASSES) -> nn.Module:
    """In evaluation mode, its norm shifted and with the statistics of some texts, as in a trained net."""
    seed_everything(name)
    model = checkpoints.build(DOMAIN, name, classes, (LENGTH,))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.bias, 0.1, 0.5)
            module.momentum = 1.0
            model.train()(encode(TEXTS))
    return model.eval()


# Rows of characters


def test_common_characters_have_rows_of_their_own():
    own = [*range(1, 128), *gb2312(0xA1, 0xF7)]
    rows = table()[torch.tensor(own)].tolist()
    assert len(own) == len(set(own)) == len(set(rows)) == 127 + 7445
    assert sorted(rows) == list(range(2, ROWS - SPARE))
    assert len(gb2312(0xB0, 0xD7)) == 3755 and {"的", "一", "国"} <= set(map(chr, gb2312(0xB0, 0xD7)))
    assert GB2312 == 2 + 127


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=LENGTH))
def test_every_character_has_a_row_and_only_padding_the_first(text):
    inputs = encode([text])
    rows, mask = Characters()(inputs)
    assert rows.shape == mask.shape == (1, max(1, len(text)))
    assert mask.sum() == len(text) and ((rows == PADDING) == ~mask).all()
    assert ((rows >= 2) & (rows < ROWS))[mask].all()
    begun, _ = Characters(begin=True)(inputs)
    assert begun[0, 0] == BEGIN and torch.equal(begun[:, 1:], rows)


def test_letters_of_one_script_keep_apart():
    for first, last in (
        (0x0E01, 0x0E5B),
        (0x0621, 0x064A),
        (0xAC00, 0xAC00 + SPARE - 1),
        (0x20000, 0x20000 + SPARE - 1),
    ):
        rows, _ = Characters()(torch.arange(first, last + 1, dtype=torch.int32)[None])
        assert len(rows.unique()) == last + 1 - first


@pytest.mark.parametrize("name", [*SMALL, PUBLISHED])
def test_places_say_which_row_a_character_became(name):
    model, inputs = built(name), encode(TEXTS)
    rows, mask = model.tokens(inputs)
    places = model.tokens.places(inputs)
    assert places.shape == inputs.shape
    for text, points, own_rows, own_places in zip(TEXTS, inputs, rows, places, strict=True):
        for index, place in enumerate(own_places.tolist()):
            alone = "hello" not in text or not text[index : index + 1].isascii() if name == PUBLISHED else True
            if index >= len(text[:LENGTH]) or text[index] == " " and name == PUBLISHED:
                assert place == -1
            elif alone:
                single, _ = model.tokens(points[index : index + 1][None])
                assert own_rows[place] == single[0, model.tokens.places(points[index : index + 1][None])[0, 0]]
    assert (places.amax(1) < mask.sum(1)).all()


def test_the_published_tokeniser_sees_the_text(published_folder):
    model = built(PUBLISHED)
    rows, mask = model.tokens(encode(["中国hello", "", "猫"]))
    words = (published_folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    read = [[words[row] for row in text[kept].tolist()] for text, kept in zip(rows, mask, strict=True)]
    assert read == [["[CLS]", "中", "国", "hel", "##lo", "[SEP]"], ["[CLS]", "[SEP]"], ["[CLS]", "[UNK]", "[SEP]"]]
    assert model.tokens.places(encode(["中国hello"]))[0, :8].tolist() == [1, 2, -1, -1, -1, -1, -1, -1]


# Every model


@pytest.mark.parametrize("name", ALL)
def test_texts_become_logits_and_the_head_is_the_last_linear_layer(name):
    model, inputs = built(name), encode(TEXTS)
    with torch.no_grad():
        logits = model(inputs)
    assert logits.shape == (len(TEXTS), CLASSES) and torch.isfinite(logits).all()
    assert not torch.allclose(logits[0], logits[1])
    path = trace.head(DOMAIN, name, model, inputs)
    last = [found for found, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    assert path == last and model.get_submodule(path).out_features == CLASSES
    assert torch.equal(output_of(model, path, inputs), logits)


@pytest.mark.parametrize("name", ALL)
def test_padding_and_batch_mates_cannot_matter(name):
    model, inputs = built(name), encode(TEXTS)
    with torch.no_grad():
        together = model(inputs)
        padded = model(nn.functional.pad(inputs, (0, 9)))
        alone = torch.cat([model(text[None, : max(1, int((text != 0).sum()))]) for text in inputs])
    torch.testing.assert_close(padded, together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_what_is_added_to_padding_cannot_matter(name):
    model, inputs = built(name), encode(TEXTS[:4])
    with torch.no_grad():
        start, forward = DOMAIN.inputs.continuous(model, inputs)
        _, mask = model.tokens(inputs)
        noise = torch.randn_like(start) * ~mask[..., None]
        assert noise.abs().max() > 0
        torch.testing.assert_close(forward(start + noise), forward(start), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_from_the_embedded_text_the_logits_are_the_models(name):
    model, inputs = built(name), encode(TEXTS)
    with torch.no_grad():
        start, forward = DOMAIN.inputs.continuous(model, inputs)
        assert torch.equal(forward(start), model(inputs))
        twice = forward(torch.cat([start, start]))
    torch.testing.assert_close(twice, model(inputs).detach().repeat(2, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*SMALL, PUBLISHED])
def test_the_gradient_by_the_embedded_text_equals_finite_differences(name):
    model = built(name).double()
    start, forward = DOMAIN.inputs.continuous(model, encode(TEXTS[:4]))
    start = start.detach().requires_grad_(True)
    loss = nn.functional.cross_entropy
    labels = torch.arange(4)
    (gradient,) = torch.autograd.grad(loss(forward(start), labels), start)
    draw = torch.Generator().manual_seed(1)
    for _ in range(5):
        direction = torch.randn(start.shape, generator=draw, dtype=start.dtype)
        step = 1e-6 * direction
        with torch.no_grad():
            slope = (loss(forward(start + step), labels) - loss(forward(start - step), labels)) / 2e-6
        assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_adversarial_training_reaches_every_weight_and_restores_the_mode(name):
    model = built(name).train()
    modes = [module.training for module in model.modules()]
    objective = objectives.adversarial(DOMAIN.inputs.continuous, DOMAIN.inputs.input_range, epsilon=0.05, steps=1)
    objective(model, encode(TEXTS), torch.arange(len(TEXTS)) % CLASSES).backward()
    assert modes == [module.training for module in model.modules()]
    for path, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, path


@pytest.mark.parametrize("name", SMALL)
def test_padding_has_no_vector_and_gets_none(name):
    model = built(name).train()
    nn.functional.cross_entropy(model(encode(TEXTS)), torch.arange(len(TEXTS)) % CLASSES).backward()
    assert model.embedding.weight[PADDING].abs().max() == 0
    assert model.embedding.weight.grad[PADDING].abs().max() == 0


@pytest.mark.parametrize("name", ALL)
def test_pruned_units_are_gone_and_the_others_are_not(name):
    model, inputs = built(name), encode(TEXTS)
    paths = trace.prunable(DOMAIN, name, model, inputs)
    width = model.head.in_features
    activity = pruning.activity(model, paths[-1], inputs, torch.device("cpu"))
    assert activity.shape == (width,)
    units = torch.randperm(width, generator=torch.Generator().manual_seed(0))[: width // 2]
    kept = torch.ones(width, dtype=torch.bool).index_fill(0, units, False)
    pruning.zeroing(paths, units)(model)
    seen = []
    model.head.register_forward_hook(lambda _module, arguments, _outputs: seen.append(arguments[0]))
    model(inputs)
    (features,) = seen
    assert features[:, units].abs().max() == 0 and features[:, kept].abs().max() > 0


@pytest.mark.parametrize("name", ALL)
def test_a_saved_model_responds_the_same(name, tmp_path):
    model, inputs, path = built(name), encode(TEXTS), tmp_path / "model.safetensors"
    checkpoints.save(path, model, {"domain": "nlp", "architecture": name, "classes": CLASSES, "shape": [LENGTH]})
    loaded, _ = checkpoints.load(DOMAIN, path)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(inputs), model(inputs))
    path.unlink()


def test_the_table_of_characters_is_nobodys_and_not_saved():
    assert not Characters().state_dict()
    model = built("textcnn_small")
    assert not any(name.startswith("tokens") for name in model.state_dict())


def test_small_nets_differ_clearly_in_what_follows_the_embedding():
    nets = {name: built(name) for name in SMALL}
    for one, other in combinations(SMALL, 2):
        assert [type(layer) for layer in nets[one].modules()] != [type(layer) for layer in nets[other].modules()]


def test_every_tier_names_architectures_that_exist_and_students_unlike_the_source():
    for tier in TIERS:
        names = (DOMAIN.networks.source[tier], *DOMAIN.networks.students[tier])
        assert set(names) <= set(ARCHITECTURES) and len(set(names)) == len(names)


def test_dpcnn_sees_the_whole_of_a_long_text():
    """After its last halving a place has seen neighbours; the maximum is over all of them."""
    model = built("dpcnn_small")
    texts = encode(["一" * LENGTH, "一" * (LENGTH - 1) + "国"])
    with torch.no_grad():
        first, second = model(texts)
    assert not torch.allclose(first, second)


def test_order_matters_to_all_but_none_is_confused_by_length():
    for name in SMALL:
        model = built(name)
        with torch.no_grad():
            one, other = model(encode(["国中一界世北京", "京北世界一中国"]))
        assert not torch.allclose(one, other), name


@pytest.mark.parametrize("text", ["", "a  b", "一行\n两行\t完"])
def test_a_text_is_described_on_one_line(text):
    assert describe(encode([text])[0]) == " ".join(text.split())


# The published BERT


def test_without_folder_the_hub_is_asked(published_folder, monkeypatch):
    monkeypatch.setenv("BERT_DIR", str(published_folder / "absent"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, allow_patterns: str(published_folder))
    assert built(PUBLISHED).head.in_features == 24


def test_without_folder_and_hub_one_sentence_says_what_to_do(published_folder, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setenv("BERT_DIR", str(published_folder / "absent"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(UserError) as refusal:
        built(PUBLISHED)
    said = str(refusal.value)
    assert "absent does not exist and the Hugging Face hub cannot be reached (ConnectionError)" in said
    assert "vocab.txt" in said and "BERT_DIR" in said and "\n" not in said


def test_by_default_the_folder_lies_among_the_data(data_dir, published_folder, monkeypatch):
    monkeypatch.delenv("BERT_DIR")
    published_folder.rename(data_dir / bert.PUBLISHED)
    assert built(PUBLISHED).head.in_features == 24


@pytest.mark.parametrize("damage", ["vocab.txt", "model.safetensors", "config.json"])
@pytest.mark.parametrize("how", ["absent", "truncated"])
def test_a_folder_that_lacks_something_is_refused(published_folder, damage, how):
    path = published_folder / damage
    if how == "absent":
        path.unlink()
    elif damage == "vocab.txt":
        path.write_text("only\none\n")
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        UserError, match="published does not hold bert-base-chinese .+config.json, vocab.txt, model.saf"
    ):
        built(PUBLISHED)


def rewritten(folder, **changes) -> None:
    """The folder's config.json with other values; None takes one away."""
    found = json.loads((folder / "config.json").read_text()) | changes
    kept = {name: value for name, value in found.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))


def test_the_published_weights_are_those_that_transformers_loads(published_folder):
    """Under their published names too: the whole of pretraining, with gamma and beta for weight and bias."""
    from transformers import BertForPreTraining, BertModel

    whole = BertForPreTraining.from_pretrained(published_folder).state_dict()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    named = {re.sub("|".join(old), lambda found: old[found[0]], name): value.clone() for name, value in whole.items()}
    save_file(named, published_folder / "model.safetensors")
    expected = BertModel.from_pretrained(published_folder).state_dict()
    found = built(PUBLISHED).bert.state_dict()
    assert set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_become_float32(published_folder, dtype):
    path = published_folder / "model.safetensors"
    weights = {name: weight.to(dtype) for name, weight in load_file(path).items()}
    save_file(weights, path)
    rewritten(published_folder, dtype=str(dtype).removeprefix("torch."))
    found = built(PUBLISHED).bert.state_dict()
    assert all(torch.equal(found[name], weight.float()) for name, weight in weights.items())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model_type": "roberta"}, "config.json is of another model"),
        ({"model_type": None}, "config.json is of another model"),
        ({"num_hidden_layers": 3}, "no floats called encoder.layer.2."),
        ({"num_hidden_layers": 10**9}, "ValueError"),
        ({"hidden_size": 48}, "RuntimeError"),
        ({"hidden_size": "24"}, "Error"),
        ({"hidden_act": "eval"}, "Error"),
    ],
)
def test_settings_of_another_network_are_refused(published_folder, changes, why):
    """transformers would draw weights at random that the file lacks."""
    rewritten(published_folder, **changes)
    with pytest.raises(UserError, match=f"published does not hold bert-base-chinese .*{why}"):
        built(PUBLISHED)


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (lambda weight: weight.to(torch.int8), "no floats called embeddings.word_embeddings.weight among its weights"),
        (lambda weight: weight.to(torch.float8_e4m3fn), "no floats called embeddings.word_embeddings.weight"),
        (lambda weight: weight * float("nan"), "non-finite weights"),
        (lambda weight: weight[:-1].clone(), "RuntimeError"),
    ],
    ids=["int8", "float8", "nan", "a row less"],
)
def test_odd_weights_are_refused(published_folder, spoilt, why):
    path, name = published_folder / "model.safetensors", "embeddings.word_embeddings.weight"
    weights = load_file(path)
    save_file(weights | {name: spoilt(weights[name])}, path)
    with pytest.raises(UserError, match=f"published does not hold bert-base-chinese .*{why}"):
        built(PUBLISHED)


@pytest.mark.parametrize(
    "change", [lambda words: words[:-1], lambda words: [*words, "b"], lambda words: words[:-1] + ["a"]]
)
def test_a_vocabulary_that_does_not_fit_the_embedding_is_refused(published_folder, change):
    path = published_folder / "vocab.txt"
    words = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{word}\n" for word in change(words)), encoding="utf-8")
    with pytest.raises(
        UserError, match=f"published does not hold bert-base-chinese .[0-9]+ words, {len(words)} expected"
    ):
        built(PUBLISHED)


class Foreign:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return open, (str(self.mark), "w")


def test_nothing_foreign_is_run_and_nothing_but_the_three_files_is_read(published_folder, tmp_path):
    """What config.json names, pickled weights, another tokeniser and adapters: beside the files, or instead of them."""
    mark, before = tmp_path / "was_run", built(PUBLISHED).state_dict()
    (published_folder / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    evil = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    rewritten(
        published_folder, auto_map=evil, quantization_config={"quant_method": "evil"}, transformers_weights="x.bin"
    )
    (published_folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": evil, "do_lower_case": False}))
    (published_folder / "tokenizer.json").write_text("{}")
    (published_folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "evil/evil"}))
    for name in ("pytorch_model.bin", "x.bin"):
        (published_folder / name).write_bytes(pickle.dumps(Foreign(mark)))
    found = built(PUBLISHED).state_dict()
    assert all(torch.equal(found[name], before[name]) for name in before)
    (published_folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="published does not hold bert-base-chinese .no model.safetensors.; it needs"):
        built(PUBLISHED)
    assert not mark.exists()


@pytest.fixture(scope="module")
def published_by_bytes(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("published")
    write_published(folder)
    return folder, {name: (folder / name).read_bytes() for name in bert.FILES}


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_bytes_of_its_files_one_sentence_or_a_whole_network(published_by_bytes, drawn):
    """A change that is not refused leaves a network that answers with numbers."""
    folder, contents = published_by_bytes
    name = drawn.draw(st.sampled_from(bert.FILES))
    content = bytearray(contents[name])
    for _ in range(drawn.draw(st.integers(1, 3))):
        content[drawn.draw(st.integers(0, min(len(content), 3000) - 1))] = drawn.draw(st.integers(0, 255))
    cut_off = drawn.draw(st.sampled_from([0, 0, 1, 7, 100]))
    (folder / name).write_bytes(bytes(content[: len(content) - cut_off]))
    with mock.patch.dict(os.environ, BERT_DIR=str(folder)):
        try:
            assert built(PUBLISHED)(encode(TEXTS)).shape == (len(TEXTS), CLASSES)
        except UserError as refusal:
            assert "does not hold bert-base-chinese" in str(refusal) and "\n" not in str(refusal)
    (folder / name).write_bytes(contents[name])


AT_ONCE = """
from fingerprinting.core import runtime
from nlp.models import ARCHITECTURES

build = ARCHITECTURES["bert_small"].build
print(len(runtime.side_by_side(lambda _: build(3, (20,)), range(8), 8)))
"""


@pytest.mark.slow
def test_two_threads_can_build_the_first_bert():
    """Each imports transformers, which a new process has not done yet."""
    found = subprocess.run(
        [sys.executable, "-c", AT_ONCE], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    assert found.stdout == "8\n", found.stderr
