"""The loader of eyes closed and open against EDF files written here as the published ones are."""

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bci import data, eyes
from bci.recordings import INPUT_RANGE, RATE
from fingerprinting.core.errors import UserError
from fingerprinting.data import splits
from tests.bci.eeg_files import edf, resting, sine, write_eyes, write_ts

EDGE = 16  # samples at which a resampled sine differs from a longer one's


def read(path: Path):
    return eyes.read(path, eyes.name_of(path))


# What is read


@pytest.mark.parametrize(("seconds", "begin", "end"), [(6, 0, 6), (204, 0, 204), (205, 5, 205), (207, 5, 205)])
def test_the_seconds_from_5_to_205_are_used_and_shorter_recordings_whole(data_dir, seconds, begin, end):
    trial = read(write_eyes(data_dir, "MDD S3  EO", seconds=seconds))
    assert (trial.subject, eyes.CLASSES[trial.label]) == ("MDD S3", "eyes open")
    expected = resting(seconds, rate=RATE)[:, begin * RATE : end * RATE]
    assert trial.signal.shape == expected.shape and trial.signal.dtype == np.float32
    np.testing.assert_allclose(trial.signal[:, EDGE:-EDGE], expected[:, EDGE:-EDGE], atol=0.3)


def test_electrodes_are_told_by_name_among_others(data_dir):
    order = np.random.default_rng(0).permutation(19)
    labels = ("EEG A2-A1", *(eyes.LABELS[place].upper() for place in order), "EEG 23A-23R", "EEG 24A-24R")
    other = sine(3, 6, 256)[None]
    shuffled = edf(np.concatenate([other, resting(6)[order], other, other]), labels, 256)
    assert np.array_equal(
        read(write_eyes(data_dir, "H S1 EC", shuffled)).signal, read(write_eyes(data_dir, "H S2 EC")).signal
    )


def test_millivolts_become_microvolts(data_dir):
    path = write_eyes(data_dir, "H S1 EC", edf(resting(6) / 20, eyes.LABELS, 256, "mV"))
    expected = 1000 * resting(6, rate=RATE) / 20
    np.testing.assert_allclose(read(path).signal[:, EDGE:-EDGE], expected[:, EDGE:-EDGE], atol=60)  # steps of 100


PEOPLE = {f"H S{n}": ("EC", "EO") for n in range(1, 26)} | {f"MDD S{n}": ("EC", "EO") for n in range(1, 30)}
PEOPLE |= {"H S30": ("EO",), "H S31": ("EO",), "H S32": ("EC",), "MDD S30": ("EO",), "MDD S31": ("EC",)}


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    """59 people, of whom five have one state only; 10 windows a recording, of which the level tells the person."""
    folder = tmp_path_factory.mktemp("data")
    for number, (person, states) in enumerate(PEOPLE.items()):
        for state in states:
            signals = resting(4, number + 0.5 * (state == "EO")) * 0.1 + number
            write_eyes(folder, f"{person} {state}", edf(signals, eyes.LABELS, 256))
    write_eyes(folder, "H S1 TASK", b"not read")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(folder))
        return data.load("eyes")


def people_of(part) -> Counter:
    return Counter(list(PEOPLE)[round(level)] for level in part.inputs[:, 0].mean(1).tolist())


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_in_two_parts_and_the_kinds_of_people_are_spread(everybody, seed):
    parts = splits.cut(everybody, None, seed)
    found = {name: people_of(part) for name, part in parts.items()}
    assert sum(map(len, found.values())) == len(PEOPLE) == len(set().union(*found.values()))
    assert all(windows == 2 * len(PEOPLE[person]) for of in found.values() for person, windows in of.items())
    for name, of in found.items():
        healthy = sum(person.startswith("H ") for person in of)
        assert abs(healthy / len(of) - 28 / 59) <= 1.5 / len(of), name
        assert abs(parts[name].targets.double().mean() - 0.5) < 0.06
    assert {name: len(of) for name, of in found.items() if name not in ("test", "dev")} == {
        "owner": 19,
        "attacker": 19,
        "reference": 9,
    }


def test_another_split_seed_gives_other_people(everybody):
    owners = [set(people_of(splits.cut(everybody, None, seed)["owner"])) for seed in (0, 1)]
    assert owners[0] != owners[1]


def test_a_small_tier_takes_windows_of_everybody(everybody):
    parts = splits.cut(everybody, 90, 0)
    owned = [people_of(parts[name]) for name in splits.PARTIES]
    assert 85 <= sum(map(sum, (of.values() for of in owned))) <= 95
    assert len(set().union(*owned)) == sum(map(len, owned)) > 40


