"""The BDF reader against mne's and a reader of its own, on whole files and on altered ones."""

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci import bdf
from fingerprinting.core.errors import UserError
from tests.bci.eeg_files import bdf as written

NAMES = ("Fp1", "Cz", "O2")
LABELS = [*NAMES, "Status"]
RATE, SECONDS = 16, 3
HEADER = 256 * (1 + len(LABELS))
DRAW = np.random.default_rng(0)
SIGNALS = DRAW.normal(0, 20, (3, RATE * SECONDS))
CODES = DRAW.integers(-(2**23), 2**23, RATE * SECONDS)
WHOLE = written(SIGNALS, CODES, RATE, LABELS)
FIELDS = {  # of the fixed header and of a channel: (first byte, width)
    "magic": (0, 8),
    "patient": (8, 80),
    "recording": (88, 80),
    "date": (168, 16),
    "header": (184, 8),
    "kind": (192, 44),
    "records": (236, 8),
    "duration": (244, 8),
    "channels": (252, 4),
}
PER_CHANNEL = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # label, transducer, unit, four bounds, filter, samples, reserved
STARTS = [256 + len(LABELS) * sum(PER_CHANNEL[:place]) for place in range(len(PER_CHANNEL))]


def put(content: bytes, at: int, width: int, text: bytes) -> bytes:
    return content[:at] + text[:width].ljust(width) + content[at + width :]


def channel_field(content: bytes, column: int, channel: int, text: bytes) -> bytes:
    width = PER_CHANNEL[column]
    return put(content, STARTS[column] + width * channel, width, text)


def by_mne(path) -> tuple[np.ndarray, np.ndarray, float]:
    raw = mne.io.read_raw_bdf(path, verbose="error")
    names = {name.lower(): name for name in raw.ch_names}
    signals = raw.get_data([names[name.lower()] for name in NAMES]) * 1e6
    return signals, raw.get_data([names["status"]])[0].astype(int) & 0xFFFF, raw.info["sfreq"]


def by_hand(content: bytes) -> tuple[np.ndarray, np.ndarray, float]:
    """A sample at a time, of a file whose channels are LABELS in some order."""

    def text(at: int, width: int) -> str:
        return content[at : at + width].split(b"\0")[0].decode("latin-1").strip().replace(",", ".")

    columns = [
        [text(start + width * channel, width) for channel in range(len(LABELS))]
        for start, width in zip(STARTS, PER_CHANNEL, strict=True)
    ]
    counts = [int(count) for count in columns[8]]
    samples = [[] for _ in LABELS]
    records = int(text(236, 8))
    records = (len(content) - HEADER) // (3 * sum(counts)) if records == -1 else records
    at = HEADER
    for _ in range(records):
        for channel, count in enumerate(counts):
            cut = content[at : at + 3 * count]
            samples[channel] += [int.from_bytes(cut[3 * n : 3 * n + 3], "little", signed=True) for n in range(count)]
            at += 3 * count
    labels = [label.lower() for label in columns[0]]
    places = [labels.index(name.lower()) for name in NAMES]
    factors = {"uV": 1, "\xb5V": 1, "\xc2\xb5V": 1, "\xce\xbcV": 1, "\x83\xcaV": 1, "mV": 1e3, "V": 1e6, "nV": 1e-3}
    signals = []
    for place in places:
        low, high, digital_low, digital_high = (float(columns[column][place]) for column in (3, 4, 5, 6))
        scale = (high - low) / (digital_high - digital_low)
        signals.append([(value - digital_low) * scale + low for value in samples[place]])
        signals[-1] = np.array(signals[-1]) * factors[columns[2][place]]
    triggers = np.array(samples[labels.index("status")]) & 0xFFFF
    return np.array(signals), triggers, counts[places[0]] / float(text(244, 8))


def assert_same(found: bdf.Recording, expected: tuple[np.ndarray, np.ndarray, float]) -> None:
    signals, triggers, rate = expected
    np.testing.assert_allclose(found.signals, signals, rtol=1e-6, atol=1e-6 * np.abs(signals).max())
    assert np.array_equal(found.triggers, triggers) and found.rate == pytest.approx(rate)


