"""BERT classifiers: a small one on characters, trained from nothing, and the published bert-base-chinese.

transformers takes seconds to import and is imported when a BERT is built.
"""

import os
import threading
from pathlib import Path

import torch
from torch import nn

from fingerprinting import files
from fingerprinting.runtime import UserError
from nlp.characters import ROWS, Characters
from nlp.data import decode

PUBLISHED = "bert-base-chinese"  # on the Hugging Face hub; 0.4 GB
FOLDER = "BERT_DIR"  # environment variable: a folder with its files; default DATA_DIR/bert-base-chinese
FILES = ["config.json", "vocab.txt", "model.safetensors"]
DROPOUT = 0.1  # of the features before the head, as published
IMPORTING = threading.Lock()  # a second thread would find transformers' lazy module before it is whole


class Bert(nn.Module):
    """[CLS] of a transformers BERT (Devlin et al. 2019) through its pooling layer, then a linear head."""

    def __init__(self, tokens: nn.Module, bert: nn.Module, classes: int) -> None:
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
        from transformers import BertModel, BertTokenizerFast
        from transformers.utils import logging

    logging.set_verbosity_error()  # it would list the heads of pretraining, which are left out
    logging.disable_progress_bar()
    folder = _published_files()
    try:
        tokenizer = BertTokenizerFast.from_pretrained(folder)
        bert = BertModel.from_pretrained(folder, use_safetensors=True)
    except Exception as error:  # whatever transformers finds wrong with them
        raise _not_published(folder, type(error).__name__) from None
    if len(tokenizer) != bert.config.vocab_size:  # without vocab.txt transformers makes up an empty one
        raise _not_published(folder, f"{len(tokenizer)} words, {bert.config.vocab_size} expected")
    return Bert(WordPieces(tokenizer, bert.config.max_position_embeddings), bert, classes)


def _published_files() -> Path:
    from huggingface_hub import snapshot_download

    folder = Path(os.environ.get(FOLDER) or files.data_dir() / PUBLISHED)
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
