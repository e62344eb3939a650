"""Sandboxing for the process that parses untrusted video files: resource limits, no network, no ptrace."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

CPU_LIMIT_S = 30
MEMORY_LIMIT = 768 << 20  # bytes of address space
FILES_LIMIT = 32  # open file descriptors
SPARE = 1 << 20  # bytes by which a copy may exceed the original
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000


def hide() -> None:
    """Make the process non-dumpable: others of the same user can't read its memory and environment."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def leave_the_network() -> None:
    """Move into an empty network namespace, if the system permits it to this user."""
    if sys.platform != "linux":
        return
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is not None and unshare(_CLONE_NEWNET) != 0:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def be_first_victim() -> None:
    """Make the process the first target of the OOM killer."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def bound(*, file_size: int) -> None:
    """Set limits for CPU time, memory, open files and written files (file_size + SPARE bytes each).

    RLIMIT_NPROC is not set: it counts all processes of the user, including FFmpeg's threads.
    """
    for limit, value in (
        (resource.RLIMIT_CPU, CPU_LIMIT_S),
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_FSIZE, file_size + SPARE),
        (resource.RLIMIT_NOFILE, FILES_LIMIT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