@pytest.mark.parametrize("unit", ["uV", "\xb5V", "mV"])
@pytest.mark.parametrize("status", ["Status", "STATUS", "status"])
def test_a_recording_is_read_as_by_mne(tmp_path, unit, status):
    path = tmp_path / "a.bdf"
    content = channel_field(WHOLE, 0, 3, status.encode())
    for channel in range(3):
        content = channel_field(content, 2, channel, unit.encode("latin-1"))
    path.write_bytes(content)
    found = bdf.read(path, NAMES)
    assert_same(found, by_mne(path))
    assert np.array_equal(found.triggers, CODES & 0xFFFF), "the flags of bit 16 and above are no trigger"
    if unit == "uV":
        np.testing.assert_allclose(found.signals, SIGNALS, atol=1 / 32)


@pytest.mark.parametrize(
    ("unit", "bounds", "factor"),
    [
        ("nV", ("-262144", "262143"), 1e-3),
        ("V", ("-.262144", ".262143"), 1),
        ("V", ("-,262144", ",262143"), 1),
        ("\u03bcV", ("-262144", "262143"), 1),
    ],
)
def test_other_units_give_the_same_microvolts(tmp_path, unit, bounds, factor):
    content = WHOLE
    for channel in range(3):
        for column, text in zip((2, 3, 4), (unit, *bounds), strict=True):
            content = channel_field(content, column, channel, text.encode())
    np.testing.assert_allclose(read(tmp_path, content).signals, SIGNALS * factor, atol=factor / 32)


def test_electrodes_are_given_in_the_order_asked_for(tmp_path):
    path = tmp_path / "a.bdf"
    path.write_bytes(WHOLE)
    assert np.array_equal(bdf.read(path, NAMES[::-1]).signals, bdf.read(path, NAMES).signals[::-1])


def test_other_channels_may_have_another_rate(tmp_path):
    """mne would resample everything to the fastest of them."""
    path = tmp_path / "a.bdf"
    body = np.frombuffer(WHOLE[HEADER:], np.uint8).reshape(SECONDS, len(LABELS), 3 * RATE)
    extra = channel_field(channel_field(WHOLE, 0, 1, b"Temp"), 8, 1, b"4")[:HEADER]
    path.write_bytes(extra + b"".join(row[0].tobytes() + bytes(12) + row[2:].tobytes() for row in body))
    found = bdf.read(path, ("Fp1", "O2"))
    assert np.array_equal(found.signals, read(tmp_path, WHOLE).signals[[0, 2]]) and found.rate == RATE


def read(folder, content: bytes) -> bdf.Recording:
    path = folder / "b.bdf"
    path.write_bytes(content)
    return bdf.read(path, NAMES)


