"""Suspects over HTTP: what is retried, what ends it and with which words, and where no key ever stands."""

import base64
import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking import addresses, patience
from fingerprinting.asking.addresses import Options
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import encoding
from fingerprinting.asking.patience import Patience
from fingerprinting.asking.respondent import Respondent
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.study.domain import Inputs
from tests.asking.server import HUGGING_FACE, MANY, OIP, ONE, Server, serving

NAMES = tuple(f"class {place}" for place in range(10))
INPUTS = np.random.default_rng(0).random((7, 4), np.float32)
KEY = "s3cr3t-k3y/+%"


def model(inputs: list) -> list:
    """The class is the nearest tenth of the first number."""
    return [int(10 * one[0]) for one in inputs]


LABELS = model(INPUTS.tolist())


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", Patience(first=0.001, most=0.01, longest=5.0))


def options(**changes) -> Options:
    name = changes.pop("name", "array")
    return Options(Classes(NAMES), encoding(name, Inputs(None), INPUTS.shape[1:]), **{"timeout": 5.0, **changes})


def described(folder: Path, server: Server, path: str, **changes) -> str:
    """my_api.json for one of the server's paths."""
    many = path == MANY
    found = {
        "uri": server.address + path,
        "request": {"inputs": "{inputs}"} if many else {"input": "{input}"},
        "response": "$.predictions[*].label" if many else "$.result.label",
    }
    (folder / "my_api.json").write_text(json.dumps({**found, **changes}))
    return str(folder / "my_api.json")


@contextlib.contextmanager
def opened(address: str, **changes) -> Iterator[Respondent]:
    with contextlib.closing(addresses.open_suspect(address, options(**changes))) as found:
        yield found


def every_kind(folder: Path, server: Server) -> dict[str, str]:
    return {
        "oip": f"oip+{server.address}{OIP}",
        "one": described(folder, server, ONE),
        "many": described(folder, server, MANY),
        "hf": f"hf+{server.address}{HUGGING_FACE}",
    }


def test_the_example_in_the_documents_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("API_KEY", KEY)
    (example,) = re.findall(r"```json\n(.*?)```", (REPOSITORY / "docs" / "suspects.md").read_text(), re.DOTALL)
    (tmp_path / "my_api.json").write_text(example)
    with opened(str(tmp_path / "my_api.json")) as suspect:
        shown = suspect.preview(INPUTS[:2])
    assert shown.startswith("POST https://api.example.com/v1/classify\n") and "Authorization: ***" in shown
    assert '"top": 1' in shown and suspect.batch > 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"uri": "ftp://host/{input}"}, "ftp://host/_ is no address of a server; give one like https://host/path"),
        ({"uri": "https:///{input}"}, "is no address of a server"),
        ({"response": "labels"}, "the path 'labels' does not begin with"),
        ({"respons": "$"}, "has an unknown field 'respons'; it may have uri, method, headers, request, response"),
        ({"uri": None}, "uri of .* must be a text"),
        ({"headers": []}, "headers of .* must be an object"),
        ({"headers": {"X": 1}}, "header 'X' of .* must be a text in ASCII, on one line"),
        ({"headers": {"X": "é"}}, "header 'X' of .* must be a text in ASCII"),
        ({"headers": {"X": "$SPLIT"}}, "header 'X' of .* must be a text in ASCII"),
        (
            {"headers": {"X": "$NOT_SET_HERE"}},
            "needs the environment variable NOT_SET_HERE, which is not set; export it",
        ),
        ({"request": {"x": "${NOT_SET_HERE} {input}"}}, "needs the environment variable NOT_SET_HERE"),
        ({"method": "GET IT"}, "method of .* must be one like POST"),
        ({"request": {"x": 1}}, "must have {input} once, where a query goes, or {inputs}, where a batch goes"),
        ({"request": {"x": ["{input}", "{inputs}"]}}, "must have {input} once"),
        ({"uri": "http://host/{inputs}", "request": None}, "has {inputs} in its uri, where one query fits alone"),
        (
            {"request": "{inputs}", "response": "$.x[0]"},
            "must lead to each of a batch, by ...; or ask singly, by {input}",
        ),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, monkeypatch, changes, said):
    monkeypatch.setenv("SPLIT", "two\nlines")
    with pytest.raises(UserError, match=said):
        addresses.open_suspect(described(tmp_path, Server(model, address="http://host"), ONE, **changes), options())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"uri": "http://host/{input}"}', "nonsense", "[" * 9_000])
