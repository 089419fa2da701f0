"""PhysioNet's EEG Motor Movement/Imagery data (Schalk et al. 2004): people imagine closing their left or right fist.

An EDF+ file a run; its annotations say when a trial begins: T1 left, T2 right, T0 rest, which is not used.
"""

from pathlib import Path

import numpy as np

from bci import edf
from bci.recordings import RATE, Trial, check, check_unit, mne, resampled, visible, windowed
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset

FOLDER = Path("MNE-eegbci-data", "files", "eegmmidb", "1.0.0")  # below DATA_DIR, where mne puts it
SUBJECTS = range(1, 110)
RUNS = (4, 8, 12)  # of imagined fists
CLASSES = ("left fist", "right fist")
EVENTS = ("T1", "T2")  # in the order of CLASSES
RATES = (160, 128)  # samples a second; three people were recorded at the second one
WINDOW = 2 * RATE  # samples; a trial lasts 4.1 s
ELECTRODES = (
    *("Fc5", "Fc3", "Fc1", "Fcz", "Fc2", "Fc4", "Fc6", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "Cp5", "Cp3", "Cp1"),
    *("Cpz", "Cp2", "Cp4", "Cp6", "Fp1", "Fpz", "Fp2", "Af7", "Af3", "Afz", "Af4", "Af8", "F7", "F5", "F3", "F1"),
    *("Fz", "F2", "F4", "F6", "F8", "Ft7", "Ft8", "T7", "T8", "T9", "T10", "Tp7", "Tp8", "P7", "P5", "P3", "P1", "Pz"),
    *("P2", "P4", "P6", "P8", "Po7", "Po3", "Poz", "Po4", "Po8", "O1", "Oz", "O2", "Iz"),
)


def eegbci() -> Dataset:
    """The trials' windows of all people whose files are there; test and dev are whole people."""
    folder = places.data_dir() / FOLDER
    names = {f"s{subject:03}r{run:02}.edf" for subject in SUBJECTS for run in RUNS}
    people = [place for place in storage.visible(folder) if place.is_dir()]
    paths = [path for place in people for path in visible(place, ".edf") if path.name.lower() in names]
    if not paths:
        raise UserError(
            f"{folder} holds no run such as S001/S001R04.edf; run python data/prepare.py DOMAIN=bci DATASET=eegbci"
        )
    trials = [trial for path in paths for trial in read(path)]
    return windowed("eegbci", trials, by_subject=True, classes=CLASSES, window=WINDOW)


def prepare() -> None:
    """The runs of imagined fists by mne, 0.8 GB, each checked by the sha256 that mne knows."""
    try:
        mne().datasets.eegbci.load_data(list(SUBJECTS), RUNS, path=places.data_dir(), update_path=False)
    except (OSError, ValueError) as error:  # no network; a file of another checksum
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"eegbci could not be fetched ({reason}); connect to a network and run again") from None


def read(path: Path) -> list[Trial]:
    """The trials of a run, each electrode centred on its median of the run."""
    raw = edf.read(path, ELECTRODES, RATES)
    signals = edf.microvolt(raw)
    check(signals[None], path)
    centred = signals - np.median(signals, axis=1, keepdims=True)
    run = resampled(centred.astype(np.float32), round(raw.info["sfreq"]))
    check_unit(run[None], path)
    trials = []
    for mark in raw.annotations:
        if mark["description"] in EVENTS:
            begin, end = (round(second * RATE) for second in (mark["onset"], mark["onset"] + mark["duration"]))
            label = EVENTS.index(mark["description"])
            origin = f"the trial at {begin / RATE:g} s of {path}"
            trials.append(Trial(run[:, begin:end], label, path.stem[:4].upper(), origin))
    if not trials:
        raise UserError(f"{path} marks no trial by T1 or T2; get the file again")
    return trials
