"""What runtime sets for a process, seen from outside."""

import os
import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another library allocates otherwise")
def test_freed_memory_is_kept_where_it_is_given_back_at_once():
    """As a Dask worker is started: every tensor of 8 MB would be mapped anew, 2,048 pages of 4 kB."""
    code = """
import resource, torch
from fingerprinting.core import runtime
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(1 << 21)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = faults()
runtime.keep_freed_memory()
faults()
print(before, faults())
"""
    told = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    ended = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True)
    before, after = map(int, ended.stdout.split())
    assert before > 10 * 2_048 > 10 * after
