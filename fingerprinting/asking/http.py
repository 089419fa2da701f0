"""The one place that talks HTTP: patience with servers that fail, an end with their words, and no key anywhere else.

What is lost, or met by 408, 429, 502, 503 or 504, is sent again, after as long as the server asks or twice as long each
time. A second 500, or a second response that cannot be read, ends it, and so does any other refusal at once.
"""

import base64
import contextlib
import ipaddress
import json
import random
import re
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote

import httpx2

from fingerprinting.core.runtime import UserError

AGAIN = (408, 429, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
FOLLOWED = 3  # redirects of one request
LARGEST = 20_000_000  # bytes of a response
WORDS = 300  # characters of a server's words in a sentence
SHOWN = 2_000  # characters of a request's body that DRY_RUN shows
SHORTEST = 6  # characters of a key; shorter values of a header are looked for nowhere else
BLANKED = "***"
SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential|session", re.IGNORECASE)  # names of headers
Read = TypeVar("Read")


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for: seconds, and how often a request is sent."""

    first: float = 1.0  # after the first failure; then twice as long each time
    most: float = 60.0  # between two attempts, unless the server asks for more
    longest: float = 600.0  # that a server may ask for; beyond it the asking ends, to be gone on with later
    tries: int = 10
    tries_at_first: int = 3  # of the first request of all: a wrong address is said soon


PATIENCE = Patience()


class UnreadableError(Exception):
    """A response that is not what the protocol says: what is wrong with it."""


@dataclass(frozen=True)
class Got:
    """A response's content, how often the request was sent, and the seconds that all of it took."""

    content: bytes
    attempts: int
    seconds: float


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


class Client:
    """Sends requests to one server. address: what its sentences are about; secrets: what stands in none of them."""

    def __init__(self, address: str, timeout: float, rate: float = 0.0, secrets: Iterable[str] = ()) -> None:
        url = parsed(address)
        check_scheme(url, address)
        self._secrets = {form for secret in [*secrets, *_of_url(url)] for form in forms(secret)}
        if self._secrets and url.scheme == "http" and not is_loopback(url.host):
            raise UserError(f"a key would go to {url.host} over plain http, for anybody on the way to read; use https")
        self.name = named(address)
        self._timeout, self._pause, self._next = timeout, 1 / rate if rate else 0.0, 0.0
        self._patience, self._reached = PATIENCE, False
        elsewhere = not is_loopback(url.host)  # what runs on this machine is asked through no proxy
        self._client = httpx2.Client(
            timeout=timeout or None, follow_redirects=False, trust_env=elsewhere, verify=_certificates()
        )

    def close(self) -> None:
        self._client.close()

    def get(self, request: Request, read: Callable[[bytes], Read]) -> tuple[Read, Got]:
        """What `read` makes of the response's content. It raises UnreadableError where that is not as it should be."""
        started, broken, said = time.monotonic(), 0, ""
        for attempt in range(1, self._patience.tries + 1):
            self._wait_for_turn()
            wait = None
            try:
                status, headers, content = self._send(request)
                self._reached = True
                if status < 300:
                    return read(content), Got(content, attempt, time.monotonic() - started)
                said, wait = f"responded with {status}: {self._words(content)}", _asked_wait(headers)
                if status < 500 and status not in AGAIN:
                    raise UserError(f"{self.name} {said}")
                broken += status not in AGAIN
            except UnreadableError as error:
                said = f"responded with what {error}: {self._words(content)}"
                broken += 1
            except httpx2.RequestError as error:
                said = f"cannot be reached ({self.scrub(str(error) or type(error).__name__)})"
                if not self._reached and attempt >= self._patience.tries_at_first:
                    raise UserError(f"{self.name} {said}; look at the address, and whether it runs") from None
            if broken > 1:
                raise UserError(f"{self.name} {said}, twice to the same request; what was asked before is kept")
            if attempt < self._patience.tries:
                self._wait(wait, attempt)
        raise UserError(
            f"{self.name} {said}, {self._patience.tries} times; what was asked before is kept: run the same command "
            "again later, it goes on from there"
        )

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
        words = self.scrub(" ".join("".join(one if one.isprintable() else " " for one in text).split()))
        return (words if len(words) <= WORDS else f"{words[:WORDS]}…") or "(nothing)"

    def _wait_for_turn(self) -> None:
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._pause

    def _wait(self, asked: float | None, attempt: int) -> None:
        if asked is not None and asked > self._patience.longest:
            raise UserError(
                f"{self.name} asks to wait {asked:.0f} seconds; what was asked before is kept: run the same command "
                "then, it goes on from there"
            )
        usual = min(self._patience.most, self._patience.first * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)
        time.sleep(usual if asked is None else max(0.0, asked))

    def scrub(self, text: str) -> str:
        """The text with every key in it blanked."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, BLANKED)
        return text

    def preview(self, request: Request) -> str:
        """The request as it would be sent, keys blanked."""
        headers = {name: BLANKED if SECRET.search(name) else value for name, value in request.headers.items()}
        body = (request.body or b"").decode("utf-8", "replace")
        body = body if len(body) <= SHOWN else f"{body[:SHOWN]}… ({len(body)} characters)"
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


def forms(secret: str) -> set[str]:
    """In which ways a key may stand in a text; nothing of what is too short to be one."""
    words = [secret, *secret.split()[-1:]]  # also without the Bearer before it
    found = {form for word in words for form in (word, quote(word, safe=""), json.dumps(word)[1:-1])}
    return {form for form in found if len(form) >= SHORTEST}


def _of_url(url: httpx2.URL) -> list[str]:
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
