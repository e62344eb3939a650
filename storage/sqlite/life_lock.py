"""The lock file beside a database, which tells who else has it open, and which bot."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

# A link would make root open, and give away, a file of the database's owner's choice.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
_LONGEST_ID = 100  # bytes that are read


class LifeLock:
    """A lock file beside the database; the kernel releases the lock when the process dies, however it dies.

    All processes hold the lock shared, so one that gets it exclusively at its start is alone.
    """

    def __init__(self, database: Path) -> None:
        """Try to lock exclusively; raises OSError if the file cannot be created."""
        self._file = os.open(database.with_name(f"{database.name}.lock"), _FLAGS, 0o600)
        self.works = True  # False: a file system without locks
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.is_alone = True
        except OSError as error:
            self.works = isinstance(error, BlockingIOError)
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

    def sign(self, bot_id: str) -> None:
        """Write the id of the bot that holds it exclusively; on a full disk the file is left empty."""
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, bot_id.encode(), 0)

    def signature(self) -> str:
        """The id that was written; empty if none was, or on a file system without locks."""
        return os.pread(self._file, _LONGEST_ID, 0).decode(errors="replace") if self.works else ""

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)
