"""DEAP's loader against pickles written here in the genuine layout, and against a pickle reader of its own."""

import io
import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bci import data, deap
from bci.recordings import RATE, WINDOW
from fingerprinting.core.errors import UserError
from tests.bci.eeg_files import SECONDS, Malicious, dat, subject_of, write_deap


@pytest.fixture
def short_videos(monkeypatch):
    monkeypatch.setattr(deap, "SECONDS", SECONDS)


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
        (lambda c: c["data"].__setitem__((1, 31, 700), np.nan), "s01.dat holds NaN or infinite values"),
        (lambda c: c["data"].__setitem__((1, 31, 700), np.inf), "s01.dat holds NaN or infinite values"),
        (lambda c: c["data"].__setitem__((slice(None), 7), 3.0), "channel 8 of .+s01.dat is flat"),
        (lambda c: c.update(data=c["data"] * 1e9), "s01.dat has amplitudes of .+; convert its unit"),
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


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", "<f2", ">i2"])
def test_protocols_byte_orders_and_widths_give_the_same(data_dir, short_videos, protocol, kind):
    content = subject_of(2)
    content["data"] = content["data"].round()
    folder = write_deap(data_dir, [content])
    stored = {name: array.round().astype(kind) for name, array in content.items()}
    (folder / "s02.dat").write_bytes(pickle.dumps(stored, protocol))
    one, other = (deap.read(folder / name) for name in ("s01.dat", "s02.dat"))
    for trial, same in zip(one, other, strict=True):
        assert np.array_equal(trial.signal, same.signal) and trial.label == same.label


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda r: (r > 5) * 1.0,
            "run from 0 to 1 where ratings are numbers from 1 to 9; give the ratings as they were",
        ),
        (lambda r: (r - 1) / 8, "run from 0 to 1 where ratings"),
        (lambda r: r * 100, "run from 1.+ to 900 where ratings"),
        (lambda r: r * np.nan, "run from nan to nan where ratings"),
        (lambda r: (r - 5) / 2, "run from -2 to 2 where ratings"),
        (lambda r: (r > 5) + 1.0, "no label of .+s01.dat is above 2 in 12 trials, so they are no ratings from 1 to 9"),
        (lambda r: (r > 5) + 1, "is above 2 in 12 trials"),
        (lambda r: (r / 2 + 0.5).round(), "is above 5 in 12 trials"),
        (lambda r: r * 0 + 1, "is above 1 in 12 trials"),
        (lambda r: r > 5, "bool of shape .12, 4.. are not 4 ratings for each of 12 trials"),
        (lambda r: r.astype(str), "are not 4 ratings for each of 12 trials"),
        (lambda r: r.astype(complex), "it holds an array of values of type 'c16'"),
        (lambda r: r.astype(object), "s01.dat"),
    ],
)
def test_ratings_of_another_scale_are_refused(data_dir, short_videos, change, said):
    content = subject_of(12)
    write_deap(data_dir, [{**content, "labels": change(content["labels"])}])
    with pytest.raises(UserError, match=said):
        data.load("deap")


@pytest.mark.parametrize("labels", [np.full((2, 4), 1.0), np.array([[9.0, 1, 1, 1], [1, 9, 9, 9]]), np.full((2, 4), 5)])
def test_few_ratings_may_be_alike(data_dir, short_videos, labels):
    path = write_deap(data_dir, [{**subject_of(2), "labels": labels}]) / "s01.dat"
    assert [trial.label for trial in deap.read(path)] == (labels[:, 0] > 5).tolist()


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1e-6, "volt, so multiply it by 1e.06"),
        (1e-3, "millivolt, so multiply it by 1000"),
        (1e3, "nanovolt, so multip"),
    ],
)
def test_another_unit_than_microvolt_is_refused(data_dir, short_videos, factor, said):
    content = subject_of(2)
    write_deap(data_dir, [{**content, "data": content["data"] * factor}])
    with pytest.raises(UserError, match=f"s01.dat has amplitudes of .+ this looks like {said}"):
        data.load("deap")


def test_one_electrode_in_another_unit_is_refused(data_dir, short_videos):
    content = subject_of(2)
    content["data"][:, 20] /= 1000
    write_deap(data_dir, [content])
    with pytest.raises(UserError, match="channel 21 of .+s01.dat has .+millivolt, so multiply it by 1000, or interpol"):
        data.load("deap")


def test_hidden_files_are_passed_over_and_capitals_read(data_dir, short_videos):
    folder = write_deap(data_dir, [subject_of(10, number=number) for number in range(3)])
    (folder / "._s01.dat").write_bytes(b"\0\5\x16\7" + bytes(4092))
    (folder / "s02.dat").rename(folder / "S02.DAT")
    assert len(data.load("deap").groups.unique()) == 3 * 10 - 2 * 4


@pytest.mark.parametrize("name", ["s01 (1).dat", "s1.dat", "S01.DAT", "s01 - Copy.dat", "s001.Dat"])
def test_two_files_of_a_subject_are_refused(data_dir, short_videos, name):
    folder = write_deap(data_dir, [subject_of(10)])
    (folder / name).write_bytes(dat(subject_of(10)))
    with pytest.raises(UserError, match=r"(?i)s0*1.* and .+ are two files of a subject; keep one of them"):
        data.load("deap")


def test_a_subject_under_another_number_is_refused(data_dir, short_videos):
    folder = write_deap(data_dir, [subject_of(10)])
    (folder / "s02.dat").write_bytes((folder / "s01.dat").read_bytes())
    with pytest.raises(UserError, match="trial 1 of .+s02.dat holds the signal of trial 1 of .+s01.dat again"):
        data.load("deap")


def test_a_file_of_another_name_is_not_left_out_silently(data_dir, short_videos):
    (write_deap(data_dir, [subject_of(10)]) / "subject.dat").touch()
    with pytest.raises(UserError, match="subject.dat is not named s01.dat to s32.dat as DEAP's files are; rename it"):
        data.load("deap")


class NumpyOnly(pickle._Unpickler):
    """Python's own unpickler, written in Python, for arrays."""

    KNOWN = ("numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct", "_codecs.encode")

    def find_class(self, module: str, name: str):
        assert f"{module}.{name}" in self.KNOWN
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


SMALL = dat({name: array.astype("<f2") for name, array in subject_of(2, seconds=1).items()})
ENDS = st.one_of(st.integers(0, 300), st.integers(-400, -1), st.integers(0, len(SMALL) - 1))  # where the structure is


@settings(max_examples=500)
@given(st.lists(st.tuples(ENDS, st.integers(0, 255)), max_size=3), st.one_of(st.none(), ENDS))
def test_an_altered_dat_is_refused_or_read_as_by_python(tmp_path_factory, changes, end):
    content = bytearray(SMALL)
    for place, value in changes:
        content[place] = value
    path = tmp_path_factory.getbasetemp() / "altered.dat"
    path.write_bytes(content[:end])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deap, "SECONDS", 1)
        try:
            trials = deap.read(path)
        except UserError as refusal:
            assert str(path) in str(refusal) and "\n" not in str(refusal)
            return
    stored = NumpyOnly(io.BytesIO(content[:end]), encoding="latin1").load()
    signals = stored["data"][:, :32].astype(np.float32)
    expected = signals[..., 3 * RATE :] - signals[..., : 3 * RATE].mean(2, keepdims=True)
    assert np.array_equal([trial.signal for trial in trials], expected)
    assert [trial.label for trial in trials] == [int(row[0] > 5) for row in stored["labels"]]
    assert stored["labels"].min() >= 1 and stored["labels"].max() <= 9
