"""How the records of storage.records are stored and imported, where the engines agree."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from storage.errors import ImportRefused, StoreUnavailable
from storage.records import Field, Record, Shape, Table
from storage.sql.rows import time
from storage.texts import storable

# A first start writes them: an import replaces them. The condition of such rows by table.
FIRST_ROWS = {"estimates": "true", "allowed_chats": "via IS NOT NULL"}

# Why a record is refused, as the end of a sentence.
NO_PARENT = "refers to a record that does not come before it"
SAME_KEY = "has a key that another record has"
UNSTORABLE = "has a value that cannot be stored"


def not_empty(database: object, table: str) -> ImportRefused:
    """The error of an import into a database with data."""
    holds = table.replace("_", " ")
    return ImportRefused(f"The database {database} holds {holds} already; an import needs an empty one.")


def other_schema(database: object, schema: int, *, newest: int) -> StoreUnavailable:
    """The error of an export of a database that was not migrated yet."""
    return StoreUnavailable(
        f"The database {database} has schema {schema}, and this program exports {newest}: start the bot once,"
        " which migrates it, or export with the program that runs on it."
    )


def names_of(table: Table) -> list[str]:
    """The columns of a table, in the order of the fields."""
    return [field.name for field in table.fields]


def in_order(table: Table, *, newest: int | None = None) -> str:
    """The query for the columns of all records, or of the newest, in the order of the key."""
    columns, key = ", ".join(names_of(table)), ", ".join(table.key)
    if newest is None:
        return f"SELECT {columns} FROM {table.name} ORDER BY {key}"  # noqa: S608
    falling = ", ".join(f"{column} DESC" for column in table.key)
    last = f"SELECT {columns} FROM {table.name} ORDER BY {falling} LIMIT {newest:d}"  # noqa: S608
    return f"SELECT * FROM ({last}) AS last ORDER BY {key}"  # noqa: S608


def record_reader(table: Table) -> Callable[[Iterable[Any]], Record]:
    """A function from a row of in_order() to the record; it raises ValueError, OverflowError, OSError."""
    readers = [(field.name, _reader(field)) for field in table.fields]
    return lambda row: {
        name: None if value is None else read(value) for value, (name, read) in zip(row, readers, strict=True)
    }


def values_writer(table: Table) -> Callable[[Record], list[Any]]:
    """A function from a record to the values of its columns; times are datetimes in UTC."""
    writers = [(field.name, _writer(field)) for field in table.fields]
    return lambda record: [None if record[name] is None else write(record[name]) for name, write in writers]


def _reader(field: Field) -> Callable[[Any], Any]:
    """From what is stored to JSON."""
    match field.shape:
        case Shape.TIME:
            return lambda stored: time(stored).isoformat()
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
        case Shape.TEXT:
            return storable
        case Shape.TIME:
            return lambda text: datetime.fromisoformat(text).astimezone(UTC)
        case Shape.PART:
            return json.dumps
        case Shape.RANK if field.ranks is not None:
            ranks = {rank.name.lower(): rank.value for rank in field.ranks}
            return lambda word: ranks[word]
        case _:
            return lambda value: value
