"""A suspect that can only be asked: the queries for it, how its responses are read, and the verdict on them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fingerprinting.calibrated import verdicts
from fingerprinting.core.errors import UserError
from fingerprinting.judging.judge import judge
from fingerprinting.judging.queries import ABOUT, IMAGES, INPUTS, TEXTS, VERDICT
from fingerprinting.study.study import SKIPPED, Study
from tests.domains import changed
from tests.judging.protection import CONTROLS, LEVELS, QUERIES, keep, opened


def answered(study: Study, folder: Path, words: list, **changes) -> dict:
    path = folder / "responses.txt"
    path.write_text("\n".join(str(word) for word in words) + "\n")
    assert judge(study, **{"queries": str(folder), "responses": str(path), "other_task": False, **LEVELS, **changes})
    return json.loads((folder / VERDICT).read_text())


def ask(study: Study, folder: Path) -> np.ndarray:
    assert judge(study, queries=str(folder), responses="", other_task=False, **LEVELS) is SKIPPED
    return np.load(folder / INPUTS, allow_pickle=False)


def test_queries_are_the_queries_and_then_the_controls(protected, tmp_path):
    asked, found = ask(protected, tmp_path), opened(protected)
    assert asked.tolist() == [*found.inputs.tolist(), *found.extra["control_inputs"].tolist()]
    about = json.loads((tmp_path / ABOUT).read_text())
    assert about["queries"] == QUERIES + CONTROLS and about["shape"] == [1, 8, 8]
    assert about["classes"] == list(protected.classes)


def test_images_lie_beside_the_queries_as_pngs_of_the_same_order(protected, tmp_path, capsys):
    (tmp_path / IMAGES).mkdir()
    (tmp_path / IMAGES / "9999.png").write_bytes(b"of earlier queries")
    asked = ask(protected, tmp_path)
    paths = sorted((tmp_path / IMAGES).iterdir())
    assert [path.name for path in paths] == [f"{number:04}.png" for number in range(1, QUERIES + CONTROLS + 1)]
    for path, one in zip(paths, asked, strict=True):
        assert np.abs(np.asarray(Image.open(path)) / 255 - one[0]).max() <= 0.5 / 255 + 1e-6
    assert re.search(
        r"As PNGs they are others: \d of the source's labels change; queries.npy is exact.", capsys.readouterr().out
    )


def test_early_verdicts_are_passed_by_twins_alone(protected, tmp_path):
    with pytest.raises(UserError, match="EARLY=True passes verdicts by twins; run calibrated.py SIZE=twins"):
        judge(protected, queries=str(tmp_path), responses="", other_task=False, early=True, **LEVELS)


@pytest.mark.parametrize("named", [True, False])
def test_who_repeats_every_response_is_flagged_and_who_repeats_none_is_cleared(protected, tmp_path, named):
    ask(protected, tmp_path)
    labels = opened(protected).labels.tolist()
    others = [(label + 1) % 10 for label in labels]
    right = list(range(CONTROLS))
    outcomes = {}
    for name, given_labels, controls in (
        ("stolen", labels, right),
        ("independent", others, right),
        ("unable", labels, [9] * CONTROLS),
    ):
        said = [*given_labels, *controls]
        outcomes[name] = answered(protected, tmp_path, [protected.classes[one] for one in said] if named else said)
    assert [outcomes[name]["outcome"] for name in ("stolen", "independent", "unable")] == [
        verdicts.STOLEN,
        verdicts.INDEPENDENT,
        verdicts.INCONCLUSIVE,
    ]
    assert outcomes["stolen"]["evidence"] == pytest.approx(QUERIES + np.log(2))
    assert outcomes["stolen"]["p_independent"] == pytest.approx(1 / 20) and outcomes["stolen"]["queries"] == QUERIES
    assert outcomes["unable"]["control_accuracy"] == 0 and not outcomes["unable"]["in_range"]


def test_of_another_task_only_equal_responses_count(protected, tmp_path):
    ask(protected, tmp_path)
    found = answered(protected, tmp_path, ["liked"] * (QUERIES + CONTROLS), other_task=True)
    assert found["evidence"] == pytest.approx(QUERIES * (QUERIES - 1) / 2) and found["n_calibration"] == 9
    assert "control_accuracy" not in found
    assert found["outcome"] == "inconclusive" and found["why"].startswith("the same response to all queries")
    words = [f"{number} stars" for number in range(QUERIES + CONTROLS)]
    assert answered(protected, tmp_path, words, other_task=True)["evidence"] == 0


def test_small_calibration_and_tier_and_lopsided_controls_are_said_before_and_after(protected, tmp_path, capsys):
    """19 models at a level of 10%: by the beta distribution of (2, 18), 23% may be flagged in one draw of twenty."""
    ask(protected, tmp_path)
    before = capsys.readouterr().out
    found = answered(protected, tmp_path, [0] * QUERIES + list(range(CONTROLS)))
    page = capsys.readouterr().out
    said = (
        "TIER=smoke is for a first look: flag no model by it",
        "ALPHA rests on 19 calibration models only: where chance chose them badly, up to 23% of independent models are "
        "flagged instead of 10%",
        "what stolen models look like rests on 19 of them only",
    )
    assert len(found["warnings"]) == len(said)
    assert all(one in before and one in page and one in " ".join(found["warnings"]) for one in said)
    assert "| compared with | 19 calibration models, 19 stolen reference models |" in page
    keep(protected, truth=[0, 0, 0, 1])
    ask(protected, tmp_path)
    found = answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    assert found["warnings"][-1].startswith("3 of the 4 control queries are of one class: the same response to all")
    assert (found["control_accuracy"], found["in_range"], found["outcome"]) == (0.75, True, "inconclusive")


def test_whoever_shows_more_than_independent_models_and_less_than_stolen_models_is_like_neither(
    protected, tmp_path, capsys
):
    """Evidence 4.7, independent models up to 3, stolen models from 5 on."""
    ask(protected, tmp_path)
    labels = opened(protected).labels.tolist()
    said = [*labels[:4], *((label + 1) % 10 for label in labels[4:]), *range(CONTROLS)]
    found = answered(protected, tmp_path, said)
    assert found["p_independent"] <= 0.1 and found["p_stolen"] <= 0.1 and found["outcome"] == "inconclusive"
    assert "| why inconclusive | hardly any independent model shows as much evidence, hardly any stolen model" in (
        capsys.readouterr().out
    )


def test_whoever_is_more_accurate_than_all_calibration_models_is_not_judged_by_them(protected, tmp_path):
    keep(protected, accurate=(0.25, 0.75))
    ask(protected, tmp_path)
    labels = opened(protected).labels.tolist()
    found = answered(protected, tmp_path, [*labels, *range(CONTROLS)])
    assert found["outcome"] == "inconclusive" and found["why"].startswith("more accurate than all calibration models")
    assert answered(protected, tmp_path, [*labels, *range(CONTROLS - 1), 0])["outcome"] == "stolen"


def test_queries_of_another_fingerprint_or_none_are_refused(protected, tmp_path):
    with pytest.raises(UserError, match="queries.json is missing; run judge.py without RESPONSES first"):
        answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    ask(protected, tmp_path)
    keep(protected, shift=1.0)
    with pytest.raises(UserError, match="of another fingerprint than is there now; .* ask the suspect again"):
        answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    assert not (tmp_path / VERDICT).exists()


damaged = st.binary(max_size=60) | st.sampled_from(
    [b"[]", b"{}", b'{"study": 1}', b"7" * 5_000, b"[" * 100_000, b"\xff\xfe{\0}\0", b'{"study": "cv"']
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged)
def test_whatever_stands_in_queries_json_is_refused_or_read(protected, tmp_path, content):
    (tmp_path / ABOUT).write_bytes(content)
    (tmp_path / VERDICT).write_text("of another suspect")
    with pytest.raises(UserError, match=r"queries.json (is damaged; delete it|is no text in UTF-8)"):
        answered(protected, tmp_path, [0] * (QUERIES + CONTROLS))
    with pytest.raises(UserError, match=r"queries.json (is damaged; delete it|is no text in UTF-8)"):
        ask(protected, tmp_path)
    assert not (tmp_path / INPUTS).exists() and (tmp_path / VERDICT).read_text() == "of another suspect"


def test_queries_of_another_study_are_not_written_over(protected, tmp_path):
    ask(protected, tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps({**about, "study": "nlp/own/cpu"}))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UserError, match="holds the queries of nlp/own/cpu; give QUERIES=another folder"):
        ask(protected, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_refused_response_leaves_the_verdict_that_was_there(protected, tmp_path):
    ask(protected, tmp_path)
    answered(protected, tmp_path, [0] * QUERIES + list(range(CONTROLS)))
    before = (tmp_path / VERDICT).read_bytes()
    for words in ([0], ["no class"] * (QUERIES + CONTROLS), [""] * (QUERIES + CONTROLS)):
        with pytest.raises(UserError):
            answered(protected, tmp_path, words)
        assert (tmp_path / VERDICT).read_bytes() == before and not list(tmp_path.glob("*.tmp"))


def test_a_query_to_read_is_one_line_whatever_the_domain_says(protected, tmp_path):
    described = changed(protected.domain, describe=lambda one: "two\nlines\x0band\u2028more")
    vars(protected)["domain"] = described
    ask(protected, tmp_path)
    assert (tmp_path / TEXTS).read_text() == "two lines and more\n" * (QUERIES + CONTROLS)


def test_what_the_models_cannot_support_is_refused(protected, tmp_path):
    ask(protected, tmp_path)
    words = [0] * (QUERIES + CONTROLS)
    with pytest.raises(UserError, match="19 calibration models support no ALPHA below 0.050"):
        answered(protected, tmp_path, words, alpha=0.01)
    with pytest.raises(UserError, match="ALPHA=1.5 and BETA=0.1 are shares of models"):
        answered(protected, tmp_path, words, alpha=1.5)
    keep(protected, moved=False)
    ask(protected, tmp_path)
    with pytest.raises(UserError, match="cannot judge a suspect of another task"):
        answered(protected, tmp_path, words, other_task=True)


def test_the_script_without_a_fingerprint_says_what_to_run(run_here):
    done = run_here("judge.py", "DATASET=digits", "TIER=smoke")
    assert done.returncode == 2 and "is missing" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr and not Path("queries").exists()
