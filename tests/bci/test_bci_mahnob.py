"""MAHNOB-HCI's loader against sessions written here in the genuine layout: XML and BDF."""

import shutil
from pathlib import Path
from xml.dom import minidom
from xml.parsers.expat import ExpatError

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bci import data, mahnob
from bci.recordings import RATE, WINDOW
from fingerprinting.core.errors import UserError
from tests.bci.eeg_files import BEFORE, LABELS, SESSION, STIMULUS, bdf, session_signals, sine, write_session


@pytest.fixture(scope="module")
def recording() -> bytes:
    return bdf(*session_signals(256), 256)


@pytest.mark.parametrize("rate", [256, 512])
def test_a_session_becomes_a_trial_of_the_stimulus(data_dir, rate):
    folder = write_session(data_dir, 10, content=bdf(*session_signals(rate), rate))
    trial = mahnob.read(folder / "session.xml")
    assert trial.label == 1 and trial.subject == "1"
    assert trial.signal.shape[0] == 32 and abs(trial.signal.shape[1] - STIMULUS * RATE) <= 1
    gains = np.arange(1, 33) - np.arange(1, 33).mean()  # referenced to the average
    expected = gains[:, None] * sine(10, BEFORE + STIMULUS, RATE)[BEFORE * RATE :]
    length = STIMULUS * RATE - 8
    np.testing.assert_allclose(trial.signal[:, 8:length], expected[:, 8:length], atol=0.5)


def test_the_order_of_electrodes_is_deaps(data_dir):
    signals, status = session_signals(256)
    order = np.random.default_rng(1).permutation(len(LABELS) - 1)
    shuffled = [LABELS[index] for index in order] + ["Status"]
    one = write_session(data_dir, 1, content=bdf(signals, status, 256))
    other = write_session(data_dir, 2, content=bdf(signals[order], status, 256, shuffled))
    trials = [mahnob.read(folder / "session.xml") for folder in (one, other)]
    np.testing.assert_allclose(trials[0].signal, trials[1].signal, atol=1e-3)


def test_mahnob_has_deaps_shape_and_leaves_out_what_was_not_rated(data_dir):
    for number in range(1, 13):
        write_session(data_dir, number, str(3 + 3 * (number % 2)), str(number % 4))
    unrated = data_dir / "MAHNOB-HCI" / "Sessions" / "200"
    unrated.mkdir()
    (unrated / "session.xml").write_text(SESSION.format(number=200, attributes="", more=""))
    (unrated / "Part_1_N_Trial1_emotion.bdf").write_bytes(b"not read")
    next((data_dir / "MAHNOB-HCI" / "Sessions" / "12").glob("*.bdf")).unlink()
    found = data.load("mahnob")
    assert found.pool.inputs.shape[1:] == (32, WINDOW) and found.pool.inputs.dtype == torch.float32
    total = sum(len(part) for part in (found.pool, found.dev, found.test))
    assert total == 11 * STIMULUS


@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.05, 0.5, 0.999, 0.999999])
def test_a_truncated_bdf_is_refused(data_dir, recording, share):
    folder = write_session(data_dir, 1, content=recording[: int(share * len(recording))])
    with pytest.raises(UserError, match=r"emotion.bdf (is no BDF|is shorter than its header says).*get the file again"):
        mahnob.read(folder / "session.xml")


def without_fp1() -> bytes:
    signals, status = session_signals(256)
    return bdf(signals[1:], status, 256, LABELS[1:])


def changed(change) -> bytes:
    signals, status = session_signals(256)
    change(signals, status)
    return bdf(signals, status, 256)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (without_fp1, "46 channels and lacks Fp1"),
        (lambda: bdf(*session_signals(64), 64), "has 64 samples a second"),
        (lambda: changed(lambda signals, status: signals[4].fill(80)), "channel 5 of .+bdf is flat"),
        (lambda: changed(lambda signals, status: signals.__imul__(900)), "has amplitudes of"),
        (
            lambda: changed(lambda signals, status: signals[4].__itruediv__(1000)),
            "channel 5 of .+so multiply it by 1000",
        ),
        (lambda: b"RIFF" + bytes(10_000), "is no BDF"),
    ],
    ids=["electrode", "rate", "flat", "unit", "one electrode's unit", "other file"],
)
def test_a_bdf_of_another_content_is_refused(data_dir, content, said):
    folder = write_session(data_dir, 1, content=content())
    with pytest.raises(UserError, match=said) as refusal:
        mahnob.read(folder / "session.xml")
    assert "emotion.bdf" in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "millivolt"), (1e3, "nanovolt")])
