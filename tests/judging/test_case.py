"""The owner's side of a case: what is fixed before a suspect is asked stays so, and the end is packed for others."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.judging import bundle, case, commitment, signature, statements, timestamp, verification
from fingerprinting.judging.statements import time_of
from fingerprinting.reports.html import verdict
from tests import cases
from tests.cases import Authority, Signer
from tests.pages import Page


@pytest.fixture
def protected(study):
    return cases.protect(study)


@pytest.fixture
def committed(study, protected, tmp_path) -> Path:
    """A folder of queries that were committed to, by nobody and at no certain time."""
    cases.run(study, tmp_path / "queries", commit=True)
    return tmp_path / "queries"


@pytest.fixture
def signer(tmp_path) -> Signer:
    return cases.signer(tmp_path / "signer")


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path / "authority")


def closed(study, folder: Path, labels: list[int], **given) -> Path:
    """The case of a suspect with these labels."""
    path = folder.parent / "case.zip"
    cases.run(study, folder, suspect=cases.suspect(folder, labels), evidence=str(path), **given)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_without_a_commitment_judge_does_what_it_did(study, protected, tmp_path):
    folder = tmp_path / "queries"
    cases.run(study, folder)
    cases.run(study, folder, suspect=cases.suspect(folder, cases.copy_of(protected)))
    assert json.loads((folder / "verdict.json").read_text())["outcome"] == "stolen"
    assert not commitment.is_there(folder)


def test_what_needs_a_commitment_says_so(study, protected, tmp_path):
    for name in ("key", "tsa", "evidence"):
        with pytest.raises(
            UserError, match="need a commitment, and .* holds none; give COMMIT=True before the suspect"
        ):
            cases.run(study, tmp_path / "queries", **{name: "x"})
    assert not (tmp_path / "queries").exists()


def test_a_commitment_names_all_that_could_be_chosen_later(study, protected, committed):
    found = commitment.read((committed / "commitment.json").read_bytes())
    assert found["rules"] == cases.RULES
    assert set(found["files"]) == {"fingerprint.safetensors", "queries.npy", "queries.json"}
    assert set(found["arrays"]) == {*store.TENSORS, *protected.extra}
    assert found["models"] == protected.metadata["extra_models_used"] and len(found["source"]["recipe_sha256"]) == 64
    assert found["fingerprint_sha256"] == protected.metadata["sha256"]
    assert set(found["code"]) >= {"commit", "dirty", "versions"} and found["seed"]["split"] == 0
    kept = store.read(committed / "fingerprint.safetensors")
    assert kept.metadata["sha256"] == protected.metadata["sha256"]


def test_there_is_one_commitment_to_a_folder(study, committed):
    before = files(committed)
    with pytest.raises(UserError, match="holds a commitment already; another case needs a folder of its own: QUERIES="):
        cases.run(study, committed, commit=True)
    assert files(committed) == before


def test_who_was_asked_already_is_not_committed_to(study, protected, tmp_path):
    folder = tmp_path / "queries"
    cases.run(study, folder)
    cases.run(study, folder, suspect=cases.suspect(folder, cases.copy_of(protected)))
    with pytest.raises(UserError, match="shows that the suspect was asked before; COMMIT=True comes first"):
        cases.run(study, tmp_path / "queries", commit=True)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"alpha": 0.2}, "fixed ALPHA=0.1"),
        ({"beta": 0.2, "tail": "conformal"}, "fixed BETA=0.1, TAIL=student"),
        ({"early": True}, "fixed EARLY=False"),
        ({"encoding": "png"}, "fixed ENCODING="),
        ({"other_task": True}, "fixed OTHER_TASK=False"),
    ],
)
def test_other_rules_than_were_committed_to_are_refused(study, protected, committed, other, said):
    suspect = cases.suspect(committed, cases.copy_of(protected))
    before = files(committed)
    with pytest.raises(UserError, match=f"{said}; give the same, or QUERIES=a folder without one"):
        cases.run(study, committed, suspect=suspect, **other)
    assert files(committed) == before


def test_a_commitment_fixes_the_encoding(study, protected, tmp_path):
    folder = tmp_path / "queries"
    with pytest.raises(UserError, match="unknown ENCODING"):
        cases.run(study, folder, commit=True, encoding="gif")
    assert not commitment.is_there(folder)
    cases.run(study, folder, commit=True, encoding="array")
    assert commitment.read((folder / "commitment.json").read_bytes())["encoding"] == "array"
    with pytest.raises(UserError, match="fixed ENCODING=array; give the same"):
        cases.run(study, folder, suspect=cases.suspect(folder, cases.copy_of(protected)))
    assert closed(study, folder, cases.copy_of(protected), encoding="array").is_file()


def test_another_fingerprint_than_was_committed_to_is_refused(study, protected, committed):
    cases.protect(study, seed=1)
    with pytest.raises(UserError, match="is about another fingerprint than is there now; put that one back"):
        cases.run(study, committed, suspect=cases.suspect(committed, cases.copy_of(protected)))


@pytest.mark.parametrize("name", ["queries.npy", "queries.json", "fingerprint.safetensors"])
def test_what_was_committed_to_may_not_change(study, protected, committed, name):
    with (committed / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match=f"{name} of .* changed since it was committed to"):
        cases.run(study, committed)


def test_queries_that_were_committed_to_are_not_written_again(study, committed):
    before = {path.name: path.stat().st_mtime_ns for path in committed.iterdir()}
    cases.run(study, committed)
    assert {path.name: path.stat().st_mtime_ns for path in committed.iterdir()} == before


def test_a_suspect_may_be_asked_in_the_same_command(study, protected, tmp_path):
    path = tmp_path / "responses.txt"
    path.write_text("".join(f"{label}\n" for label in cases.copy_of(protected)))
    cases.run(study, tmp_path / "queries", commit=True, responses=str(path))
    assert json.loads((tmp_path / "queries" / "verdict.json").read_text())["outcome"] == "stolen"
    assert commitment.is_there(tmp_path / "queries")


def test_a_case_of_responses_in_a_file_says_when_it_was_read(study, protected, tmp_path):
    folder, path = tmp_path / "queries", tmp_path / "responses.txt"
    path.write_text("".join(f"{label}\n" for label in cases.copy_of(protected)))
    cases.run(study, folder, commit=True, responses=str(path), report=verdict.write)
    entries = [json.loads(line) for line in (folder / "responses.jsonl").read_text().splitlines()[1:]]
    page = Page((folder / "report.html").read_text())
    first, last = (f"{time_of(entries[place]['time']):%Y-%m-%d %H:%M:%S} UTC" for place in (0, -1))
    assert page.rows["when they were read"] == [first if first == last else f"{first} to {last}"]
    assert "they came in a file, and the journal has when it was read." in page.text


def test_what_alone_a_verdict_covers_is_fixed_and_said_by_all(study, protected, tmp_path, monkeypatch, capsys):
    folder, covers = tmp_path / "queries", "no copy of its weights could be tried: extraction alone"
    monkeypatch.setitem(vars(study), "domain", replace(study.domain, scope=covers))
    cases.run(study, folder, commit=True)
    assert covers in capsys.readouterr().out
    path = closed(study, folder, cases.copy_of(protected), report=verdict.write)
    assert covers in Page((folder / "report.html").read_text()).text
    verification.verify(case=str(path), signer="", tsa_ca="")
    assert f"| covers | {covers} |" in capsys.readouterr().out
    said = json.loads((folder / "verdict.json").read_text())
    said["scope"] = "all attacks"
    other = json.dumps(said).encode()
    closing = json.loads((folder / "closing.json").read_bytes())
    closing["files"]["verdict.json"] = statements.sha256(other)
    forged = cases.forged(path, **{"verdict.json": other, "closing.json": statements.written(closing)})
    with pytest.raises(UserError, match="verdict.json says another scope than responses.jsonl gives here"):
        verification.verify(case=str(forged), signer="", tsa_ca="")
    monkeypatch.setitem(vars(study), "domain", replace(study.domain, scope=""))
    with pytest.raises(UserError, match="is about another fingerprint than is there now"):
        cases.run(study, folder)


def test_evidence_needs_what_the_suspect_said(study, committed, tmp_path):
    with pytest.raises(
        UserError,
        match="needs responses.jsonl, verdict.json in .*; ask the suspect by SUSPECT=, or give RESPONSES=, first",
    ):
        cases.run(study, committed, evidence=str(tmp_path / "case.zip"))
    assert not (tmp_path / "case.zip").exists()


def test_a_case_of_nobodys_is_whole_and_proves_integrity_only(study, protected, committed, capsys):
    path = closed(study, committed, cases.copy_of(protected))
    assert "the case does not prove when it was made" in capsys.readouterr().out
    verification.verify(case=str(path), signer="", tsa_ca="")
    said = capsys.readouterr().out
    assert said.startswith("**Integrity only.** **case.zip holds together**") and "| verdict | **stolen** |" in said
    assert "It does not prove who made it (SIGNER=) and when (TSA_CA=)." in said


@pytest.mark.parametrize("copied", [True, False])
def test_a_verdict_before_all_responses_is_verified_too(study, protected, tmp_path, copied):
    folder = tmp_path / "queries"
    cases.run(study, folder, commit=True, early=True, alpha=0.3)
    labels = protected.labels if copied else (protected.labels + 1) % 10
    path = closed(study, folder, [*range(cases.CONTROLS), *labels.tolist()], early=True, alpha=0.3)
    assert json.loads((folder / "verdict.json").read_text())["queries"] == (25 if copied else 30)
    verification.verify(case=str(path), signer="", tsa_ca="")


def test_a_suspect_of_another_task_is_verified_too(study, protected, tmp_path):
    folder = tmp_path / "queries"
    cases.run(study, folder, commit=True, other_task=True)
    path = closed(study, folder, [number % 7 for number in range(cases.QUERIES + cases.CONTROLS)], other_task=True)
    verification.verify(case=str(path), signer="", tsa_ca="")


def test_the_key_of_the_commitment_closes_the_case(study, protected, tmp_path, signer):
    folder, key = tmp_path / "queries", str(signer.key)
    cases.run(study, folder, commit=True, key=key)
    with pytest.raises(UserError, match="commitment.json is signed; give KEY= the same key, which signs closing.json"):
        closed(study, folder, cases.copy_of(protected))
    other = cases.signer(tmp_path / "other")
    with pytest.raises(UserError, match="is another key than .*commitment.json is signed by; give that one"):
        closed(study, folder, cases.copy_of(protected), key=str(other.key))
    path = closed(study, folder, cases.copy_of(protected), key=key)
    assert signature.signer_of(folder / "closing.json", str(signer.allowed)).name == "owner@example.org"
    assert {"commitment.json.sig", "closing.json.sig"} <= set(bundle.read(path))


def test_a_key_that_signs_nothing_leaves_no_commitment(study, protected, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("no key")
    for key, said in (
        (wrong, "ssh-keygen does not sign with KEY="),
        (tmp_path / "none", "is no file; give the path of"),
    ):
        with pytest.raises(UserError, match=said):
            cases.run(study, tmp_path / "queries", commit=True, key=str(key))
    assert not commitment.is_there(tmp_path / "queries")
    cases.run(study, tmp_path / "queries", commit=True)


def test_replies_may_be_put_beside_requests_by_hand(study, protected, committed, authority, capsys):
    asked = committed / "commitment.json"
    cases.run(study, committed)
    assert f"have {timestamp.request_of(asked)} stamped" in capsys.readouterr().out
    timestamp.reply_to(asked).write_bytes(authority.stamped(timestamp.request_of(asked).read_bytes()))
    cases.run(study, committed)
    path = closed(study, committed, cases.copy_of(protected))
    asked = committed / "closing.json"
    timestamp.reply_to(asked).write_bytes(authority.stamped(timestamp.request_of(asked).read_bytes()))
    cases.run(study, committed, evidence=str(path))
    verification.verify(case=str(path), signer="", tsa_ca=str(authority.certificate))
    assert "does not prove who made it (SIGNER=)." in capsys.readouterr().out


def test_an_authority_that_fails_leaves_the_commitment_and_is_asked_again(study, protected, tmp_path, authority):
    folder = tmp_path / "queries"
    with pytest.raises(UserError, match="TSA=http://127.0.0.1:9/ does not respond .* run the same command again"):
        cases.run(study, folder, commit=True, tsa="http://127.0.0.1:9/")
    digest = (folder / "commitment.json").read_bytes()
    with cases.serving(authority.stamped) as address:
        cases.run(study, folder, tsa=address)
    assert timestamp.reply_to(folder / "commitment.json").is_file()
    assert (folder / "commitment.json").read_bytes() == digest


def test_a_commitment_is_not_timestamped_once_the_suspect_was_asked(study, protected, committed, authority, capsys):
    suspect = cases.suspect(committed, cases.copy_of(protected))
    cases.run(study, committed, suspect=suspect)
    with cases.serving(authority.stamped) as address:
        cases.run(study, committed, suspect=suspect, tsa=address)
    assert not timestamp.reply_to(committed / "commitment.json").exists()


def test_a_clock_behind_the_authoritys_is_noticed_before_the_suspect_is_asked(study, committed, monkeypatch):
    timestamp.reply_to(committed / "commitment.json").write_bytes(b"a reply")
    later = datetime.now(timezone.utc) + timedelta(minutes=1)
    monkeypatch.setattr(timestamp, "check", lambda path: later)
    with pytest.raises(UserError, match="this machine's clock is behind the authority's, which says .*; set it"):
        cases.run(study, committed)


def test_a_journal_that_no_verdict_follows_from_is_not_packed(study, protected, committed, tmp_path):
    cases.run(study, committed, suspect=cases.suspect(committed, cases.copy_of(protected)))
    path = committed / "responses.jsonl"
    path.write_text(path.read_text().replace('"raw": "1"', '"raw": "2"'))
    with pytest.raises(UserError, match="verdict.json says another .* than responses.jsonl gives here"):
        cases.run(study, committed, evidence=str(tmp_path / "case.zip"))
    assert not (tmp_path / "case.zip").exists()


def test_refusals_and_a_budget_are_verified_too(study, protected, tmp_path):
    folder, budget = tmp_path / "queries", 30
    cases.run(study, folder, commit=True, budget=budget)
    said = ["I would rather not", *cases.copy_of(protected)[1:]]
    path = closed(study, folder, said, budget=budget)
    found = json.loads((folder / "verdict.json").read_text())
    assert found["unanswered"] > 0 and found["queries"] < cases.QUERIES
    verification.verify(case=str(path), signer="", tsa_ca="")
    with pytest.raises(UserError, match="fixed BUDGET=30; give the same"):
        cases.run(study, folder, suspect=cases.suspect(folder, said))


def test_a_map_of_classes_is_part_of_the_case(study, protected, tmp_path, capsys):
    """Fixed with the rest where it is known before; a later one is shown to be so."""
    words = {f"class {label}": label for label in range(10)}
    (tmp_path / "map.json").write_text(json.dumps(words))
    (tmp_path / "other.json").write_text(json.dumps(words | {"none": 0}))
    said = [f"class {label}" for label in cases.copy_of(protected)]
    known, given = tmp_path / "known", {"classes": str(tmp_path / "map.json")}
    cases.run(study, known, commit=True, **given)
    for other in ({}, {"classes": str(tmp_path / "other.json")}):
        with pytest.raises(UserError, match="fixed CLASSES=.*class_map.json; give the same"):
            closed(study, known, said, **other)
    verification.verify(case=str(closed(study, known, said, **given)), signer="", tsa_ca="")
    assert "mapped by class_map.json, fixed too |" in capsys.readouterr().out
    (tmp_path / "case.zip").unlink()
    later = tmp_path / "later"
    cases.run(study, later, commit=True)
    verification.verify(case=str(closed(study, later, said, **given)), signer="", tsa_ca="")
    assert "mapped by class_map.json, which was not fixed |" in capsys.readouterr().out
    assert json.loads((later / "verdict.json").read_text())["outcome"] == "stolen"
    cases.run(study, later, suspect=cases.suspect(later, said))
    assert not (later / "class_map.json").exists()


def test_a_journal_that_changed_is_closed_again(study, protected, committed):
    """As where the suspect is asked once more after a first case was packed."""
    path = closed(study, committed, cases.copy_of(protected))
    first = bundle.read(path)
    journal = committed / "responses.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))  # without its last repeat
    closed(study, committed, cases.copy_of(protected))
    again = bundle.read(path)
    assert again["commitment.json"] == first["commitment.json"] and again["closing.json"] != first["closing.json"]
    verification.verify(case=str(path), signer="", tsa_ca="")


@pytest.mark.parametrize("program", ["openssl", "ssh-keygen"])
def test_a_program_that_is_missing_is_named(study, protected, tmp_path, monkeypatch, signer, program):
    for one in {"openssl", "ssh-keygen"} - {program}:
        (tmp_path / one).symlink_to(f"/usr/bin/{one}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=f"^{program} is missing; install Open"):
        cases.run(study, tmp_path / "queries", commit=True, key=str(signer.key))
    assert not commitment.is_there(tmp_path / "queries")


def test_the_constants_that_ask_a_suspect_are_of_judge(run_here):
    listed = run_here("judge.py", "--help").stdout
    assert all(f"  {name}=" in listed for name in ("COMMIT", "KEY", "TSA", "EVIDENCE", "SUSPECT"))
    assert all(f"  {name.upper()}=" in listed for name in case.ASKING)


def test_what_comes_from_a_suspect_is_no_markup_in_the_verdict_and_in_the_case(
    study, protected, tmp_path, monkeypatch, capsys
):
    """Its name and its responses, in the tables that judge.py and verify_case.py print."""
    monkeypatch.chdir(tmp_path)
    folder = Path("a|b <b>*c*\x1b[31m\u202e")
    cases.run(study, folder, commit=True)
    path = closed(study, folder, [*cases.copy_of(protected)[:-1], "[no](http://x) | `no` <img src=x>"])
    printed = capsys.readouterr().out
    verification.verify(case=str(path), signer="", tsa_ca="")
    for said in (printed, capsys.readouterr().out):
        (finding,) = (line for line in said.splitlines() if line.startswith("| **finding** |"))
        assert r"'\[no\](http://x) \| \`no\` \<img src=x\>'" in finding
        lines = [line for line in said.splitlines() if r"a\|b \<b\>\*c\*\\u001b\[31m\\u202e" in line]
        assert lines and not {"\x1b", "\u202e"} & set("".join(lines))
