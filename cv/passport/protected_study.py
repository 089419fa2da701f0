"""The study of one protected source: the data and parts of its study, with models and fingerprints of its own."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from cv.passport import passports
from cv.passport.passports import Passports
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.models import trained
from fingerprinting.study.study import ModelId, Study

SCHEMES = ("1", "2", "3")
PLAIN = "plain"  # the same network, trained in the same way without passports


@dataclass(frozen=True)
class ProtectedStudy(Study):
    """A study whose source is a network with passports, so that every stealing attack can be made on it too."""

    architecture: str = ""
    scheme: str = ""  # plain, v1, v2 or v3

    @property
    def subfolder(self) -> str:
        return f"passports/{self.architecture}-{self.scheme}"

    @property
    def folder(self) -> str:
        return f"{super().folder}/{self.subfolder}"

    @property
    def columns(self) -> dict[str, str]:
        scheme = self.scheme.removeprefix("v")
        return {"tier": self.zoo, "dataset": self.dataset, "architecture": self.architecture, "scheme": scheme}

    @property
    def source_architecture(self) -> str:
        return self.architecture

    @property
    def students(self) -> tuple[str, ...]:
        """An extractor that knows the source's architecture, and one that does not."""
        return (self.architecture, self.domain.networks.students[self.tier][0])

    def model_id(self, kind: str, architecture: str, copy: int, variant: str = "") -> ModelId:
        zoo = f"{self.zoo}/{self.subfolder}"
        return ModelId(self.domain.name, self.dataset, zoo, kind, architecture, copy, variant)

    @property
    def longer_id(self) -> ModelId:
        """Of the plain study: its network, trained on for as long as those with passports are."""
        return self.model_id("source", self.architecture, 0, "longer")

    @property
    def passport_path(self) -> Path:
        return self.artifacts / "passports.safetensors"

    def passports(self) -> Passports:
        require(self)
        return passports.load(self.passport_path)


def of(study: Study, architecture: str, norm: str, scheme: str) -> ProtectedStudy:
    """scheme: plain, 1, 2 or 3. norm: batch or group."""
    if norm not in ("batch", "group"):
        raise UserError(f"NORM={norm} is unknown; take batch or group")
    name = f"{architecture}_gn" if norm == "group" else architecture
    study.domain.architecture(name)
    shared = {part.name: getattr(study, part.name) for part in fields(Study)}
    return ProtectedStudy(**shared, architecture=name, scheme=scheme if scheme == PLAIN else f"v{scheme}")


def chosen(scheme: str) -> tuple[str, ...]:
    """The schemes that SCHEME= names."""
    if scheme not in (*SCHEMES, "all"):
        raise UserError(f"SCHEME={scheme} is unknown; take {', '.join(SCHEMES)} or all")
    return SCHEMES if scheme == "all" else (scheme,)


def require(protected_study: ProtectedStudy) -> None:
    """The protected model and its passports must be there, or the plain model and the one trained on."""
    wanted = [
        protected_study.source_id.path,
        protected_study.longer_id.path if protected_study.scheme == PLAIN else protected_study.passport_path,
    ]
    if missing := [path for path in wanted if not path.is_file()]:
        raise UserError(f"{missing[0]} is missing; run {_command(protected_study)}")


def goes_on_from(plain: ProtectedStudy, protected_study: ProtectedStudy) -> bool:
    """Whether a protected network, or the plain one that was trained on, began as the plain one that is there now."""
    path = (protected_study.longer_id if protected_study.scheme == PLAIN else protected_study.source_id).path
    start = storage.read_metadata(plain.source_id.path)["sha256"]
    return path.is_file() and storage.read_metadata(path)["settings"]["parent_sha256"] == start


def same_start(plain: ProtectedStudy, protected: list[ProtectedStudy]) -> None:
    """Networks are compared with the one that they went on from, not with another that was trained since."""
    for protected_study in (plain, *protected):
        if not goes_on_from(plain, protected_study):
            raise UserError(
                f"the network of {protected_study.subfolder} did not go on from the one without passports that is "
                f"there now; run {_command(protected_study)}"
            )


def weights(protected_study: ProtectedStudy) -> str:
    """What is measured of a protected network depends on: the released weights and the owner's passports."""
    return " ".join(
        storage.read_metadata(path)["sha256"]
        for path in (protected_study.source_id.path, protected_study.passport_path)
    )


def gone(plain: ProtectedStudy, every: list[ProtectedStudy]) -> Callable[[str, str | None], bool]:
    """(a record's key, its network's `weights`) -> whether that is another network than the one that is there now.

    One that did not go on from today's plain network is gone too: all schemes stand in one table beside it.
    """
    now = {
        f"{protected_study.folder}/": weights(protected_study)
        if goes_on_from(plain, protected_study) and protected_study.passport_path.is_file()
        else None
        for protected_study in every
    }
    return lambda key, of: any(key.startswith(folder) and of != now[folder] for folder in now)


def _command(protected_study: ProtectedStudy) -> str:
    name = protected_study.architecture
    norm = " NORM=group" if name.endswith("_gn") else ""
    return f"{protected_study.command('passport/train')} ARCHITECTURE={name.removesuffix('_gn')}{norm}"


def open_released(protected_study: ProtectedStudy):
    """The network as others get it: plain, on the study's device."""
    require(protected_study)
    return trained.open_model(protected_study, protected_study.source_id)
