"""Reads and writes whole tables for exports and imports, in the meaning of storage.records."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.draft import draft_of
from storage.errors import ImportRefused, StoreCorrupt, StoreUnavailable, not_made
from storage.records import MAX_INTEGER, TABLES, Field, Record, Shape, Table
from storage.sqlite.connection import explained
from storage.sqlite.copying import make_schema, open_existing, schema_of
from storage.sqlite.files import exists
from storage.sqlite.migrate import bundled_migrations
from storage.sqlite.replacing import exclusive, replace

_CACHE_KIB = 32 << 10  # while importing; the rest is written to the disk
# A first start writes them: an import replaces them.
_FIRST_ROWS = {"estimates": "1", "allowed_chats": "via IS NOT NULL"}


class SqliteDump:
    """The records of a database as it was when this was opened."""

    def __init__(self, database: sqlite3.Connection, *, schema: int) -> None:
        """Read within the connection's open transaction."""
        self.schema = schema
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

    def records(self, table: Table) -> Iterator[Record]:
        """The records of a table in the order of its key; raises StoreCorrupt."""
        names = [field.name for field in table.fields]
        readers = [_reader(field) for field in table.fields]
        found = self._database.execute(
            f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {', '.join(table.key)}"  # noqa: S608
        )
        for row in found:
            try:
                yield {
                    name: None if value is None else read(value)
                    for name, value, read in zip(names, row, readers, strict=True)
                }
            except (ValueError, OverflowError, OSError) as error:
                raise StoreCorrupt(f"A row of {table.name} cannot be read: {error}.") from error


class SqliteLoad:
    """A new database that records are inserted into."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Write within the connection's open transaction."""
        self.schema = _newest()
        self._database = database
        self._inserts = {table.name: _Insert(table) for table in TABLES}

    def add(self, table: Table, record: Record) -> None:
        """Insert a record without mistakes; raises ValueError with the end of a sentence."""
        insert = self._inserts[table.name]
        try:
            values = insert.values(record)
        except (ValueError, OverflowError):
            raise ValueError("has a value that cannot be stored") from None
        try:
            self._database.execute(insert.sql, values)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise ValueError("refers to a record that does not come before it") from None
            raise ValueError("has a key that another record has") from None

    def set_next_ids(self, next_ids: Mapping[str, int]) -> None:
        """Give no id below these again; raises ValueError with the end of a sentence."""
        for table in TABLES:
            if not table.numbers_rows:
                continue
            next_id = next_ids.get(table.name) if isinstance(next_ids, dict) else None
            if type(next_id) is not int or not 0 < next_id <= MAX_INTEGER:
                raise ValueError("does not name the next ids")
            (last,) = self._database.execute(f"SELECT max(id) FROM {table.name}").fetchone()  # noqa: S608
            self._database.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
            self._database.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
                (table.name, max(next_id - 1, last or 0)),
            )


class _Insert:
    """The statement that inserts a record, and its values."""

    def __init__(self, table: Table) -> None:
        names = [field.name for field in table.fields]
        self.sql = (
            f"INSERT INTO {table.name} ({', '.join(names)})"  # noqa: S608 - names of ours
            f" VALUES ({', '.join('?' * len(names))})"
        )
        self._writers = [(field.name, _writer(field)) for field in table.fields]

    def values(self, record: Record) -> list[Any]:
        return [None if record[name] is None else write(record[name]) for name, write in self._writers]


@contextmanager
def open_dump(path: Path) -> Iterator[SqliteDump]:
    """The database as it is at one moment, also while a bot uses it; raises StoreError."""
    with explained(path), closing(open_existing(path)) as database:
        database.execute("BEGIN")
        schema = schema_of(database, called=str(path))
        if schema != _newest():
            raise StoreUnavailable(
                f"The database {path} has schema {schema}, and this program exports {_newest()}: start"
                " the bot once, which migrates it, or export with the program that runs on it."
            )
        yield SqliteDump(database, schema=schema)


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
            condition = _FIRST_ROWS.get(name, "0")
            if database.execute(f'SELECT 1 FROM "{name}" WHERE NOT ({condition}) LIMIT 1').fetchone():  # noqa: S608
                holds = name.replace("_", " ")
                raise ImportRefused(
                    f"The database {path} holds {holds} already; an import needs an empty one or none."
                )


def _reader(field: Field) -> Callable[[Any], Any]:
    """From what is stored to JSON."""
    match field.shape:
        case Shape.TIME:
            return lambda stored: datetime.fromtimestamp(stored, UTC).isoformat()
        case Shape.FLAG:
            return bool
        case Shape.PART:
            return json.loads
        case Shape.RANK if field.ranks is not None:
            words = {rank.value: rank.name.lower() for rank in field.ranks}
            return lambda stored: words[stored]
        case _:
            return lambda stored: stored


def _writer(field: Field) -> Callable[[Any], Any]:
    """From JSON to what is stored."""
    match field.shape:
        case Shape.TIME:
            return lambda text: datetime.fromisoformat(text).astimezone(UTC).timestamp()
        case Shape.FLAG:
            return int
        case Shape.PART:
            return json.dumps
        case Shape.RANK if field.ranks is not None:
            ranks = {rank.name.lower(): rank.value for rank in field.ranks}
            return lambda word: ranks[word]
        case _:
            return lambda value: value