def test_labels_are_those_of_the_eyes_and_windows_are_two_seconds(everybody):
    assert everybody.classes == ("eyes closed", "eyes open")
    assert everybody.pool.inputs.shape[1:] == (19, 256)
    states: dict[str, set[int]] = defaultdict(set)
    for part in (everybody.pool, everybody.dev, everybody.test):
        levels = part.inputs[:, 0].mean(1).round().int().tolist()
        for level, label in zip(levels, part.targets.tolist(), strict=True):
            states[list(PEOPLE)[level]].add(label)
    assert {person: tuple(sorted(eyes.STATES[label] for label in of)) for person, of in states.items()} == PEOPLE


def test_windows_beyond_the_range_are_left_out(data_dir):
    for number in range(14):
        for state in eyes.STATES:
            signals = resting(6, number + 0.5 * (state == "EO"))
            signals[3, 600 + number : 650] = 3000
            write_eyes(data_dir, f"H S{number + 1} {state}", edf(signals, eyes.LABELS, 256))
    found = data.load("eyes")
    kept = [part.inputs for part in (found.pool, found.dev, found.test)]
    assert sum(map(len, kept)) == 14 * 2 * 2 and max(part.abs().max() for part in kept) <= INPUT_RANGE[1]


# What is there twice


def write_people(data_dir: Path, count: int = 12) -> int:
    for number in range(count):
        write_eyes(data_dir, f"H S{number + 1} EC", number=number)
        write_eyes(data_dir, f"H S{number + 1} EO", number=number + 0.5)
    return 2 * 3 * count


@pytest.mark.parametrize("again", ["H S30 EC", "6921959_H S3 EC", "MDD S3 EC"])
def test_a_recording_published_twice_counts_once(data_dir, again):
    windows = write_people(data_dir)
    write_eyes(data_dir, again, number=2)
    found = data.load("eyes")
    assert len(found.pool) + len(found.dev) + len(found.test) == windows


def test_other_recordings_under_a_name_are_refused(data_dir):
    write_people(data_dir)
    write_eyes(data_dir, "6921143_H S3 EC", number=99)
    with pytest.raises(UserError, match=r"H S3 EC.edf and .*H S3 EC.edf are two recordings of H S3, eyes closed; keep"):
        data.load("eyes")


def test_one_recording_as_closed_and_open_is_refused(data_dir):
    write_people(data_dir)
    write_eyes(data_dir, "H S9 EO", number=4)
    with pytest.raises(UserError, match="H S9 EO.edf holds the signal of .+H S5 EC.edf again; keep one of them"):
        data.load("eyes")


# Names


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("H S1 EC", ("H", "H S1", "EC")),
        ("MDD S2  EC", ("MDD", "MDD S2", "EC")),
        ("6921143_H S15 EO", ("H", "H S15", "EO")),
        ("h s07 eo ", ("H", "H S7", "EO")),
        ("MDD S34 TASK", ("MDD", "MDD S34", "TASK")),
    ],
)
def test_the_published_names_are_understood(stem, expected):
    name = eyes.name_of(Path(f"{stem}.edf"))
    assert (name.group, name.subject, name.state) == expected


PIECES = st.sampled_from(
    ["H", "MDD", "S", "S1", "S015", "EC", "EO", "TASK", "6921143_", " ", "  ", "_", "(1)", "\u0661"]
)


@settings(max_examples=400)
@given(st.one_of(st.lists(PIECES, max_size=6).map(" ".join), st.text("HMDS 0123_ECOTAK", max_size=16)))
@example("1_H S1 EC")
def test_any_name_is_read_as_its_words_say_or_refused(stem):
    words = stem.upper().split()
    number = words[0].split("_", 1)[0] if words and "_" in words[0] else None
    group = words[0].split("_", 1)[-1] if words else ""
    fine = len(words) == 3 and group in ("H", "MDD") and words[2] in ("EC", "EO", "TASK")
    fine = fine and words[1][0] == "S" and set(words[1][1:]) <= set("0123456789") and len(words[1]) > 1
    fine = fine and (number is None or number != "" and set(number) <= set("0123456789"))
    path = Path(f"{stem}.edf")
    if path.stem != stem:
        return
    if fine:
        assert eyes.name_of(path) == eyes.Name(group, f"{group} S{int(words[1][1:])}", words[2])
    else:
        with pytest.raises(UserError, match="is not named as 'H S1 EC.edf' or 'MDD S1 EO.edf' are; rename it or take"):
            eyes.name_of(path)


def test_a_file_of_another_name_is_not_left_out_silently(data_dir):
    write_people(data_dir)
    write_eyes(data_dir, "H S1 EC (1)")
    with pytest.raises(UserError, match=r"H S1 EC \(1\).edf is not named as"):
        data.load("eyes")


