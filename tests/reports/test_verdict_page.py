"""report.html says what verdict.json says, whoever was asked, and nothing that a suspect says gets out of its place."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fingerprinting.core.foreign_text import visible
from fingerprinting.core.places import REPOSITORY
from fingerprinting.judging import bundle, case
from fingerprinting.judging import judge as judging
from fingerprinting.judging.closing import REPORT
from fingerprinting.judging.queries import VERDICT
from fingerprinting.reports.figures import position
from fingerprinting.reports.html import examples, rendering, verdict
from fingerprinting.study.study import Study
from tests import cases
from tests.judging import protection
from tests.pages import Page

HOSTILE = "<script>alert(1)</script>\"'>&<b>\u202egnp.exe\u2066\x00\x1b[31m\ud800"
HARMLESS = "<script>alert(1)</script>\"'>&<b>\\u202egnp.exe\\u2066\\u0000\\u001b[31m\\ud800"


def read(folder: Path) -> tuple[Page, dict]:
    page = Page((folder / REPORT).read_text(encoding="utf-8"))
    page.check()
    return page, json.loads((folder / VERDICT).read_text())


def by_twins(study: Study, folder: Path, labels: list | None = None, **given) -> tuple[Page, dict]:
    """Of a suspect with these labels, or of a copy, that was asked."""
    fingerprint = cases.protect(study)
    said = cases.copy_of(fingerprint) if labels is None else labels
    if not folder.exists():
        cases.run(study, folder, **{name: given[name] for name in ("early", "other_task") if name in given})
    cases.run(study, folder, suspect=cases.suspect(folder, said), report=verdict.write, **given)
    return read(folder)


def by_hand(study: Study, folder: Path, words: list, **given) -> tuple[Page, dict]:
    """By a fingerprint of both origins."""
    rules = {"other_task": False, **protection.LEVELS, **given}
    judging.judge(study, queries=str(folder), responses="", **rules)
    path = folder / "responses.txt"
    path.write_text("".join(f"{word}\n" for word in words))
    judging.judge(study, queries=str(folder), responses=str(path), report=verdict.write, **rules)
    return read(folder)


@pytest.fixture
def both(study: Study) -> list[int]:
    """The source's labels and the control queries' truth, of a fingerprint of both origins."""
    cases.protect(study)
    protection.keep(study)
    fingerprint = protection.opened(study)
    return [*fingerprint.labels.tolist(), *fingerprint.extra["control_truth"].tolist()]


def check_numbers(page: Page, found: dict) -> None:
    assert page.ids["outcome"] == found["outcome"]
    assert page.headings[0] == (1, f"{verdict.SIGNS[found['outcome']]} Verdict: {found['outcome']}")
    p = found["p_independent"]
    value, of, _ = page.rows["p-value, independent"]
    assert value == (f"{p:.3f}" if p >= 0.001 else "below 0.001")
    assert of == f"n = {found['n_calibration']} calibration models"
    value, of, _ = page.rows["p-value, stolen"]
    assert value == (f"{found['p_stolen']:.3f}" if found["n_stolen"] else "none")
    assert of == f"n = {found['n_stolen']} stolen reference models"
    assert page.rows["evidence"][0] == f"{found['evidence']:+.2f}"
    if "control_accuracy" in found:
        value, _, meaning = page.rows["control accuracy"]
        least, most = found["control_accuracy_range"]
        assert value == f"{found['control_accuracy']:.2f}" and f"from {least:.2f} to {most:.2f}" in meaning
    if "own_responses" in found:
        value, _, meaning = page.rows["responses of its own"]
        assert value == f"{found['own_responses']:.2f}" and f"up to {found['most_own_responses']:.2f}" in meaning
    assert all(one in page.text for one in found["warnings"])


def test_a_copy_that_was_asked(study, tmp_path):
    page, found = by_twins(study, tmp_path / "q")
    check_numbers(page, found)
    assert "responses of its own" in page.rows
    assert (
        found["outcome"] == "stolen"
        and "as models taken from the source do; of independent models, this rule flags 10% by mistake" in page.text
    )
    assert page.rows["suspect"] == [found["suspect"]["name"]]
    asked = found["suspect"]
    assert page.rows["begun"] == [f"{asked['started'][:10]} {asked['started'][11:19]} UTC"]
    assert page.rows["queries sent"] == [f"{asked['sent']}, repeats among them"]
    assert page.rows["attempts"] == [f"{asked['requests']} in all, at most 1 for one query; queries retried: 0"]
    assert page.rows["repeats"] == [f"{asked['repeated']}; another class than the first time: 0"]
    assert page.rows["same class as the source"][0] == f"{found['queries']} of {found['queries']}"
    assert sum(text.startswith("Query ") for _, text in page.headings) == examples.COUNT
    assert page.text.count("(same as the source)") == examples.COUNT and "Nothing: judge.py COMMIT=True" in page.text
    assert "no model is ever called independent" in page.text and "triangles" not in page.text


def test_a_copy_by_hand_and_both_origins(study, both, tmp_path):
    page, found = by_hand(study, tmp_path / "q", both)
    check_numbers(page, found)
    assert found["outcome"] == "stolen" and page.rows["by whom"][0].startswith("by hand")
    assert "they came in a file" in page.text and "triangles stolen from it" in page.text
    assert page.rows["evidence of extraction"][0] == f"{found['evidence_of_extraction']:+.2f}"


def test_an_independent_model(study, both, tmp_path):
    queries = protection.QUERIES
    page, found = by_hand(study, tmp_path / "q", [*((label + 1) % 10 for label in both[:queries]), *both[queries:]])
    check_numbers(page, found)
    assert (
        found["outcome"] == "independent"
        and "as independent models do; of stolen models such as the owner made" in page.text
    )
    assert "(other than the source)" in page.text and "(same as the source)" not in page.text


def test_the_same_response_to_all_is_inconclusive(study, both, tmp_path):
    page, found = by_hand(study, tmp_path / "q", [3] * len(both))
    check_numbers(page, found)
    assert (
        found["outcome"] == "inconclusive" and "The responses do not decide where the suspect comes from: " in page.text
    )
    assert found["why"] in page.text


def test_another_task(study, both, tmp_path):
    page, found = by_hand(study, tmp_path / "q", [f"class {label}" for label in both], other_task=True)
    check_numbers(page, found)
    assert "control accuracy" not in page.rows and "class A of its own" in page.text
    assert "only which queries get equal responses is compared" in page.text


def test_early(study, tmp_path):
    page, found = by_twins(study, tmp_path / "q", early=True)
    check_numbers(page, found)
    assert f"{found['queries']} of {cases.QUERIES}, and {cases.CONTROLS} control queries" in page.rows["queries"][0]
    assert "looked at after 25, 30 queries" in page.rows["queries"][0]


def test_refusals_are_counted_and_shown(study, tmp_path):
    said: list = cases.copy_of(cases.protect(study))
    said[1], said[4] = "I cannot help with that", "-"
    page, found = by_twins(study, tmp_path / "q", said)
    check_numbers(page, found)
    assert page.rows["refusals and responses without a class"] == ["2"] == [str(found["unanswered"])]
    assert "I cannot help with that" in page.text and "Unanswered queries (2) count neither" in page.text


def test_who_refuses_everything_has_no_place(study, tmp_path):
    page, found = by_twins(study, tmp_path / "q", ["no"] * (cases.QUERIES + cases.CONTROLS))
    assert page.ids["outcome"] == found["outcome"] == "inconclusive"
    assert any("nothing is known of the suspect" in (image["alt"] or "") for image in page.of("img"))


def test_a_page_holds_all_that_it_shows(study, tmp_path):
    page, _ = by_twins(study, tmp_path / "q")
    source = (tmp_path / "q" / REPORT).read_text()
    assert len(source.encode()) < 200_000
    assert page.of("img") and all((image["src"] or "").startswith("data:image/") for image in page.of("img"))
    assert not page.of("a") and "url(" not in source and "@import" not in source
    policy = next(meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_too_large_a_page_has_fewer_examples(study, tmp_path, monkeypatch):
    full, _ = by_twins(study, tmp_path / "q")
    monkeypatch.setattr(verdict, "LARGEST", len((tmp_path / "q" / REPORT).read_bytes()) - 1)
    fewer, _ = by_twins(study, tmp_path / "q")
    count = [sum(text.startswith("Query ") for _, text in page.headings) for page in (full, fewer)]
    assert count == [examples.COUNT, examples.COUNT // 4]


@pytest.mark.parametrize("shape", [(3, 224, 224), (1, 28, 28), (3, 40, 600)])
def test_large_images_are_shown_small(study, shape):
    noise = torch.from_numpy(np.random.default_rng(0).random(shape, dtype=np.float32))
    text, picture, alt = examples._query(study.domain.inputs, noise)
    assert not text and len(picture) < 30_000 and alt == f"an image of {shape[2]} × {shape[1]} pixels"
    assert base64.b64decode(picture.partition(",")[2]).startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(1, 448), (64, 640)])
def test_recordings_are_drawn_small(shape):
    from bci.domain import DOMAIN

    noise = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    _, picture, alt = examples._query(DOMAIN.inputs, noise)
    assert len(picture) < 60_000 and alt == f"a drawing of its {shape[0]} × {shape[1]} values"


def test_a_map_that_came_later_is_shown_and_holds_for_repeats_too(study, tmp_path):
    said = [f"no. {label}" for label in cases.copy_of(cases.protect(study))]
    folder, path = tmp_path / "q", tmp_path / "map.json"
    page, found = by_twins(study, folder, said)
    assert found["outcome"] == "inconclusive" and "its classes" not in page.rows
    path.write_text(json.dumps({f"no. {place}": place for place in range(10)}))
    page, found = by_twins(study, folder, said, classes=str(path))
    check_numbers(page, found)
    assert found["outcome"] == "stolen" and page.rows["its classes"][0].startswith("no. 0 is 0, no. 1 is 1, ")
    assert page.rows["repeats"] == [f"{found['suspect']['repeated']}; another class than the first time: 0"]


def test_what_comes_from_a_suspect_stays_text(study, tmp_path, monkeypatch):
    """Its responses, classes, texts, its own name and that of the folder: all shown, none of it markup."""
    written = HOSTILE.replace("\ud800", "")  # no file of text holds half a pair
    monkeypatch.setattr(type(study), "classes", tuple(f"{written}{place}" for place in range(10)))
    monkeypatch.setattr(examples, "_query", lambda *_: (HOSTILE, "", "a text"))
    named = written.replace("/", "").replace("\0", "")
    folder = tmp_path / f"q{named}"
    fingerprint = cases.protect(study)
    said: list = [str(place) for place in cases.copy_of(fingerprint)]
    said[1:5] = [f"{HOSTILE} no"] * 4
    cases.run(study, folder)
    address = cases.suspect(folder, said)
    cases.run(study, folder, suspect=address, report=verdict.write)
    page, found = read(folder)
    assert page.rows["suspect"] == [visible(found["suspect"]["name"])]
    assert page.text.count(HARMLESS) >= examples.COUNT and f"{visible(written)}3" in page.text
    assert not set(page.text) & set("\u202e\u2066\x00\x1b\ud800")


def test_a_committed_case_holds_the_page(study, tmp_path):
    """It says the same when it is written once more, so that what was closed stays closed."""
    cases.protect(study)
    folder, packed = tmp_path / "q", tmp_path / "case.zip"
    cases.run(study, folder, commit=True)
    suspect = cases.suspect(folder, cases.copy_of(cases.protect(study)))
    cases.run(study, folder, suspect=suspect, evidence=str(packed), report=verdict.write)
    first = bundle.read(packed)
    page, found = read(folder)
    check_numbers(page, found)
    digest = re.search(r"[0-9a-f]{64}", page.rows["sha256 of commitment.json"][0])
    assert digest and digest[0] == bundle.statements.sha256(first["commitment.json"])
    assert page.rows["signed by"] == ["nobody"] and page.rows["timestamped"] == ["no"]
    assert "Verify the case with verify_case.py" in page.text and "Nothing: judge.py" not in page.text
    cases.run(study, folder, suspect=suspect, evidence=str(packed), report=verdict.write)
    assert bundle.read(packed) == first and first[REPORT] == (folder / REPORT).read_bytes()
    assert case.judge.__module__ == "fingerprinting.judging.case"


STYLE = (Path(rendering.__file__).parent / "templates" / "style.css").read_text()
SCHEMES = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)


@pytest.mark.parametrize("scheme", SCHEMES, ids=("light", "dark", "print"))
def test_every_colour_of_letters_stands_out(scheme):
    colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
    for ground in ("page", "raised"):
        for letters in ("ink", "soft", "link", "stolen", "independent", "inconclusive"):
            assert contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)


def contrast(*colours: str) -> float:
    """As WCAG 2 has it."""
    light = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light[0] + 0.05) / (light[1] + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_templates_are_part_of_the_package():
    declared = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert '"fingerprinting.reports.html" = ["templates/*"]' in declared


@pytest.mark.parametrize("most", [1e-3, 0.1, 1.0, 30.0, 4e3])
def test_numbers_below_an_axis_do_not_run_into_each_other(monkeypatch, most):
    drawn: list = []
    monkeypatch.setattr(position.pyplot, "close", drawn.append)
    position.drawn(
        [position.Group("independent", np.linspace(-0.75 * most, most, 9), "independent")], most / 2, "evidence", None
    )
    labels = [label for label in drawn[0].axes[0].get_xticklabels() if label.get_text()]
    places = [label.get_window_extent() for label in labels]
    assert all(left.x1 < right.x0 for left, right in zip(places, places[1:], strict=False))