def test_a_recording_that_was_broken_off_has_its_whole_records(tmp_path):
    whole = read(tmp_path, WHOLE)
    unended = put(WHOLE, *FIELDS["records"], b"-1")
    assert np.array_equal(read(tmp_path, unended).signals, whole.signals)
    assert np.array_equal(read(tmp_path, unended[:-5]).signals, whole.signals[:, :-RATE])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "b.bdf is no BDF or its header is truncated; get the file again"),
        (WHOLE[:300], "is no BDF or its header is truncated"),
        (WHOLE[:HEADER], "is shorter than its header says"),
        (WHOLE[:-1], "is shorter than its header says"),
        (WHOLE + b"\0", "is longer than its header says"),
        (b"0       " + WHOLE[8:], "is no BDF"),
        (put(WHOLE, *FIELDS["kind"], b"BDF+D"), "is no BDF"),
        (put(WHOLE, *FIELDS["records"], b"0"), "holds no data"),
        (put(WHOLE, *FIELDS["records"], b"-2"), "holds no data"),
        (put(WHOLE, *FIELDS["records"], b"9" * 8), "is shorter than its header says"),
        (put(WHOLE, *FIELDS["duration"], b"0"), "is no BDF"),
        (put(WHOLE, *FIELDS["duration"], b"nan"), "is no BDF"),
        (put(WHOLE, *FIELDS["channels"], b"9999"), "is no BDF"),
        (put(WHOLE, *FIELDS["channels"], b"0"), "is no BDF"),
        (channel_field(WHOLE, 0, 1, b"Fpz"), "has 4 channels and lacks Cz; take another file"),
        (channel_field(WHOLE, 0, 1, b"FP1"), "has 4 channels and holds Fp1 2 times; take another file"),
        (channel_field(WHOLE, 0, 3, b"Trigger"), "lacks Status"),
        (channel_field(WHOLE, 2, 1, b"mmHg"), "gives Cz in 'mmHg', no unit of voltage; convert it to uV"),
        (channel_field(WHOLE, 4, 1, b"-262144"), "has no plausible range of values for Cz"),
        (channel_field(WHOLE, 4, 1, b"1e300"), "has no plausible range of values for Cz"),
        (channel_field(WHOLE, 6, 1, b"-8388608"), "has no plausible range of values for Cz"),
        (channel_field(WHOLE, 6, 1, b"?"), "has no plausible range of values for Cz"),
        (channel_field(WHOLE, 8, 1, b"0"), "is no BDF"),
        (
            channel_field(put(WHOLE, *FIELDS["records"], b"-1"), 8, 1, b"8"),
            "has electrodes or Status at several rates; take another file",
        ),
        (channel_field(WHOLE, 8, 1, b"1_6"), "is no BDF"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, content, said):
    with pytest.raises(UserError, match=said):
        read(tmp_path, content)


NUMBERS = st.one_of(
    st.sampled_from([b"", b"0", b"1", b"-1", b"2", b"3", b"5", b"16", b"8", b"1e3", b"1e99", b"nan", b"inf", b"1,5"]),
    st.sampled_from([b"-262144", b"262143", b"8388607", b"16\0", b"+16", b"1_6", b"0x10", b"99999999", b".5", b"\xb2"]),
    st.integers(-(10**7), 10**8 - 1).map(lambda number: str(number).encode()),
)
WORDS = st.sampled_from([b"Fp1", b"cz", b"STATUS", b"Status", b"uV", b"mV", b"V", b"nV", b"BDF+D", b"BDF Annotations"])
FIXED = st.tuples(st.sampled_from(list(FIELDS.values())), st.one_of(NUMBERS, WORDS, st.binary(max_size=8)))
OF_CHANNELS = st.tuples(st.integers(0, 9), st.integers(0, 3), st.one_of(NUMBERS, WORDS, st.binary(max_size=8)))
BOUNDS = st.tuples(st.integers(2, 6), st.integers(0, 3), st.one_of(NUMBERS, WORDS))
FLIPS = st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))


@settings(max_examples=400)
@given(
    st.lists(FIXED, max_size=2),
    st.lists(st.one_of(OF_CHANNELS, BOUNDS), max_size=3),
    st.lists(FLIPS, max_size=3),
    st.one_of(st.none(), st.integers(0, len(WHOLE))),
)
def test_an_altered_recording_is_refused_or_read_as_by_others(tmp_path_factory, fixed, channels, flips, end):
    content = WHOLE
    for (at, width), text in fixed:
        content = put(content, at, width, text)
    for column, channel, text in channels:
        content = channel_field(content, column, channel, text)
    altered = bytearray(content)
    for place, value in flips:
        altered[place] = value
    path = tmp_path_factory.getbasetemp() / "altered.bdf"
    path.write_bytes(altered[:end])
    try:
        found = bdf.read(path, NAMES)
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)
        return
    assert np.isfinite(found.signals).all() and found.signals.shape[1:] == found.triggers.shape
    assert_same(found, by_hand(bytes(altered[:end])))
    try:
        expected = by_mne(path)
    except Exception:  # noqa: BLE001 (mne reads fields that the samples do not depend on, and raises all kinds)
        return
    if b"nV" not in altered[STARTS[2] : STARTS[3]]:  # which mne takes for volt
        assert_same(found, expected)
