"""Reads and writes whole tables for exports and imports, in the meaning of storage.records."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from storage.draft import draft_of
from storage.errors import StoreCorrupt, not_made
from storage.records import TABLES, Record, RecordRefused, Table
from storage.sql.stored_fields import (
    FIRST_ROWS,
    NO_PARENT,
    SAME_KEY,
    in_order,
    names_of,
    not_empty,
    other_schema,
    record_reader,
    values_writer,
)
from storage.sqlite.connection import explained
from storage.sqlite.copying import make_schema, open_existing, schema_of
from storage.sqlite.files import exists
from storage.sqlite.migrate import bundled_migrations
from storage.sqlite.replacing import exclusive, is_in_use, replace

_CACHE_KIB = 32 << 10  # while importing; the rest is written to the disk


class SqliteDump:
    """The records of a database as it was when this was opened."""

    def __init__(self, database: sqlite3.Connection, *, is_in_use: bool) -> None:
        """Read within the connection's open transaction."""
        self.is_in_use = is_in_use
        self._database = database

    def counts(self) -> dict[str, int]:
        """The number of records by table."""
        counts = {}
        for table in TABLES:
            (counts[table.name],) = self._database.execute(
                f"SELECT count(*) FROM {table.name}"  # noqa: S608 - a name of ours
            ).fetchone()
        return counts

    def next_ids(self) -> dict[str, int]:
        """The next id of each table that numbers its rows."""
        last = dict(self._database.execute("SELECT name, seq FROM sqlite_sequence"))
        return {table.name: last.get(table.name, 0) + 1 for table in TABLES if table.numbers_rows}

    def records(self, table: Table, *, newest: int | None = None) -> Iterator[Record]:
        """The records of a table, or the newest, in the order of its key; raises StoreCorrupt."""
        read = record_reader(table)
        for row in self._database.execute(in_order(table, newest=newest)):
            try:
                yield read(row)
            except (ValueError, OverflowError, OSError) as error:
                raise StoreCorrupt(f"A row of {table.name} cannot be read: {error}.") from error


class SqliteLoad:
    """A new database that records are inserted into."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Write within the connection's open transaction."""
        self._database = database
        self._inserts = {table.name: _insert(table) for table in TABLES}
        self._values = {table.name: values_writer(table) for table in TABLES}

    def add(self, table: Table, record: Record, *, line: int) -> None:
        """Insert a record without mistakes; raises RecordRefused."""
        values = [
            value.timestamp() if isinstance(value, datetime) else value
            for value in self._values[table.name](record)
        ]
        try:
            self._database.execute(self._inserts[table.name], values)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise RecordRefused(NO_PARENT, line=line) from None
            raise RecordRefused(SAME_KEY, line=line) from None

    def finish(self, next_ids: Mapping[str, int]) -> None:
        """Give no id below these again."""
        for name, next_id in next_ids.items():
            (last,) = self._database.execute(f"SELECT max(id) FROM {name}").fetchone()  # noqa: S608
            self._database.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._database.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, max(next_id - 1, last or 0))
            )


def _insert(table: Table) -> str:
    """The statement that inserts a record."""
    names = names_of(table)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608


@contextmanager
def open_dump(path: Path) -> Iterator[SqliteDump]:
    """The database as it is at one moment, also while a bot uses it; raises StoreError."""
    with explained(path), closing(open_existing(path)) as database:
        database.execute("BEGIN")
        schema = schema_of(database, called=str(path))
        if schema != _newest():
            raise other_schema(path, schema, newest=_newest())
        yield SqliteDump(database, is_in_use=is_in_use(path))


@contextmanager
def open_load(path: Path) -> Iterator[SqliteLoad]:
    """A new database, which is put in its place when the block ends without an error; raises StoreError.

    Raises ImportRefused if there is a database with data, and StoreInUse while a bot runs on it.
    """
    path = path.absolute()
    with exclusive(path):
        _require_empty(path)
        try:
            with draft_of(path) as draft:
                with explained(path), closing(sqlite3.connect(draft, isolation_level=None)) as database:
                    # A draft whose writing fails is thrown away, so it needs no journal.
                    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
                        database.execute(f"PRAGMA {pragma}")
                    make_schema(database)
                    database.execute("PRAGMA foreign_keys = ON")
                    database.execute("BEGIN")
                    yield SqliteLoad(database)
                    # Leased by nobody, so that the next start takes them.
                    database.execute("UPDATE deliveries SET lease_until = 0 WHERE state = 'sending'")
                    database.execute("COMMIT")
                replace(path, draft, keep=False)
        except OSError as error:
            raise not_made(path, error) from error


def _newest() -> int:
    return bundled_migrations()[-1].number


def _require_empty(path: Path) -> None:
    if not exists(path):
        return
    with explained(path), closing(open_existing(path)) as database:
        schema_of(database, called=str(path))
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            condition = FIRST_ROWS.get(name, "false")
            if database.execute(f'SELECT 1 FROM "{name}" WHERE NOT ({condition}) LIMIT 1').fetchone():  # noqa: S608
                raise not_empty(path, name)