def test_a_description_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "my_api.json").write_text(text)
    with pytest.raises(UserError, match=r"is no JSON \(|must be a JSON object with uri and response"):
        addresses.open_suspect(str(tmp_path / "my_api.json"), options())


def test_a_token_with_line_ends_is_refused(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "two\nlines")
    with pytest.raises(UserError, match="the environment variable HF_TOKEN holds no token; set it without line ends"):
        addresses.open_suspect("hf+https://host/x", options())


def test_a_query_may_stand_in_the_uri_and_in_longer_texts(tmp_path):
    server = Server(model, address="http://localhost")
    for changes, shown in (
        ({"uri": "http://localhost/{input}?x=1", "request": None}, "GET http://localhost/%5B0."),
        ({"request": {"text": "is {input} a bag?"}}, '{"text": "is [0.'),
    ):
        with opened(described(tmp_path, server, ONE, **changes)) as suspect:
            assert shown in suspect.preview(INPUTS[:1])


def test_where_the_path_leads_nowhere_the_suspect_refused(tmp_path):
    with serving(Server(model)) as server, opened(described(tmp_path, server, ONE, response="$.nothing")) as suspect:
        (said,) = suspect.ask(INPUTS[:1])
    assert said.label is None and said.raw.startswith("nothing at the path, in {")


def test_every_kind_says_the_same(tmp_path):
    with serving(Server(model)) as server:
        for kind in ("oip", "one", "many", "hf"):
            with opened(every_kind(tmp_path, server)[kind], batch=3) as suspect:
                said = []
                for start in range(0, len(INPUTS), suspect.batch):
                    said += suspect.ask(INPUTS[start : start + suspect.batch])
                assert [one.label for one in said] == LABELS, kind
                assert all(one.attempts == 1 and one.seconds > 0 for one in said)


@pytest.mark.parametrize("kind", ["oip", "many", "hf"])
@pytest.mark.parametrize("fault", ["wait", "429", "503", "502", "504", "500", "drop", "cut", "malformed", "page"])
def test_what_passes_is_waited_for(tmp_path, kind, fault):
    with (
        serving(Server(model, lambda number: fault if number == 2 else "")) as server,
        opened(every_kind(tmp_path, server)[kind]) as suspect,
    ):
        suspect.ask(INPUTS[:1])
        said = suspect.ask(INPUTS)
        assert [one.label for one in said] == LABELS and all(one.attempts == 2 for one in said)
        assert server.requests == 3


def test_who_is_too_slow_is_asked_again(tmp_path):
    with (
        serving(Server(model, lambda number: "slow" if number == 1 else "")) as server,
        opened(f"oip+{server.address}{OIP}", timeout=0.2) as suspect,
    ):
        assert suspect.ask(INPUTS)[0].attempts == 2


