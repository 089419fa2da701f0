"""Suspects over gRPC: what is retried, what ends it and with which words, and what no key goes over.

Without grpcio a double stands in its place; with it the same tests ask a real server, marked external.
"""

import contextlib
import importlib.util
import re
import subprocess
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from fingerprinting.asking import addresses, patience
from fingerprinting.asking.addresses import Options
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import encoding
from fingerprinting.asking.patience import Patience
from fingerprinting.asking.respondent import Respondent
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import Inputs
from tests.asking.open_inference.double import Double, pretend, serving

NAMES = tuple(f"class {place}" for place in range(10))
INPUTS = np.random.default_rng(0).random((7, 4), np.float32)
Served = Callable[[Double], contextlib.AbstractContextManager[str]]


def model(inputs: list) -> list:
    """The class is the nearest tenth of the first number."""
    if isinstance(inputs[0], bytes):
        inputs = [np.frombuffer(one, "<f4").tolist() for one in inputs]
    return [int(10 * one[0]) for one in inputs]


LABELS = model(INPUTS.tolist())


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", Patience(first=0.001, most=0.01, longest=5.0))


@pytest.fixture(params=["double", pytest.param("server", marks=pytest.mark.external)])
def served(request, monkeypatch) -> Served:
    if request.param == "server":
        pytest.importorskip("grpc")
        return serving
    return lambda double: contextlib.nullcontext(pretend(double, monkeypatch))


def options(**changes) -> Options:
    name = changes.pop("name", "array")
    return Options(Classes(NAMES), encoding(name, Inputs(None), INPUTS.shape[1:]), **{"timeout": 5.0, **changes})


@contextlib.contextmanager
def opened(address: str, **changes) -> Iterator[Respondent]:
    with contextlib.closing(addresses.open_suspect(address, options(**changes))) as found:
        yield found


def only(fault: str) -> Callable[[int], str]:
    return lambda number: fault if number == 1 else ""


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "BYTES"])
def test_it_says_what_the_model_says(served, datatype):
    double = Double(model, datatype=datatype, shape=[-1] if datatype == "BYTES" else [-1, 4])
    encoded = "bytes" if datatype == "BYTES" else "array"
    with served(double) as address, opened(address, name=encoded) as suspect:
        said = suspect.ask(INPUTS)
    asked = INPUTS.astype(np.float16) if datatype == "FP16" else INPUTS
    assert [one.label for one in said] == model(asked.tolist()) and all(one.attempts == 1 for one in said)
    assert suspect.name == address and double.requests == 1


def test_a_model_of_single_inputs_is_asked_singly(served):
    double = Double(lambda inputs: model([inputs] if isinstance(inputs[0], float) else inputs), shape=[4])
    with served(double) as address, opened(address) as suspect:
        assert [one.label for one in suspect.ask(INPUTS)] == LABELS
    assert double.requests == len(INPUTS)


