"""The filter of system calls, run as a machine would: which calls pass on x86-64 and on 64-bit ARM."""

import errno
import struct

import pytest

from fingerprinting.asking.files import system_calls
from fingerprinting.asking.files.system_calls import ALLOW, ERROR, MACHINES

ME = 4321
REFUSED = ERROR | errno.EPERM


def passed(machine: str, number: int, first: int = 0, architecture: int | None = None) -> int:
    """What the filter says of a call."""
    column, known = MACHINES[machine]
    seen = struct.pack("=IIQQ", number, architecture or known, 0, first)
    program = [struct.unpack("=HBBI", line) for line in system_calls.program(column, known, ME)]
    place, value = 0, 0
    while True:
        operation, held, otherwise, operand = program[place]
        place += 1
        if operation == system_calls.RETURN:
            return operand
        if operation == system_calls.LOAD:
            (value,) = struct.unpack_from("=I", seen, operand)
            continue
        holds = {
            system_calls.EQUAL: value == operand,
            system_calls.AT_LEAST: value >= operand,
            system_calls.ANY_BIT: bool(value & operand),
        }[operation]
        place += held if holds else otherwise


@pytest.mark.parametrize("machine", MACHINES)
def test_what_starts_processes_or_leaves_the_own_one_is_refused(machine):
    column, _ = MACHINES[machine]
    for name, both in system_calls.FORBIDDEN.items():
        if both[column] is not None:
            assert passed(machine, both[column]) == REFUSED, name
    for both in system_calls.OWN.values():
        assert passed(machine, both[column], ME + 1) == REFUSED
        assert passed(machine, both[column], ME) == ALLOW
    assert passed(machine, system_calls.CLONE[column], 17) == REFUSED
    assert passed(machine, system_calls.CLONE[column], system_calls.THREAD | 17) == ALLOW
    assert passed(machine, system_calls.CLONE3[column]) == ERROR | errno.ENOSYS


def test_what_models_need_passes_and_other_ways_to_number_calls_do_not():
    for number in (0, 1, 9, 202, 257):  # read, write, mmap, futex, openat
        assert passed("x86_64", number) == ALLOW
    assert passed("x86_64", 0x40000000 + 41) == REFUSED
    assert passed("x86_64", 102, architecture=0x40000003) == REFUSED  # socketcall of 32 bits


def test_other_machines_are_named(monkeypatch):
    monkeypatch.setattr(system_calls.platform, "machine", lambda: "riscv64")
    assert system_calls.close() == "riscv64 is not known"