def test_another_unit_than_microvolt_is_refused(data_dir, factor, unit):
    content = changed(lambda signals, status: signals.__imul__(factor / 4))
    session = write_session(data_dir, 1, content=content) / "session.xml"
    with pytest.raises(UserError, match=f"emotion.bdf has amplitudes of .+ this looks like {unit}, so multiply it by"):
        mahnob.read(session)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "session.xml is truncated or no XML .+; get the file again"),
        ("<session", "session.xml is truncated or no XML .+; get the file again"),
        (SESSION.format(number=1, attributes='feltArsl="3"', more=""), "session.xml gives '' as feltVlnc, no whole"),
        (
            SESSION.format(number=1, attributes='feltArsl="3" feltVlnc="3"', more=""),
            "session.xml lacks its subject's id",
        ),
    ],
)
def test_a_broken_session_file_is_named(data_dir, recording, text, said):
    folder = write_session(data_dir, 1, content=recording)
    (folder / "session.xml").write_text(text)
    with pytest.raises(UserError, match=said):
        mahnob.read(folder / "session.xml")


# The stimulus in Status

NEW_EPOCH, CMS_IN_RANGE, BATTERY_LOW = 1 << 16, 1 << 20, 1 << 22
FAST = 256  # samples a second


def at(*seconds: float, code: int = 16, length: float = 0.05) -> list[tuple[int, int, int]]:
    return [(round(second * FAST), round((second + length) * FAST), code) for second in seconds]


def status_of(codes: list[tuple[int, int, int]], seconds: int = 40) -> np.ndarray:
    status = np.zeros(seconds * FAST, np.int64)
    for begin, end, code in codes:
        status[begin:end] |= code
    return status


@pytest.mark.parametrize(
    "flags",
    [
        at(4, code=NEW_EPOCH, length=1 / FAST),
        at(4, 20, code=NEW_EPOCH),
        at(0, code=CMS_IN_RANGE, length=40),
        at(12, code=BATTERY_LOW, length=28),
        at(0, 30, code=0x2E0000, length=3),
        at(7, 8, 9, 28),
        at(11, code=32, length=0.02),
    ],
    ids=["pause", "pauses", "CMS", "battery", "speed", "other codes", "another code"],
)
def test_flags_and_other_codes_do_not_move_the_stimulus(data_dir, flags):
    signals, _ = session_signals(FAST, 36)
    whole, marked = (status_of(at(10, 26.3) + more, 36) for more in ([], flags))
    paths = [
        write_session(data_dir, 1 + n, content=bdf(signals, codes, FAST), length="16.0")
        for n, codes in enumerate((whole, marked))
    ]
    trials = [mahnob.read(path / "session.xml") for path in paths]
    assert trials[0].signal.shape == (32, round(16.3 * RATE)) and np.array_equal(trials[0].signal, trials[1].signal)


@pytest.mark.parametrize(
    ("codes", "length", "said"),
    [
        (at(), "16.0", "of the 0 rises in Status of .+, 0 pairs are 16 s apart as cutLenSec of session.xml"),
        (at(10), "16.0", "of the 1 rises in Status of .+, 0 pairs are 16 s apart"),
        (at(10, 20), "16.0", "of the 2 rises in Status of .+, 0 pairs are 16 s apart"),
        (at(10, 26.6), "16.0", "0 pairs are 16 s apart"),
        (at(10, 10.01, 26, length=0.005), "16.0", "of the 3 rises in Status of .+, 2 pairs are 16 s apart"),
        (at(10, 26) + at(10.02, code=32, length=0.01), "16.0", "of the 3 rises in Status of .+, 2 pairs are 16 s"),
        (at(2, 10, 18, 26), "16.0", "of the 4 rises in Status of .+, 2 pairs are 16 s apart"),
        (at(10, 26), None, None),
        (at(4, 10, 26), None, "has 3 rises in Status where a stimulus's start and end are 2, .+lacks cutLenSec"),
        (at(10), None, "has 1 rises in Status where"),
        (at(0.9, 16.9), "16.0", "lacks a baseline of 1 s before its stimulus; leave the session out"),
        (at(10, 10.9), "0.9", "the stimulus of .+ is shorter than 1 s, a window; leave the session out"),
        (at(10, 10.9), None, "is shorter than 1 s, a window"),
    ],
)
def test_a_stimulus_that_is_not_told_by_two_rises_is_refused(codes, length, said, data_dir):
    content = bdf(session_signals(FAST, 36)[0], status_of(codes, 36), FAST)
    session = write_session(data_dir, 1, content=content, length=length) / "session.xml"
    if said is None:
        assert mahnob.read(session).signal.shape == (32, 16 * RATE)
    else:
        with pytest.raises(UserError, match=said):
            mahnob.read(session)


