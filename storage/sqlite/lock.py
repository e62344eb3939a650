"""Detects whether another process has the same database open."""

import fcntl
import os
from pathlib import Path


class LifeLock:
    """A lock file beside the database; the kernel releases the lock when the process dies, however it dies.

    All processes hold the lock shared, so one that gets it exclusively at its start is alone.
    """

    def __init__(self, database: Path) -> None:
        """Try to lock exclusively; raises OSError if the file cannot be created."""
        self._file = os.open(database.with_name(f"{database.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_alone = True
        except OSError:  # locked, or a file system without locks
            self.is_alone = False

    def share(self) -> bool:
        """Hold the lock shared; False, and nothing is held, while another process holds it exclusively."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a file system without locks, where is_alone is always False
        return True

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)
