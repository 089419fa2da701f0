"""What a child process gives up before it sees a suspect: network, writing, other processes, memory without end.

It holds on Linux; elsewhere what the system lacks is left open, and said. Nothing but the standard library is imported
here: a process with threads cannot leave its user's rights behind.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

NEW_USER, NEW_NET, NEW_IPC = 0x10000000, 0x40000000, 0x08000000  # clone(2)
DIE_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38  # prctl(2)
OPEN_FILES = 512
FORBIDDEN = (  # audit events; a hook that raises cannot be taken away again
    *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"),
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("shutil.rmtree", "os.kill", "os.killpg", "ftplib.connect", "smtplib.connect", "urllib.Request"),
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Landlock, Linux 5.13 and later: system calls of all 64-bit machines, and rights of its first version.
CREATE_RULES, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ALL_RIGHTS, READING, LISTING = (1 << 13) - 1, 0b1101, 0b1000  # reading: run, read a file, list a folder
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def with_parent(parent: int) -> None:
    """End when the parent ends, however it does."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended meanwhile
        os._exit(1)


def network() -> str:
    """Leave every network behind; what kept it from that, nothing where it did."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (OSError, AttributeError):
        return f"{platform.system()} has no way to"
    for wanted in (NEW_USER | NEW_NET | NEW_IPC, NEW_NET):  # with a user of its own it has no rights over other ones
        if unshare(wanted) == 0:
            return ""
    return os.strerror(ctypes.get_errno())


def files(readable: list[str], listed: list[str]) -> str:
    """From here on read nothing but below these paths, list names below others too, and write nowhere.

    What kept it from that; nothing where it did.
    """
    if (threads := _threads()) > 1:
        return f"{threads} threads run already, and it holds for one"
    rights = {**dict.fromkeys(listed, LISTING), **dict.fromkeys((*readable, *DEVICES), READING)}
    try:
        _landlock({path: allowed for path, allowed in rights.items() if Path(path).exists()})
    except (OSError, AttributeError) as error:
        return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "there is no way to"
    return ""


def _landlock(allowed: dict[str, int]) -> None:
    """allowed: path -> rights below it."""
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.create_string_buffer(struct.pack("=Q", ALL_RIGHTS), 8)
    rules = _checked(libc.syscall(CREATE_RULES, handled, ctypes.c_size_t(8), 0))
    for path, rights in allowed.items():
        opened = os.open(path, os.O_PATH)
        rights &= ALL_RIGHTS if Path(path).is_dir() else ~LISTING
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, opened), 12)
        _checked(libc.syscall(ADD_RULE, rules, 1, rule, 0))
        os.close(opened)
    _checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(libc.syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)


def _threads() -> int:
    """Of this process; 0 where nobody says."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def limits(memory: int) -> None:
    """No files, no dumps, and so many bytes of memory beyond what is in use already."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    if used := _used():
        _lower(resource.RLIMIT_AS, used + memory)
    sys.addaudithook(_refuse)


def time(seconds: float) -> None:
    """So many seconds of all cores for what comes now; beyond them the kernel ends this process."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    most = spent.ru_utime + spent.ru_stime + (seconds + 1) * (os.cpu_count() or 1)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(most) + 1, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _lower(what: int, wanted: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS counts no address space
        resource.setrlimit(what, (most, most))


def _used() -> int:
    """Bytes of address space; 0 where nobody says."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 0


def _refuse(event: str, given: tuple) -> None:
    if event in FORBIDDEN:
        raise PermissionError(f"{event} is closed to a suspect")
    if event == "open" and len(given) > 2 and isinstance(given[2], int) and given[2] & WRITING:
        raise PermissionError(f"writing {given[0]} is closed to a suspect")
