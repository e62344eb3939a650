"""The open database: its lock file, a connection for writing, one for reading, and their transactions."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import aiosqlite

from storage.errors import StoreBusy, StoreCorrupt, StoreFull, StoreInUse, StoreUnavailable, not_made
from storage.sql.transaction import Parameters
from storage.sqlite.life_lock import LifeLock
from storage.texts import storable

# STRICT, ->>, and integers in REAL columns of STRICT tables with generated columns, which 3.37 rejects.
_OLDEST_SQLITE = (3, 38, 0)
BUSY_TIMEOUT_S = 5.0
_AGAIN_S = 0.02  # between attempts to lock
_VACUUM_PAGES = 1000  # of 4 KiB; a few milliseconds

# https://www.sqlite.org/pragma.html
_WRITER_PRAGMAS = (
    "auto_vacuum = INCREMENTAL",  # ignored once there is a table; give_back_space() uses it
    "journal_mode = WAL",
    f"journal_size_limit = {16 * 2**20}",
    "synchronous = NORMAL",
    "foreign_keys = ON",
)
_READER_PRAGMAS = ("query_only = ON",)

# https://www.sqlite.org/rescode.html, the low byte
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNAVAILABLE = {
    sqlite3.SQLITE_READONLY: "cannot be written to",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "cannot be opened",
}
_FULL = {
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk is full or fails",
}
_CORRUPT = {
    sqlite3.SQLITE_NOTADB: "is not a database",
    sqlite3.SQLITE_CORRUPT: "is damaged",
}


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Convert SQLite's errors to StoreError, with a sentence that names the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _CORRUPT:
            raise StoreCorrupt(f"The file {path} {_CORRUPT[code]}.") from error
        if code in _BUSY:
            raise _busy(path) from error
        if code in _FULL:
            raise StoreFull(f"The database {path} {_FULL[code]}.") from error
        if isinstance(error, sqlite3.OperationalError):
            raise StoreUnavailable(
                f"The database {path} {_UNAVAILABLE.get(code, f'fails: {error}')}."
            ) from error
        raise
    except UnicodeDecodeError as error:  # in SQLite's own message
        raise StoreCorrupt(f"The file {path} {_CORRUPT[sqlite3.SQLITE_CORRUPT]}.") from error


def _busy(path: Path | str) -> StoreBusy:
    return StoreBusy(f"The database {path} is locked by another process.")


def require_sqlite(version: tuple[int, ...]) -> None:
    """Raise StoreUnavailable if the SQLite library is older than required."""
    if version < _OLDEST_SQLITE:
        needed, found = (".".join(map(str, each)) for each in (_OLDEST_SQLITE, version))
        raise StoreUnavailable(f"SQLite {needed} or newer is needed, and this Python has {found}.")


_to_json = json.JSONEncoder(default=datetime.timestamp).encode  # json.dumps() would make one each time


class Transaction:
    """Runs statements on a connection inside a transaction: those of storage.sql, and SQLite's own."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement and ignore its rows."""
        await self._connection.execute_fetchall(_in_sqlite(sql), _values(parameters))

    async def all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Run a statement and return all its rows."""
        return list(await self._connection.execute_fetchall(_in_sqlite(sql), _values(parameters)))

    async def one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Run a statement and return its first row, or None."""
        return next(iter(await self.all(sql, parameters)), None)


@lru_cache(maxsize=512)
def _in_sqlite(sql: str) -> str:
    """A statement of storage.sql as SQLite knows it; its own are unchanged."""
    sql = re.sub(r"= ANY\(([:$]\w+)\)", r"IN (SELECT value FROM json_each(\1))", sql)
    sql = re.sub(r"<> ALL\(([:$]\w+)\)", r"NOT IN (SELECT value FROM json_each(\1))", sql)
    return re.sub(r"\$(\d+)", r"?\1", sql)


def _values(parameters: Parameters) -> Parameters:
    """Parameters as they are stored."""
    if isinstance(parameters, Mapping):
        return {name: _stored(value) for name, value in parameters.items()}
    return [_stored(value) for value in parameters]


