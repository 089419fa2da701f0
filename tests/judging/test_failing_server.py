"""A suspect's server that fails a third of the time, changes its model or is asked by a process that is killed."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from fingerprinting.asking import asking, findings, journal, patience
from fingerprinting.asking.addresses import Options, open_suspect
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import encoding
from fingerprinting.asking.journal import About
from fingerprinting.asking.patience import Patience
from fingerprinting.judging import judge as judging
from fingerprinting.judging.queries import VERDICT
from fingerprinting.study.domain import Inputs
from fingerprinting.study.study import Study
from tests.asking.server import OIP, Server, serving
from tests.judging.protection import LEVELS, keep, opened

N, CONTROLS = 220, 30
FAULTS = ("drop", "503", "wait", "429", "cut", "500", "malformed")


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", Patience(first=0.0005, most=0.002, longest=5.0, tries=30))


def third(seed: int):
    """A third of the requests fail, those for one query with one 500 or one response that cannot be read at most."""
    draw, broken = random.Random(seed), [False]

    def fault(_number: int) -> str:
        chosen = draw.choice(FAULTS[: len(FAULTS) - 2 * broken[0]]) if draw.random() < 1 / 3 else ""
        broken[0] = bool(chosen) and (broken[0] or chosen in FAULTS[-2:])
        return chosen

    return fault


def suspect(study: Study, folder: Path) -> Server:
    """It repeats the source's responses to three quarters of the queries; no request may hold what is journalled."""
    fingerprint = opened(study)
    asked = [*fingerprint.inputs.tolist(), *fingerprint.extra["control_inputs"].tolist()]
    truth = fingerprint.extra["control_truth"].tolist()
    own = [(label + (index % 4 == 0)) % 10 for index, label in enumerate(fingerprint.labels.tolist())]
    known = {json.dumps(one): index for index, one in enumerate(asked)}
    said = [*own, *truth]
    sent_again: list[int] = []
    reached = -1

    def model(inputs: list) -> list:
        return [said[known[json.dumps(one)]] for one in inputs]

    def seen(inputs: list) -> None:
        """The journal is in the queries' order until the last one; what comes then are repeats."""
        nonlocal reached
        last = json.loads((folder / journal.NAME).read_bytes().splitlines()[-1]).get("index", -1)
        indices = [known[json.dumps(one)] for one in inputs]
        if max(reached, last) < len(asked) - 1:
            sent_again.extend(index for index in indices if index <= last)
        reached = max(reached, last)

    server = Server(model, seen=seen, shape=[-1, 1, 8, 8])
    server.said_to, server.sent_again = said, sent_again
    return server


def judged(study: Study, folder: Path, server: Server, **changes) -> dict:
    given = {"queries": str(folder), "responses": "", "other_task": False, **LEVELS, "batch": 1, **changes}
    judging.judge(study, suspect=f"oip+{server.address}{OIP}", **given)
    return json.loads((folder / VERDICT).read_text())


def test_a_third_of_all_requests_fail_and_the_verdict_is_that_of_a_perfect_server(protected, tmp_path):
    keep(protected, queries=N, truth=[place % 10 for place in range(CONTROLS)])
    found = {}
    for name, faults in (("perfect", lambda number: ""), ("failing", third(1))):
        server = suspect(protected, tmp_path / name)
        server.faults = faults
        with serving(server):
            found[name] = judged(protected, tmp_path / name, server)
        kept = journal.read(tmp_path / name / journal.NAME)
        assert [kept.responses[index].label for index in range(N + CONTROLS)] == server.said_to
        assert list(kept.responses) == list(range(N + CONTROLS)) and server.sent_again == []
        assert len(kept.repeats) == 13 and server.requests == sum(entry.attempts for entry in kept.entries)
    assert server.requests > 1.3 * (N + CONTROLS + 13)
    for one in found.values():
        del one["suspect"]
    assert found["failing"] == found["perfect"] and found["failing"]["findings"] == []


def test_a_model_that_is_changed_in_mid_run_is_found_out(protected, tmp_path):
    keep(protected, queries=N, truth=[place % 10 for place in range(CONTROLS)])
    server = suspect(protected, tmp_path)
    first = server.model
    server.model = lambda inputs: [(label + (server.requests > 130)) % 10 for label in first(inputs)]
    with serving(server):
        found = judged(protected, tmp_path, server)
    assert found["findings"][0].startswith(
        "7 of 13 queries that were asked twice got another response the second time,"
    )
    assert "the suspect changed in mid-run, after" in found["findings"][0]


def test_a_suspect_that_responds_at_random_is_found_out(protected, tmp_path):
    keep(protected, queries=N, truth=[place % 10 for place in range(CONTROLS)])
    server, draw = suspect(protected, tmp_path), random.Random(0)
    server.model = lambda inputs: [draw.randrange(10) for _ in inputs]
    with serving(server):
        found = judged(protected, tmp_path, server, batch=20)
    assert "the suspect responds at random, or changed in mid-run" in found["findings"][0]


def test_repeats_that_differ_at_the_beginning_alone_are_rare_by_chance():
    """Against counting by hand: 2 of the first 2 of 4 places are one of 6 pairs."""
    assert findings.together(2, 2, 4) == pytest.approx(1 / 6) and findings.together(1, 4, 4) == 1


NAMES = tuple(f"class {place}" for place in range(10))
INPUTS = np.random.default_rng(0).random((250, 4), np.float32)
ABOUT = About("f" * 64, "q" * 64, "suspect", "array")


def nearest_tenth(inputs: list) -> list:
    return [int(10 * one[0]) for one in inputs]


def asks(path: Path, address: str) -> None:
    """What judge.py does with its journal, in a process that may be killed."""
    options = Options(Classes(NAMES), encoding("array", Inputs(None), (4,)), batch=1)
    with journal.opened(path, ABOUT) as kept:
        asking.ask(open_suspect(address, options), INPUTS, kept, range(len(INPUTS)))


def test_whenever_it_is_killed_it_goes_on_with_the_same_responses(tmp_path):
    """kill -9 at twenty random moments of one asking."""
    path, draw, kills = tmp_path / journal.NAME, random.Random(2), 0
    sent: list[int] = []
    index = {one[0]: place for place, one in enumerate(INPUTS.tolist())}
    with serving(Server(nearest_tenth, seen=lambda inputs: sent.extend(index[one[0]] for one in inputs))) as server:
        address = f"oip+{server.address}{OIP}"
        processes = multiprocessing.get_context("fork")
        while kills < 20:
            before, process = len(sent), processes.Process(target=asks, args=(path, address))
            process.start()
            until = before + draw.randrange(1, 12)
            while len(sent) < until and process.is_alive():
                time.sleep(0.0005)
            time.sleep(draw.random() * 0.004)
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += process.exitcode == -signal.SIGKILL
        asks(path, address)
    kept = journal.read(path)
    assert [kept.responses[place].label for place in range(len(INPUTS))] == nearest_tenth(INPUTS.tolist())
    assert list(kept.responses) == list(range(len(INPUTS))) and len(sent) <= len(INPUTS) + kills
