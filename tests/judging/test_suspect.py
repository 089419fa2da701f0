"""judge.py SUSPECT=: asks, keeps a journal, goes on where it was stopped, and passes the verdict of the same labels."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fingerprinting.asking import journal
from fingerprinting.calibrated import verdicts
from fingerprinting.core.errors import UserError
from fingerprinting.judging import judge as judging
from fingerprinting.judging.queries import INPUTS, VERDICT
from fingerprinting.study.study import SKIPPED, Study
from tests.judging.protection import CONTROLS, LEVELS, QUERIES, keep, opened

TOTAL = QUERIES + CONTROLS


def written(folder: Path, body: str) -> str:
    """The address of a function ask(inputs) with that body, which knows `folder` and counts what it is asked."""
    path = folder / "suspect.py"
    path.write_text(
        "import json, pathlib\nimport numpy as np\n"
        f"folder = pathlib.Path({str(folder)!r})\n\n\ndef ask(inputs):\n"
        "    count(len(inputs))\n" + "\n".join(f"    {line}" for line in body.splitlines()) + "\n\n\n"
        "def count(more):\n    path = folder / 'asked'\n"
        "    path.write_text(str(int(path.read_text() if path.exists() else 0) + more))\n"
    )
    return f"{path}:ask"


def table(study: Study, folder: Path, said: Callable[[int], object], then: str = "return found") -> str:
    """A suspect that says said(index) to the query at that index, whatever order it is asked in."""
    if not (folder / INPUTS).exists():
        judging.judge(study, queries=str(folder), responses="", other_task=False, **LEVELS)
    (folder / "said.json").write_text(json.dumps([said(index) for index in range(TOTAL)]))
    return written(
        folder,
        "known = np.load(folder / 'queries.npy')\nsaid = json.loads((folder / 'said.json').read_text())\n"
        "found = [said[int((known == one).all((1, 2, 3)).argmax())] for one in inputs]\n" + then,
    )


def asked(study: Study, folder: Path, suspect: str, **changes) -> dict:
    given = {"queries": str(folder), "responses": "", "other_task": False, "suspect": suspect, **LEVELS, **changes}
    assert judging.judge(study, **given) is SKIPPED
    return json.loads((folder / VERDICT).read_text())


def by_hand(study: Study, folder: Path, words: list, *, other_task: bool = False) -> dict:
    (folder / "responses.txt").write_text("".join(f"{word}\n" for word in words))
    responses = str(folder / "responses.txt")
    judging.judge(study, queries=str(folder), responses=responses, other_task=other_task, **LEVELS)
    return json.loads((folder / VERDICT).read_text())


def labels(study: Study, kind: str) -> list[int]:
    own = opened(study).labels.tolist()
    return [*(own if kind == "stolen" else [(label + 1) % 10 for label in own]), *range(CONTROLS)]


def journalled(folder: Path) -> journal.Journal:
    found = journal.read(folder / journal.NAME)
    assert found is not None
    return found


SHARED = ("evidence", "p_independent", "p_stolen", "outcome", "queries", "control_accuracy", "why")


@pytest.mark.parametrize("kind", ["stolen", "independent"])
@pytest.mark.parametrize(
    "said",
    [
        lambda study, label: label,
        lambda study, label: study.classes[label].upper(),
        lambda study, label: np.eye(10)[label].tolist(),
    ],
    ids=["places", "names", "probabilities"],
)
def test_the_verdict_is_that_of_the_same_labels_in_a_file(protected, tmp_path, kind, said):
    given = labels(protected, kind)
    found = asked(protected, tmp_path, table(protected, tmp_path, lambda index: said(protected, given[index])))
    kept = by_hand(protected, tmp_path, given)
    assert {name: found[name] for name in SHARED} == {name: kept[name] for name in SHARED}
    assert found["outcome"] == kind and "unanswered" not in found
    suspect = found["suspect"]
    assert (suspect["sent"], suspect["repeated"], suspect["encoding"]) == (TOTAL + 1, 1, "array")
    assert suspect["source_labels_changed"] == 0
    entries = journalled(tmp_path).responses
    assert list(entries) == list(range(TOTAL)) and [entry.label for entry in entries.values()] == given


def test_one_command_writes_the_queries_and_asks(protected, tmp_path):
    found = asked(protected, tmp_path / "new", written(tmp_path, "return [3] * len(inputs)"))
    assert found["outcome"] == "inconclusive" and found["findings"][-1] == "it gives one class to all queries"
    assert not (tmp_path / "new" / "images").exists()


def test_a_journalled_response_is_never_asked_for_again(protected, tmp_path):
    given = labels(protected, "stolen")
    address = table(protected, tmp_path, lambda index: given[index])
    whole = asked(protected, tmp_path, address)
    assert (tmp_path / "asked").read_text() == str(TOTAL + 1)
    again = asked(protected, tmp_path, address)
    assert (tmp_path / "asked").read_text() == str(TOTAL + 1) and again == whole
    path = tmp_path / journal.NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5])[:-3])
    assert {name: asked(protected, tmp_path, address)[name] for name in SHARED} == {
        name: whole[name] for name in SHARED
    }
    assert (tmp_path / "asked").read_text() == str(2 * (TOTAL + 1) - 3)


def test_queries_that_were_altered_are_not_asked(protected, tmp_path):
    address = table(protected, tmp_path, lambda index: 0)
    np.save(tmp_path / INPUTS, np.zeros((TOTAL, 1, 8, 8), np.float32))
    with pytest.raises(UserError, match="queries.npy is not what was written there; run judge.py without SUSPECT"):
        asked(protected, tmp_path, address)


def test_a_function_that_fails_in_the_middle_leaves_what_it_said(protected, tmp_path):
    given = labels(protected, "stolen")
    fails = "if (folder / 'asked').read_text() == '4': raise ValueError('broken')\nreturn found"
    address = table(protected, tmp_path, lambda index: given[index], fails)
    with pytest.raises(ValueError, match="broken"):
        asked(protected, tmp_path, address, batch=1)
    assert list(journalled(tmp_path).responses) == [0, 1, 2]
    assert asked(protected, tmp_path, address, batch=1)["outcome"] == "stolen"


def test_refusals_count_neither_for_nor_against(protected, tmp_path):
    """By weights of all queries: whatever the missing responses are; a single one can leave the verdict."""
    given = labels(protected, "stolen")
    refusing = table(protected, tmp_path, lambda index: "I cannot" if index == 2 else given[index])
    found = asked(protected, tmp_path, refusing)
    assert (found["unanswered"], found["unanswered_share"], found["outcome"]) == (1, 0.1, "stolen")
    assert found["evidence"] == pytest.approx(QUERIES - 1 + np.log(2)) and not found["either_way"]
    assert "1 response is a refusal or names no class ('I cannot')" in found["findings"][0]
    kept = by_hand(protected, tmp_path, [*given[:2], "", *given[3:]])
    assert {name: found[name] for name in SHARED} == {name: kept[name] for name in SHARED}
    twice = by_hand(protected, tmp_path, [*given[:2], "", "-", *given[4:]])
    assert twice["outcome"] == "inconclusive" and twice["why"].startswith(
        "20% of the queries are unanswered, above 10%"
    )


def test_what_a_missing_response_would_decide_is_not_decided(protected, tmp_path):
    """Evidence 4.7 without it, 5.7 with it: stolen models begin at 5."""
    own, right = opened(protected).labels.tolist(), list(range(CONTROLS))
    judging.judge(protected, queries=str(tmp_path), responses="", other_task=False, **LEVELS)
    wrong = [(label + 1) % 10 for label in own]
    outcomes = []
    for one in (wrong[4], own[4], ""):
        found = by_hand(protected, tmp_path, [*own[:4], one, wrong[5], *right])
        outcomes.append(found["outcome"])
    assert outcomes == ["inconclusive", "stolen", "inconclusive"] and verdicts.passed(found) == "inconclusive"
    assert found["why"].startswith("what is unanswered would decide it")
    assert found["evidence"] == pytest.approx(4 + np.log(2))


def test_a_map_is_applied_to_what_was_said_and_nothing_is_asked_again(protected, tmp_path):
    given = labels(protected, "stolen")
    address = table(protected, tmp_path, lambda index: f"class no. {given[index]}")
    found = asked(protected, tmp_path, address)
    assert found["outcome"] == "inconclusive" and "name these in CLASSES=map.json" in found["findings"][0]
    path = tmp_path / "map.json"
    path.write_text(json.dumps({f"class no. {place}": name for place, name in enumerate(protected.classes)}))
    found = asked(protected, tmp_path, address, classes=str(path))
    assert found["suspect"]["classes"]["class no. 3"] == 3
    assert found["outcome"] == "stolen" and (tmp_path / "asked").read_text() == str(TOTAL + 1)


def test_another_order_of_the_classes_is_proposed_and_not_applied(protected, tmp_path):
    given = labels(protected, "stolen")
    address = table(protected, tmp_path, lambda index: 9 - given[index])
    found = asked(protected, tmp_path, address)
    assert found["outcome"] == "inconclusive" and found["control_accuracy"] == 0
    (said,) = [one for one in found["findings"] if one.startswith("its classes seem to be in another order: 0% of")]
    assert "100% would be" in said
    proposed = json.loads((tmp_path / "classes.json").read_text())
    assert all(proposed[protected.classes[9 - place]] == protected.classes[place] for place in range(CONTROLS))


def test_a_suspect_of_another_task_may_say_any_words(protected, tmp_path):
    address = table(protected, tmp_path, lambda index: f"{index} stars")
    found = asked(protected, tmp_path, address, other_task=True)
    kept = by_hand(protected, tmp_path, [f"{index} stars" for index in range(TOTAL)], other_task=True)
    assert found["evidence"] == kept["evidence"] == 0 and found["p_independent"] == kept["p_independent"]


def test_pngs_say_how_many_of_the_sources_labels_they_change(protected, tmp_path):
    keep(protected, source_labels=True)
    body = "import io\nfrom PIL import Image\nassert Image.open(io.BytesIO(inputs[0])).size == (8, 8)"
    body += "\nreturn [3] * len(inputs)"
    found = asked(protected, tmp_path, written(tmp_path, body), encoding="png")
    assert found["suspect"]["encoding"] == "png" and 0 <= found["suspect"]["source_labels_changed"] < QUERIES


def test_nothing_is_sent_in_a_dry_run(protected, tmp_path, capsys):
    address = written(tmp_path, "raise AssertionError")
    given = {"queries": str(tmp_path / "q"), "responses": "", "other_task": False, "suspect": address, **LEVELS}
    assert judging.judge(protected, **given, dry_run=True, batch=2) is SKIPPED
    said = capsys.readouterr().out
    assert f"{address}(an array (2, 1, 8, 8) of float32)" in said and f"{TOTAL + 1} queries would be sent to" in said
    assert not (tmp_path / "q").exists() and not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suspect": "ftp://host"}, "SUSPECT=ftp://host is no suspect that is known; give one like "),
        ({"suspect": "no_such_module:ask"}, "SUSPECT=no_such_module: there is no module no_such_module; run where it"),
        ({"suspect": "nowhere.py:ask"}, "SUSPECT=nowhere.py: there is no such file; give its path, then a colon"),
        ({"suspect": "json:nothing"}, "json has no function nothing; give SUSPECT=module:function"),
        ({"encoding": "jpeg"}, "unknown ENCODING=jpeg; take array, png, bytes, text"),
        ({"encoding": "text"}, "ENCODING=text is for inputs that are read"),
        ({"budget": 4}, "BUDGET=4 leaves no query beside 4 control queries; give more"),
        ({"budget": 9}, "BUDGET=9 is too low: this verdict weighs all queries together; give 11 or more"),
        ({"responses": "r.txt"}, "SUSPECT= asks for responses and RESPONSES= has them already; give one of the two"),
        ({"other_task": True, "classes": "map.json"}, "CLASSES= maps responses to the source's classes; leave it out"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_written(protected, tmp_path, changes, said):
    given = {"queries": str(tmp_path / "q"), "responses": "", "other_task": False, **LEVELS}
    with pytest.raises(UserError, match=said):
        judging.judge(protected, **{**given, "suspect": written(tmp_path, "return [1]"), **changes})
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return [1]", "returned 1 responses to 10 inputs; one each is needed"),
        ("return 1", "a int came back from SUSPECT=; return a response for each input, in a list"),
    ],
)
def test_a_function_that_returns_something_else_is_told_so(protected, tmp_path, body, said):
    with pytest.raises(UserError, match=said):
        asked(protected, tmp_path, written(tmp_path, body))


def test_arrays_and_tensors_come_back_as_lists_do(protected, tmp_path):
    for body in ("return np.arange(len(inputs))", "import torch\nreturn torch.eye(10)[: len(inputs)].requires_grad_()"):
        folder = tmp_path / str(len(body))
        folder.mkdir()
        asked(protected, folder, written(folder, body))
        assert [entry.label for entry in journalled(folder).responses.values()] == list(range(TOTAL))


def test_inputs_that_a_function_writes_to_are_its_own(protected, tmp_path):
    asked(protected, tmp_path, written(tmp_path, "inputs[:] = 0\nreturn [1] * len(inputs)"), batch=3)
    assert torch.equal(torch.from_numpy(np.load(tmp_path / INPUTS))[:QUERIES], opened(protected).inputs)
