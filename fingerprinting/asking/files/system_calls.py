"""Which system calls a suspect's process can make: none that starts a process, opens a socket or reaches another one.

A filter of seccomp (Linux 3.17 and later, x86-64 and 64-bit ARM), for all threads there are and will be. It holds for
machine code too, where Python's audit hooks end: whoever finds a fault in a library that runs models meets it.
"""

import ctypes
import errno
import os
import platform
import struct

# Name -> number on x86-64, on 64-bit ARM; None: there is none.
FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    # What Landlock leaves open of files.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "memfd_create": (319, 279),
    # What a user of its own could ask of the kernel.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
CLONE, CLONE3 = (56, 220), (435, 435)  # threads begin by them, and processes
OWN = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}  # allowed for this process alone
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column of the numbers, AUDIT_ARCH
SECCOMP = (317, 277)  # seccomp(2)
FILTER, ALL_THREADS, NO_NEW_PRIVILEGES = 1, 1, 38
OTHER_NUMBERS = 0x40000000  # from here on, on x86-64: the same calls once more
THREAD = 0x10000  # CLONE_THREAD
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # operations of classic BPF
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # places in struct seccomp_data
ALLOW, ERROR = 0x7FFF0000, 0x00050000
ENDS = {"allow": ALLOW, "refuse": ERROR | errno.EPERM, "absent": ERROR | errno.ENOSYS}
Line = tuple[int, int, str, str]  # operation, operand, where to go on if it holds and if not; empty: the next line


def close() -> str:
    """From here on only the others can be made; what kept it from that, nothing where it did."""
    found = MACHINES.get(platform.machine())
    if found is None or os.name != "posix":
        return f"{platform.machine()} is not known"
    lines = program(*found, os.getpid())
    content = ctypes.create_string_buffer(b"".join(lines), 8 * len(lines))
    head = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(content))
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        done = libc.syscall(SECCOMP[found[0]], FILTER, ALL_THREADS, ctypes.create_string_buffer(head, len(head)))
    except (OSError, AttributeError):
        return f"{platform.system()} has no way to"
    return "" if done == 0 else os.strerror(ctypes.get_errno())


def program(column: int, architecture: int, process: int) -> list[bytes]:
    """The filter for a process, eight bytes an instruction."""
    denied = [number for both in FORBIDDEN.values() if (number := both[column]) is not None]
    lines: list[Line | str] = [  # a text names the next line
        (LOAD, ARCHITECTURE, "", ""),
        (EQUAL, architecture, "", "refuse"),
        (LOAD, NUMBER, "", ""),
        (AT_LEAST, OTHER_NUMBERS, "refuse", ""),
        (EQUAL, CLONE3[column], "absent", ""),  # its flags lie where no filter sees them: libraries then use clone
        (EQUAL, CLONE[column], "clone", ""),
        *((EQUAL, number, "refuse", "") for number in denied),
        *((EQUAL, both[column], "own", "") for both in OWN.values()),
        (RETURN, ALLOW, "", ""),
        "clone",
        (LOAD, FIRST_ARGUMENT, "", ""),
        (ANY_BIT, THREAD, "allow", "refuse"),
        "own",
        (LOAD, FIRST_ARGUMENT, "", ""),
        (EQUAL, process, "allow", ""),
        (EQUAL, 0, "allow", "refuse"),
        *(part for name, end in ENDS.items() for part in (name, (RETURN, end, "", ""))),
    ]
    return _assembled(lines)


def _assembled(lines: list[Line | str]) -> list[bytes]:
    """Jumps are counted from the instruction behind the one that jumps."""
    places: dict[str, int] = {}
    plain: list[Line] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(plain)
        else:
            plain.append(line)
    return [
        struct.pack("=HBBI", operation, *(places[to] - place - 1 if to else 0 for to in (held, else_to)), operand)
        for place, (operation, operand, held, else_to) in enumerate(plain)
    ]
