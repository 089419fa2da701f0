"""A suspect behind any JSON API, which a small file describes: SUSPECT=my_api.json.

    {"uri": "https://api.example.com/classify", "method": "POST", "headers": {"Authorization": "Bearer $API_KEY"},
     "request": {"image": "{input}"}, "response": "$.result.label"}

{input} in the request (or in the uri) stands for one query, {inputs} for all of a batch; $NAME for a variable of the
environment, where keys belong. `response` leads to the class (json_path.py), to each of a batch by [*]. Bytes and PNGs
go as base64.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from fingerprinting.asking import http, json_path
from fingerprinting.asking.classes import Classes, written
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.over_http import OverHttp
from fingerprinting.asking.patience import UnreadableError
from fingerprinting.asking.texts import text_of
from fingerprinting.core.errors import UserError

ONE, ALL = "{input}", "{inputs}"
BATCH = 16  # queries of a request with {inputs}, unless BATCH= says otherwise
FIELDS: dict[str, type] = {"uri": str, "method": str, "headers": dict, "request": object, "response": str}
VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")


@dataclass(frozen=True)
class Api:
    """What the file says, variables of the environment put in; secrets: their values."""

    uri: str
    method: str
    headers: dict[str, str]
    request: object
    response: list[json_path.Step]
    secrets: frozenset[str]

    @property
    def in_batches(self) -> bool:
        return ALL in json.dumps(self.request)


def read(path: Path) -> Api:
    """The description in a file; UserError where something is missing, unknown or not understood."""
    try:
        found = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}); see docs/suspects.md for what one looks like") from None
    if not isinstance(found, dict) or "uri" not in found or "response" not in found:
        raise UserError(f"{path} must be a JSON object with uri and response; see docs/suspects.md")
    if unknown := sorted(set(found) - set(FIELDS)):
        raise UserError(f"{path} has an unknown field {unknown[0]!r}; it may have {', '.join(FIELDS)}")
    for name, value in found.items():
        if not isinstance(value, FIELDS[name]):
            raise UserError(f"{name} of {path} must be {'an object' if name == 'headers' else 'a text'}")
    secrets: set[str] = set()
    headers = {name: _header(name, value, path, secrets) for name, value in found.get("headers", {}).items()}
    secrets |= {value for name, value in headers.items() if http.SECRET.search(name)}
    request = found.get("request")
    api = Api(
        uri=_expanded(found["uri"], path, secrets),
        method=found.get("method", "GET" if request is None else "POST").upper(),
        headers=headers,
        request=None if request is None else json.loads(_expanded(json.dumps(request), path, secrets, in_json=True)),
        response=json_path.parse(found["response"]),
        secrets=frozenset(secrets),
    )
    _check(path, api)
    return api


def _header(name: str, value: object, path: Path, secrets: set[str]) -> str:
    text = _expanded(value, path, secrets) if isinstance(value, str) else ""
    if not (text and all(one.isascii() and one.isprintable() for one in (name, text))):
        raise UserError(f"header {name!r} of {path} must be a text in ASCII, on one line")
    return text


def _expanded(text: str, path: Path, secrets: set[str], *, in_json: bool = False) -> str:
    def put_in(found: re.Match) -> str:
        name = found[1] or found[2]
        value = os.environ.get(name, "")
        if not value:
            raise UserError(f"{path} needs the environment variable {name}, which is not set; export it")
        secrets.add(value)
        return json.dumps(value)[1:-1] if in_json else value

    return VARIABLE.sub(put_in, text)


def _check(path: Path, api: Api) -> None:
    if not re.fullmatch(r"[A-Z]{3,10}", api.method):
        raise UserError(f"method of {path} must be one like POST")
    holds = [place for place in (ONE, ALL) if place in api.uri or place in json.dumps(api.request)]
    if len(holds) != 1:
        raise UserError(f"{path} must have {ONE} once, where a query goes, or {ALL}, where a batch goes")
    if ALL in api.uri:
        raise UserError(f"{path} has {ALL} in its uri, where one query fits alone; use {ONE}")
    if api.in_batches and not json_path.has_all(api.response):
        raise UserError(f"response of {path} must lead to each of a batch, by [*]; or ask singly, by {ONE}")


class JsonApi(OverHttp[http.Request]):
    """The suspect that such a file describes."""

    def __init__(
        self, path: Path, classes: Classes, encoding: Encoding, batch: int, timeout: float, rate: float
    ) -> None:
        self._api = read(path)
        client = http.Client(self._api.uri.replace(ONE, "_"), timeout, rate, self._api.secrets)
        super().__init__(client, classes, encoding)
        self.name = self._client.scrub(http.named(self._api.uri))
        self.batch = (batch or BATCH) if self._api.in_batches else 1

    def _request(self, inputs: np.ndarray) -> http.Request:
        sent = self._encoding.in_json(inputs)
        uri = self._api.uri.replace(ONE, quote(_in_text(sent[0]), safe=""))
        if self._api.request is None:
            return http.Request(self._api.method, uri, self._api.headers)
        return http.json_request(self._api.method, uri, self._api.headers, filled(self._api.request, sent))

    def _read(self, content: bytes, count: int) -> list:
        """What was said to each of count queries: to a single one also nothing, which is a refusal."""
        found = json_path.matches(self._api.response, said := http.loaded(content))
        if not self._api.in_batches:
            return [found[0] if len(found) == 1 else found or f"nothing at the path, in {written(said)}"]
        if len(found) != count:
            raise UnreadableError(f"has {len(found)} places of `response` for {count} queries")
        return found


def _in_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def filled(template: object, sent: list) -> object:
    """The template with queries put in: in place of a text that is {input} or {inputs} alone, or into a longer one."""
    if template == ALL:
        return sent
    if template == ONE:
        return sent[0]
    if isinstance(template, str):
        return template.replace(ONE, _in_text(sent[0])).replace(ALL, _in_text(sent))
    if isinstance(template, dict):
        return {name: filled(value, sent) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, sent) for value in template]
    return template