@pytest.mark.parametrize(
    ("fault", "count", "said"),
    [
        ("400", 1, "responded with 400: no 400 today"),
        ("401", 1, "responded with 401: no 401 today"),
        ("404", 1, "responded with 404: no 404 today"),
        ("500", 2, "responded with 500: no 500 today, twice to the same request; what was asked before is kept"),
        ("malformed", 2, "responded with what is no JSON: .*, twice to the same request"),
        ("page", 2, "responded with what is no JSON: <html>Sign in</html>, twice to the same request"),
        ("503", 10, "responded with 503: no 503 today, 10 times; what was asked before is kept: run the same command"),
        ("drop", 10, r"cannot be reached \(.*\), 10 times; what was asked before is kept"),
        ("wait long", 1, "asks to wait 100000 seconds; what was asked before is kept: run the same command then"),
        ("wait until", 1, "asks to wait [0-9]{9,} seconds"),
        ("huge", 1, "responded with more than 20000000 bytes; lower BATCH, or give OUTPUT="),
        (
            "away",
            1,
            "redirects to http://192.0.2.1/v2/models/net/infer, another server, which is not followed; give its",
        ),
        ("port", 1, "redirects to http://127.0.0.1:1/v2/models/net/infer, another server, which is not followed"),
        ("around", 4, "redirects more than 3 times; give SUSPECT= the last address"),
        ("to a page", 1, "redirects with 302 to a page; give SUSPECT= that address"),
        ("nowhere", 1, "redirects to what is no address; give another SUSPECT="),
        ("nan", 2, "responded with what has 3 values for 7 queries"),
    ],
)
def test_what_does_not_pass_ends_with_the_servers_words(fault, count, said):
    with (
        serving(Server(model, lambda number: fault if number > 1 else "")) as server,
        opened(f"oip+{server.address}{OIP}") as suspect,
    ):
        suspect.ask(INPUTS[:1])
        with pytest.raises(UserError, match=f"^http.*{said}") as refused:
            suspect.ask(INPUTS)
        assert "\n" not in str(refused.value) and server.requests == count + 1


def test_nobody_at_the_address_is_said_soon():
    said = r"cannot be reached \(.*\); look at the address, and whether it runs"
    with opened("oip+http://127.0.0.1:1/v2/models/net") as suspect, pytest.raises(UserError, match=said):
        suspect.ask(INPUTS)


def test_redirects_within_a_server_are_followed(tmp_path):
    faults = {1: "around"}
    with (
        serving(Server(model, lambda number: faults.get(number, ""))) as server,
        opened(described(tmp_path, server, MANY)) as suspect,
    ):
        assert [one.label for one in suspect.ask(INPUTS)] == LABELS and server.requests == 2


def test_no_more_requests_a_second_than_asked_for(tmp_path):
    with serving(Server(model)) as server, opened(described(tmp_path, server, ONE), rate=50.0) as suspect:
        started = time.monotonic()
        for one in INPUTS:
            suspect.ask(one[None])
        assert time.monotonic() - started >= 0.02 * (len(INPUTS) - 1)


def test_keys_stand_in_no_response_no_sentence_and_no_preview(tmp_path, monkeypatch):
    monkeypatch.setenv("API_KEY", KEY)
    headers = {"Authorization": "Bearer $API_KEY", "X-Api-Key": "literal-key-of-mine", "X-Version": "3"}
    with serving(Server(lambda inputs: [f"you said {KEY}, literal-key-of-mine, 3"] * len(inputs))) as server:
        address = described(tmp_path, server, ONE, headers=headers, uri=f"{server.address}{ONE}?token=$API_KEY")
        server.sent = lambda path, body: Server.sent(server, path.split("?")[0], body)
        server.response = lambda path, labels: Server.response(server, path.split("?")[0], labels)
        with opened(address) as suspect:
            (said,) = suspect.ask(INPUTS[:1])
            assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"
            assert said.raw == "you said ***, ***, 3" and said.label is None
            shown = suspect.preview(INPUTS[:1])
            assert "Authorization: ***" in shown and "X-Version: 3" in shown and "?token=***" in shown
            server.faults = lambda number: "echo"
            with pytest.raises(UserError) as refused:
                suspect.ask(INPUTS[:1])
        for text in (shown, suspect.name, str(refused.value), said.raw):
            assert KEY not in text and "literal-key" not in text and json.dumps(KEY)[1:-1] not in text


def test_cookies_are_sent_to_nobody_and_stand_nowhere():
    with serving(Server(model, lambda number: "cookie" if number in (2, 3) else "")) as server:
        server.said = {"Set-Cookie": "s=another-cookie; Path=/"}
        with opened(f"oip+{server.address}{OIP}") as suspect:
            suspect.ask(INPUTS)
            with pytest.raises(UserError, match=r"responded with 500: no session \*\*\*, twice"):
                suspect.ask(INPUTS)
        assert not any("Cookie" in headers for headers in server.headers)


