"""The loader of PhysioNet's imagined fists against EDF+ files written here, and its download without a network."""

import sys

import numpy as np
import pytest

from bci import data, eegbci
from bci.recordings import RATE
from fingerprinting.core.errors import UserError
from fingerprinting.data import splits
from tests.bci.eeg_files import FILLED, TRIALS, edf, moving, write_eegbci


@pytest.mark.parametrize("rate", eegbci.RATES)
def test_trials_are_what_the_annotations_say(data_dir, rate):
    path = write_eegbci(data_dir, 7, content=edf(moving(rate=rate), FILLED, rate, marks=TRIALS))
    trials = eegbci.read(path)
    assert [eegbci.CLASSES[trial.label] for trial in trials] == ["right fist", "left fist"]
    assert {trial.subject for trial in trials} == {"S007"}
    whole = moving(rate=RATE) - 3 * np.arange(64)[:, None]
    for trial, begin in zip(trials, (4.2, 12.5), strict=True):
        first = round(begin * RATE)
        expected = whole[:, first : first + trial.signal.shape[1]]
        assert abs(trial.signal.shape[1] - 4.1 * RATE) <= 1
        np.testing.assert_allclose(trial.signal, expected, atol=1)


def test_windows_of_whole_people_are_shared_out(data_dir):
    for subject in range(1, 13):
        for run in eegbci.RUNS if subject == 1 else eegbci.RUNS[:1]:
            write_eegbci(data_dir, subject, run)
    write_eegbci(data_dir, 1, 3, b"another task, not read")
    (data_dir / eegbci.FOLDER / "RECORDS").touch()
    found = data.load("eegbci")
    assert found.classes == ("left fist", "right fist") and found.pool.inputs.shape[1:] == (64, 256)
    assert len(found.test) + len(found.dev) + len(found.pool) == (12 + 2) * 2 * 2
    assert len(found.test) == 3 * 4 + 4 and len(found.groups.unique()) == 8
    parts = splits.cut(found, None, 0)
    assert [len(parts[name]) for name in splits.PARTIES] == [12, 12, 8]


def test_it_is_transferred_to_blinks_of_as_many_electrodes():
    from bci.domain import DOMAIN

    assert DOMAIN.data.targets["eegbci"] == "blink_64" and DOMAIN.data.targets["eyes"] == "blink_19"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (edf(moving(), FILLED, 160), "marks no trial by T1 or T2; get the file again"),
        (edf(moving(), FILLED, 160, marks=TRIALS[:1]), "marks no trial by T1 or T2; get the file again"),
        (edf(moving()[1:], FILLED[1:], 160, marks=TRIALS), "channels and lacks Fc5; take another file"),
        (edf(moving(rate=250), FILLED, 250, marks=TRIALS), "has 250 samples a second, not 160 or 128; take another"),
        (edf(moving(), FILLED, 160, marks=TRIALS)[:-1], "is no EDF file, or truncated or damaged"),
    ],
    ids=["no marks", "rest alone", "electrode", "rate", "truncated"],
)
def test_another_content_is_refused(data_dir, content, said):
    path = write_eegbci(data_dir, 7, content=content)
    with pytest.raises(UserError, match=said) as refusal:
        eegbci.read(path)
    assert "S007R04.edf" in str(refusal.value) and "\n" not in str(refusal.value)


def test_without_files_the_command_is_named(data_dir):
    write_eegbci(data_dir, 1, 3, b"another task, not read")
    with pytest.raises(UserError, match="holds no run such as .+; run python data/prepare.py DOMAIN=bci"):
        data.load("eegbci")


@pytest.mark.parametrize("failure", [OSError("Name or service\nnot known"), ValueError("hash of S001R04.edf")])
def test_what_cannot_be_fetched_is_one_sentence(data_dir, monkeypatch, failure):
    import mne

    def fail(subjects, runs, **options):
        assert (len(subjects), tuple(runs)) == (109, (4, 8, 12)) and options["path"] == data_dir
        raise failure

    monkeypatch.setattr(mne.datasets.eegbci, "load_data", fail)
    with pytest.raises(UserError, match="eegbci could not be fetched .+; connect to a network and run again") as said:
        data.prepare("eegbci")
    assert "\n" not in str(said.value)


def test_without_mne_it_is_said(data_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(UserError, match="is read by mne, which is not there; run pip install mne"):
        data.prepare("eegbci")
