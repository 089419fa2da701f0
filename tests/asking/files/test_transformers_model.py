"""A suspect in a folder of transformers: no code of its own, no file outside it, no hub; it says what it says here."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import encoding
from fingerprinting.asking.files import formats, transformers_model
from fingerprinting.asking.files.file_suspect import FileSuspect, Opening, Source
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import load_domain

transformers = pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"一二三四五六七八九十"]
NAMES = ("sport", "money", "news")
SMALL = dict(initializer_range=1.0, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
LENGTH = 16


def texts_folder(folder: Path) -> Path:
    """A BERT that nobody trained, with a tokenizer, as save_pretrained() leaves them."""
    torch.manual_seed(0)
    labels = dict(enumerate(NAMES))
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, id2label=labels, **SMALL)
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def images_folder(folder: Path) -> Path:
    torch.manual_seed(0)
    labels = {place: f"LABEL_{place}" for place in range(3)}
    config = transformers.ViTConfig(image_size=8, patch_size=4, num_channels=3, id2label=labels, **SMALL)
    model = transformers.ViTForImageClassification(config)
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(folder)
    return folder


def texts(count: int = 6) -> np.ndarray:
    """As the domain of texts holds them."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("一二三四五六七八九十"), 8)) for _ in range(count)]
    return load_domain("nlp").inputs.encode(words).numpy()


def suspect_of(folder: Path, domain: str, name: str, shape: tuple[int, ...], dtype: str, names=NAMES) -> FileSuspect:
    asked = encoding(name, load_domain(domain).inputs, shape)
    source = Source(domain, len(names), shape, dtype)
    return FileSuspect(str(folder), source, Opening(), Classes(tuple(names)), asked, 0, 60.0)


def of_texts(folder: Path) -> FileSuspect:
    return suspect_of(folder, "nlp", "text", texts().shape[1:], str(texts().dtype))


def test_a_folder_of_texts_says_what_it_says_here(tmp_path):
    folder = texts_folder(tmp_path / "net")
    canary = tmp_path / "canary"
    (folder / "modeling_bert.py").write_text(f"open({str(canary)!r}, 'w')\n")
    suspect = of_texts(folder)
    try:
        said = suspect.ask(texts())
    finally:
        suspect.close()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    words = [load_domain("nlp").inputs.describe(torch.from_numpy(one)) for one in texts()]
    with torch.inference_mode():
        expected = model(**tokenizer(words, padding=True, return_tensors="pt")).logits.argmax(1).tolist()
    assert [one.label for one in said] == expected and len(set(expected)) > 1
    assert [one.raw for one in said] == [NAMES[label] for label in expected]
    assert not canary.exists()


def test_a_folder_of_images_says_what_it_says_here(tmp_path):
    folder = images_folder(tmp_path / "net")
    inputs = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32)
    suspect = suspect_of(folder, "cv", "png", (1, 8, 8), "float32")
    try:
        said = suspect.ask(inputs)
    finally:
        suspect.close()
    images = [Image.fromarray(np.rint(one[0] * 255).astype("uint8")).convert("RGB") for one in inputs]
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(**processor(images, return_tensors="pt")).logits
    assert [one.label for one in said] == expected.argmax(1).tolist()
    assert np.allclose([json.loads(one.raw) for one in said], expected, atol=1e-5)


def test_weights_that_are_missing_are_named(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = texts_folder(tmp_path / "net")
    held = load_file(folder / "model.safetensors")
    del held["classifier.bias"]
    save_file(held, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"lacks 1 of its weights, classifier.bias first; get the folder again"):
        of_texts(folder)


def folder_of(folder: Path, weights: str = "model.safetensors", **config) -> Path:
    folder.mkdir()
    (folder / weights).write_bytes(b"")
    said = {"architectures": ["BertForSequenceClassification"], "model_type": "bert", **config}
    (folder / "config.json").write_text(json.dumps(said))
    return folder


MAP = {"AutoConfig": "evil.Config"}


@pytest.mark.parametrize(
    ("config", "beside", "sentence"),
    [
        ({"auto_map": MAP}, {}, r"config.json asks for code of its own \(auto_map\), which is never run"),
        ({"text_config": [{"auto_map": MAP}]}, {}, "asks for code of its own"),
        ({}, {"tokenizer_config.json": {"auto_map": MAP}}, "tokenizer_config.json asks for code of its own"),
        ({}, {"preprocessor_config.json": {"auto_map": MAP}}, "preprocessor_config.json asks for code of its own"),
        ({}, {"adapter_config.json": {}}, "holds an adapter beside or without its model; merge it"),
        ({"weights": "pytorch_model.bin"}, {}, "holds no weights in safetensors, and others can run code"),
        ({"architectures": ["BertModel"]}, {}, "is of no classifier of texts or images; give the folder of one"),
        ({"architectures": "evil"}, {}, "is of no classifier of texts or images"),
        ({"quantization_config": {}}, {}, "is of quantised weights, which other packages open"),
    ],
    ids=["code", "deep", "tokenizer", "processor", "adapter", "pickle", "no head", "words", "quantised"],
)
def test_folders_that_ask_for_more_are_refused(tmp_path, config, beside, sentence):
    folder = folder_of(tmp_path / "net", **config)
    for name, content in beside.items():
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match=sentence):
        transformers_model.check(folder)


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, "1" * 10_000, " " * (1 << 22) + "{}"])
def test_settings_that_are_no_object_are_refused(tmp_path, content):
    folder = folder_of(tmp_path / "net")
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match="is no JSON object, or too large; get the folder again"):
        transformers_model.check(folder)


def test_a_pipe_in_place_of_settings_is_not_waited_for(tmp_path):
    folder = folder_of(tmp_path / "net")
    os.mkfifo(folder / "tokenizer_config.json")
    with pytest.raises(UserError, match="tokenizer_config.json is no JSON object"):
        transformers_model.check(folder)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "nowhere", "link"])
def test_links_out_of_a_folder_to_nothing_or_in_a_circle_are_refused(tmp_path, target):
    (tmp_path / "secret").write_text("secret")
    folder = folder_of(tmp_path / "net")
    (folder / "link").symlink_to(target)
    with pytest.raises(UserError, match="link is a link out of its folder; copy the folder with what it links to"):
        formats.format_of(folder, trust=False)


def test_links_within_a_folder_are_followed(tmp_path):
    folder = folder_of(tmp_path / "net")
    (folder / "again.json").symlink_to("config.json")
    assert formats.format_of(folder, trust=False) == formats.TRANSFORMERS