def test_a_password_in_an_address_is_sent_and_never_shown():
    with serving(Server(model)) as server:
        address = f"oip+{server.address}{OIP}".replace("//", "//somebody:pass-word@")
        with opened(address) as suspect:
            suspect.ask(INPUTS)
            pair = base64.b64encode(b"somebody:pass-word").decode()
            assert server.headers[-1]["Authorization"] == f"Basic {pair}"
            assert "pass-word" not in suspect.name + suspect.preview(INPUTS)


@pytest.mark.parametrize("host", ["api.example.com", "192.0.2.1", "localhost.example.com", "[2001:db8::1]"])
def test_a_key_over_plain_http_goes_to_this_machine_alone(tmp_path, monkeypatch, host):
    monkeypatch.setenv("API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", KEY)
    path = tmp_path / "my_api.json"
    keyed = {"uri": f"http://{host}/{{input}}", "headers": {"Authorization": "$API_KEY"}, "response": "$"}
    path.write_text(json.dumps(keyed))
    for address in (str(path), f"hf+http://{host}/x", f"oip+http://me:password@{host}/v2/models/net"):
        with pytest.raises(UserError, match="a key would go to .* over plain http, for anybody on the way to read"):
            addresses.open_suspect(address, options())
    for address in (f"hf+http://{here}/x" for here in ("localhost", "127.0.0.1:80", "[::1]:1")):
        addresses.open_suspect(address, options()).close()


@pytest.mark.parametrize(
    ("shape", "datatype", "given", "said"),
    [
        ([-1, 4], "FP32", {}, None),
        ([4], "FP64", {}, None),  # a model of single inputs
        ([1, 4], "FP32", {}, None),
        (["-1", "4"], "FP32", {}, None),
        ([-1, 2, 2], "FP32", {}, r"takes inputs of shape \[-1, 2, 2\], and each query has \[4\]"),
        ([-1, 4], "BYTES", {}, "takes BYTES, and the queries are FP32; give ENCODING=png or bytes, or INPUT="),
        ([-1, 4], "FP32", {"input": "z"}, "has no input z; give INPUT= one of x"),
        ([-1, 4], "FP32", {"output": "z"}, "responded with what has no output z"),
        ([-1, 4], "FP32", {"name": "bytes"}, "takes FP32; ENCODING=bytes is for models of BYTES"),
        ([-1, "x"], "FP32", {}, "responded with what is no metadata of a model"),
    ],
)
def test_a_models_metadata_say_how_it_is_asked(shape, datatype, given, said):
    single = len(shape) == 1

    def alone(inputs: list) -> list:
        return model([inputs]) if single else model(inputs)

    server = Server(alone, shape=shape, datatype=datatype)
    with serving(server), opened(f"oip+{server.address}{OIP}", **given) as suspect:
        if said is None:
            assert [one.label for one in suspect.ask(INPUTS)] == LABELS
            assert json.loads(server.bodies[-1])["inputs"][0]["datatype"] == datatype
        else:
            with pytest.raises(UserError, match=said):
                suspect.ask(INPUTS)


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 9_000, b'{"outputs": [{"data": [[1], [2, [3]]]}]}', b"null"]))
def test_whatever_a_server_says_it_is_read_or_refused_in_a_sentence(content):
    respond = httpx2.MockTransport(lambda request: httpx2.Response(200, content=content))
    suspect = addresses.open_suspect("oip+http://localhost/v2/models/net", options())
    suspect._client._client = httpx2.Client(transport=respond)
    suspect._metadata = {"inputs": []}
    suspect._client._patience = Patience(first=0.0, most=0.0)
    try:
        assert len(suspect.ask(INPUTS[:3])) == 3
    except UserError as error:
        assert "\n" not in str(error)
