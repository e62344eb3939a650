"""The files of a database."""

from contextlib import suppress
from pathlib import Path

from storage.errors import StoreUnavailable

UNCLOSED = ("-wal", "-journal")  # beside a database that was not closed in order, and parts of it


def files_of(database: Path) -> tuple[Path, ...]:
    """The database, what SQLite keeps beside it while it is open, and the lock file; they may not exist."""
    return tuple(database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm", ".lock"))


def exists(database: Path) -> bool:
    """Whether there is a file; raises StoreUnavailable where that can't be told, as in a locked folder."""
    try:
        return database.exists()
    except OSError as error:
        raise StoreUnavailable(f"The database {database} cannot be reached: {error.strerror}.") from error


def bytes_on_disk(database: Path) -> int:
    """The size of all its files; raises StoreUnavailable."""
    size = 0
    for file in files_of(database):
        try:
            with suppress(FileNotFoundError):  # SQLite removes them at any time
                size += file.stat().st_size
        except OSError as error:
            raise StoreUnavailable(f"The database {database} cannot be reached: {error.strerror}.") from error
    return size
