"""Puts another file in the place of the database while no bot runs on it, and keeps the old one aside."""

import fcntl
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.contents import Replaced
from storage.draft import publish, sync
from storage.errors import StoreCorrupt, StoreInUse, StoreUnavailable
from storage.records import MAX_INTEGER
from storage.sqlite.connection import explained
from storage.sqlite.copying import inspect, open_existing, refuse_triggers
from storage.sqlite.files import UNCLOSED
from storage.sqlite.life_lock import LifeLock

# Ids that a bot gave after the backup was made must not be given again: a button under an old message would
# refer to a newer row.
_SKIPPED_IDS = 1_000_000
_READERS_WAIT_MS = 1000


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep every bot off the database; raises StoreInUse, StoreUnavailable."""
    lock_file = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = (path if path.exists() else path.parent).stat()
        if os.geteuid() not in {0, owner.st_uid}:
            raise StoreUnavailable(
                f"The database {path} belongs to user {owner.st_uid}: run this as that user, as the bot runs."
            )
        lock = LifeLock(path)
        give_to_owner(lock_file, path)
    except OSError as error:
        raise StoreUnavailable(f"The database {path} cannot be replaced: {error.strerror}.") from error
    try:
        if not lock.works:
            raise StoreUnavailable(
                f"The file system of {path} has no locks, so nobody can tell whether a bot runs on it."
                " Put the file in its place by hand, while the bot is stopped."
            )
        if not lock.is_alone:
            raise StoreInUse(f"The database {path} is in use: stop the bot first.")
        yield
    finally:
        lock.release()


def is_in_use(path: Path) -> bool:
    """Whether a bot runs on that file; raises OSError."""
    try:
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_NONBLOCK)  # it may be a pipe
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def give_to_owner(file: Path, path: Path) -> None:
    """Give a file that root has made to the owner of the database, or of its folder; raises OSError.

    Neither a link nor a file with another name, as that owner could have put it there.
    """
    found = file.lstat()
    if os.geteuid() == 0 and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        owner = (path if path.exists() else path.parent).stat()
        os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)


def skip_ids(draft: Path, path: Path, *, called: str) -> None:
    """Make the draft give ids that neither it nor the database in place has given; raises StoreError."""
    given: dict[str, int] = {}
    # Of whichever schema: restoring the copy made before a migration is the way back from an upgrade.
    with suppress(StoreCorrupt, StoreUnavailable), explained(path), closing(open_existing(path)) as old:
        given = _given_ids(old)
    with explained(draft), closing(open_existing(draft)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
        known = _given_ids(database)
        last = {name: max(known.get(name, 0), given.get(name, 0)) + _SKIPPED_IDS for (name,) in tables}
        if max(last.values(), default=0) > MAX_INTEGER:
            raise StoreCorrupt(f"The file {called} is damaged: it has given ids that are too large.")
        database.execute("BEGIN")
        database.execute("DELETE FROM sqlite_sequence")
        database.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", last.items())
        database.execute("COMMIT")


def _given_ids(database: sqlite3.Connection) -> dict[str, int]:
    """The last id that each table has given; a damaged database may hold anything there."""
    found = database.execute(
        "SELECT name, seq FROM sqlite_sequence WHERE typeof(name) = 'text' AND typeof(seq) = 'integer'"
    )
    return dict(found)


def replace(path: Path, draft: Path, *, keep: bool) -> Path | None:
    """Put the draft in the place of the database, and return where the old one was kept, if it was.

    Whenever the process is killed, the path is the whole old database or the whole new one. Only an old one
    that is too damaged to be opened may be without its -wal file for a moment; the kept one has both. Needs
    exclusive(). Raises StoreError, OSError.
    """
    give_to_owner(draft, path)
    found = [suffix for suffix in _parts_after_closing(path) if _part(path, suffix).exists()]
    kept = _free_name(path) if keep and found else None
    if kept is not None:
        for suffix in found:
            _link_or_copy(_part(path, suffix), _part(kept, suffix))
        sync(path.parent)
    # A -wal file that stays would be applied to the new database.
    for suffix in (*UNCLOSED, "-shm"):
        _part(path, suffix).unlink(missing_ok=True)
    sync(path.parent)
    publish(draft, path)
    return kept


def _parts_after_closing(path: Path) -> tuple[str, ...]:
    """The suffixes of the files that hold the database, which is one file if it can be opened and closed."""
    if not path.exists():
        return UNCLOSED
    try:
        with explained(path), closing(open_existing(path)) as database:
            database.execute(f"PRAGMA busy_timeout = {_READERS_WAIT_MS}")
            ((is_busy, _, _),) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except StoreCorrupt:
        return ("", *UNCLOSED)
    if is_busy:
        raise StoreInUse(
            f"The database {path} is being read, as by a backup; try again. Nothing was changed."
        )
    return ("",)


def _part(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def _free_name(path: Path) -> Path:
    name = f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(f"{name}-{number}" if number else name) for number in range(1000))
    return next(each for each in names if not each.exists())


def _link_or_copy(file: Path, kept: Path) -> None:
    """A second name for the file, so that the first one never lacks; a copy on file systems without links."""
    try:
        os.link(file, kept)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(file, kept)
        give_to_owner(kept, file)
        sync(kept)


def restore(path: Path, draft: Path, *, called: str) -> Replaced:
    """Check the draft, the copy of a backup, and put it in the place of the database; raises StoreError.

    called: the backup's name in sentences.
    """
    path = path.absolute()
    with exclusive(path):
        contents = inspect(draft, called=called)
        refuse_triggers(draft, called=called)
        skip_ids(draft, path, called=called)
        try:
            return Replaced(contents=contents, kept=replace(path, draft, keep=True))
        except OSError as error:
            raise StoreUnavailable(f"The database {path} cannot be replaced: {error.strerror}.") from error
