"""BioSemi's BDF: an ASCII header, then records of 24-bit samples (https://www.biosemi.com/faq/file_format.htm).

The header is read strictly and only where the samples depend on it: dates and names in it may be anything.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

MAGIC = b"\xffBIOSEMI"
FIXED = {"header": (184, 8), "kind": (192, 44), "records": (236, 8), "duration": (244, 8), "channels": (252, 4)}
WIDTHS = {  # bytes a channel, in the header's order
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "lowest": 8,
    "highest": 8,
    "digital_lowest": 8,
    "digital_highest": 8,
    "prefilter": 80,
    "samples": 8,
    "reserved": 32,
}
RANGE = ("lowest", "highest", "digital_lowest", "digital_highest")
LARGEST = 1e9  # microvolt; BioSemi's amplifiers measure up to 262144
START = 256  # bytes before the channels' fields
BYTES = 3  # a sample
DISCONTINUOUS = "BDF+D"
UNRECORDED = -1  # records in the header of a recording that was broken off
MICRO = ("uV", "\xb5V", "\xc2\xb5V", "\xce\xbcV", "\x83\xcaV")  # mu in Latin-1, as UTF-8 (twice) and in Shift-JIS
MICROVOLTS = {**dict.fromkeys(MICRO, 1.0), "nV": 1e-3, "mV": 1e3, "V": 1e6}
STATUS = "Status"
# https://www.biosemi.com/faq/trigger_signals.htm: bits 0 to 15 of Status are the trigger; 16 and above are flags of
# the amplifier: new epoch, speed, CMS in range, battery low.
TRIGGER = 2**16 - 1
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Recording:
    """signals (electrodes, samples) float64 in microvolt; triggers (samples,) from 0 to 65535; samples a second."""

    signals: np.ndarray
    triggers: np.ndarray
    rate: float


@dataclass(frozen=True)
class _Header:
    """What a BDF says of itself; of `fields` a list each, an entry a channel."""

    size: int
    records: int
    duration: float
    fields: dict[str, list[str]]
    samples: list[int]  # of each channel in a record

    @property
    def labels(self) -> list[str]:
        return self.fields["label"]


def read(path: Path, electrodes: tuple[str, ...]) -> Recording:
    """Those electrodes in that order, and Status's trigger; their names are recognised in any case."""
    content = storage.content_of(path)
    try:
        header = _header(content)
    except ValueError:
        raise UserError(f"{path} is no BDF or its header is truncated; get the file again") from None
    records = _records(content, header, path)
    places = [_place(name, header, path) for name in (*electrodes, STATUS)]
    if len({header.samples[place] for place in places}) > 1:
        raise UserError(f"{path} has electrodes or Status at several rates; take another file")
    signals = np.stack([_microvolt(records, header, place, path) for place in places[:-1]])
    return Recording(
        signals, _digital(records, header, places[-1]) & TRIGGER, header.samples[places[0]] / header.duration
    )


def _header(content: bytes) -> _Header:
    """Raises ValueError where a field is none, or the header's length is not what its channels make."""
    fixed = {name: _text(content[at : at + width]) for name, (at, width) in FIXED.items()}
    size, records, channels = (_number(fixed[name], int) for name in ("header", "records", "channels"))
    duration = _number(fixed["duration"], float)
    if not content.startswith(MAGIC) or channels < 1 or duration <= 0 or fixed["kind"].startswith(DISCONTINUOUS):
        raise ValueError
    if size != START + channels * sum(WIDTHS.values()) or len(content) < size:
        raise ValueError
    at, fields = START, {}
    for name, width in WIDTHS.items():
        fields[name] = [_text(content[at + width * place :][:width]) for place in range(channels)]
        at += width * channels
    samples = [_number(text, int) for text in fields["samples"]]
    if min(samples) < 1:
        raise ValueError
    return _Header(size, records, duration, fields, samples)


def _text(field: bytes) -> str:
    return field.decode("latin-1").split("\0")[0].strip()


def _number(text: str, kind: Callable[[str], Number]) -> Number:
    """A finite number in ASCII; some writers put a decimal comma."""
    if not re.fullmatch(r"[-+.,0-9eE]+", text) or not math.isfinite(number := kind(text.replace(",", "."))):
        raise ValueError
    return number


def _records(content: bytes, header: _Header, path: Path) -> np.ndarray:
    """(records, bytes of one) uint8; of a recording that was broken off, its whole records."""
    length = BYTES * sum(header.samples)
    body = len(content) - header.size
    records = body // length if header.records == UNRECORDED else header.records
    if records < 1:
        raise UserError(f"{path} holds no data; get the file again")
    if body < records * length:
        raise UserError(f"{path} is shorter than its header says; get the file again")
    if body > records * length and header.records != UNRECORDED:
        raise UserError(f"{path} is longer than its header says; get the file again")
    return np.frombuffer(content, np.uint8, records * length, header.size).reshape(records, length)


def _place(name: str, header: _Header, path: Path) -> int:
    places = [place for place, label in enumerate(header.labels) if label.lower() == name.lower()]
    if len(places) != 1:
        said = f"holds {name} {len(places)} times" if places else f"lacks {name}"
        raise UserError(f"{path} has {len(header.labels)} channels and {said}; take another file")
    return places[0]


def _digital(records: np.ndarray, header: _Header, place: int) -> np.ndarray:
    """(samples,) int32 of a channel."""
    begin, count = BYTES * sum(header.samples[:place]), header.samples[place]
    low, middle, high = records[:, begin : begin + BYTES * count].reshape(-1, BYTES).T.astype(np.int32)
    return low | middle << 8 | ((high ^ 0x80) - 0x80) << 16  # the highest byte carries the sign


def _microvolt(records: np.ndarray, header: _Header, place: int, path: Path) -> np.ndarray:
    """(samples,) of an electrode: its digital range is mapped to its physical one."""
    unit = header.fields["unit"][place]
    if unit not in MICROVOLTS:
        raise UserError(f"{path} gives {header.labels[place]} in {unit!r}, no unit of voltage; convert it to uV")
    try:
        lowest, highest, digital_lowest, digital_highest = (
            _number(header.fields[name][place], float) for name in RANGE
        )
        gain = (highest - lowest) / (digital_highest - digital_lowest)
    except (ValueError, ZeroDivisionError):
        gain = 0.0
    if not gain or max(abs(lowest), abs(highest)) * MICROVOLTS[unit] > LARGEST:
        raise UserError(f"{path} has no plausible range of values for {header.labels[place]}; get the file again")
    return ((_digital(records, header, place) - digital_lowest) * gain + lowest) * MICROVOLTS[unit]
