"""A suspect in a folder of transformers: safetensors, its own tokenizer or image processor, and no code of its own."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fingerprinting.asking.files.formats import CONFIG
from fingerprinting.core.runtime import UserError
from fingerprinting.study import weights

CODE = ("auto_map", "custom_pipelines")  # entries by which a folder asks for code of its own
SETTINGS = 1 << 22  # bytes of a JSON file that says how a model is built
ADAPTER = "adapter_config.json"
MOST_TOKENS = 512  # of a text, where the folder names no lower number
OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")  # count positions from behind padding's row
TEXTS, IMAGES = "ForSequenceClassification", "ForImageClassification"  # how architectures of the two are called


def check(folder: Path) -> dict[str, Any]:
    """What config.json says; UserError for a folder that asks for code, or has odd weights."""
    for path in sorted(folder.glob("*config.json")):
        if asked := _asked_for(settings(path)):
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
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if _is_short(path) else None
    except (ValueError, RecursionError, OSError):
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path} is no JSON object, or too large; get the folder again")
    return found


def _is_short(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= SETTINGS


def _asked_for(found: object) -> str:
    """The first entry, however deep, that asks for code."""
    stack = [found]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if asked := [name for name in CODE if name in one]:
                return asked[0]
            stack += one.values()
        elif isinstance(one, list):
            stack += one
    return ""


def prepare() -> None:
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # Lazy parts that need their packages' files, before those are closed.
    assert transformers.AutoModelForSequenceClassification and transformers.AutoModelForImageClassification
    assert transformers.AutoTokenizer and transformers.AutoImageProcessor


def needed(spec: dict[str, Any]) -> list[str]:
    return [spec["path"]]


def opened(spec: dict[str, Any]) -> tuple[dict[str, str], Callable]:
    folder = Path(spec["path"])
    with _understood(spec["name"]):
        model, config = _model(folder)
        before = _tokens(folder, config) if spec["texts"] else _pixels(folder)
    names = _names(config)

    def run(queries: Any) -> np.ndarray | list[str]:
        with torch.inference_mode():
            made = model(**before(queries)).logits.float()
        return [names[place] for place in made.argmax(1).tolist()] if names else made.numpy()

    return {"says": ""}, run


def _model(folder: Path):
    """transformers is given no folder: in one it would also look for adapters and for whatever config.json names."""
    import transformers

    said = check(folder)
    makers = {
        TEXTS: transformers.AutoModelForSequenceClassification,
        IMAGES: transformers.AutoModelForImageClassification,
    }
    rest = {name: value for name, value in said.items() if name not in ("model_type", "transformers_version")}
    config = transformers.AutoConfig.for_model(said["model_type"], **rest)
    given = weights.read(folder)
    maker = makers[kind_of(said) or TEXTS]
    network = type(maker.from_config(config, attn_implementation="eager", trust_remote_code=False))
    model, found = network.from_pretrained(
        None,
        config=config,
        state_dict=given,
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
    )
    if lacking := sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]])):
        raise UserError(f"{folder} lacks {len(lacking)} of its weights, {lacking[0]} first; get the folder again")
    return model.eval(), config


def _names(config) -> list[str]:
    """Its classes in the order of its outputs; none where they are only numbered."""
    named = {int(place): str(name) for place, name in config.id2label.items()}
    names = [named.get(place, "") for place in range(config.num_labels)]
    return [] if all(name in ("", f"LABEL_{place}") for place, name in enumerate(names)) else names


@contextlib.contextmanager
def _understood(name: str) -> Iterator[None]:
    """Whatever transformers finds wrong with a folder, as one sentence."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # it may raise anything
        words = next(iter(str(error).strip().splitlines()), "")
        raise UserError(f"{name} cannot be built by transformers ({type(error).__name__}: {words[:200]})") from None


def _tokens(folder: Path, config) -> Callable[[list[str]], dict]:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    positions = getattr(config, "max_position_embeddings", None) or MOST_TOKENS
    if config.model_type in OFFSET:
        positions -= (getattr(config, "pad_token_id", None) or 0) + 1
    longest = min(MOST_TOKENS, positions, tokenizer.model_max_length)

    def made(texts: list[str]) -> dict:
        return dict(tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"))

    return made


def _pixels(folder: Path) -> Callable[[np.ndarray], dict]:
    """Of images (n, height, width, 3) of 8 bits."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return lambda queries: dict(processor(images=[Image.fromarray(one) for one in queries], return_tensors="pt"))
