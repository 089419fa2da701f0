"""The bars of long work: a step's own, and the one of a whole run with the time that is left."""

import io
import re
import time

import pytest

from fingerprinting.core.errors import UserError
from fingerprinting.models import progress

SHARE = re.compile(r"(\d+)%\|")


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The clock by which the time left is told, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def shares(said: str) -> list[int]:
    return [int(found) for found in SHARE.findall(said)]


def test_a_step_alone_has_a_bar_of_its_own(capfd):
    with progress.of_step("twins", 2, "model") as advance:
        advance(["one"])
        advance(["two"])
    said = capfd.readouterr().err
    assert "twins: 100%" in said and "2/2" in said and said.endswith("\n")
    with progress.of_step("twins", 0, "model"):
        pass
    assert not capfd.readouterr().err


def test_a_users_mistake_takes_the_bar_away(capfd):
    for within in (lambda: progress.of_step("twins", 2, "model"), progress.of_run):
        with pytest.raises(UserError), within():
            raise UserError("a sentence")
        said = capfd.readouterr().err
        assert "%|" in said and not said.endswith("\n") and not said.rpartition("\r")[2].strip()


def test_steps_of_a_run_advance_its_one_bar(capfd):
    with progress.of_run() as run:
        with progress.of_step("source", 1, "model") as advance:
            advance(["source"])
        run.expect({"a": 10.0, "b": 10.0, "c": 20.0, "queries": 10.0}, {"a"}, 30.0)
        with progress.of_step("twins", 1, "model") as advance:
            advance(["b"])
        with progress.of_step("calibration", 2, "model") as advance:
            advance(["c"])
            advance(["not of the plan"])
        with progress.of_step("queries", 1, "set") as advance:
            advance(["queries"])
    said = capfd.readouterr().err
    assert sorted(set(shares(said))) == [0, 20, 40, 80, 100]
    assert shares(said) == sorted(shares(said))
    assert "calibration 1/2  80%" in said and "twins:" not in said and said.count("\n") == 1
    assert progress.WHOLE.get() is None


def test_the_time_left_is_what_was_expected_at_the_pace_so_far(clock, capfd):
    with progress.of_run() as run:
        assert run.time_left() == ""
        run.expect(dict.fromkeys("abcdefghij", 100.0), {"a", "b"}, 400.0)  # two at a time
        assert run.time_left() == "about 7 min left"
        clock[0] += 100
        assert run.time_left() == "about 5 min left"
        with progress.of_step("twins", 8, "model") as advance:
            advance("cdef")
        clock[0] += 300
        with progress.of_step("pairs", 4, "model") as advance:
            advance("g")
            assert run.time_left() == "about 4 min left"  # 400 s for 5 of 8
            clock[0] += 150
            assert run.time_left() == "about 90 s left"
            clock[0] += 100
            assert run.time_left() == "longer than expected"
            advance("hij")
            assert run.time_left() == ""
    assert "about 90 s left" not in capfd.readouterr().err  # a file gets a line for each model that ends


def test_a_terminal_sees_the_time_run_down(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress, "TICK", 0.01)
    with progress.of_run() as run:
        run.expect({"a": 100.0}, (), 1.6)
        time.sleep(0.5)
    assert terminal.getvalue().index("about 2 s left") < terminal.getvalue().index("about 1 s left")


def test_what_is_printed_stands_in_whole_lines_above_the_bar(capfd):
    with progress.of_run() as run:
        run.expect({"a": 1.0}, (), 1.0)
        print("one", end="")
        print(", two\nthree")
        assert capfd.readouterr().out == "one, two\nthree\n"
        print("four", end="")
    ended = capfd.readouterr()
    assert ended.out == "four"
    print("five")
    assert capfd.readouterr().out == "five\n"
