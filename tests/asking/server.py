"""A suspect's server that fails as real ones do, on the standard library's HTTP server."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

OIP, ONE, MANY, HUGGING_FACE = "/v2/models/net", "/one", "/many", "/hf"
Model = Callable[[list], list]  # inputs as they came, nested lists, texts or bytes -> what is said to each


@dataclass
class Server:
    """model: what it says. faults(number) -> what goes wrong with the request of that number, from 1; "" nothing."""

    model: Model
    faults: Callable[[int], str] = lambda number: ""
    seen: Callable[[list], None] = lambda inputs: None  # called with the inputs of each request
    shape: list[int] = field(default_factory=lambda: [-1, 4])
    datatype: str = "FP32"
    said: dict[str, str] = field(default_factory=dict)  # headers that it sends
    address: str = ""
    requests: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, path: str, body: bytes) -> list:
        """The inputs in a request."""
        if path == HUGGING_FACE and not body.startswith(b"{"):
            return [body]
        found = json.loads(body)
        if path.startswith(OIP):
            tensor = found["inputs"][0]
            if tensor["datatype"] == "BYTES":
                return tensor["data"]
            return np.array(tensor["data"]).reshape(tensor["shape"]).tolist()
        return found["inputs"] if path in (MANY, HUGGING_FACE) else [found["input"]]

    def response(self, path: str, labels: list) -> object:
        if path.startswith(OIP):
            flat = np.array(labels).ravel().tolist()
            return {"outputs": [{"name": "y", "shape": list(np.shape(labels)), "datatype": "INT64", "data": flat}]}
        if path == HUGGING_FACE:
            return [[{"label": label, "score": 0.9}, {"label": "other", "score": 0.1}] for label in labels]
        if path == MANY:
            return {"predictions": [{"label": label} for label in labels]}
        return {"result": {"label": labels[0]}}


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_words) -> None:
            pass

        def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
            inputs = [{"name": "x", "datatype": server.datatype, "shape": server.shape}]
            self._give(200, json.dumps({"name": "net", "inputs": inputs}).encode())

        def do_POST(self) -> None:  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with server.lock:
                server.requests += 1
                number = server.requests
                server.headers.append(dict(self.headers))
                server.bodies.append(body)
            inputs = server.sent(self.path, body)
            server.seen(inputs)
            fault = server.faults(number)
            if fault in FAULTS:
                FAULTS[fault](self)
            elif fault:
                self._give(int(fault), json.dumps({"error": {"message": f"no {fault} today"}}).encode())
            else:
                self.whole(inputs)

        def whole(self, inputs: list) -> None:
            self._give(200, json.dumps(server.response(self.path, server.model(inputs))).encode())

        def _give(self, status: int, content: bytes, length: int | None = None, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            for name, value in {**server.said, **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)

        def drop(self) -> None:
            self.close_connection = True
            self.connection.close()

        def cut(self) -> None:
            self._give(200, b'{"outputs": [', 1_000)
            self.drop()

        def slow(self) -> None:
            time.sleep(0.5)
            self.drop()

    FAULTS = {
        "drop": Handler.drop,
        "cut": Handler.cut,
        "slow": Handler.slow,
        "wait": lambda self: self._give(429, b"too many", Retry_After="0.001"),
        "wait long": lambda self: self._give(503, b"maintenance", Retry_After="100000"),
        "wait until": lambda self: self._give(503, b"maintenance", Retry_After="Fri, 01 Jan 2100 00:00:00 GMT"),
        "malformed": lambda self: self._give(200, b'{"outputs": [{"data": [1, 2'),
        "page": lambda self: self._give(200, b"<html>Sign in</html>"),
        "nan": lambda self: self._give(200, b'{"outputs": [{"data": [NaN, 1.0, Infinity]}]}'),
        "huge": lambda self: self._give(200, b"x" * 25_000_000),
        "away": lambda self: self._give(307, b"", Location="http://192.0.2.1/v2/models/net/infer"),
        "port": lambda self: self._give(307, b"", Location="http://127.0.0.1:1/v2/models/net/infer"),
        "around": lambda self: self._give(307, b"", Location=self.path),
        "to a page": lambda self: self._give(302, b"", Location="/login"),
        "nowhere": lambda self: self._give(307, b"", Location="http://[::1"),
        "cookie": lambda self: self._give(500, b'{"error": "no session c00k1e-value"}', Set_Cookie="s=c00k1e-value"),
        "echo": lambda self: self._give(400, json.dumps(dict(self.headers)).encode()),
    }
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
