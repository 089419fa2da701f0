"""A suspect that can only be asked: the questions for it, how its answers are read, and the verdict on them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting import checkpoints, files, fingerprints, verdicts
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.judging import ABOUT, INPUTS, VERDICT, judge, parse
from fingerprinting.runtime import UserError
from fingerprinting.study import SKIPPED, Study

QUERIES, CONTROLS = 6, 4
LEVELS = {"level": 0.1, "cleared": 0.1}
CLASSES = ("ankle boot", "bag", "7")


@pytest.fixture
def protected(study) -> Study:
    """An untrained source of the digits, and a fingerprint whose evidence is how many of its answers are repeated."""
    torch.manual_seed(0)
    metadata = {
        "name": study.source_id.name,
        "domain": "cv",
        "architecture": "conv3",
        "classes": 10,
        "shape": [1, 8, 8],
        "settings": {"parent": None, "parent_sha256": None},
    }
    checkpoints.save(study.source_id.path, checkpoints.build(study.domain, "conv3", 10, (1, 8, 8)), metadata)
    keep(study)
    return study


def keep(study: Study, shift: float = 0.0, moved: bool = True) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(QUERIES, 10, generator=draw)
    pairs = QUERIES * (QUERIES - 1) // 2
    extra = {
        "centre": torch.zeros(QUERIES),
        "coefficients": torch.ones(2, QUERIES),
        "intercepts": torch.full((2,), shift),
        "honest": torch.linspace(0, 3, 19),
        "thefts": torch.linspace(5, 7, 19),
        "control_inputs": torch.rand(CONTROLS, 1, 8, 8, generator=draw),
        "control_truth": torch.arange(CONTROLS),
        "honest_ability": torch.linspace(0.5, 1, 19),
    }
    if moved:
        extra |= {
            "transfer_centre": torch.zeros(pairs),
            "transfer_coefficients": torch.ones(1, pairs),
            "transfer_intercepts": torch.zeros(1),
            "transfer_honest": torch.linspace(0, 3, 9),
            "transfer_thefts": torch.linspace(5, 7, 3),
        }
    inputs = torch.rand(QUERIES, 1, 8, 8, generator=draw)
    labels = logits.argmax(1)
    metadata = {
        "domain": "cv",
        "classes": 10,
        "source_sha256": files.read_metadata(study.source_id.path)["sha256"],
        "settings": {},
    }
    found = Fingerprint(inputs, labels, labels.clone(), torch.full((QUERIES,), -1), logits, metadata, extra)
    fingerprints.save(fingerprints.path_of(study, "calibrated"), found)


def opened(study: Study) -> Fingerprint:
    return fingerprints.load(study, "calibrated", files.read_metadata(study.source_id.path)["sha256"])


def answered(study: Study, folder: Path, words: list, **changes) -> dict:
    path = folder / "answers.txt"
    path.write_text("\n".join(str(word) for word in words) + "\n")
    assert judge(study, **{"questions": str(folder), "answers": str(path), "other_task": False, **LEVELS, **changes})
    return json.loads((folder / VERDICT).read_text())


def ask(study: Study, folder: Path) -> np.ndarray:
    assert judge(study, questions=str(folder), answers="", other_task=False, **LEVELS) is SKIPPED
    return np.load(folder / INPUTS, allow_pickle=False)


def test_questions_are_the_queries_and_then_the_controls(protected, tmp_path):
    asked, found = ask(protected, tmp_path), opened(protected)
    assert asked.tolist() == [*found.inputs.tolist(), *found.extra["control_inputs"].tolist()]
    about = json.loads((tmp_path / ABOUT).read_text())
    assert about["questions"] == QUERIES + CONTROLS and about["shape"] == [1, 8, 8]
    assert about["classes"] == list(protected.classes)


@pytest.mark.parametrize("named", [True, False])
def test_who_repeats_every_answer_is_accused_and_who_repeats_none_is_cleared(protected, tmp_path, named):
    ask(protected, tmp_path)
    labels = opened(protected).labels.tolist()
    others = [(label + 1) % 10 for label in labels]
    right = list(range(CONTROLS))
    outcomes = {}
    for name, given_labels, controls in (
        ("thief", labels, right),
        ("honest", others, right),
        ("unable", labels, [9] * CONTROLS),
    ):
        said = [*given_labels, *controls]
        outcomes[name] = answered(protected, tmp_path, [protected.classes[one] for one in said] if named else said)
    assert [outcomes[name]["outcome"] for name in ("thief", "honest", "unable")] == [
        verdicts.STOLEN,
        verdicts.INDEPENDENT,
        verdicts.INCONCLUSIVE,
    ]
    assert outcomes["thief"]["evidence"] == pytest.approx(QUERIES + np.log(2))
    assert outcomes["thief"]["p_honest"] == pytest.approx(1 / 20) and outcomes["thief"]["queries"] == QUERIES
    assert outcomes["unable"]["ability"] == 0 and not outcomes["unable"]["in_range"]


def test_of_another_task_only_equal_answers_count(protected, tmp_path):
    ask(protected, tmp_path)
    found = answered(protected, tmp_path, ["liked"] * (QUERIES + CONTROLS), other_task=True)
    assert found["evidence"] == pytest.approx(QUERIES * (QUERIES - 1) / 2) and found["n_calibration"] == 9
    assert "ability" not in found
    words = [f"{number} stars" for number in range(QUERIES + CONTROLS)]
    assert answered(protected, tmp_path, words, other_task=True)["evidence"] == 0


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.data())
def test_names_and_places_say_the_same_with_any_ends_of_line(places, data):
    """A class may be called as another one's place: names go first."""
    lines = [CLASSES[place] if place == 2 or data.draw(st.booleans()) else str(place) for place in places]
    ends = [data.draw(st.sampled_from(["\n", " \n", "\r\n"])) for _ in lines]
    text = "".join(line + end for line, end in zip(lines, ends, strict=True))
    assert parse(text, len(places), CLASSES, Path("answers.txt")) == places


