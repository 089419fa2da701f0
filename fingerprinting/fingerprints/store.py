"""A fingerprint: the queries, the source's responses, and what is recorded to be matched."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.fingerprints.queries.primary import COMPONENTS
from fingerprinting.models import suspects
from fingerprinting.study import aside
from fingerprinting.study.study import Study

EXTRA = "extra."  # prefix, in a file, of what a method's representation needs besides


@dataclass(frozen=True)
class Fingerprint:
    """inputs (n, ...) physical, labels (n,) to match, truth (n,), component (n,) index or -1, source_logits (n, C).

    extra: named tensors that a method's representation needs besides, such as the weights of an encoder.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    truth: torch.Tensor
    component: torch.Tensor
    source_logits: torch.Tensor
    metadata: dict
    extra: dict[str, torch.Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    def of_component(self, name: str) -> torch.Tensor:
        """Mask (n,) of the samples of one component."""
        return self.component == list(COMPONENTS).index(name)

    def of(self, logits: torch.Tensor) -> "Fingerprint":
        """The same queries as the fingerprint of another model, which responds with logits (n, C)."""
        return replace(self, labels=logits.argmax(1), source_logits=logits)

    @property
    def sizes(self) -> dict[str, int]:
        return {name: int(self.of_component(name).sum()) for name in COMPONENTS}


TENSORS = tuple(part.name for part in fields(Fingerprint) if part.name not in ("metadata", "extra"))


def path_of(study: Study, method: str) -> Path:
    return study.artifacts / "fingerprints" / f"{method}.safetensors"


def save(path: Path, fingerprint: Fingerprint) -> None:
    extra = {EXTRA + name: value for name, value in fingerprint.extra.items()}
    storage.save_tensors(path, {name: getattr(fingerprint, name) for name in TENSORS} | extra, fingerprint.metadata)


def command(study: Study, method: str) -> str:
    """What makes the study's fingerprint of that method: a root script of its name, or baselines.py."""
    script = f"{method}.py" if (REPOSITORY / f"{method}.py").is_file() else f"baselines.py METHOD={method}"
    return study.root_command(script)


def load(study: Study, method: str, source_sha256: str) -> Fingerprint:
    """The study's fingerprint of that method; one of another domain, class count or source is refused."""
    path = path_of(study, method)
    again = f"run {command(study, method)}"
    if not path.is_file():
        raise UserError(f"the {method} fingerprint is missing ({path}); {again}")
    try:
        found = read(path)
    except UserError as error:
        raise UserError(f"{str(error).split(';')[0]}; delete it and {again}") from None
    metadata = found.metadata
    if metadata["domain"] != study.domain.name:
        raise UserError(
            f"{path} is a fingerprint of domain {metadata['domain']!r}, not of {study.domain.name}; {again}"
        )
    if metadata["classes"] != len(study.classes):
        raise UserError(
            f"{path} is for {metadata['classes']} classes, {study.dataset} has {len(study.classes)}; {again}"
        )
    if metadata["source_sha256"] != source_sha256:
        raise UserError(f"{path} was made from another source model than the one that is there now; {again}")
    return found


def read(path: Path) -> Fingerprint:
    """A fingerprint's file, of whichever study; one that is damaged or holds something else is refused."""
    tensors, metadata = storage.load_tensors(path)
    extra = {name.removeprefix(EXTRA): tensors.pop(name) for name in list(tensors) if name.startswith(EXTRA)}
    if not set(TENSORS) == set(tensors):
        raise UserError(f"{path} holds no fingerprint; give a file that a fingerprint's script wrote")
    return Fingerprint(**tensors, metadata=metadata, extra=extra)


def set_aside(study: Study, method: str) -> None:
    """What cannot be made as it is asked for now is not matched either; it is back when its settings are."""
    if (path := path_of(study, method)).is_file():
        aside.put(path)


def set_aside_of_another_source(study: Study, method: str, source_sha256: str) -> None:
    """Matching refuses such a file and sends its user to make it again, which does no good where that cannot be."""
    path = path_of(study, method)
    if path.is_file() and storage.read_metadata(path).get("source_sha256") != source_sha256:
        aside.put(path)


def check_origin(study: Study, prints: dict[str, Fingerprint]) -> None:
    """Refuse a fingerprint that was made with other models of the owner's, or evolved from another primary one.

    Those of the models that are there now, and the primary one that is matched beside it.
    """
    made_with = {name: found.metadata.get("extra_models_used", {}) for name, found in prints.items()}
    uses = ("reference", "calibration", "low_data", "twin", "transferred", "pair") if any(made_with.values()) else ()
    models = [model for use in uses for model in suspects.there(study, use)]
    now = {model.model.name: model.metadata["sha256"] for model in models}
    for name, used in made_with.items():
        for model, sha256 in used.items():
            if now.get(model) != sha256:
                raise UserError(
                    f"the {name} fingerprint was made with {model}, which is missing or has changed since; run "
                    f"{command(study, name)}"
                )
    if "primary" not in prints:
        return
    origin = prints["primary"].metadata["sha256"]
    for name, found in prints.items():
        if found.metadata["settings"].get("primary_sha256", origin) != origin:
            raise UserError(
                f"the {name} fingerprint was made from another primary fingerprint than the one that is there now; "
                f"run {command(study, name)}"
            )


def finished(study: Study, method: str) -> str:
    """What a step says that finds its fingerprint made."""
    path = path_of(study, method)
    return f"the {method} fingerprint is finished already: {storage.read_metadata(path)['queries']} queries; {path}"


def is_current(study: Study, method: str, settings: dict) -> bool:
    """Whether the fingerprint is there and was made with these very settings (the source's digest among them)."""
    path = path_of(study, method)
    if study.force:
        return False
    return aside.back(path, settings) or path.is_file() and aside.settings_of(path) == settings
