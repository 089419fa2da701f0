"""The one place that talks gRPC: which statuses are met with patience, and what a key never goes over."""

import base64
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from fingerprinting.asking import http, patience
from fingerprinting.asking.open_inference.messages import Infer, Model
from fingerprinting.asking.patience import BLANKED, LARGEST, FailedError, shortened
from fingerprinting.core.errors import UserError

SERVICE = "inference.GRPCInferenceService"
PLAIN, ENCRYPTED = "grpc", "grpcs"
AGAIN = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
BROKEN = ("INTERNAL", "UNKNOWN", "DATA_LOSS", "CANCELLED")  # faults of the server's
NOBODY = ("failed to connect", "DNS resolution failed")  # how gRPC says that no server was there
TOO_LARGE = "larger than max"  # how it says that of a message, which comes again as large
PUSHBACK = "grpc-retry-pushback-ms"  # how long a server asks to wait
IDENTITY = 1 << 0  # no compression: what is small on the way would be large here
RECONNECT = 500  # milliseconds between attempts to connect


@dataclass(frozen=True)
class Call:
    method: str
    message: Model | Infer


class Channel(patience.Client[Call]):
    """Calls methods of the server at grpc://host:port/model, or grpcs:// with TLS."""

    def __init__(self, address: str, timeout: float, rate: float) -> None:
        if importlib.util.find_spec("grpc") is None:
            name = http.named(address)
            raise UserError(f"{name} is asked by grpcio, which is not installed; run pip install -e '.[grpc]'")
        import grpc

        url = http.parsed(address)
        keys = http.keys_of(url)
        super().__init__(http.named(address), rate, keys)
        if url.scheme not in (PLAIN, ENCRYPTED) or not url.host or url.port is None or url.query:
            raise UserError(f"{self.name} is no address of a model; give one like oip+grpc://host:8081/model")
        if keys and url.scheme == PLAIN:
            raise UserError(f"a key would go to {url.host} over plain gRPC, for anybody on the way to read; use grpcs")
        self._metadata = [("authorization", f"Basic {base64.b64encode(keys[0].encode()).decode()}")] if keys else []
        self._timeout, self._failed = timeout or None, grpc.RpcError
        host = f"[{url.host}]" if ":" in url.host else url.host
        options = [
            ("grpc.max_receive_message_length", LARGEST),
            ("grpc.compression_enabled_algorithms_bitset", IDENTITY),
            ("grpc.enable_retries", 0),  # how often is counted here
            ("grpc.enable_http_proxy", int(not http.is_loopback(url.host))),
            *((f"grpc.{name}_reconnect_backoff_ms", RECONNECT) for name in ("initial", "min", "max")),
        ]
        target = f"dns:///{host}:{url.port}"
        if url.scheme == PLAIN:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)

    def close(self) -> None:
        self._channel.close()

    def _once(self, request: Call) -> bytes:
        call = self._channel.unary_unary(f"/{SERVICE}/{request.method}")
        try:
            return call(request.message.encoded(), timeout=self._timeout, metadata=self._metadata)
        except self._failed as error:
            code, details = error.code().name, error.details() or ""
            wait = _asked_wait(error.trailing_metadata())
        words = self.on_one_line(details)
        said = f"responded with {code}: {words}"
        if TOO_LARGE in details:
            raise UserError(f"{self.name} {said}; lower BATCH, or give OUTPUT=")
        if code == "DEADLINE_EXCEEDED" or details.startswith(NOBODY):
            raise FailedError(f"cannot be reached ({words})", reached=False)
        if code in AGAIN or code in BROKEN:
            raise FailedError(said, broken=code in BROKEN, wait=wait)
        raise UserError(f"{self.name} {said}")

    def _words(self, content: bytes) -> str:
        return f"{len(content)} bytes"

    def preview(self, request: Call) -> str:
        keys = [f"{name}: {BLANKED}" for name, _ in self._metadata]
        body = json.dumps(asdict(request.message), ensure_ascii=False, default=_in_base64)
        return self.scrub("\n".join([f"{SERVICE}/{request.method} at {self.name}", *keys, "", shortened(body)]))


def _in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _asked_wait(metadata: Iterable[tuple[str, str | bytes]] | None) -> float | None:
    """Seconds of a server's pushback, if it says any."""
    said = next((value for name, value in metadata or () if name == PUSHBACK), "")
    return int(said) / 1000 if isinstance(said, str) and said.isdecimal() and len(said) < 12 else None