def test_names_that_are_other_classes_places_are_taken_alone():
    stars, path = ("1", "2", "3", "4", "5"), Path("answers.txt")
    assert parse("1\n5\n3\n", 3, stars, path) == [0, 4, 2]
    with pytest.raises(UserError, match="line 2 of answers.txt says '0', which is no class; take 1, 2, 3, 4, 5, or OT"):
        parse("1\n0\n", 2, stars, path)
    assert parse("0\n2\n", 2, ("0", "1", "2"), path) == [0, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bag\n", "answers.txt has 1 answers to 2 questions; give a line for each"),
        ("", "answers.txt has 0 answers to 2 questions"),
        ("bag\n\nbag\n\n", "has 3 answers to 2 questions"),
        ("\nbag", "line 1 of answers.txt is empty; every question needs an answer"),
        (
            "bag\ntrousers",
            "line 2 of answers.txt says 'trousers', which is no class; take ankle boot, bag, 7 or 0 to 2",
        ),
        ("bag\n3", "line 2 of answers.txt says '3', which is no class"),
        ("bag\n1.0", "line 2 of answers.txt says '1.0', which is no class"),
    ],
)
def test_answers_that_cannot_be_read_are_refused(text, said):
    with pytest.raises(UserError) as refused:
        parse(text, 2, CLASSES, Path("answers.txt"))
    assert said in str(refused.value)


def test_questions_of_another_fingerprint_or_none_are_refused(protected, tmp_path):
    with pytest.raises(UserError, match="questions.json is missing; run judge.py without ANSWERS first"):
        answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    ask(protected, tmp_path)
    keep(protected, shift=1.0)
    with pytest.raises(UserError, match="of another fingerprint than is there now; .* ask the suspect again"):
        answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    (tmp_path / ABOUT).write_text("[]")
    with pytest.raises(UserError, match="questions.json is damaged"):
        answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    assert not (tmp_path / VERDICT).exists()


def test_what_the_models_cannot_support_is_refused(protected, tmp_path):
    ask(protected, tmp_path)
    words = [0] * (QUERIES + CONTROLS)
    with pytest.raises(UserError, match="19 calibration models support no LEVEL below 0.050"):
        answered(protected, tmp_path, words, level=0.01)
    with pytest.raises(UserError, match="LEVEL=1.5 and CLEARED=0.1 are shares of models"):
        answered(protected, tmp_path, words, level=1.5)
    keep(protected, moved=False)
    ask(protected, tmp_path)
    with pytest.raises(UserError, match="cannot judge a suspect of another task"):
        answered(protected, tmp_path, words, other_task=True)
    (tmp_path / "picture.txt").write_bytes(b"\xff\xfe\x00")
    for name, said in (("picture.txt", "is no text in UTF-8"), ("nothing.txt", "does not exist")):
        with pytest.raises(UserError, match=said):
            judge(protected, questions=str(tmp_path), answers=str(tmp_path / name), other_task=False, **LEVELS)


def test_the_script_without_a_fingerprint_says_what_to_run(run_here):
    done = run_here("judge.py", "DATASET=digits", "TIER=smoke")
    assert done.returncode == 2 and "is missing" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr and not Path("questions").exists()
