"""A classifier from a folder of transformers: its configuration, its tokenizer or image processor; no code of its own.

Weights are read as safetensors alone, by this project's own reader.
"""

import contextlib
import json
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from fingerprinting.core.runtime import UserError
from fingerprinting.protecting.examples import IMAGES, TEXTS
from fingerprinting.study import weights as foreign
from nlp.bert import IMPORTING
from nlp.data import decode

CONFIG = "config.json"
CODE = ("auto_map", "custom_pipelines")  # entries by which a folder asks for code of its own
SETTINGS = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
HIGHEST = 255.0  # image processors take 0 to 255
MOST_TOKENS = 512  # of a text, where the folder names no lower number


def check(folder: Path) -> dict:
    """What config.json says; UserError for a folder of another kind or one that asks for code or odd weights."""
    config = _settings(folder, CONFIG)
    if "model_type" not in config:
        raise UserError(f"{folder} holds no {CONFIG} of transformers with a model_type; save it by save_pretrained()")
    for name in SETTINGS:
        if asked := [entry for entry in CODE if entry in _settings(folder, name)]:
            raise UserError(
                f"{folder / name} asks for code of its own ({asked[0]}), which is never run; give a model that "
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
    with _understood(folder):
        model = maker.from_config(config, attn_implementation="eager", trust_remote_code=False)
        before = _tokens(folder, config) if kind == TEXTS else _pixels(folder)
    model.float().register_forward_pre_hook(before, with_kwargs=True)
    model.register_forward_hook(lambda _, __, made: made.logits)
    return model


def weights(folder: Path, kind: str, count: int, path: Path) -> dict[str, torch.Tensor]:
    """The safetensors at that path under the names that transformers has for them today, but for those that do not fit.

    transformers is given no folder: in one it would also look for adapters and for whatever config.json names.
    """
    maker, config = _kind_of(folder, kind, count)
    given = foreign.read(path)
    with _understood(folder):
        network = type(maker.from_config(config, attn_implementation="eager", trust_remote_code=False))
        model, found = network.from_pretrained(
            None,
            config=config,
            state_dict=given,
            dtype=torch.float32,
            attn_implementation="eager",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        odd = [*found["missing_keys"], *found["mismatched_keys"]]
    lacking = {one if isinstance(one, str) else one[0] for one in odd}
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
    settings = {name: value for name, value in config.items() if name not in ("model_type", "transformers_version")}
    if len(settings.get("id2label") or range(count)) != count:
        raise UserError(f"{folder} classifies into {len(settings['id2label'])} classes, and the data have {count}")
    with _understood(folder):
        return makers[kind], transformers.AutoConfig.for_model(config["model_type"], **settings | {"num_labels": count})


@contextlib.contextmanager
def _understood(folder: Path) -> Iterator[None]:
    """Whatever transformers finds wrong with a folder, as one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # it may raise anything
        words = next(iter(str(error).strip().splitlines()), "")
        raise UserError(f"{folder} cannot be built by transformers ({type(error).__name__}: {words[:200]})") from None


def _tokens(folder: Path, config):
    tokenizer = _tokenizer(folder)
    positions = getattr(config, "max_position_embeddings", None) or MOST_TOKENS
    pad = getattr(config, "pad_token_id", None) or 0
    if config.model_type in OFFSET:
        positions -= pad + 1
    longest = min(MOST_TOKENS, positions, tokenizer.model_max_length)
    return partial(_tokenized, tokenizer, longest)


OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")  # count positions from behind padding's row


def _tokenized(tokenizer, longest: int, _model: nn.Module, given: tuple, _named: dict) -> tuple[tuple, dict]:
    found = tokenizer(decode(given[0]), padding=True, truncation=True, max_length=longest, return_tensors="pt")
    return (), {name: value.to(given[0].device) for name, value in found.items()}


def _pixels(folder: Path):
    with IMPORTING:
        processor = _transformers().AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
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
        return _transformers().AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _transformers() -> ModuleType:
    try:
        import transformers
    except ModuleNotFoundError:
        raise UserError(
            "a folder of transformers needs transformers, which is not there; run pip install transformers"
        ) from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _settings(folder: Path, name: str) -> dict:
    path = folder / name
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError):
        raise UserError(f"{path} is no JSON; get the folder again") from None
    return found if isinstance(found, dict) else {}