def _stored(value: Any) -> Any:
    """A parameter as it is stored: a time as unix seconds; a list as JSON."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return value.timestamp()
    return _to_json(value) if isinstance(value, list) else storable(value)


class Database:
    """An open database file."""

    def __init__(
        self, path: Path, *, lock: LifeLock, writer: aiosqlite.Connection, reader: aiosqlite.Connection
    ) -> None:
        """Use the connections that open() made."""
        self.path = path
        self._lock = lock
        self._writer = writer
        self._reader = reader
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, bot_id: str = "") -> Self:
        """Open the file, and create it and its folder if missing; raises StoreError.

        Another process that holds the lock exclusively may be replacing the file, so it is waited for.
        Raises StoreInUse if another bot than that of the id has it open.
        """
        require_sqlite(sqlite3.sqlite_version_info)
        path, lock = _create_and_lock(path)
        with explained(path):
            async with AsyncExitStack() as undo:
                undo.callback(lock.release)
                if lock.is_alone:
                    lock.sign(bot_id)
                else:
                    await _share(lock, path)
                    _refuse_another(lock, path, bot_id)
                writer = await _connect(path, _WRITER_PRAGMAS, undo)
                reader = await _connect(path, _READER_PRAGMAS, undo)
                undo.pop_all()
        return cls(path, lock=lock, writer=writer, reader=reader)

    @property
    def is_alone(self) -> bool:
        """Whether it is certain that no other process has this file open, nor can before share()."""
        return self._lock.is_alone

    async def share(self) -> None:
        """Hold the lock shared, once no other process holds it exclusively; raises StoreUnavailable."""
        await _share(self._lock, self.path)

    @property
    def is_closed(self) -> bool:
        """Whether close() has been called."""
        return self._closed

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Write: all statements inside are committed or none, even if the task is cancelled."""
        return self._transaction(self._writer, self._writing, begin="BEGIN IMMEDIATE")

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Read: all statements inside see the same snapshot."""
        return self._transaction(self._reader, self._reading, begin="BEGIN")

    async def give_back_space(self) -> None:
        """Return some of the free pages to the file system."""
        with explained(self.path):
            async with self._writing:
                # As a script: execute() takes the first step only, which frees a single page.
                await self._writer.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")

    async def close(self) -> None:
        """Wait for running transactions, checkpoint and close; harmless when closed."""
        async with self._writing, self._reading:
            if self._closed:
                return
            self._closed = True
            with explained(self.path):
                async with AsyncExitStack() as closing:
                    closing.callback(self._lock.release)
                    closing.push_async_callback(self._writer.close)
                    closing.push_async_callback(
                        self._writer.execute_fetchall, "PRAGMA wal_checkpoint(TRUNCATE)"
                    )
                    closing.push_async_callback(self._reader.close)

    @asynccontextmanager
    async def _transaction(
        self, connection: aiosqlite.Connection, lock: asyncio.Lock, *, begin: str
    ) -> AsyncIterator[Transaction]:
        with explained(self.path):
            async with lock:
                if self._closed:
                    raise StoreUnavailable(f"The database {self.path} is closed.")
                async with AsyncExitStack() as undo:
                    # aiosqlite's thread runs its queue in order: a statement whose await was cancelled
                    # still runs, then this rollback, then the next transaction. Outside a transaction it
                    # does nothing, so a COMMIT that has succeeded is kept.
                    undo.push_async_callback(connection.rollback)
                    await connection.execute_fetchall(begin)
                    yield Transaction(connection)
                    await connection.execute_fetchall("COMMIT")
                    undo.pop_all()


async def _share(lock: LifeLock, path: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BUSY_TIMEOUT_S
    while not lock.share():
        if loop.time() > deadline:
            raise _busy(path)
        await asyncio.sleep(_AGAIN_S)


def _refuse_another(lock: LifeLock, path: Path, bot_id: str) -> None:
    """Two bots would send each other's messages, which neither's chats would get."""
    other = lock.signature()
    if bot_id and other and other != bot_id:
        raise StoreInUse(
            f"The database {path} is in use by another bot, whose id is {other}: each needs its own folder or"
            " volume."
        )


def _create_and_lock(path: Path) -> tuple[Path, LifeLock]:
    path = path.absolute()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # SQLite would make it world-readable; the -wal file copies the mode
            path.touch(0o600, exist_ok=False)
        return path, LifeLock(path)
    except OSError as error:
        raise not_made(path, error) from error


async def _connect(path: Path, pragmas: Iterable[str], undo: AsyncExitStack) -> aiosqlite.Connection:
    # Opened here, not in aiosqlite's thread, which may outlive the event loop after a failure.
    opened = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection = await undo.enter_async_context(aiosqlite.Connection(lambda: opened, iter_chunk_size=64))
    connection.row_factory = sqlite3.Row
    for pragma in pragmas:
        await _set(connection, pragma)
    return connection


async def _set(connection: aiosqlite.Connection, pragma: str) -> None:
    """Set a pragma, waiting while the file is locked; the busy timeout does not cover a switch to WAL."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BUSY_TIMEOUT_S
    while True:
        try:
            await connection.execute_fetchall(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or loop.time() > deadline:
                raise
            await asyncio.sleep(_AGAIN_S)
        else:
            return
