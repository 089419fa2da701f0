"""MAHNOB-HCI (Soleymani et al. 2012): people watch film clips; a folder a session, with session.xml and a BDF.

Treated as DEAP's makers treated theirs: 32 electrodes, 4 to 45 Hz, average reference, resampled to RATE.
"""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from bci import bdf
from bci.deap import ELECTRODES
from bci.recordings import RATE, RATINGS, WINDOW, Trial, check, check_unit, classes_of, mne, only, visible, windowed
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset

BAND = (4.0, 45.0)  # Hz
BASELINE = 30  # seconds before a stimulus
LEAST_BASELINE = 1.0  # seconds
MARGIN = 2.0  # seconds kept behind a stimulus until the signal is filtered, whose edges ring
TOLERANCE = 0.5  # seconds by which a stimulus may differ from its session's cutLenSec
FASTEST = 16384  # samples a second, the most that BioSemi's amplifiers take
WHOLE_RATINGS = {str(rating) for rating in range(RATINGS[0], RATINGS[1] + 1)}


def mahnob(name: str, by_subject: bool) -> Dataset:
    folder = places.data_dir() / "MAHNOB-HCI" / "Sessions"
    sessions = _sessions(folder)
    _check_once(sessions)
    trials = [trial for path in sessions if (trial := read(path))]
    if not trials:
        raise UserError(f"{folder} holds no session.xml of an emotion trial with a BDF; see data/README.md")
    return windowed(name, trials, by_subject)


def read(session: Path) -> Trial | None:
    """The trial that a session.xml describes; None where nobody was asked what they felt or no EEG was recorded."""
    root = _root(session)
    recordings = visible(session.parent, ".bdf")
    if "feltArsl" not in root.attrib or not recordings:
        return None
    valence, subject = root.get("feltVlnc", ""), root.find("subject")
    if valence not in WHOLE_RATINGS:
        raise UserError(
            f"{session} gives {valence[:20]!r} as feltVlnc, no whole number from 1 to 9; get the file again"
        )
    identity = "" if subject is None else subject.get("id", "").strip()
    if not identity:
        raise UserError(f"{session} lacks its subject's id; get the file again")
    path = only(recordings, "recordings of a session")
    label = classes_of(np.array([int(valence)]))[0]
    return Trial(signal(path, _seconds(root, session)), int(label), identity, str(path))


def signal(path: Path, seconds: float | None) -> np.ndarray:
    """(32, samples) of a BDF from the stimulus's start to its end, the mean of the baseline before it subtracted.

    `seconds` is how long the stimulus lasts, None where that is not known.
    """
    recording = bdf.read(path, ELECTRODES)
    rate = recording.rate
    if not RATE <= rate <= FASTEST:
        raise UserError(f"{path} has {rate:g} samples a second, not {RATE} to {FASTEST}; take another file")
    begin, finish = stimulus(recording.triggers, rate, seconds, path)
    start, end = begin / rate, finish / rate
    if end - start < WINDOW / RATE:
        raise UserError(f"the stimulus of {path} is shorter than {WINDOW / RATE:g} s, a window; leave the session out")
    if start < LEAST_BASELINE:
        raise UserError(f"{path} lacks a baseline of {LEAST_BASELINE:g} s before its stimulus; leave the session out")
    kept = slice(max(0, begin - round(BASELINE * rate)), finish + round(MARGIN * rate) + 1)
    signals = recording.signals[:, kept]
    check(signals[None], path)
    info = mne().create_info(list(ELECTRODES), rate, "eeg")
    raw = mne().io.RawArray(signals, info, verbose="error")
    raw.filter(*BAND, verbose="error")
    check_unit(raw.get_data()[None], path)
    data = raw.set_eeg_reference("average", verbose="error").resample(RATE, verbose="error").get_data()
    before, after = (round(span * RATE) for span in (min(start, BASELINE), min(start, BASELINE) + end - start))
    return (data[:, before:after] - data[:, :before].mean(1, keepdims=True)).astype(np.float32)


def stimulus(triggers: np.ndarray, rate: float, seconds: float | None, path: Path) -> tuple[int, int]:
    """The samples at which a stimulus starts and ends: two rises of the trigger (samples,) that lie `seconds` apart.

    Where `seconds` is not known, the only two rises. Anything else is refused: a stray code must not move a stimulus.
    """
    rising = np.flatnonzero(np.diff(triggers) > 0) + 1
    rises = rising[np.diff(rising, prepend=-1) > 1]  # the bits of a code may come one after the other
    if seconds is None:
        if len(rises) != 2:
            raise UserError(
                f"{path} has {len(rises)} rises in Status where a stimulus's start and end are 2, and its session.xml "
                "lacks cutLenSec, which would tell them from others; leave the session out"
            )
        return int(rises[0]), int(rises[1])
    nearest, farthest = (rises + (seconds + sign * TOLERANCE) * rate for sign in (-1, 1))
    first, last = np.searchsorted(rises, nearest, "left"), np.searchsorted(rises, farthest, "right")
    first = np.maximum(first, np.arange(len(rises)) + 1)
    pairs = np.maximum(last - first, 0)
    if pairs.sum() != 1:
        raise UserError(
            f"of the {len(rises)} rises in Status of {path}, {pairs.sum()} pairs are {seconds:g} s apart as cutLenSec "
            "of session.xml says, where a stimulus's start and end are 1; leave the session out"
        )
    start = int(pairs.argmax())
    return int(rises[start]), int(rises[first[start]])


def _sessions(folder: Path) -> list[Path]:
    """Every session's session.xml, in the order of the folders' numbers."""
    places = [place for place in folder.glob("*") if place.is_dir() and not place.name.startswith(".")]
    places.sort(key=lambda place: (len(place.name), place.name))
    found = [[path for path in visible(place, ".xml") if path.stem.lower().startswith("session")] for place in places]
    return [only(paths, "descriptions of a session") for paths in found if paths]


def _check_once(sessions: list[Path]) -> None:
    """A session in two folders would stand on two sides of a split."""
    seen: dict[str, Path] = {}
    for path in sessions:
        number = _root(path).get("sessionId", str(path))
        if number in seen:
            raise UserError(f"{path} and {seen[number]} are both session {number}; keep one of them")
        seen[number] = path


def _root(session: Path) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(storage.content_of(session))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UserError(f"{session} is truncated or no XML ({error}); get the file again") from None
    if root.tag != "session":
        raise UserError(f"{session} holds {root.tag[:20]!r}, not a session; get the file again")
    return root


def _seconds(root: ElementTree.Element, session: Path) -> float | None:
    """How long the stimulus lasts; None where the session does not say."""
    text = root.get("cutLenSec")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{session} gives {text[:20]!r} as cutLenSec, no number of seconds; get the file again")
    return seconds
