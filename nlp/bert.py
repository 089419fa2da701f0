"""BERT classifiers: a small one on characters, trained from nothing, and the published bert-base-chinese.

transformers takes seconds to import and is imported when a BERT is built.
"""

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import nn

from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from nlp.characters import ROWS, Characters
from nlp.data import decode

if TYPE_CHECKING:
    from transformers import BertModel

PUBLISHED = "bert-base-chinese"  # on the Hugging Face hub; 0.4 GB
FOLDER = "BERT_DIR"  # environment variable: a folder with its files; default DATA_DIR/bert-base-chinese
FILES = ["config.json", "vocab.txt", "model.safetensors"]
SETTINGS = (  # of config.json; what else it may ask for (code, other weights, kernels) is not done
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
    "layer_norm_eps",
    "pad_token_id",
)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
DROPOUT = 0.1  # of the features before the head, as published
IMPORTING = threading.Lock()  # a second thread would find transformers' lazy module before it is whole


class Bert(nn.Module):
    """[CLS] of a transformers BERT (Devlin et al. 2019) through its pooling layer, then a linear head."""

    def __init__(self, tokens: nn.Module, bert: "BertModel", classes: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.bert = bert
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(bert.config.hidden_size, classes)

    @property
    def embedding(self) -> nn.Embedding:
        return self.bert.embeddings.word_embeddings

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows, mask = self.tokens(inputs)
        return self.logits(self.embedding(rows), mask)

    def logits(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.bert(inputs_embeds=embedded, attention_mask=mask).pooler_output))


class WordPieces(nn.Module):
    """Code points (N, length) -> rows (N, T) of a published vocabulary and a mask (N, T): its tokeniser on the text."""

    def __init__(self, tokenizer, longest: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.longest = longest

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self._tokens(inputs)
        return found["input_ids"].to(inputs.device), found["attention_mask"].bool().to(inputs.device)

    def places(self, inputs: torch.Tensor) -> torch.Tensor:
        """Which row (N, length) each character became; -1 for padding and where it shares a row with others."""
        places = torch.full(inputs.shape, -1)
        begins, ends = self._tokens(inputs, return_offsets_mapping=True)["offset_mapping"].unbind(2)
        texts, rows = torch.nonzero(ends - begins == 1, as_tuple=True)
        places[texts, begins[texts, rows]] = rows
        return places.to(inputs.device)

    def _tokens(self, inputs: torch.Tensor, **wanted):
        return self.tokenizer(
            decode(inputs), padding=True, truncation=True, max_length=self.longest, return_tensors="pt", **wanted
        )


def small(width: int, layers: int, heads: int, inner: int):
    """A BERT of these sizes on characters, without dropout inside: it is trained for a few passes only."""

    def build(classes: int, shape: tuple[int, ...]) -> nn.Module:
        with IMPORTING:
            from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=ROWS,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            max_position_embeddings=shape[0] + 1,
            type_vocab_size=1,
            initializer_range=0.1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        return Bert(Characters(begin=True), BertModel(config), classes)

    return build


def published(classes: int, _shape: tuple[int, ...]) -> nn.Module:
    """bert-base-chinese with its own tokeniser; only the head is new."""
    with IMPORTING:
        from transformers import BertTokenizerFast
        from transformers.utils import logging

    logging.set_verbosity_error()  # it would list the heads of pretraining, which are left out
    logging.disable_progress_bar()
    folder = _published_files()
    if absent := [name for name in FILES if not (folder / name).is_file()]:
        raise _not_published(folder, f"no {', '.join(absent)}")
    settings = _settings(folder)
    try:
        tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"))
        bert, lacking = _pretrained(settings, load_file(folder / "model.safetensors"))
    except Exception as error:  # whatever transformers finds wrong with them
        raise _not_published(folder, type(error).__name__) from None
    if lacking:  # transformers drew them at random
        raise _not_published(folder, f"no floats called {lacking[0]} among its weights")
    if not all(weight.isfinite().all() for weight in bert.parameters()):
        raise _not_published(folder, "non-finite weights")
    rows = set(tokenizer.get_vocab().values())
    if rows != set(range(bert.config.vocab_size)):
        raise _not_published(folder, f"{len(rows)} words, {bert.config.vocab_size} expected")
    return Bert(WordPieces(tokenizer, bert.config.max_position_embeddings), bert, classes)


def _settings(folder: Path) -> dict:
    """Those of SETTINGS that config.json gives."""
    try:
        given = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise _not_published(folder, "config.json is no JSON") from None
    if not isinstance(given, dict) or given.get("model_type") != "bert":
        raise _not_published(folder, "config.json is of another model")
    return {name: given[name] for name in SETTINGS if name in given}


def _pretrained(settings: dict, weights: dict[str, torch.Tensor]) -> tuple["BertModel", list[str]]:
    """The network in float32, and the names of weights that were not given as floats.

    transformers is given no folder: in one it would also look for adapters and for whatever config.json names.
    """
    with IMPORTING:
        from transformers import BertConfig, BertModel

    floats = {name: weight for name, weight in weights.items() if weight.dtype in FLOATS}
    if settings.get("num_hidden_layers", 0) > len(floats):
        raise ValueError("more layers than weights")  # building them could take for ever
    bert, found = BertModel.from_pretrained(
        None, config=BertConfig(**settings), state_dict=floats, dtype=torch.float32, output_loading_info=True
    )
    return bert, sorted(found["missing_keys"])


def _published_files() -> Path:
    from huggingface_hub import snapshot_download

    folder = Path(os.environ.get(FOLDER) or places.data_dir() / PUBLISHED)
    if folder.is_dir():
        return folder
    try:
        return Path(snapshot_download(PUBLISHED, allow_patterns=FILES))
    except Exception as error:  # of the hub or the network: many kinds
        raise UserError(
            f"{folder} does not exist and the Hugging Face hub cannot be reached ({type(error).__name__}); put "
            f"{PUBLISHED}'s {', '.join(FILES)} there, or name another folder by {FOLDER}"
        ) from None


def _not_published(folder: Path, why: str) -> UserError:
    return UserError(f"{folder} does not hold {PUBLISHED} ({why}); it needs {', '.join(FILES)} as published")
