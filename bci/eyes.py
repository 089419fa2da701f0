"""Eyes closed and eyes open: the resting EEG of Mumtaz's figshare record 4244171, as EDF files, one a recording.

Who is healthy and who is depressed is told by the files' names. It is never a label: the two groups were not recorded
alike. It only spreads the people evenly over the parties.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bci import edf
from bci.recordings import RATE, Trial, check, check_unit, only, resampled, visible, windowed, without_repeats
from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset

FOLDER = "eyes"
CLASSES = ("eyes closed", "eyes open")
STATES = ("EC", "EO")  # in the order of CLASSES
ELECTRODES = (
    *("Fp1", "F3", "C3", "P3", "O1", "F7", "T3", "T5", "Fz", "Fp2", "F4", "C4", "P4", "O2", "F8", "T4", "T6", "Cz"),
    "Pz",
)
LABELS = tuple(f"EEG {electrode}-LE" for electrode in ELECTRODES)  # referenced to linked ears
RECORDED = 256  # samples a second
WINDOW = 2 * RATE  # samples
BEGIN, END = 5, 205  # seconds of a recording that are used; one that is shorter is used whole
# `H S1 EC.edf`, `MDD S2  EO.edf`, `6921143_H S15 EO.edf`; TASK: another experiment (P300), which is left out.
NAME = re.compile(r"(?:[0-9]+_)?(H|MDD) S0*([0-9]+) (EC|EO|TASK)", re.IGNORECASE)


@dataclass(frozen=True)
class Name:
    """What a file's name says: the clinical group, the person (`H S1`), and the state of the eyes or `TASK`."""

    group: str
    subject: str
    state: str


def eyes() -> Dataset:
    folder = places.data_dir() / FOLDER
    named = {path: name for path in visible(folder, ".edf") if (name := name_of(path)).state in STATES}
    if not named:
        raise UserError(f"{folder} holds no recording such as 'H S1 EC.edf'; data/README.md says where to get them")
    trials = without_repeats([read(path, name) for path, name in named.items()])
    recorded: dict[str, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        recorded[trial.subject][trial.label].append(Path(trial.origin))
    for subject, of in recorded.items():
        for label, paths in of.items():
            only(paths, f"recordings of {subject}, {CLASSES[label]}")
    strata = {subject: f"{sorted(of)} {subject.split()[0]}" for subject, of in recorded.items()}
    spread = [replace(trial, stratum=strata[trial.subject]) for trial in trials]
    return windowed("eyes", spread, by_subject=True, classes=CLASSES, window=WINDOW)


def name_of(path: Path) -> Name:
    found = NAME.fullmatch(" ".join(path.stem.split()))
    if not found:
        raise UserError(f"{path} is not named as 'H S1 EC.edf' or 'MDD S1 EO.edf' are; rename it or take it away")
    group = found[1].upper()
    return Name(group, f"{group} S{found[2]}", found[3].upper())


def read(path: Path, name: Name) -> Trial:
    """The seconds from BEGIN to END of a recording, or all of a shorter one."""
    raw = edf.read(path, LABELS, (RECORDED,))
    signals = edf.microvolt(raw, BEGIN if len(raw.times) >= END * RECORDED else 0, END)
    check(signals[None], path)
    signal = resampled(signals.astype(np.float32), RECORDED)
    check_unit(signal[None], path)
    return Trial(signal, STATES.index(name.state), name.subject, str(path))
