"""Exports and imports of databases of either engine, and what is in an export."""

import io
import json
from pathlib import Path
from typing import Any

from storage import factory
from storage.export import read_export, write_export
from storage.postgres_url import PostgresUrl
from storage.records import TABLES
from tests.contract.random_records import RandomRecords

Database = Path | PostgresUrl
Lines = list[dict[str, Any]]


def export(database: Database) -> bytes:
    file = io.BytesIO()
    with factory.open_dump(database) as dump:
        write_export(dump, file, program="1.0")
    return file.getvalue()


def import_(database: Database, written: bytes) -> None:
    with factory.open_load(database) as load:
        read_export(io.BytesIO(written), load, called="it")


def fill(database: Database, *, seed: int) -> None:
    """Put random records into all tables."""
    records = RandomRecords(seed).all()
    with factory.open_load(database) as load:
        for line, (table, record) in enumerate(records, start=2):
            assert table.mistake_in(record) is None, (table.name, record)
            load.add(table, record, line=line)
        load.finish({table.name: 2**40 for table in TABLES if table.numbers_rows})


def lines_of(written: bytes) -> Lines:
    return [json.loads(line) for line in written.splitlines()]


def joined(lines: Lines, *, with_digest: bool = False) -> bytes:
    """An export with these lines; without the digest, as if a person had edited it."""
    if not with_digest:
        lines = [{name: value for name, value in line.items() if name != "sha256"} for line in lines]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def change(name: str, lines: Lines, /, **values: Any) -> None:
    """Change the first record of a table."""
    next(line for line in lines if line.get("table") == name).update(values)
