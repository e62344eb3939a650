"""Copies a database while other processes write to it, and checks that a file is a sound one of ours."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from storage.contents import Contents, Progress, Summary, no_progress
from storage.errors import StoreCorrupt, StoreFromFuture, StoreUnavailable
from storage.sqlite.connection import BUSY_TIMEOUT_S, explained, require_sqlite
from storage.sqlite.files import UNCLOSED, exists
from storage.sqlite.migrate import APPLICATION_ID, bundled_migrations

_PAGES = 2048  # copied at once, 8 MiB; a signal is handled between two steps
_HEADER = b"SQLite format 3\0"
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")  # at the end of a journal
_APPLICATION_ID_AT = slice(68, 72)  # https://www.sqlite.org/fileformat.html


def open_existing(path: Path) -> sqlite3.Connection:
    """A connection to a database that exists; raises StoreUnavailable, and what explained() converts."""
    require_sqlite(sqlite3.sqlite_version_info)
    if not exists(path):
        raise StoreUnavailable(f"There is no database {path.absolute()}; DATABASE_URL says where it is.")
    _require_journal_of_its_own(path)
    address = f"{path.absolute().as_uri()}?mode=rw"  # read-only, it would leave the -wal file behind
    return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _require_journal_of_its_own(path: Path) -> None:
    """Raise StoreCorrupt for a -journal file that names another file, as SQLite would delete that one.

    Only transactions over several databases have such: https://www.sqlite.org/atomiccommit.html
    """
    with suppress(FileNotFoundError), path.with_name(f"{path.name}-journal").open("rb") as journal:
        size = journal.seek(0, os.SEEK_END)
        journal.seek(max(0, size - len(_NAMES_ANOTHER)))
        if journal.read() == _NAMES_ANOTHER:
            raise StoreCorrupt(
                "The -journal file beside the database belongs to several databases at once, and so is none"
                " of this program."
            )


def copy_database(
    source: Path, draft: Path, *, progress: Progress = no_progress, pages: int = _PAGES
) -> None:
    """Copy a database as it is at one moment into an empty file; raises StoreError.

    One read transaction covers all steps, so a writer neither waits for them nor makes them begin anew.
    """
    with explained(source), closing(open_existing(source)) as live:
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchall()
        with explained(draft), closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            live.backup(
                copy, pages=pages, progress=lambda _status, left, total: progress(total - left, total)
            )
            copy.execute("PRAGMA journal_mode = DELETE")  # one file that can be read without writing


def copy_closed(source: Path, draft: Path) -> None:
    """Copy the files of a database that nobody has open, to an empty one and beside it; raises OSError."""
    shutil.copyfile(source, draft)
    for suffix in UNCLOSED:
        part = source.with_name(f"{source.name}{suffix}")
        if part.exists():
            copied = draft.with_name(f"{draft.name}{suffix}")
            os.close(os.open(copied, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            shutil.copyfile(part, copied)


def inspect(path: Path, *, called: str) -> Contents:
    """Check a database that nobody else has open; raises StoreCorrupt, StoreFromFuture.

    called: its name in sentences. What a -wal file beside it holds is written into it.
    """
    if path.stat().st_size == 0:
        raise StoreCorrupt(f"The file {called} is empty.")
    with explained(called), closing(open_existing(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        if database.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
            raise StoreCorrupt(f"The file {called} is damaged.")
        schema = schema_of(database, called=called)
        if not _shape(database) >= _expected_shape(schema):
            raise StoreCorrupt(f"The file {called} lacks tables or columns of its schema, {schema}.")
        if database.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise StoreCorrupt(f"The file {called} is damaged: a row refers to one that is missing.")
        (watches,) = database.execute("SELECT count(*) FROM watches WHERE state = 'active'").fetchone()
        (unsent,) = database.execute("SELECT count(*) FROM deliveries WHERE is_unsent").fetchone()
    return Contents(schema=schema, watches=watches, unsent=unsent)


def refuse_triggers(path: Path, *, called: str) -> None:
    """Raise StoreCorrupt for a database with triggers: no schema of ours has any, and they change rows."""
    with explained(called), closing(open_existing(path)) as database:
        # What SQLite makes of an entry depends on its sql, not on its type.
        trigger = database.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'trigger' OR sql LIKE '%CREATE%TRIGGER%'"
        ).fetchone()
    if trigger is not None:
        raise StoreCorrupt(f"The file {called} holds triggers, which this program never makes.")


def summary_of(path: Path) -> Summary:
    """Try a database that a bot may be using, and change nothing in it; raises StoreError."""
    with explained(path), closing(open_existing(path)) as database:
        schema = schema_of(database, called=str(path))
        database.execute("BEGIN IMMEDIATE")  # fails where nothing can be written
        admins = _column(database, "admins", "SELECT user_id FROM admins")
        allowed = _column(database, "allowed_chats", "SELECT chat_id FROM allowed_chats WHERE via IS NULL")
        database.execute("ROLLBACK")
    return Summary(schema=schema, admins=admins, allowed=len(allowed))


def _column(database: sqlite3.Connection, table: str, query: str) -> frozenset[int]:
    """The rows of a query; none if its table is newer than the schema."""
    known = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return frozenset(value for (value,) in database.execute(query)) if known else frozenset()


def schema_of(database: sqlite3.Connection, *, called: str) -> int:
    """The number of the schema; raises StoreCorrupt if it is not ours, StoreFromFuture if it is newer."""
    (schema,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (objects,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not objects:
        raise StoreCorrupt(
            f"The file {called} holds no tables, like a copy of a running bot's database without the"
            " -wal file beside it; `reelwatch backup` makes a whole copy."
        )
    if application != APPLICATION_ID or schema < 1:
        raise StoreCorrupt(f"The file {called} is a database of another program.")
    newest = bundled_migrations()[-1].number
    if schema > newest:
        raise StoreFromFuture(
            f"The database {called} was made by a newer version of the program"
            f" (its schema is {schema}, this program knows {newest})."
        )
    return int(schema)


def is_ours(path: Path) -> bool:
    """Whether the file begins like a database of this program; raises OSError."""
    with path.open("rb") as file:
        head = file.read(100)
    return head.startswith(_HEADER) and head[_APPLICATION_ID_AT] == APPLICATION_ID.to_bytes(4, "big")


def make_schema(database: sqlite3.Connection, *, schema: int | None = None) -> None:
    """Make the tables of a schema in an empty database; None: the current one."""
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for migration in bundled_migrations()[:schema]:
        database.executescript(migration.script)
        database.execute(f"PRAGMA user_version = {migration.number}")


def _shape(database: sqlite3.Connection) -> set[tuple[str, str]]:
    """The names of all tables, indexes and views, and of their columns."""
    found = database.execute(
        "SELECT m.name, x.name FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS x"
        " WHERE m.type IN ('table', 'view')"
        " UNION ALL SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    )
    return {(name, part) for name, part in found}


def _expected_shape(schema: int) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        make_schema(empty, schema=schema)
        return _shape(empty)
