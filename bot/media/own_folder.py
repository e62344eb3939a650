"""A folder of this process alone, below one that processes of the same machine may share."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST = 100  # processes


@contextmanager
def own_folder(shared: Path) -> Iterator[Path]:
    """Yield the first folder 1, 2, … that no other living process has, locked until the block ends.

    The kernel releases the lock when the process dies, however it dies, and the next process continues with
    its files. Where no folder can be made, or locked, the first one is yielded without a lock.
    """
    for number in range(1, _MOST + 1):
        folder = shared / str(number)
        try:
            shared.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # the downloads fail later, with their own sentences
            break
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        except OSError:  # a file system without locks
            os.close(file)
            break
        try:
            yield folder
        finally:
            os.close(file)
        return
    yield shared / "1"
