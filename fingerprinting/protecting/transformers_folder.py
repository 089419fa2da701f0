"""A classifier from a folder of transformers: its configuration, its tokenizer or image processor; no code of its own.

Weights are read as safetensors alone, by this project's own reader.
"""

from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.protecting.examples import IMAGES, TEXTS
from fingerprinting.study import transformers_classifier
from fingerprinting.study import weights as foreign
from fingerprinting.study.transformers_classifier import CONFIG
from nlp.bert import IMPORTING
from nlp.data import decode

SETTINGS = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
HIGHEST = 255.0  # image processors take 0 to 255


def check(folder: Path) -> dict:
    """What config.json says; UserError for a folder of another kind or one that asks for code or odd weights."""
    config = _settings(folder, CONFIG)
    if "model_type" not in config:
        raise UserError(f"{folder} holds no {CONFIG} of transformers with a model_type; save it by save_pretrained()")
    for name in SETTINGS:
        if asked := transformers_classifier.code_of_its_own(_settings(folder, name)):
            raise UserError(
                f"{folder / name} asks for code of its own ({asked}), which is never run; give a model that "
                "transformers itself knows, or MODEL=module:function"
            )
    if "quantization_config" in config:
        raise UserError(
            f"{folder / CONFIG} is of quantised weights, which cannot be trained; give the model before that"
        )
    if not [path for path in folder.iterdir() if path.name.endswith(".safetensors")]:
        raise UserError(
            f"{folder} holds no safetensors; save the model by save_pretrained(folder, safe_serialization=True)"
        )
    return config


def classes(folder: Path) -> tuple[str, ...]:
    """Its classes in the order of its outputs, by id2label; none where that only numbers them."""
    named = check(folder).get("id2label")
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        return ()
    try:
        names = tuple(named[key] for key in sorted(named, key=int))
    except ValueError:
        return ()
    return () if all(name == f"LABEL_{place}" for place, name in enumerate(names)) else names


def side(folder: Path) -> int:
    """The side of the images that its processor makes; 0 where it says none."""
    size = _settings(folder, "preprocessor_config.json")
    wanted = size.get("crop_size" if size.get("do_center_crop") else "size", 0)
    if isinstance(wanted, dict):
        wanted = wanted.get("height") or wanted.get("shortest_edge") or 0
    return wanted if isinstance(wanted, int) else 0


def build(folder: Path, kind: str, count: int) -> nn.Module:
    """Untrained: takes physical texts or images, hands its tokenizer's or processor's output on, makes logits."""
    maker, config = _kind_of(folder, kind, count)
    with transformers_classifier.understood(folder):
        model = transformers_classifier.untrained(maker, config)
        before = _tokens(folder, config) if kind == TEXTS else _pixels(folder)
    model.float().register_forward_pre_hook(before, with_kwargs=True)
    model.register_forward_hook(lambda _, __, made: made.logits)
    return model


def weights(folder: Path, kind: str, count: int, path: Path) -> dict[str, torch.Tensor]:
    """The safetensors at that path under transformers' names of today, but for those that do not fit."""
    maker, config = _kind_of(folder, kind, count)
    given = foreign.read(path)
    with transformers_classifier.understood(folder):
        model, lacking = transformers_classifier.filled(maker, config, given, ignore_mismatched_sizes=True)
    return {name: value for name, value in model.state_dict().items() if name not in lacking}


def _kind_of(folder: Path, kind: str, count: int):
    """transformers' maker of such classifiers, and the folder's configuration for that many classes."""
    config, transformers = check(folder), _transformers()
    makers = {
        TEXTS: transformers.AutoModelForSequenceClassification,
        IMAGES: transformers.AutoModelForImageClassification,
    }
    if kind not in makers:
        raise UserError(
            f"{folder} is a folder of transformers, which here take texts and images; give MODEL=module:function"
        )
    if len(config.get("id2label") or range(count)) != count:
        raise UserError(f"{folder} classifies into {len(config['id2label'])} classes, and the data have {count}")
    with transformers_classifier.understood(folder):
        return makers[kind], transformers_classifier.configuration(config, num_labels=count)


def _tokens(folder: Path, config):
    tokenizer = _tokenizer(folder)
    longest = transformers_classifier.longest(config, tokenizer)
    return partial(_tokenized, tokenizer, longest)


def _tokenized(tokenizer, longest: int, _model: nn.Module, given: tuple, _named: dict) -> tuple[tuple, dict]:
    found = tokenizer(decode(given[0]), padding=True, truncation=True, max_length=longest, return_tensors="pt")
    return (), {name: value.to(given[0].device) for name, value in found.items()}


def _pixels(folder: Path):
    with IMPORTING:
        processor = transformers_classifier.image_processor(folder)
    return partial(_processed, processor)


def _processed(processor, _model: nn.Module, given: tuple, _named: dict) -> tuple[tuple, dict]:
    images = HIGHEST * given[0].contiguous()
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    found = processor(images=list(images), return_tensors="pt", input_data_format="channels_first")
    return (), {"pixel_values": found["pixel_values"].to(given[0].device, torch.float32)}


@lru_cache(maxsize=2)
def _tokenizer(folder: Path):
    with IMPORTING:
        return transformers_classifier.tokenizer(folder)


def _transformers() -> ModuleType:
    try:
        return transformers_classifier.library()
    except ModuleNotFoundError:
        raise UserError(
            "a folder of transformers needs transformers, which is not there; run pip install transformers"
        ) from None


def _settings(folder: Path, name: str) -> dict:
    path = folder / name
    if not path.is_file():
        return {}
    found = transformers_classifier.settings(path)
    if found is None:
        raise UserError(f"{path} is no JSON object, or too large; get the folder again")
    return found
