"""Whether another process lives on the same database."""

import fcntl
import os
from pathlib import Path


class LifeLock:
    """A lock on a file beside the database that the system frees when the process dies, however it dies."""

    def __init__(self, database: Path) -> None:
        """Raise OSError when the file cannot be made."""
        self._file = os.open(database.with_name(f"{database.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.held = True
        except OSError:  # taken, or a file system without locks: nothing is proved
            self.held = False

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._file)
