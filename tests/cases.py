"""Cases for tests: a fingerprint of twins that nobody trained, a suspect's double, a timestamp authority, a signer."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import torch

from fingerprinting.core import storage
from fingerprinting.fingerprints import minus_twins, store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import bundle, case
from fingerprinting.study import checkpoints
from fingerprinting.study.study import Study

QUERIES, CONTROLS, TWINS, JUDGES = 30, 10, 3, 25
RULES = dict(alpha=0.1, beta=0.1, tail="student", early=False, other_task=False, budget=0)
NOTHING = dict(responses="", suspect="", classes="", commit=False, key="", tsa="", evidence="")


def untrained_source(study: Study) -> None:
    """Of the digits."""
    torch.manual_seed(0)
    metadata = {
        "name": study.source_id.name,
        "domain": "cv",
        "architecture": "conv3",
        "classes": 10,
        "shape": [1, 8, 8],
        "settings": {"parent": None, "parent_sha256": None},
    }
    checkpoints.save(study.source_id.path, checkpoints.build(study.domain, "conv3", 10, (1, 8, 8)), metadata)


def protect(study: Study, seed: int = 0) -> Fingerprint:
    """An untrained source and a fingerprint of twins at which each model says something else."""
    untrained_source(study)
    draw = np.random.default_rng(seed)
    logits = torch.from_numpy(draw.normal(size=(QUERIES, 10)).astype(np.float32))
    labels = logits.argmax(1)
    twins, judges = draw.integers(0, 10, (TWINS, QUERIES)), draw.integers(0, 10, (JUDGES, QUERIES))
    subtracted = draw.random((TWINS, QUERIES)) < 0.7
    shared = minus_twins.contributions(judges, labels.numpy(), twins, subtracted)
    data = np.repeat([0, 1, 2], [19, 3, 3])
    learned = (data > 0)[:, None] & (np.arange(QUERIES) % 5 == 0)
    moved = {
        "transfer_twins": torch.from_numpy(draw.integers(0, 4, (TWINS, QUERIES))),
        "transfer_subtracted": torch.ones(TWINS, QUERIES, dtype=torch.bool),
        "transfer_honest": torch.linspace(-0.1, 0.1, JUDGES),
        "transfer_source": torch.from_numpy(draw.integers(0, 4, QUERIES)),
    }
    extra = {
        "twins": torch.from_numpy(twins),
        "subtracted": torch.from_numpy(subtracted),
        "contributions": torch.from_numpy(shared),
        "learned": torch.from_numpy(learned),
        "data": torch.from_numpy(data),
        "honest": torch.from_numpy(np.ma.array(shared, mask=learned).mean(1).filled(0)),
        "control_inputs": torch.from_numpy(draw.random((CONTROLS, 1, 8, 8), dtype=np.float32)),
        "control_truth": torch.arange(CONTROLS),
        "honest_ability": torch.linspace(0.5, 1, JUDGES, dtype=torch.double),
        **moved,
    }
    inputs = torch.from_numpy(draw.random((QUERIES, 1, 8, 8), dtype=np.float32))
    about = {
        "domain": "cv",
        "classes": 10,
        "source_sha256": storage.read_metadata(study.source_id.path)["sha256"],
        "settings": {"size": "twins"},
        "extra_models_used": {"cv/digits/smoke/twin/conv3-0": "a" * 64},
    }
    found = Fingerprint(inputs, labels, (labels + 1) % 10, torch.full((QUERIES,), -1), logits, about, extra)
    store.save(store.path_of(study, "calibrated"), found)
    return store.read(store.path_of(study, "calibrated"))


def run(study: Study, folder: Path, **given) -> None:
    """What judge.py does with these constants."""
    case.judge(study, queries=str(folder), **{**RULES, **NOTHING, **given})


def suspect(folder: Path, said: list) -> str:
    """The address of a suspect that says this to the queries that lie in the folder, in their order."""
    (folder / "said.json").write_text(json.dumps(said))
    (folder / "double.py").write_text(
        "import json, pathlib\nimport numpy as np\n\nhere = pathlib.Path(__file__).parent\n\n\ndef ask(inputs):\n"
        "    known, said = np.load(here / 'queries.npy'), json.loads((here / 'said.json').read_text())\n"
        "    return [said[int((known == one).all((1, 2, 3)).argmax())] for one in inputs]\n"
    )
    return f"{folder / 'double.py'}:ask"


def copy_of(fingerprint: Fingerprint) -> list[int]:
    """The labels of a stolen copy: the source's, and the truth of the control queries."""
    return [*fingerprint.labels.tolist(), *range(CONTROLS)]


def forged(path: Path, **changes: bytes | None) -> Path:
    """The same archive with members replaced, or without them, and its sums made again: what a forger would do."""
    members = bundle.read(path)
    members.pop(bundle.SUMS)
    members |= {name: value for name, value in changes.items() if value is not None}
    members = {name: value for name, value in members.items() if name not in changes or changes[name] is not None}
    path.write_bytes(bundle.packed({**members, bundle.SUMS: bundle.sums(members)}))
    return path


@dataclass(frozen=True)
class Signer:
    """key: of its own. allowed: the file by which others know it."""

    key: Path
    allowed: Path


def signer(folder: Path, name: str = "owner@example.org") -> Signer:
    folder.mkdir()
    key, allowed = folder / "key", folder / "allowed"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    allowed.write_text(f"{name} {key.with_suffix('.pub').read_text()}")
    return Signer(key, allowed)


CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = test
[root]
basicConstraints = critical,CA:true
[stamping]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_chain = no
"""
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """A timestamp authority, and the certificate by which others know it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.certificate, self.settings = folder, folder / "ca.pem", folder / "settings"
        self.settings.write_text(CONFIGURATION.format(folder=folder))
        root, own = ("-subj", "/CN=root"), ("-config", self.settings)
        keys = ("-keyout", folder / "ca.key", "-out", self.certificate)
        self._openssl("req", "-x509", *CURVE, *keys, "-days", "30", *own, "-extensions", "root", *root)
        self._openssl("req", *CURVE, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr", *own)
        signing = ("-CA", self.certificate, "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "30")
        extensions = ("-extfile", self.settings, "-extensions", "stamping", "-out", folder / "tsa.pem")
        self._openssl("x509", "-req", "-in", folder / "tsa.csr", *signing, *extensions)
        (folder / "serial").write_text("01\n")

    def stamped(self, request: bytes) -> bytes:
        asked, reply = self.folder / "asked.tsq", self.folder / "reply.tsr"
        asked.write_bytes(request)
        self._openssl("ts", "-reply", "-config", self.settings, "-queryfile", asked, "-out", reply)
        return reply.read_bytes()

    def _openssl(self, *words) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


TYPES = ("application/timestamp-query", "application/timestamp-reply")


@contextmanager
def serving(respond: Callable[[bytes], bytes], status: int = 200) -> Iterator[str]:
    """The address of a server that gives respond(body) to requests for timestamps, and 415 to any other."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 (http.server's name)
            content = respond(self.rfile.read(int(self.headers["Content-Length"])))
            types = (self.headers["Content-Type"], self.headers["Accept"])
            self.send_response(status if types == TYPES else 415)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True, repr=False)  # of tensors that nobody reads
class Made:
    """queries: the owner's folder. path: the archive. The rest: what others know from elsewhere."""

    study: Study
    fingerprint: Fingerprint
    queries: Path
    path: Path
    signer: Signer
    authority: Authority

    @property
    def known(self) -> dict[str, str]:
        return {"signer": str(self.signer.allowed), "tsa_ca": str(self.authority.certificate)}
