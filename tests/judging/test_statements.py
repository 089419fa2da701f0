"""Statements have one spelling; signatures and timestamps of them are asked for, and failures end in a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.judging import closing, commitment, signature, statements, timestamp
from tests import cases
from tests.cases import Authority

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), plain, max_size=4))
def test_what_is_written_is_read_in_one_spelling_alone(statement):
    content = statements.written(statement)
    assert statements.read(content, "it") == statement
    for other in (json.dumps(statement).encode() + b" ", content + b"\n", b"\xef\xbb\xbf" + content):
        with pytest.raises(UserError, match="it is damaged or was altered"):
            statements.read(other, "it")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[" * 100_000, b'{"a": ' + b"1" * 5_000]
)
def test_what_is_no_statement_is_refused(content):
    with pytest.raises(UserError, match="it is damaged or was altered"):
        statements.read(content, "it")
    for read in (commitment.read, closing.read):
        with pytest.raises(UserError, match="it is damaged or was altered"):
            read(content, "it")


def test_a_statement_without_end_is_not_parsed():
    with pytest.raises(UserError, match="it has 4000001 bytes, far too many; get it again"):
        statements.read(b" " * (statements.MOST + 1), "it")


def test_statements_of_another_kind_or_version_are_refused():
    for module, kind in ((commitment, "commitment"), (closing, "closing")):
        for other in ({"kind": "will", "format": 1}, {"kind": kind, "format": 9}, {}):
            with pytest.raises(UserError, match=f"it is no {kind} of this version; verify it by the code that"):
                module.read(statements.written(other), "it")
        with pytest.raises(UserError, match="it is damaged or was altered"):
            module.read(statements.written({"kind": kind, "format": module.FORMAT}), "it")


def test_no_statement_is_about_files_elsewhere():
    for name in ("../secret", "/etc/passwd"):
        with pytest.raises(UserError, match="damaged"):
            files = dict.fromkeys((*closing.NEEDED, name), "0" * 64)
            content = {"kind": "closing", "format": 1, "closed": "2026-01-01T00:00:00Z", "files": files}
            closing.read(statements.written(content))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "statement").write_text("it was so")
    timestamp.ask_for(tmp_path / "statement")
    return tmp_path / "statement"


@pytest.mark.parametrize(
    ("respond", "status", "said"),
    [
        (lambda _: b"", 500, "gives no timestamp \\(HTTP status 500\\); run the same command again, or have"),
        (lambda _: b"", 302, "gives no timestamp \\(HTTP status 302\\)"),
        (lambda _: b"sorry", 200, "gives no timestamp of statement; run the same command again, or have"),
        (lambda _: b"x" * 200_000, 200, "gives no timestamp of statement"),
        (lambda asked: asked, 200, "gives no timestamp of statement"),
    ],
)
def test_a_server_that_is_no_authority_leaves_nothing(path, respond, status, said):
    with cases.serving(respond, status) as address, pytest.raises(UserError, match=said):
        timestamp.send(path, address)
    assert sorted(one.name for one in path.parent.iterdir()) == ["statement", "statement.tsq"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "ftp://127.0.0.1/", "authority", "http://[::1", ""])
def test_an_address_that_leads_nowhere_is_named(path, address):
    with pytest.raises(UserError, match="^TSA=.* does not respond"):
        timestamp.send(path, address)


def test_a_timestamp_of_something_else_is_not_kept(path, tmp_path):
    authority, other = Authority(tmp_path / "authority"), tmp_path / "other"
    other.write_text("it was otherwise")
    timestamp.ask_for(other)
    reply = authority.stamped(timestamp.request_of(other).read_bytes())
    with cases.serving(lambda _: reply) as address, pytest.raises(UserError, match="gives no timestamp of statement"):
        timestamp.send(path, address)
    timestamp.reply_to(path).write_bytes(reply)
    with pytest.raises(UserError, match="statement.tsr is no timestamp of statement; have .*statement.tsq stamped"):
        timestamp.check(path)


def test_a_signature_for_something_else_is_none(path, tmp_path, monkeypatch):
    signer = cases.signer(tmp_path / "signer")
    monkeypatch.setattr(signature, "NAMESPACE", "file")
    signature.sign(path, str(signer.key))
    monkeypatch.undo()
    with pytest.raises(UserError, match="the signature of statement does not hold"):
        signature.signer_of(path, str(signer.allowed))
    with pytest.raises(UserError, match="the signature of statement does not hold"):
        signature.key_of(path)
