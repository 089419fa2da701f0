"""Finished models of a study: whether they are there, what their files say, and the models themselves."""

from torch import nn

from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.models.kinds import KINDS
from fingerprinting.study import checkpoints
from fingerprinting.study.study import ModelId, Study


def open_model(study: Study, model: ModelId) -> nn.Module:
    """A finished model of a study, on the study's device."""
    require(study, model)
    return runtime.place(checkpoints.load(study.domain, model.path)[0], study.device)


def metadata_of(study: Study, model: ModelId) -> dict:
    """What its file says."""
    require(study, model)
    return storage.read_metadata(model.path)


def weights_sha256(study: Study, model: ModelId) -> str:
    return metadata_of(study, model)["sha256"]


def require(study: Study, model: ModelId) -> None:
    if not model.path.is_file():
        raise UserError(f"model {model.name} is missing; run {study.command(KINDS[model.kind].script)}")
