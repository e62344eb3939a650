"""What a process may cost and reach that reads foreign bytes; and that no such process may read the bot."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

CPU_LIMIT_S = 30
MEMORY_LIMIT = 768 << 20  # bytes of address space
FILES_LIMIT = 32  # open at a time
SPARE = 1 << 20  # bytes that a copy of a film may be larger than the film
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000


def hide() -> None:
    """Keep other processes of the same user from reading this one's memory and environment."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def leave_the_network() -> None:
    """Go without any network, where the system allows that to whoever runs this."""
    if sys.platform != "linux":
        return
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is not None and unshare(_CLONE_NEWNET) != 0:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def be_first_victim() -> None:
    """Be ended before others when the machine's memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def bound(*, file_size: int) -> None:
    """Bound time, memory, open files and the size of what is written; no file may exceed file_size + SPARE.

    Not the number of processes: that counts all of the user's, and FFmpeg's threads among them.
    """
    for limit, most in (
        (resource.RLIMIT_CPU, CPU_LIMIT_S),
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_FSIZE, file_size + SPARE),
        (resource.RLIMIT_NOFILE, FILES_LIMIT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
