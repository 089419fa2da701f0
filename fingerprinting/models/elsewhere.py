"""Training on machines that are not this one: what they have to share with it, and what goes there and comes back."""

import contextlib
import hashlib
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock

import torch

from fingerprinting.core import places, runtime, storage
from fingerprinting.core.places import REPOSITORY
from fingerprinting.models.kinds import Job
from fingerprinting.study import loading
from fingerprinting.study.domain import DOMAINS
from fingerprinting.study.study import Study

CONTENT = "content"  # of what comes back: the model's file, where folders are not shared
OWN_DATA = os.environ.get("DATA_DIR")  # of this process, when it began
ALONE = Lock()  # seeds are a process's, and so are its folders


@dataclass(frozen=True)
class Visit:
    """What a machine has to have in common with the one that sends it jobs.

    artifacts, data: the sender's folders. token: a file in the first that it must see; empty: it need not. code:
    digest of the package and of the user's own domain; torch: its version.
    """

    artifacts: str
    data: str
    token: str
    code: str
    torch: str


@dataclass(frozen=True)
class Parcel:
    """A job, and the files of models that it starts from where folders are not shared: path in artifacts -> content."""

    job: Job
    files: dict[str, bytes] = field(default_factory=dict)


@contextlib.contextmanager
def visit(study: Study) -> Iterator[Visit]:
    """The token lies there until the block ends."""
    artifacts = places.artifacts_dir().resolve()
    token = study.artifacts.resolve() / f".{uuid.uuid4().hex}.seen" if study.machines.shared else None
    if token:
        storage.write_text(token, "")
    try:
        data = str(places.data_dir().resolve())
        yield Visit(str(artifacts), data, str(token or ""), code_sha256(study.address), torch.__version__)
    finally:
        if token:
            token.unlink(missing_ok=True)


def parcel(study: Study, job: Job) -> Parcel:
    """What a machine that shares no folder needs for a job: its parent, and the source."""
    if study.machines.shared:
        return Parcel(job)
    paths = {model.path for model in (job.parent, study.source_id) if model and model != job.model}
    folder = places.artifacts_dir()
    return Parcel(job, {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()})


def train(here: Visit, study: Study, trained: Callable[[Job], dict], sent: Parcel) -> dict:
    """The metadata of a model that is trained on this machine for another one; "user_error" in its stead."""
    runtime.keep_freed_memory()
    with ALONE:
        if wrong := _unlike(here, study):
            return {"user_error": f"{socket.gethostname()} {wrong}"}
        _take_data(OWN_DATA or here.data)
        if here.token:
            os.environ["ARTIFACTS_DIR"] = here.artifacts
            return trained(sent.job)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["ARTIFACTS_DIR"] = folder
            for name, content in sent.files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            found = trained(sent.job)
            return found if "user_error" in found else {**found, CONTENT: sent.job.model.path.read_bytes()}


def unpacked(job: Job, found: dict) -> dict:
    """The metadata alone, once the model's file, where it came along, lies in its place."""
    if CONTENT in found:
        with storage.atomic(job.model.path) as temporary:
            temporary.write_bytes(found.pop(CONTENT))
    return found


def _unlike(here: Visit, study: Study) -> str:
    if here.torch != torch.__version__:
        return f"has torch {torch.__version__} and this machine {here.torch}; install the same requirements.txt there"
    if here.code != code_sha256(study.address):
        return "has other code than this machine, or had when its worker began; bring it up to date, and restart it"
    if here.token and not Path(here.token).is_file():
        return (
            f"does not see {Path(here.token).parent}; let ARTIFACTS_DIR name a folder that all machines share, or give "
            "ENGINE=dask:// SHARED=False"
        )
    return ""


def _take_data(folder: str) -> None:
    if os.environ.get("DATA_DIR") != folder:
        os.environ["DATA_DIR"] = folder
        loading.forget()


@cache
def code_sha256(address: str) -> str:
    """Of the package, its domains and the user's own domain file, as this process found them."""
    place = Path(address)
    own = [] if address in DOMAINS else sorted((place if place.is_dir() else place.parent).glob("*.py"))
    shared = [path for name in ("fingerprinting", *DOMAINS) for path in sorted((REPOSITORY / name).rglob("*.py"))]
    total = hashlib.sha256()
    for path in [*shared, *own]:
        total.update(f"{path.name} ".encode() + path.read_bytes())
    return total.hexdigest()
