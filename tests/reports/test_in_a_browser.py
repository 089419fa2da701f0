"""The pages in Chromium without a network: what is read there, on a phone's width, and what is printed.

Needs chromium; pytest -m external.
"""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from fingerprinting.core.places import REPOSITORY
from fingerprinting.judging.closing import REPORT
from fingerprinting.reports.html import verdict
from fingerprinting.study.study import Study
from tests import cases
from tests.pages import Page

pytestmark = pytest.mark.external
PHONE, DESKTOP = 360, 1100  # CSS pixels
ALONE = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND")
PAGES = 8  # of A4, at most
# The narrowest window is wider than a phone: the page stands in a frame, and its measures are written down beside it.
FRAME = """<body><iframe id="frame" width="{width}" height="800" srcdoc="{page}"></iframe><script>
const page = document.getElementById("frame").contentWindow;
onload = () => {{ document.body.dataset.width = page.document.documentElement.scrollWidth;
                  document.body.dataset.heading = page.document.querySelector("h1").innerText; }}
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    if not (found := shutil.which("chromium")):
        pytest.skip("install chromium")
    return found


@pytest.fixture(params=["report", "index"])
def page(request, study: Study, tmp_path: Path) -> Path:
    if request.param == "index":
        return REPOSITORY / "results" / "index.html"
    fingerprint, folder = cases.protect(study), tmp_path / "q"
    cases.run(study, folder)
    said = [*cases.copy_of(fingerprint)[:-1], "<script>document.title = 'taken'</script>" + "w" * 300]
    cases.run(study, folder, suspect=cases.suspect(folder, said), report=verdict.write)
    return folder / REPORT


def run(browser: str, folder: Path, page: Path, *options: str) -> str:
    words = [browser, *ALONE, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_page_says_its_verdict(browser, page, tmp_path):
    shown = Page("<html>" + run(browser, tmp_path, page, "--dump-dom").partition('<html lang="en">')[2])
    shown.check()
    if page.name == REPORT:
        assert shown.ids["outcome"] == "stolen" and "taken" not in shown.headings[0][1]


def test_a_page_fits_a_phone(browser, page, tmp_path):
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=PHONE, page=html.escape(page.read_text())), encoding="utf-8")
    (body,) = Page(run(browser, tmp_path, frame, "--dump-dom", "--virtual-time-budget=10000")).of("body")
    assert int(body["data-width"] or 0) == PHONE
    assert (body["data-heading"] or "").endswith("stolen" if page.name == REPORT else "Results")


@pytest.mark.parametrize("width", [500, DESKTOP])
def test_a_page_is_seen(browser, page, tmp_path, width):
    picture = tmp_path / "seen.png"
    run(browser, tmp_path, page, f"--screenshot={picture}", f"--window-size={width},1200")
    with Image.open(picture) as image:
        assert image.width == width and len(image.convert("L").getcolors() or ()) > 20


def test_a_page_is_printed(browser, page, tmp_path):
    path = tmp_path / "page.pdf"
    run(browser, tmp_path, page, "--no-pdf-header-footer", f"--print-to-pdf={path}")
    content = path.read_bytes()
    assert content.startswith(b"%PDF") and 0 < len(re.findall(rb"/Type\s*/Page\b", content)) <= PAGES
