"""MAHNOB-HCI (Soleymani et al. 2012): people watch film clips; a folder a session, with session.xml and a BDF.

Treated as DEAP's makers treated theirs: 32 electrodes, 4 to 45 Hz, average reference, resampled to RATE.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from bci.deap import ELECTRODES
from bci.recordings import RATE, VALENCE_THRESHOLD, Trial, check, check_scale, windowed
from fingerprinting import files
from fingerprinting.examples import Dataset
from fingerprinting.runtime import UserError

BAND = (4.0, 45.0)  # Hz
BASELINE = 30  # seconds before a stimulus
MARGIN = 2.0  # seconds kept behind a stimulus until the signal is filtered, whose edges ring
MICROVOLT = 1e6  # mne counts in volt
BDF_FIELDS = {"header": (184, 8), "records": (236, 8), "channels": (252, 4)}  # place and width in a BDF's header
PER_CHANNEL, SAMPLES_FIELD = 256, 216  # bytes of header a channel, and those of them before `samples a record`


def mahnob(name: str, by_subject: bool) -> Dataset:
    folder = files.data_dir() / "MAHNOB-HCI" / "Sessions"
    sessions = sorted(folder.glob("*/session.xml"), key=lambda path: (len(path.parent.name), path.parent.name))
    trials = [trial for path in sessions if (trial := read(path))]
    if not trials:
        raise UserError(f"{folder} holds no session.xml of an emotion trial with a BDF; see data/README.md")
    return windowed(name, trials, by_subject)


def read(session: Path) -> Trial | None:
    """The trial that a session.xml describes; None where nobody was asked what they felt or no EEG was recorded."""
    try:
        root = ElementTree.parse(session).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UserError(f"{session} is truncated or no XML ({error}); get the file again") from None
    recordings = sorted(session.parent.glob("*.bdf"))
    if "feltArsl" not in root.attrib or not recordings:
        return None
    valence, subject = root.get("feltVlnc", ""), root.find("subject")
    if not valence.isdecimal() or subject is None or "id" not in subject.attrib:
        raise UserError(f"{session} lacks a whole number feltVlnc or its subject's id; get the file again")
    return Trial(signal(recordings[0]), int(int(valence) > VALENCE_THRESHOLD), subject.get("id"))


def signal(path: Path) -> np.ndarray:
    """(32, samples) of a BDF from the stimulus's start to its end, the mean of the baseline before it subtracted."""
    import mne  # slow to import, and needed for this set only

    _check_whole(path)
    try:
        raw = mne.io.read_raw_bdf(path, verbose="error")
    except (ValueError, RuntimeError, OSError, IndexError, KeyError, ZeroDivisionError) as error:
        raise UserError(f"{path} cannot be read as BDF ({error}); get the file again") from None
    lacking = [name for name in (*ELECTRODES, "Status") if name not in raw.ch_names]
    if lacking:
        raise UserError(f"{path} has {len(raw.ch_names)} channels and lacks {', '.join(lacking)}; take another file")
    rate = raw.info["sfreq"]
    if rate < RATE:
        raise UserError(f"{path} has {rate:g} samples a second, of which {RATE} cannot be made; take another file")
    events = mne.find_events(raw, "Status", shortest_event=1, verbose="error")[:, 0] - raw.first_samp
    if len(events) < 2 or events[0] < rate:
        raise UserError(f"{path} lacks a baseline, or its stimulus's start and end in Status; leave the session out")
    start, end = events[:2] / rate
    raw.crop(max(0.0, start - BASELINE), min(end + MARGIN, raw.times[-1])).pick(list(ELECTRODES))
    raw.load_data(verbose="error")
    check(raw.get_data()[None], path)
    raw.filter(*BAND, verbose="error").set_eeg_reference("average", verbose="error").resample(RATE, verbose="error")
    data = raw.get_data() * MICROVOLT
    check_scale(np.median(np.abs(data)), path)
    before, after = (round(seconds * RATE) for seconds in (min(start, BASELINE), min(start, BASELINE) + end - start))
    return (data[:, before:after] - data[:, :before].mean(1, keepdims=True)).astype(np.float32)


def _check_whole(path: Path) -> None:
    """A BDF's header says how long the file is."""
    content = path.read_bytes()
    try:
        header, records, channels = (int(content[at : at + width]) for at, width in BDF_FIELDS.values())
        at = 256 + SAMPLES_FIELD * channels
        samples = [int(content[at + 8 * channel : at + 8 * channel + 8]) for channel in range(channels)]
    except ValueError:
        raise UserError(f"{path} is no BDF or its header is truncated; get the file again") from None
    if not records:
        raise UserError(f"{path} holds no data; get the file again")
    if header != 256 + PER_CHANNEL * channels or len(content) < header + 3 * sum(samples) * records:
        raise UserError(f"{path} is shorter than its header says; get the file again")