# What is refused


def test_without_recordings_the_readme_is_named(data_dir):
    with pytest.raises(UserError, match=r"eyes holds no recording such as 'H S1 EC.edf'; data/README.md says where"):
        data.load("eyes")


def test_without_mne_it_is_said(data_dir, monkeypatch):
    write_eyes(data_dir, "H S1 EC")
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(UserError, match="this data set is read by mne, which is not there; run pip install mne"):
        data.load("eyes")


SMALL = edf(resting(3), eyes.LABELS, 256)


def changed(change) -> bytes:
    signals = resting(3)
    change(signals)
    return edf(signals, eyes.LABELS, 256)


def with_header(old: bytes, new: bytes) -> bytes:
    assert SMALL.count(old)
    return SMALL.replace(old, new.ljust(len(old)), 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (edf(resting(3)[1:], eyes.LABELS[1:], 256), "has 18 channels and lacks EEG Fp1-LE; take another file"),
        (edf(resting(3, rate=200), eyes.LABELS, 200), "has 200 samples a second, not 256; take another file"),
        (edf(resting(3), eyes.LABELS, 256, "degC"), "gives EEG Fp1-LE in none of uV, mV and V; convert it to uV"),
        (edf(resting(3), eyes.LABELS, 256, "nV"), "gives EEG Fp1-LE in none of uV, mV and V; convert it to uV"),
        (edf(resting(3), eyes.LABELS, 256, "V"), "has amplitudes of"),
        (changed(lambda signals: signals[4].fill(80)), "channel 5 of .+edf is flat"),
        (b"RIFF" + bytes(10_000), "is no EDF file, or truncated or damaged"),
        (b"", "is no EDF file, or truncated or damaged"),
        (SMALL + bytes(20_000), "truncated or damaged .Number of records from the header does not match the file size"),
        (with_header(b"-32768  ", b"32767"), "is no EDF file, or truncated or damaged"),
        (with_header(b"-3276.8 ", b"x"), "is no EDF file, or truncated or damaged"),
    ],
    ids=[
        "electrode",
        "rate",
        "unit",
        "nanovolt",
        "volt",
        "flat",
        "other file",
        "empty",
        "longer",
        "digital range",
        "range",
    ],
)
def test_another_content_is_refused(data_dir, content, said):
    path = write_eyes(data_dir, "H S1 EC", content)
    with pytest.raises(UserError, match=said) as refusal:
        read(path)
    assert "H S1 EC.edf" in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.05, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(data_dir, share):
    path = write_eyes(data_dir, "H S1 EC", SMALL[: int(share * len(SMALL))])
    with pytest.raises(UserError, match="H S1 EC.edf is no EDF file, or truncated or damaged .+; get the file again"):
        read(path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "H S1 EC.edf").mkdir()
    with pytest.raises(UserError, match="H S1 EC.edf is no regular file; move it away"):
        read(tmp_path / "H S1 EC.edf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("eyes")


STARTS = st.one_of(st.integers(0, 256 * 20 - 1), st.integers(180, 256), st.integers(0, len(SMALL) - 1))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(STARTS, st.one_of(st.integers(0, 255), st.sampled_from(b"0123456789-. "))), max_size=4),
    st.one_of(st.none(), STARTS),
)
def test_whatever_the_bytes_a_recording_is_read_or_refused(folder, flips, end):
    content = bytearray(SMALL)
    for place, value in flips:
        content[place] = value
    path = folder / "H S1 EC.edf"
    path.write_bytes(content[:end])
    try:
        found = read(path)
    except UserError as refusal:
        assert re.search(re.escape(str(path)), str(refusal)) and "\n" not in str(refusal)
    else:
        assert np.isfinite(found.signal).all() and found.signal.shape[0] == 19


# The transfer target


def test_blinks_lack_the_other_electrodes(data_dir):
    draw = np.random.default_rng(0)
    wave = 40 * sine(3, 2, 255)
    cases = [(850 + wave + draw.normal(0, 1, (4, 510))).round(1) for _ in range(12)]
    labels = ["LongBlink", "ShortBlink"] * 3
    write_ts(data_dir, "Blink", {"TRAIN": (np.stack(cases[:6]), labels), "TEST": (np.stack(cases[6:]), labels)})
    usual, padded = data.load("blink"), data.load("blink_19")
    assert padded.name == "blink_19" and padded.pool.inputs.shape == (6, 19, 256)
    assert torch.equal(padded.pool.inputs[:, :4], usual.pool.inputs[:, :, :256])
    assert not padded.pool.inputs[:, 4:].any() and not usual.pool.inputs[:, :, 256:].any()
    assert data.load("blink_64").test.inputs.shape == (6, 64, 256)