CODES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 60), st.sampled_from([1, 16, 48, 0x8000, NEW_EPOCH, CMS_IN_RANGE])),
    max_size=8,
)


@settings(max_examples=300)
@given(CODES, st.one_of(st.none(), st.floats(0.1, 3)))
@example([(50, 10, 16), (178, 10, 16)], 1.0)
def test_any_status_gives_the_one_pair_of_rises_or_none(codes, seconds):
    rate, status = 128, np.zeros(500, np.int64)
    for begin, length, code in codes:
        status[begin : begin + length] |= code
    triggers = [int(value) % 65536 for value in status]
    rising = [now for now in range(1, 500) if triggers[now] > triggers[now - 1]]
    rises = [now for now in rising if now - 1 not in rising]
    pairs = [(one, other) for one in rises for other in rises if one < other]
    fitting = [pair for pair in pairs if seconds is None or abs((pair[1] - pair[0]) / rate - seconds) <= 0.5 + 1e-9]
    try:
        found = mahnob.stimulus(status & 0xFFFF, rate, seconds, Path("a.bdf"))
    except UserError:
        assert len(fitting) != 1
    else:
        assert fitting == [found]


# What a session says


@pytest.mark.parametrize("valence", ["0", "10", "", "-3", "5.5", "x", "٧", "9" * 5000])
def test_a_valence_that_is_no_rating_is_refused(data_dir, recording, valence):
    session = write_session(data_dir, 1, valence, content=recording) / "session.xml"
    with pytest.raises(UserError, match=r"session.xml gives '.{0,20}' as feltVlnc, no whole number from 1 to 9; get"):
        mahnob.read(session)


@pytest.mark.parametrize("length", ["0", "-4", "nan", "inf", "four", "4,0"])
def test_a_length_that_is_none_is_refused(data_dir, recording, length):
    session = write_session(data_dir, 1, content=recording, length=length) / "session.xml"
    with pytest.raises(
        UserError, match="session.xml gives '.+' as cutLenSec, no number of seconds; get the file again"
    ):
        mahnob.read(session)


def test_a_page_in_place_of_a_session_is_refused(data_dir, recording):
    session = write_session(data_dir, 1, content=recording) / "session.xml"
    session.write_text("<html><body>Please log in</body></html>")
    with pytest.raises(UserError, match="session.xml holds 'html', not a session; get the file again"):
        mahnob.read(session)


@pytest.mark.parametrize("name", ["1 copy", "2"])
def test_a_session_in_two_folders_is_refused(data_dir, recording, name):
    folder = write_session(data_dir, 1, content=recording)
    other = folder.parent / name
    shutil.copytree(folder, other)
    with pytest.raises(UserError, match=r"session.xml and .+session.xml are both session 1; keep one of them"):
        data.load("mahnob")


def test_a_recording_under_another_number_is_refused(data_dir, recording):
    for number in (1, 2):
        write_session(data_dir, number, content=recording)
    with pytest.raises(UserError, match="2/Part_1_S_Trial2_emotion.bdf holds the signal of .+Trial1_emotion.bdf again"):
        data.load("mahnob")


# What lies beside a recording


