"""A forger's cases: whatever is altered, and however well it is packed again, verification ends in one sentence."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprinting.asking.classes import Classes
from fingerprinting.core.errors import UserError
from fingerprinting.judging import bundle, commitment, signature, statements, timestamp, transcript, verification
from fingerprinting.judging.closing import CLOSING, VERDICT
from fingerprinting.judging.commitment import COMMITMENT, JOURNAL
from tests import cases
from tests.cases import Authority

TOTAL = cases.QUERIES + cases.CONTROLS
LAST = (CLOSING + signature.SUFFIX, CLOSING + timestamp.REPLY)  # nothing is made after them that could cover them
COVERED = sorted({*bundle.ALWAYS, *bundle.SIGNED} - set(LAST))


def refused(path: Path, match: str | None = None, signer: str = "", tsa_ca: str = "") -> None:
    with pytest.raises(UserError, match=match) as refusal:
        verification.verify(case=str(path), signer=signer, tsa_ca=tsa_ca)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.fixture
def taken(made, tmp_path) -> Path:
    """The owner's folder, in the hands of somebody who packs it again."""
    return Path(shutil.copytree(made.queries, tmp_path / "taken"))


def packed(folder: Path) -> Path:
    """All digests are made again, in the folder too: what a forger can do without key and authority."""
    for name in (COMMITMENT, CLOSING):
        found = json.loads((folder / name).read_text())
        found["files"] = statements.digests(folder, found["files"])
        (folder / name).write_bytes(statements.written(found))
    members = {name: (folder / name).read_bytes() for name in bundle.MEMBERS if (folder / name).is_file()}
    path = folder.parent / "forged.zip"
    path.write_bytes(bundle.packed({**members, bundle.SUMS: bundle.sums(members)}))
    return path


def changed(path: Path, **values) -> None:
    """The JSON file with other values."""
    path.write_bytes(statements.written(json.loads(path.read_text()) | values))


def stamp(authority: Authority, path: Path) -> None:
    timestamp.ask_for(path)
    timestamp.reply_to(path).write_bytes(authority.stamped(timestamp.request_of(path).read_bytes()))


def journal(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


def write_journal(folder: Path, lines: list[dict]) -> None:
    (folder / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))


def moved(lines: list[dict], by: timedelta) -> list[dict]:
    """The same at another time."""
    names = ["started", *["time"] * (len(lines) - 1)]
    return [
        line | {name: (datetime.fromisoformat(line[name]) + by).isoformat()}
        for name, line in zip(names, lines, strict=True)
    ]


def altered(content: bytes, data: st.DataObject) -> bytes:
    place = data.draw(st.integers(0, len(content) - 1))
    return content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]


def test_a_case_says_who_when_and_what(made, capsys):
    verification.verify(case=str(made.path), **made.known)
    said = capsys.readouterr().out
    assert said.startswith("**case.zip holds together**: all digests are right") and "does not prove" not in said
    assert (
        "| who | owner@example.org, ED25519 key SHA256:" in said and "| fixed | 20" in said and "| closed | 20" in said
    )
    assert "30 queries and 10 control queries" in said and "of 3 twins, the scores of 19 calibration models" in said
    assert "ALPHA=0.1, BETA=0.1, TAIL=student, EARLY=False, OTHER_TASK=False" in said
    assert "| verdict | **stolen** |" in said and "TIER=smoke is for a first look" in said
    assert said.count("\n- that ") == len(verification.NOT_EXCLUDED)


def test_one_of_signer_and_authority_proves_what_it_can(made, capsys):
    verification.verify(case=str(made.path), signer=made.known["signer"], tsa_ca="")
    assert "It does not prove when (TSA_CA=)." in capsys.readouterr().out
    verification.verify(case=str(made.path), signer="", tsa_ca=made.known["tsa_ca"])
    assert "It does not prove who made it (SIGNER=)." in capsys.readouterr().out


def test_the_script_takes_a_path_and_ends_in_one_sentence(made, handed, run_here):
    done = run_here("verify_case.py", str(made.path), *(f"{name.upper()}={path}" for name, path in made.known.items()))
    assert done.returncode == 0 and "| who | owner@example.org" in done.stdout
    assert run_here("verify_case.py", f"CASE={made.path}").stdout.startswith("**Integrity only.**")
    done = run_here("verify_case.py", str(cases.forged(handed, **{JOURNAL: b"{}\n"})))
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert run_here("verify_case.py", "nowhere.zip").stderr == "nowhere.zip is no file; give the path of a case.zip\n"


@pytest.mark.parametrize("name", COVERED)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_member_that_is_another_is_noticed_though_all_is_packed_again(made, handed, name, data):
    handed.write_bytes(made.path.read_bytes())
    refused(cases.forged(handed, **{name: altered(bundle.read(made.path)[name], data)}), **made.known)


@pytest.mark.parametrize("name", LAST)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_signs_the_end_holds_or_says_the_same(made, handed, capsys, name, data):
    """What it is wrapped in may be spelt otherwise by whoever makes the sums again: nothing rests on that."""
    handed.write_bytes(made.path.read_bytes())
    cases.forged(handed, **{name: altered(bundle.read(made.path)[name], data)})
    try:
        verification.verify(case=str(handed), **made.known)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    else:
        said = capsys.readouterr().out
        verification.verify(case=str(made.path), **made.known)
        assert said == capsys.readouterr().out.replace("case.zip", "handed.zip")


