"""How a script starts: --help and a mistake on the command line import no library that takes seconds."""

import subprocess
import sys

import pytest

from fingerprinting.core.places import REPOSITORY
from fingerprinting.pipeline import PASSPORT, ROOT, ZOO

SLOW = {"torch", "sklearn", "scipy", "pandas", "numpy", "joblib", "matplotlib", "mne", "transformers", "torchvision"}
OF_A_STUDY = [
    *(f"{domain}/{name}.py" for domain in ("cv", "nlp", "bci") for name in ZOO),
    *(f"{name}.py" for name in (*ROOT, "judge")),
    *(f"cv/passport/{name}.py" for name in (*PASSPORT, "verify")),
    "data/prepare.py",
]
OTHERS = ["protect.py", "verify_case.py", "reproduce.py"]
# Each line is a script and its words: what it ends with, and which of SLOW it imported.
STARTS = f"""
import contextlib, io, runpy, sys
for line in sys.stdin.read().splitlines():
    sys.argv = line.split()
    said, status = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            status = end.code or 0
    print(status, *sorted({SLOW} & sys.modules.keys()), "|", said.getvalue().strip().splitlines()[-1])
"""


def started(lines: list[str]) -> list[tuple[str, list[str], str]]:
    """Status, slow libraries and last line of each, in one process."""
    words = [sys.executable, "-c", STARTS]
    ended = subprocess.run(words, input="\n".join(lines), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = [line.partition(" | ") for line in ended.stdout.splitlines()]
    assert len(found) == len(lines)
    return [(status, slow, said) for before, _, said in found for status, *slow in [before.split()]]


def test_help_needs_nothing_slow():
    for status, slow, _ in started([f"{script} --help" for script in (*OF_A_STUDY, *OTHERS)]):
        assert (status, slow) == ("0", [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("COPIEZ=4", "unknown constant COPIEZ"),
        ("TIER=huge", "unknown TIER 'huge'"),
        ("DATASET=nowhere", "unknown data set 'nowhere'"),
        ("SPLIT_SEED=first", "has the wrong type"),
        ("DOMAIN=vision", "unknown domain 'vision'"),
        ("WORKERS=-1", "must not be negative"),
        ("ENGINE=ray", "unknown ENGINE=ray"),
        ("VARIANT=../x", "cannot name a study"),
        ("PRECISION=float8", "unknown PRECISION"),
        ("fast", "cannot read 'fast'"),
    ],
)
def test_a_mistake_needs_nothing_slow(words, sentence):
    for status, slow, said in started([f"{script} {words}" for script in OF_A_STUDY]):
        assert (status, slow) == ("2", []) and sentence in said


def test_so_do_mistakes_where_there_is_no_study():
    found = started(
        ["protect.py WEIGHT=x", "verify_case.py SIGNED=x", "reproduce.py DOMAIN=x", "reproduce.py COPIEZ=4"]
    )
    assert [(status, slow) for status, slow, _ in found] == [("2", [])] * 4


def test_what_a_step_imports_is_seen(tmp_path):
    """The test above would see one that imports torch at the top."""
    path = tmp_path / "eager.py"
    path.write_text("import numpy\nprint('numpy is here')\n")
    assert started([str(path)]) == [("0", ["numpy"], "numpy is here")]
