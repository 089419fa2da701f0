"""A server of the protocol's gRPC form: its responses, its faults, and two ways to it, with grpcio and without."""

import contextlib
import importlib.machinery
import sys
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from pytest import MonkeyPatch

from fingerprinting.asking import wire

PREFIX = "/inference.GRPCInferenceService/"


@dataclass
class Double:
    """faults(number) -> what goes wrong with the request of that number, from 1: a status, or a name of FAULTS."""

    model: Callable[[list], list]
    faults: Callable[[int], str] = lambda number: ""
    shape: list[int] = field(default_factory=lambda: [-1, 4])
    datatype: str = "FP32"
    words: str = "not today"
    said: tuple[tuple[str, str], ...] = ()  # metadata after a response
    requests: int = 0
    bodies: list[bytes] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)

    def respond(self, method: str, content: bytes, abort: Callable[[str, str], None]) -> bytes:
        if method == PREFIX + "ModelMetadata":
            shape = b"".join(map(wire.number, self.shape))
            about = wire.field(1, "x") + wire.field(2, self.datatype) + wire.field(3, shape)
            return wire.field(1, "net") + wire.field(4, about)
        self.requests += 1
        self.bodies.append(content)
        fault = self.faults(self.requests)
        if fault == "slow":
            time.sleep(0.5)
        elif fault in FAULTS:
            return FAULTS[fault]
        elif fault:
            abort(fault, self.words)
        return response(self.model(inputs(content)))


FAULTS = {
    "page": b"<html>Sign in</html>",
    "few": wire.field(5, wire.field(1, "y") + wire.field(5, wire.field(3, b"\x01\x02\x03"))),
    "huge": b"x" * 25_000_000,
}


def response(labels: list) -> bytes:
    values = wire.field(3, b"".join(map(wire.number, labels)))
    about = wire.field(1, "y") + wire.field(2, "INT64") + wire.field(3, wire.number(len(labels)))
    return wire.field(5, about + wire.field(5, values))


def inputs(content: bytes) -> list:
    """The inputs in a request: of floats, or of bytes."""
    (tensor,) = (value for place, value in wire.fields(content) if place == 5)
    found = dict(wire.fields(tensor))
    if 5 not in found:
        raw = next(value for place, value in wire.fields(content) if place == 7)
        return np.frombuffer(raw, "<f2").reshape(wire.varints(found[3]).tolist()).tolist()
    values = list(wire.fields(found[5]))
    if values[0][0] == 8:
        return [value for _, value in values]
    floats = np.frombuffer(values[0][1], {6: "<f4", 7: "<f8"}[values[0][0]])
    return floats.reshape(wire.varints(found[3]).tolist()).tolist()


class _Error(Exception):
    """Of a call, as grpcio gives it."""

    def __init__(self, code: str, words: str, said: tuple = ()) -> None:
        super().__init__(words)
        self.code = lambda: types.SimpleNamespace(name=code)
        self.details = lambda: words
        self.trailing_metadata = lambda: said


def pretend(double: Double, monkeypatch: MonkeyPatch) -> str:
    """Puts a module in grpcio's place that calls the double itself; an address of it."""

    def abort(code: str, words: str) -> None:
        raise _Error(code, words, double.said)

    def call(method: str, content: bytes, timeout: float | None, metadata: list) -> bytes:
        double.metadata.append(dict(metadata))
        started = time.monotonic()
        content = double.respond(method, content, abort)
        if timeout and time.monotonic() - started > timeout:
            raise _Error("DEADLINE_EXCEEDED", "Deadline Exceeded")
        if len(content) > 20_000_000:
            raise _Error("RESOURCE_EXHAUSTED", f"Received message larger than max ({len(content)} vs. 20000000)")
        return content

    def channel(*_about) -> types.SimpleNamespace:
        unary = lambda method: lambda content, **given: call(method, content, **given)  # noqa: E731
        return types.SimpleNamespace(unary_unary=unary, close=lambda: None)

    module = types.ModuleType("grpc")
    module.__spec__ = importlib.machinery.ModuleSpec("grpc", None)
    vars(module).update(
        RpcError=_Error, insecure_channel=channel, secure_channel=channel, ssl_channel_credentials=lambda: None
    )
    monkeypatch.setitem(sys.modules, "grpc", module)
    return "oip+grpc://127.0.0.1:1/net"


@contextlib.contextmanager
def serving(double: Double, compressed: bool = False, pair: tuple[bytes, bytes] | None = None) -> Iterator[str]:
    """A real server; its address. pair: a private key and its certificate, for TLS."""
    import grpc

    class Handler(grpc.GenericRpcHandler):
        def service(self, about):
            def run(content: bytes, context) -> bytes:
                double.metadata.append(dict(about.invocation_metadata))
                context.set_trailing_metadata(double.said)
                return double.respond(
                    about.method, content, lambda code, words: context.abort(getattr(grpc.StatusCode, code), words)
                )

            return grpc.unary_unary_rpc_method_handler(run)

    compression = grpc.Compression.Gzip if compressed else None
    server = grpc.server(ThreadPoolExecutor(2), handlers=(Handler(),), compression=compression)
    if pair:
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"oip+grpcs://localhost:{port}/net" if pair else f"oip+grpc://127.0.0.1:{port}/net"
    finally:
        server.stop(0).wait()