@pytest.mark.parametrize("fault", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL", "page", "few"])
def test_what_fails_once_is_sent_again(served, fault):
    double = Double(model, only(fault))
    with served(double) as address, opened(address) as suspect:
        said = suspect.ask(INPUTS)
    assert [one.label for one in said] == LABELS and all(one.attempts == 2 for one in said)
    assert double.bodies[0] == double.bodies[1]


def test_who_is_too_slow_is_asked_again(served):
    with served(Double(model, only("slow"))) as address, opened(address, timeout=0.3) as suspect:
        assert suspect.ask(INPUTS)[0].attempts == 2


@pytest.mark.parametrize(
    ("fault", "count", "said"),
    [
        ("INVALID_ARGUMENT", 1, "responded with INVALID_ARGUMENT: not today\\\\u0007"),
        ("NOT_FOUND", 1, "responded with NOT_FOUND: not today\\\\u0007"),
        ("UNAUTHENTICATED", 1, "responded with UNAUTHENTICATED: not today\\\\u0007"),
        ("UNIMPLEMENTED", 1, "responded with UNIMPLEMENTED: not today\\\\u0007"),
        (
            "INTERNAL",
            2,
            "responded with INTERNAL: not today\\\\u0007, twice to the same request; what was asked before is kept",
        ),
        (
            "UNAVAILABLE",
            10,
            "responded with UNAVAILABLE: not today\\\\u0007, 10 times; what was asked before is kept: run the",
        ),
        ("page", 2, "responded with what is no response of the protocol: 20 bytes, twice to the same request"),
        ("few", 2, "responded with what has 3 values for 7 queries: .* bytes, twice to the same request"),
        ("huge", 1, "responded with RESOURCE_EXHAUSTED: .*larger than max .*; lower BATCH, or give OUTPUT="),
    ],
)
def test_what_does_not_pass_ends_with_the_servers_words(served, fault, count, said):
    double = Double(model, lambda number: fault if number > 1 else "", words="not\n today\x07")
    with served(double) as address, opened(address) as suspect:
        suspect.ask(INPUTS[:1])
        with pytest.raises(UserError, match=f"^grpc://127.0.0.1:[0-9]+/net {said}") as refused:
            suspect.ask(INPUTS)
    assert str(refused.value).isprintable() and double.requests == count + 1


def test_a_server_is_waited_for_as_long_as_it_asks(served):
    double = Double(model, only("UNAVAILABLE"), said=(("grpc-retry-pushback-ms", "100000000"),))
    said = "asks to wait 100000 seconds; what was asked before is kept"
    with served(double) as address, opened(address) as suspect, pytest.raises(UserError, match=said):
        suspect.ask(INPUTS)


@pytest.mark.parametrize(
    ("shape", "given", "said"),
    [
        ([-1, 4], {"output": "z"}, "responded with what has no output z"),
        ([-1, 4], {"input": "z"}, "has no input z; give INPUT= one of x"),
        ([-1, 2, 2], {}, r"takes inputs of shape \[-1, 2, 2\], and each query has \[4\]"),
    ],
)
def test_what_the_model_does_not_have_or_take_is_named(served, shape, given, said):
    double = Double(model, shape=shape)
    with served(double) as address, opened(address, **given) as suspect, pytest.raises(UserError, match=said):
        suspect.ask(INPUTS)


def test_the_first_request_is_shown_and_nothing_is_sent(served):
    double = Double(model)
    with served(double) as address, opened(f"{address}/versions/3") as suspect:
        shown = suspect.preview(INPUTS[:1])
    assert shown.startswith("inference.GRPCInferenceService/ModelInfer at grpc://127.0.0.1:")
    assert '"version": "3"' in shown and "are read from inference.GRPCInferenceService/ModelMetadata at" in shown
    assert not double.requests and not double.metadata


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("oip+grpc://host/net", "grpc://host/net is no address of a model; give one like oip+grpc://host:8081/model"),
        ("oip+grpc://host:1/net?key=hidden-key", "grpc://host:1/net is no address of a model"),
        ("oip+grpc://host:1", "grpc://host:1 names no model; give one like oip+grpc://host:8081/model"),
        ("oip+grpc://host:1/v2/models/net", "names no model"),
        ("oip+grpc://host:port/net", "is no address; give one like"),
        ("oip+grpc://me:pass-word@host:1/net", "a key would go to host over plain gRPC, for anybody on the way"),
        ("oip+grpc://me:pass-word@localhost:1/net", "a key would go to localhost over plain gRPC"),
    ],
)
def test_an_address_that_is_none_or_that_shows_a_key_is_refused(monkeypatch, address, said):
    pretend(Double(model), monkeypatch)
    with pytest.raises(UserError, match=re.escape(said)) as refused:
        addresses.open_suspect(address, options())
    assert "pass-word" not in str(refused.value) and "hidden-key" not in str(refused.value)


def test_a_key_is_sent_over_tls_and_stands_nowhere(monkeypatch):
    double = Double(model, lambda number: "INVALID_ARGUMENT", words="no pass-word here, nor bWU6cGFzcy13b3Jk")
    pretend(double, monkeypatch)
    with opened("oip+grpcs://me:pass-word@host:1/net") as suspect:
        shown = suspect.preview(INPUTS[:1])
        with pytest.raises(UserError, match=r"INVALID_ARGUMENT: no \*\*\* here, nor \*\*\*") as refused:
            suspect.ask(INPUTS)
    assert double.metadata[-1]["authorization"] == "Basic bWU6cGFzcy13b3Jk"
    assert "authorization: ***" in shown and suspect.name == "oip+grpcs://host:1/net"
    assert "pass-word" not in shown + str(refused.value)


def test_without_grpcio_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^grpc://host:1/net is asked by grpcio, .*run pip install -e '.\[grpc\]'$"):
        addresses.open_suspect("oip+grpc://host:1/net", options())


@pytest.mark.external
def test_nobody_at_the_address_is_said_soon():
    pytest.importorskip("grpc")
    said = r"cannot be reached \(.*\); look at the address, and whether it runs"
    with opened("oip+grpc://127.0.0.1:1/net") as suspect, pytest.raises(UserError, match=said):
        suspect.ask(INPUTS)


@pytest.mark.external
def test_responses_are_taken_as_they_are_and_never_compressed():
    pytest.importorskip("grpc")
    with serving(Double(model), compressed=True) as address, opened(address) as suspect:
        assert [one.label for one in suspect.ask(INPUTS)] == LABELS


@pytest.mark.external
def test_a_certificate_that_nobody_vouches_for_gets_no_key(tmp_path, monkeypatch):
    grpc = pytest.importorskip("grpc")
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    double = Double(model)
    with serving(double, pair=(key.read_bytes(), certificate.read_bytes())) as address:
        keyed = address.replace("//", "//me:pass-word@")
        with opened(keyed) as suspect, pytest.raises(UserError, match="cannot be reached") as refused:
            suspect.ask(INPUTS)
        assert not double.metadata and "pass-word" not in str(refused.value)
        trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
        monkeypatch.setattr(grpc, "ssl_channel_credentials", lambda: trusted)
        with opened(keyed) as suspect:
            assert [one.label for one in suspect.ask(INPUTS)] == LABELS
        assert double.metadata[-1]["authorization"] == "Basic bWU6cGFzcy13b3Jk"