def test_responses_in_another_order_are_noticed(taken):
    lines = journal(taken)
    lines[3], lines[7] = lines[7], lines[3]
    write_journal(taken, lines)
    refused(packed(taken), "line 5 of responses.jsonl is out of the order of queries that was committed to")


def test_responses_to_each_others_queries_are_noticed(taken):
    """The order looks right and the control queries' responses are swapped: another accuracy follows."""
    lines = journal(taken)
    last = [place for place, line in enumerate(lines) if line.get("repeat") is False][-2:]
    for place, other in zip(last, [lines[place]["raw"] for place in last[::-1]], strict=True):
        lines[place] |= {"raw": other, "label": int(other)}
    write_journal(taken, lines)
    refused(packed(taken), "verdict.json says another control_accuracy than responses.jsonl gives here; its code was")


def test_a_forgers_journal_is_not_what_was_signed(made, taken):
    """A verdict that follows from it and digests that fit: without the key the signature does not hold."""
    header, *lines = journal(taken)
    others = [str((int(line["raw"]) + 1) % 10) for line in lines]
    lines = [line | {"raw": other, "label": int(other)} for line, other in zip(lines, others, strict=True)]
    write_journal(taken, [header, *lines])
    committed = commitment.read((taken / COMMITMENT).read_bytes())
    rules, kept = commitment.Rules(**committed["rules"]), transcript.read(taken / JOURNAL, TOTAL).journal
    said = verification.passed(
        made.fingerprint, kept, rules.levels("", ""), rules.budget, Classes(made.study.classes), committed["study"]
    )
    (taken / VERDICT).write_text(json.dumps(said))
    path = packed(taken)
    verification.verify(case=str(path), signer="", tsa_ca="")
    refused(path, "the signature of closing.json does not hold", signer=made.known["signer"])
    refused(path, "the timestamp of closing.json is by no authority", tsa_ca=made.known["tsa_ca"])


def test_another_key_and_another_authority_are_refused(made, tmp_path):
    other, authority = cases.signer(tmp_path / "other"), Authority(tmp_path / "authority")
    refused(made.path, "the signature of commitment.json is by no key of SIGNER=", signer=str(other.allowed))
    refused(made.path, "timestamp of commitment.json is by no authority of TSA_CA=", tsa_ca=str(authority.certificate))
    refused(made.path, "SIGNER=.* is no file; give allowed signers", signer=str(tmp_path / "none"))
    refused(made.path, "TSA_CA=.* is no file; give the authority's certificates in PEM", tsa_ca=str(tmp_path / "none"))


def test_a_key_for_another_time_is_refused(made, tmp_path):
    allowed, entry = tmp_path / "allowed", made.signer.allowed.read_text()
    allowed.write_text(entry.replace(" ssh-", ' valid-before="20200101" ssh-'))
    refused(made.path, "is by no key of SIGNER=", signer=str(allowed))
    allowed.write_text(entry.replace(" ssh-", ' valid-after="20200101" ssh-'))
    verification.verify(case=str(made.path), signer=str(allowed), tsa_ca=made.known["tsa_ca"])


def test_a_signature_by_two_is_refused(made, taken, tmp_path):
    other, both = cases.signer(tmp_path / "other", "somebody@example.org"), tmp_path / "both"
    both.write_text(made.signer.allowed.read_text() + other.allowed.read_text())
    signature.beside(taken / CLOSING).unlink()
    signature.sign(taken / CLOSING, str(other.key))
    refused(packed(taken), "signed by two: owner@example.org and somebody@example.org", signer=str(both))


@pytest.mark.parametrize("name", bundle.SIGNED)
def test_a_signature_or_timestamp_that_is_asked_for_must_be_there(made, taken, name):
    (taken / name).unlink()
    path, what = packed(taken), "signature" if name.endswith(signature.SUFFIX) else "timestamp"
    asked = {"signature": "signer", "timestamp": "tsa_ca"}[what]
    said = f"the case has no {what} \\({name}\\), which {asked.upper()}= asks for"
    refused(path, said, **{asked: made.known[asked]})


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (timedelta(hours=-2), "responses.jsonl begins before commitment.json was made"),
        (timedelta(hours=2), "responses.jsonl goes on after closing.json was made"),
    ],
)
def test_responses_before_the_commitment_or_after_the_closing_are_refused(taken, by, said):
    write_journal(taken, moved(journal(taken), by))
    refused(packed(taken), said)


def test_a_commitment_that_was_timestamped_late_proves_nothing(made, taken):
    """By the forger's own clock all fits."""
    write_journal(taken, moved(journal(taken), timedelta(hours=-2)))
    changed(taken / COMMITMENT, made="2020-01-01T00:00:00+00:00")
    packed(taken)
    stamp(made.authority, taken / COMMITMENT)
    packed(taken)
    stamp(made.authority, taken / CLOSING)
    refused(packed(taken), "commitment.json was timestamped after the first response", tsa_ca=made.known["tsa_ca"])


