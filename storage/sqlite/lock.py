"""Whether another process lives on the same database."""

import fcntl
import os
from pathlib import Path


class LifeLock:
    """A lock on a file beside the database that the system frees when the process dies, however it dies.

    All that live there share it, so whoever can have it to itself at the start is alone.
    """

    def __init__(self, database: Path) -> None:
        """Raise OSError when the file cannot be made."""
        self._file = os.open(database.with_name(f"{database.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_alone = True
        except OSError:  # taken, or a file system without locks: nothing is proved
            self.is_alone = False

    def share(self) -> bool:
        """Share it from now on; False, and nothing is held, while another has it to itself."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a file system without locks, where nobody is ever alone
        return True

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._file)