def test_hidden_files_are_passed_over_and_capitals_read(data_dir, recording):
    folder = write_session(data_dir, 1, content=recording)
    expected = mahnob.read(folder / "session.xml")
    path = next(folder.glob("*.bdf"))
    (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(4092))
    (folder / "._session.xml").write_bytes(b"\0\5\x16\7" + bytes(4092))
    (folder / "session.xml").rename(folder / "Session.XML")
    path.rename(path.with_suffix(".BDF"))
    (folder.parent / ".hidden").mkdir()
    (folder.parent / ".hidden" / "session.xml").touch()
    sessions = mahnob._sessions(folder.parent)
    assert sessions == [folder / "Session.XML"]
    assert np.array_equal(mahnob.read(sessions[0]).signal, expected.signal)


@pytest.mark.parametrize("name", ["Part_1_S_Trial1_emotion (1).bdf", "other.BDF", "session (1).xml", "SESSION.XML"])
def test_two_candidates_for_one_recording_are_refused(data_dir, recording, name):
    folder = write_session(data_dir, 1, content=recording)
    (folder / name).touch()
    with pytest.raises(UserError, match=r" and .+ are two (recordings|descriptions) of a session; keep one of them"):
        [mahnob.read(session) for session in mahnob._sessions(folder.parent)]


# Whatever the bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("session")


TEXTS = st.one_of(
    st.integers(-2, 12).map(str),
    st.text("0123456789.,-eE _x\u0667\xb2", max_size=5),
    st.sampled_from(["4.0", "nan", "1e3", " 7", "7.0"]),
)


def seen_by_minidom(content: bytes) -> tuple[int, str, float | None] | None:
    """(class, subject, seconds) of a rated session, None of an unrated one; raises where something is no good."""
    root = minidom.parseString(content).documentElement
    assert root.tagName == "session"
    if not root.hasAttribute("feltArsl"):
        return None
    assert root.getAttribute("feltVlnc") in list("123456789")
    subject = next(node for node in root.childNodes if node.nodeName == "subject").getAttribute("id").strip()
    assert subject
    length = float(root.getAttribute("cutLenSec")) if root.hasAttribute("cutLenSec") else None
    assert length is None or 0 < length < float("inf")
    return int(int(root.getAttribute("feltVlnc")) > 5), subject, length


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["feltArsl", "feltVlnc", "cutLenSec", "id"]), TEXTS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.binary(max_size=2)), max_size=2),
)
def test_any_session_is_refused_or_read_as_by_minidom(folder, changes, encoding, edits):
    document = minidom.Document()
    root, subject = document.createElement("session"), document.createElement("subject")
    document.appendChild(root).appendChild(subject)
    for name, value in {"feltArsl": "4", "feltVlnc": "7", "cutLenSec": "4.0", "id": "1", **changes}.items():
        (subject if name == "id" else root).setAttribute(name, value)
    content = document.toxml().encode(encoding, "replace")
    for place, dropped, put in edits:
        content = content[:place] + put + content[place + dropped :]
    path = folder / "session.xml"
    path.write_bytes(content)
    path.with_name("a.bdf").touch()
    try:
        expected = seen_by_minidom(content)
    except (ExpatError, AssertionError, ValueError, LookupError, StopIteration):
        with pytest.raises(UserError, match="session.xml"):
            read_without_signal(path)
    else:
        assert read_without_signal(path) == expected


def read_without_signal(session: Path) -> tuple[int, str, float | None] | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mahnob, "signal", lambda _, seconds: seconds)
        trial = mahnob.read(session)
    return trial and (trial.label, trial.subject, trial.signal)


SMALL = bdf(*session_signals(128, 4), 128)
STARTS = st.one_of(st.integers(0, 12_287), st.integers(12_288, len(SMALL) - 1))


@settings(max_examples=150)
@given(st.lists(st.tuples(STARTS, st.integers(0, 255)), max_size=3), st.one_of(st.none(), STARTS), st.booleans())
@pytest.mark.filterwarnings("error")
def test_whatever_the_bytes_a_recording_is_a_trial_or_refused(folder, flips, end, timed):
    content = bytearray(SMALL)
    content[12_288:] = bdf(session_signals(128, 4)[0], status_of([(200, 210, 16), (330, 350, 16)], 2), 128)[12_288:]
    for place, value in flips:
        content[place] = value
    path = folder / "a.bdf"
    path.write_bytes(content[:end])
    try:
        found = mahnob.signal(path, 1.0 if timed else None)
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)
    else:
        assert np.isfinite(found).all() and found.shape[0] == 32 and WINDOW <= found.shape[1] < 4 * RATE
