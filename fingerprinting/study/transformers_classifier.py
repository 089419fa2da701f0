"""Classifiers of transformers: built from a folder's settings and safetensors alone, with no code of its own."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from fingerprinting.core.errors import UserError

CONFIG = "config.json"
CODE = ("auto_map", "custom_pipelines")  # entries by which a folder asks for code of its own
LARGEST = 1 << 22  # bytes of a JSON file that says how a model is built
MOST_TOKENS = 512  # of a text, where the folder names no lower number
OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")  # count positions from behind padding's row
NOT_OF_A_MODEL = ("model_type", "transformers_version")  # entries that the configuration's class has by itself
BUILT = dict(attn_implementation="eager")  # the one implementation that every model has


def settings(path: Path) -> dict[str, Any] | None:
    """What a JSON file says; None where it is no object, no file or too large."""
    try:
        short = path.is_file() and path.stat().st_size <= LARGEST
        found = json.loads(path.read_text(encoding="utf-8")) if short else None
    except (ValueError, RecursionError, OSError):
        return None
    return found if isinstance(found, dict) else None


def code_of_its_own(found: object) -> str:
    """The first entry of settings, however deep, that asks for code; empty where none does."""
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


def library() -> ModuleType:
    """transformers, which says nothing and draws no progress."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


@contextlib.contextmanager
def understood(name: object) -> Iterator[None]:
    """Whatever transformers finds wrong with a folder of that name, as one sentence."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # it may raise anything
        words = next(iter(str(error).strip().splitlines()), "")
        raise UserError(f"{name} cannot be built by transformers ({type(error).__name__}: {words[:200]})") from None


def configuration(said: dict[str, Any], **changes: Any) -> Any:
    """transformers' configuration of what config.json says."""
    rest = {name: value for name, value in said.items() if name not in NOT_OF_A_MODEL}
    return library().AutoConfig.for_model(said["model_type"], **rest | changes)


def untrained(maker: Any, config: Any) -> Any:
    """maker: AutoModelForSequenceClassification or another of transformers."""
    return maker.from_config(config, trust_remote_code=False, **BUILT)


def filled(
    maker: Any, config: Any, given: dict[str, torch.Tensor], **options: Any
) -> tuple[torch.nn.Module, list[str]]:
    """A model with the weights given, under the names that transformers has for them today; names that it lacks.

    transformers is given no folder: in one it would also look for adapters and for whatever config.json names.
    """
    model, found = type(untrained(maker, config)).from_pretrained(
        None, config=config, state_dict=given, dtype=torch.float32, output_loading_info=True, **BUILT, **options
    )
    odd = [*found["missing_keys"], *found["mismatched_keys"]]
    return model, sorted({one if isinstance(one, str) else one[0] for one in odd})


def tokenizer(folder: Path) -> Any:
    return library().AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def image_processor(folder: Path) -> Any:
    return library().AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def longest(config: Any, tokens: Any) -> int:
    """Tokens of a text that the model and its tokenizer take."""
    positions = getattr(config, "max_position_embeddings", None) or MOST_TOKENS
    if config.model_type in OFFSET:
        positions -= (getattr(config, "pad_token_id", None) or 0) + 1
    return min(MOST_TOKENS, positions, tokens.model_max_length)
