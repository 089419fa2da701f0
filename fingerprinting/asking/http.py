"""The one place that talks HTTP: which statuses are met with patience, which redirects are followed, what is no key's.

What is lost, or met by 408, 429, 502, 503 or 504, is sent again, after as long as Retry-After asks. A second 500
ends it, and so does any other refusal at once.
"""

import base64
import contextlib
import ipaddress
import json
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache

import httpx2

from fingerprinting.asking import patience
from fingerprinting.asking.patience import BLANKED, LARGEST, WORDS, FailedError, UnreadableError, forms, shortened
from fingerprinting.core.errors import UserError

AGAIN = (408, 429, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
FOLLOWED = 3  # redirects of one request
SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential|session", re.IGNORECASE)  # names of headers


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


def json_request(method: str, url: str, headers: Mapping[str, str], value: object) -> Request:
    body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return Request(method, url, {"Content-Type": "application/json", **headers}, body)


def loaded(content: bytes) -> object:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UnreadableError("is no JSON") from None


class Client(patience.Client[Request]):
    """Sends requests to one server. address: what its sentences are about; secrets: what stands in none of them."""

    def __init__(self, address: str, timeout: float, rate: float = 0.0, secrets: Iterable[str] = ()) -> None:
        url = parsed(address)
        check_scheme(url, address)
        super().__init__(named(address), rate, [*secrets, *keys_of(url)])
        if self._secrets and url.scheme == "http" and not is_loopback(url.host):
            raise UserError(f"a key would go to {url.host} over plain http, for anybody on the way to read; use https")
        self._timeout = timeout
        elsewhere = not is_loopback(url.host)  # what runs on this machine is asked through no proxy
        self._client = httpx2.Client(
            timeout=timeout or None, follow_redirects=False, trust_env=elsewhere, verify=_certificates()
        )

    def close(self) -> None:
        self._client.close()

    def _once(self, request: Request) -> bytes:
        try:
            status, headers, content = self._send(request)
        except httpx2.RequestError as error:
            said = f"cannot be reached ({self.scrub(str(error) or type(error).__name__)})"
            raise FailedError(said, reached=False) from None
        if status < 300:
            return content
        said = f"responded with {status}: {self._words(content)}"
        if status < 500 and status not in AGAIN:
            raise UserError(f"{self.name} {said}")
        raise FailedError(said, broken=status not in AGAIN, wait=_asked_wait(headers))

    def _send(self, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content; redirects within the same server are followed."""
        url = parsed(request.url)
        headers = {"Accept-Encoding": "identity", **request.headers}
        for _ in range(FOLLOWED + 1):
            ends = time.monotonic() + self._timeout if self._timeout else float("inf")
            with self._client.stream(request.method, url, headers=headers, content=request.body) as response:
                self._keep_cookies_out(response)
                if response.status_code not in REDIRECTS or "location" not in response.headers:
                    return response.status_code, response.headers, self._content(response, ends)
                url = self._redirected(request, url, response)
        raise UserError(f"{self.name} redirects more than {FOLLOWED} times; give SUSPECT= the last address")

    def _content(self, response: httpx2.Response, ends: float) -> bytes:
        content = bytearray()
        for piece in response.iter_bytes():
            content += piece
            if len(content) > LARGEST:
                raise UserError(f"{self.name} responded with more than {LARGEST} bytes; lower BATCH, or give OUTPUT=")
            if time.monotonic() > ends:
                raise httpx2.ReadTimeout(f"no whole response in {self._timeout:g} s")
        return bytes(content)

    def _redirected(self, request: Request, url: httpx2.URL, response: httpx2.Response) -> httpx2.URL:
        try:
            target = url.join(response.headers["location"])
        except (httpx2.InvalidURL, ValueError):
            raise UserError(f"{self.name} redirects to what is no address; give another SUSPECT=") from None
        same = (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port)
        safer = (url.scheme, target.scheme, target.host, target.port) == ("http", "https", url.host, None)
        if not (same or safer):
            raise UserError(
                f"{self.name} redirects to {self.scrub(named(str(target)))}, another server, which is not followed; "
                "give its address if it is the suspect's"
            )
        if request.method != "GET" and response.status_code not in (307, 308):
            raise UserError(f"{self.name} redirects with {response.status_code} to a page; give SUSPECT= that address")
        return target.copy_with(userinfo=url.userinfo)

    def _keep_cookies_out(self, response: httpx2.Response) -> None:
        """What a server sets is sent to nobody and stands nowhere."""
        self._secrets |= {form for cookie in response.cookies.jar for form in forms(cookie.value or "")}
        self._client.cookies.clear()

    def _words(self, content: bytes) -> str:
        """What a server says, on one line: the message alone where it is JSON with one."""
        text = content[: 20 * WORDS].decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(text)
            while isinstance(said, dict) and (
                name := next((n for n in ("error", "detail", "message") if n in said), "")
            ):
                said = said[name]
            text = said if isinstance(said, str) else text
        return self.on_one_line(text)

    def preview(self, request: Request) -> str:
        headers = {name: BLANKED if SECRET.search(name) else value for name, value in request.headers.items()}
        body = shortened((request.body or b"").decode("utf-8", "replace"))
        url = re.sub(r"//[^/@]*@", "//", request.url)
        lines = [f"{request.method} {url}", *(f"{name}: {value}" for name, value in headers.items()), "", body]
        return self.scrub("\n".join(lines))


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """The usual ones, read once: it takes a quarter of a second."""
    return httpx2.create_ssl_context()


def parsed(address: str) -> httpx2.URL:
    try:
        return httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise UserError("SUSPECT= or its uri is no address; give one like https://host/path") from None


def check_scheme(url: httpx2.URL, address: str) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"{named(address)} is no address of a server; give one like https://host/path")


def named(address: str) -> str:
    """An address without what may be a key in it: user, password, query and fragment."""
    return re.sub(r"//[^/@]*@", "//", re.split(r"[?#]", address)[0])


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def keys_of(url: httpx2.URL) -> list[str]:
    """Passwords and the like in an address."""
    found = [value for name, value in url.params.multi_items() if SECRET.search(name)]
    if url.userinfo:
        pair = f"{url.username}:{url.password}"
        found += [pair, url.password, base64.b64encode(pair.encode()).decode()]
    return found


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After, which may also be a date."""
    said = headers.get("retry-after", "").strip()
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, float(said))
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(timezone.utc)).total_seconds())
    return None
