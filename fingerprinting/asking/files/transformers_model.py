"""A suspect in a folder of transformers: safetensors, its own tokenizer or image processor, and no code of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fingerprinting.core.errors import UserError
from fingerprinting.study import transformers_classifier, weights
from fingerprinting.study.transformers_classifier import CONFIG

ADAPTER = "adapter_config.json"
TEXTS, IMAGES = "ForSequenceClassification", "ForImageClassification"  # how architectures of the two are called


def check(folder: Path) -> dict[str, Any]:
    """What config.json says; UserError for a folder that asks for code, or has odd weights."""
    for path in sorted(folder.glob("*config.json")):
        if asked := transformers_classifier.code_of_its_own(settings(path)):
            raise UserError(
                f"{path} asks for code of its own ({asked}), which is never run; give the model as ONNX instead"
            )
    if (folder / ADAPTER).exists():
        raise UserError(f"{folder} holds an adapter beside or without its model; merge it, and save the whole model")
    if not any(path.name.endswith((".safetensors", weights.INDEX)) for path in folder.iterdir()):
        raise UserError(
            f"{folder} holds no weights in safetensors, and others can run code when they are opened; get them so, or "
            "save the model by save_pretrained() where it is trusted"
        )
    config = settings(folder / CONFIG)
    if kind_of(config) is None:
        raise UserError(f"{folder / CONFIG} is of no classifier of texts or images; give the folder of one")
    if "quantization_config" in config:
        raise UserError(f"{folder / CONFIG} is of quantised weights, which other packages open; get it in floats")
    return config


def kind_of(config: dict[str, Any]) -> str | None:
    """TEXTS or IMAGES; None: no classifier of either."""
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) else ""
    typed = isinstance(config.get("model_type"), str)
    return next((kind for kind in (TEXTS, IMAGES) if typed and name.endswith(kind)), None)


def settings(path: Path) -> dict[str, Any]:
    found = transformers_classifier.settings(path)
    if found is None:
        raise UserError(f"{path} is no JSON object, or too large; get the folder again")
    return found


def prepare() -> None:
    transformers = transformers_classifier.library()
    # Lazy parts that need their packages' files, before those are closed.
    assert transformers.AutoModelForSequenceClassification and transformers.AutoModelForImageClassification
    assert transformers.AutoTokenizer and transformers.AutoImageProcessor


def needed(spec: dict[str, Any]) -> list[str]:
    return [spec["path"]]


def opened(spec: dict[str, Any]) -> tuple[dict[str, str], Callable]:
    folder = Path(spec["path"])
    with transformers_classifier.understood(spec["name"]):
        model, config = _model(folder)
        before = _tokens(folder, config) if spec["texts"] else _pixels(folder)
    names = _names(config)

    def run(queries: Any) -> np.ndarray | list[str]:
        with torch.inference_mode():
            made = model(**before(queries)).logits.float()
        return [names[place] for place in made.argmax(1).tolist()] if names else made.numpy()

    return {"says": ""}, run


def _model(folder: Path):
    said, transformers = check(folder), transformers_classifier.library()
    makers = {
        TEXTS: transformers.AutoModelForSequenceClassification,
        IMAGES: transformers.AutoModelForImageClassification,
    }
    config = transformers_classifier.configuration(said)
    maker = makers[kind_of(said) or TEXTS]
    model, lacking = transformers_classifier.filled(maker, config, weights.read(folder))
    if lacking:
        raise UserError(f"{folder} lacks {len(lacking)} of its weights, {lacking[0]} first; get the folder again")
    return model.eval(), config


def _names(config) -> list[str]:
    """Its classes in the order of its outputs; none where they are only numbered."""
    named = {int(place): str(name) for place, name in config.id2label.items()}
    names = [named.get(place, "") for place in range(config.num_labels)]
    return [] if all(name in ("", f"LABEL_{place}") for place, name in enumerate(names)) else names


def _tokens(folder: Path, config) -> Callable[[list[str]], dict]:
    tokenizer = transformers_classifier.tokenizer(folder)
    longest = transformers_classifier.longest(config, tokenizer)

    def made(texts: list[str]) -> dict:
        return dict(tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"))

    return made


def _pixels(folder: Path) -> Callable[[np.ndarray], dict]:
    """Of images (n, height, width, 3) of 8 bits."""
    processor = transformers_classifier.image_processor(folder)
    return lambda queries: dict(processor(images=[Image.fromarray(one) for one in queries], return_tensors="pt"))
