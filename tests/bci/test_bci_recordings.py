"""EEG trials into windows, and what is refused of any set of them."""

import numpy as np
import pytest
import torch

from bci import recordings
from bci.recordings import INPUT_RANGE, RATE, WINDOW, Trial, only, visible, windowed
from fingerprinting.core.errors import UserError
from fingerprinting.data import splits


def trials_of(count: int, subjects: int, seconds: float = 3.0) -> list[Trial]:
    """Every window of trial i holds i; labels alternate by pairs."""
    length = round(seconds * RATE)
    subject = [f"s{i * subjects // count:02}" for i in range(count)]
    return [Trial(np.full((2, length), float(i)), i // 2 % 2, subject[i], f"trial {i}") for i in range(count)]


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


def test_a_recording_that_is_there_twice_is_refused():
    trials = trials_of(40, 4)
    trials[30] = Trial(trials[2].signal.copy(), 1, "s9", "s9.dat")
    with pytest.raises(UserError, match="s9.dat holds the signal of trial 2 again; keep one of them"):
        windowed("deap", trials, by_subject=False)


def test_ratings_of_one_class_are_refused():
    trials = [Trial(trial.signal, 0, trial.subject, trial.origin) for trial in trials_of(40, 4)]
    with pytest.raises(UserError, match="all 40 trials of deap are low valence; check its labels, or give more"):
        windowed("deap", trials, by_subject=False)


def test_hidden_files_are_no_data_and_a_suffix_may_be_in_capitals(tmp_path):
    for name in ("b.BDF", "a.bdf", "._a.bdf", ".b.BDF", "c.bdf.part", "d.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.bdf").mkdir()
    found = visible(tmp_path, ".bdf")
    assert [path.name for path in found] == ["a.bdf", "b.BDF"]
    assert not visible(tmp_path / "nowhere", ".bdf")
    with pytest.raises(UserError, match="a.bdf and b.BDF are two recordings; keep one of them"):
        only(found, "recordings")
