"""Benchmarks: ratios by hand, and every benchmark to its records at the smallest tier."""

import time

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.core.timing import in_turns, ratio, thread_counts
from fingerprinting.study.records import Records

WORDS = ("TIER=smoke", "DATASET=digits", "DEVICE=cpu", "WORKERS=1")
FEWER = {
    "generation": ("N=4", "EVOLVED_REPEATS=1", "PRIMARY_REPEATS=1", "SUBSET=20"),
    "deepcore": ("STEPS=4", "REPEATS=1", "BOUNDARY_STEPS=2"),
    "passports": ("REPEATS=1", "INFERENCE_INPUTS=40", "TRAINING_BATCHES=1"),
    "precision": ("REPEATS=1", "BATCHES=1"),
    "starting": ("SCRIPTS=cv/prune.py", "REPEATS=1"),
    "floors": ("REPEATS=1", "ASCENT_STEPS=4"),
    "pools": ("REPEATS=1", "SIZES=40,80", "N=4"),
    "matching": ("REPEATS=1",),
    "zoo": ("REPEATS=1", "MODELS=2", "MIN_UPDATES=2"),
    "layouts": ("DOMAIN=cv", "REPEATS=1", "ASKED=40"),
}


def test_a_ratio_is_taken_turn_by_turn():
    seconds = {"slow": [4.0, 9.0, 1.0], "fast": [1.0, 3.0, 2.0]}
    assert ratio(seconds, "slow", "fast") == {"median": 3.0, "min": 0.5, "max": 4.0}
    assert ratio(seconds, "slow", "fast", scale=10)["median"] == 30.0


def test_ways_take_turns_and_the_first_turn_is_a_warm_up(monkeypatch):
    now, order = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def way(name: str, *seconds: float):
        left = iter(seconds)

        def once() -> None:
            order.append(name)
            now[0] += next(left)

        return once

    found = in_turns(torch.device("cpu"), 2, {"a": way("a", 100, 1, 2), "b": way("b", 100, 3, 4)})
    assert order == ["a", "b"] * 3
    assert found == {"a": [1, 2], "b": [3, 4]}


def test_no_turns_are_refused():
    with pytest.raises(UserError, match="REPEATS=0 times nothing"):
        in_turns(torch.device("cpu"), 0, {"a": lambda: None})


def test_one_thread_comes_first_and_what_was_set_comes_last():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        seen = [(threads, torch.get_num_threads()) for threads in thread_counts()]
        assert seen == [(1, 1), (2, 2)]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", FEWER)
def test_a_benchmark_leaves_its_ratios(name, run_here):
    assert run_here("cv/source.py", *WORDS).returncode == 0
    done = run_here(f"benchmarks/{name}.py", *WORDS, *FEWER[name])
    assert done.returncode == 0, done.stderr
    for row in Records.at("cv/digits/smoke", "benchmarks").rows():
        ratios = [value for key, value in row.items() if "_to_" in key]
        assert ratios and all(0 < found["min"] <= found["median"] <= found["max"] for found in ratios)
        assert row["provenance"]["commit"] and row["seconds"]
