"""A source that can only be asked, an ONNX file or an endpoint: its labels of all that is needed, looked up ever after.

No copy of its weights can be made, so what is compared with it covers extraction alone.
"""

import contextlib
from pathlib import Path

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.asking import addresses, asking, journal
from fingerprinting.asking.addresses import Options
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.files.file_suspect import Source
from fingerprinting.asking.journal import About
from fingerprinting.asking.respondent import Respondent
from fingerprinting.core import storage
from fingerprinting.core.runtime import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.data.splits import content_of
from fingerprinting.models import mistakes
from fingerprinting.models.kinds import Job, Training
from fingerprinting.study.study import Study

ASKED = "asked"  # the architecture, of the source alone
FILE, JOURNALS = "source.safetensors", "source"  # in the owner's folder
PARTS = ("owner", "reference", "dev", "test")
SCOPE = (
    "the source can only be asked, so no copy of its weights could be tried: what is known of this verdict covers "
    "extraction alone"
)


class Asked(nn.Module):
    """Responds with the label that the source gave to an input; to none that it was not asked about.

    keys (K,) int64, sorted, of inputs; labels (K,).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("keys", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.int64))
        self.keys: torch.Tensor
        self.labels: torch.Tensor

    def learn(self, inputs: torch.Tensor, labels: torch.Tensor) -> None:
        """Labels (N,) of physical inputs (N, ...), besides those that are known."""
        keys, order = torch.cat([self.keys, keys_of(inputs)]).sort(stable=True)
        self.keys, self.labels = keys, torch.cat([self.labels, labels])[order]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        wanted = keys_of(inputs).to(self.keys.device)
        places = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        if not torch.equal(self.keys[places], wanted):
            raise UserError("the source was not asked about all of these inputs; run the same protect.py command again")
        return F.one_hot(self.labels[places], self.classes).float()

    def _load_from_state_dict(self, state: dict, prefix: str, *rest) -> None:
        """Of as many inputs as it was asked about."""
        self.keys, self.labels = (state.get(f"{prefix}{name}", getattr(self, name)) for name in ("keys", "labels"))
        super()._load_from_state_dict(state, prefix, *rest)


def keys_of(inputs: torch.Tensor) -> torch.Tensor:
    """(N,) int64 of inputs (N, ...)."""
    digests = content_of(inputs.cpu().contiguous())
    return torch.tensor([int.from_bytes(digest[:8], "little", signed=True) for digest in digests], dtype=torch.int64)


def source(study: Study, folder: Path, address: str, queries: int) -> Job:
    """Asks the source about all that is needed for so many queries, and keeps it; the job that adopts it.

    What stands in its journals is not asked again.
    """
    encoding = addresses.encoding_of(address, "", study.domain.inputs, study.shape)
    dtype = str(physical(study.tried).numpy().dtype)
    source = Source(study.address, len(study.classes), study.shape, dtype)
    options = Options(Classes(study.classes), encoding, source=source)
    module = Asked(len(study.classes))

    with contextlib.closing(addresses.open_suspect(address, options)) as respondent:

        def learn(inputs: torch.Tensor) -> None:
            module.learn(inputs, _labels_of(respondent, encoding, inputs, folder / JOURNALS, options.classes))

        learn(torch.cat([physical(study.parts[name].inputs) for name in PARTS]))
        found, mix = mistakes.of_source(study, module), study.domain.inputs.mix
        if mix and mistakes.are_few(found, queries):
            learn(mistakes.mixed(study, found, mix).inputs)
        name = respondent.name
    storage.save_tensors(folder / FILE, module.state_dict(), {"source": name})
    options_of = {"weights_sha256": storage.digest(module.state_dict()), "architecture": ASKED}
    return Job(study.source_id, study.recipe(1, 1.0), options_of)


def adopted(path: Path, study: Study, _job: Job) -> Training:
    module = Asked(len(study.classes))
    module.load_state_dict(storage.load_tensors(path)[0])
    return Training(module, None)


def _labels_of(
    respondent: Respondent, encoding: Encoding, inputs: torch.Tensor, folder: Path, meant: Classes
) -> torch.Tensor:
    """(N,) of inputs (N, ...), by a journal of these inputs and this respondent."""
    digest = storage.digest({"inputs": inputs})
    about = About(digest, digest, respondent.name, encoding.name)
    path = folder / f"{storage.key_of(vars(about))[:16]}.jsonl"
    with journal.opened(path, about) as kept:
        asking.ask(respondent, inputs.numpy(), kept, range(len(inputs)))
        said = kept.responses
    labels = [meant.label(said[index].raw) for index in range(len(inputs))]
    if lacking := [index for index, label in enumerate(labels) if label is None]:
        raise UserError(
            f"{respondent.name} gave no class to {len(lacking)} of {len(labels)} examples, but "
            f"{said[lacking[0]].raw[:40]!r}; let it say the data's classes, by name or by place"
        )
    return torch.tensor(labels)