def test_a_journal_that_was_closed_early_proves_nothing(made, taken):
    write_journal(taken, moved(journal(taken), timedelta(hours=2)))
    changed(taken / CLOSING, closed="2100-01-01T00:00:00+00:00")
    packed(taken)
    stamp(made.authority, taken / CLOSING)
    refused(packed(taken), "closing.json was timestamped before the last response", tsa_ca=made.known["tsa_ca"])


def test_a_timestamp_of_something_else_is_refused(made, taken):
    shutil.copy(timestamp.reply_to(taken / COMMITMENT), timestamp.reply_to(taken / CLOSING))
    refused(
        packed(taken), "timestamp of closing.json is by no authority .* or of something", tsa_ca=made.known["tsa_ca"]
    )
    timestamp.reply_to(taken / CLOSING).write_bytes(b"no reply")
    refused(packed(taken), "the timestamp of closing.json is damaged", tsa_ca=made.known["tsa_ca"])


@pytest.mark.parametrize(
    ("name", "said"), [("fingerprint_sha256", "another fingerprint"), ("queries_sha256", "other queries")]
)
def test_a_journal_of_something_else_is_refused(taken, name, said):
    header, *lines = journal(taken)
    write_journal(taken, [header | {name: "0" * 64}, *lines])
    refused(packed(taken), f"responses.jsonl is about {said} than commitment.json")


def test_responses_that_were_left_out_are_noticed(taken):
    header, *lines = journal(taken)
    write_journal(taken, [header, *lines[:3], *lines[4:]])
    refused(packed(taken), "verdict.json says another")


def test_other_queries_than_the_fingerprints_are_refused(taken):
    content = (taken / "queries.npy").read_bytes()
    for wrong in (content[:-1] + b"\1", content[:-1], content + b"\0", b"\x93NUMPY\1\0\xff", content[100:]):
        (taken / "queries.npy").write_bytes(wrong)
        refused(packed(taken), "queries.npy does not hold the queries of fingerprint.safetensors in their order")


@pytest.mark.parametrize("other", [{"early": True}, {"study": "cv/other/cpu"}, {"fingerprint_sha256": "0" * 64}])
def test_queries_json_about_something_else_is_refused(taken, other):
    changed(taken / "queries.json", **other)
    refused(packed(taken), "queries.json is about another fingerprint, or another order, than commitment.json")


@pytest.mark.parametrize("classes", [None, [], ["a", "b"], 10, list(range(10)), ["a"] * 10])
def test_classes_that_are_not_the_fingerprints_are_refused(taken, classes):
    changed(taken / "queries.json", classes=classes)
    refused(packed(taken), "queries.json is damaged or was altered")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"alpha": 1.5}, "are shares of models; give more than 0 and less than 1"),
        ({"tail": "fat"}, "unknown TAIL=fat"),
        ({"alpha": 1}, "commitment.json is damaged"),
        ({"budget": 12}, "verdict.json says another queries"),
        ({"budget": 3}, "BUDGET=3 leaves no query beside 10 control queries"),
        ({"other": True}, "commitment.json is damaged"),
        ({"early": True}, "queries.npy does not hold the queries"),
        ({"other_task": True}, "verdict.json says another"),
        ({"alpha": 0.2}, "verdict.json says another alpha"),
    ],
)
def test_other_rules_are_refused(taken, rules, said):
    changed(taken / COMMITMENT, rules=json.loads((taken / COMMITMENT).read_text())["rules"] | rules)
    refused(packed(taken), said)


def test_another_encoding_than_was_fixed_is_refused(taken):
    changed(taken / COMMITMENT, encoding="png")
    refused(packed(taken), "responses.jsonl was asked with another ENCODING than commitment.json fixed")
    changed(taken / COMMITMENT, encoding=["png"])
    refused(packed(taken), "commitment.json is damaged")


def test_foreign_text_is_printed_harmlessly(made, taken, capsys):
    lines = journal(taken)
    lines[0] |= {"suspect": "\x1b[2J\u202e" + "x" * 1_000, "encoding": "\x1b[2J"}
    write_journal(taken, lines)
    verification.verify(case=str(packed(taken)), signer="", tsa_ca="")
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\u202e" not in said and "x" * 100 not in said


def test_a_map_of_classes_that_is_none_is_refused(made, taken):
    (taken / "class_map.json").write_text("{}")
    found = json.loads((taken / CLOSING).read_text())
    changed(taken / CLOSING, files=found["files"] | {"class_map.json": ""})
    refused(packed(taken), "class_map.json is damaged or was altered")


def test_what_is_odd_about_the_responses_is_said(taken, capsys):
    """Though the owner's own page said nothing of it."""
    lines = journal(taken)
    for line in lines:
        if line.get("repeat"):
            line |= {"raw": str((int(line["raw"]) + 1) % 10)}
    write_journal(taken, lines)
    verification.verify(case=str(packed(taken)), signer="", tsa_ca="")
    assert "queries that were asked twice got another response the second time" in capsys.readouterr().out
