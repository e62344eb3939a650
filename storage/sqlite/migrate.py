"""Migrates a database to the current schema; its user_version is the number of the last migration."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from uuid import uuid4

from storage.errors import StoreCorrupt, StoreError, StoreFromFuture, not_made
from storage.sqlite.connection import Database, Transaction

APPLICATION_ID = 0x5265656C  # "Reel", set by the first migration


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int  # from 1, without gaps
    script: str  # SQL statements, without BEGIN and COMMIT

    def statements(self) -> Iterator[str]:
        """The script's statements, one by one."""
        statement = ""
        for line in self.script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if statement.strip():
            yield statement


def bundled_migrations() -> list[Migration]:
    """The migrations shipped with the program, in order."""
    folder = resources.files("storage.sqlite") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [Migration(number=int(file.name[:4]), script=file.read_text("utf-8")) for file in files]


async def create(path: Path) -> None:
    """Create a new database with the current schema; raises StoreError.

    It is created under a temporary name and linked when complete, so a crash leaves no file without tables.
    Such a file is a copy of a running bot's database without its -wal file: see require_tables().
    """
    draft = path.with_name(f"{path.name}.{uuid4().hex}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise not_made(path, error) from error
    try:
        database = await Database.open(draft)
        try:
            await migrate(database, bundled_migrations())
        finally:
            await database.close()
        _publish(draft, path)
    except StoreError as error:
        raise type(error)(
            str(error).replace(str(draft), str(path))
        ) from error  # nobody knows the draft's name
    finally:
        with suppress(OSError):
            for each in (draft, draft.with_name(f"{draft.name}.lock")):
                each.unlink(missing_ok=True)


async def require_tables(database: Database) -> None:
    """Raise StoreCorrupt for a file that holds no tables."""
    async with database.reading() as tx:
        found = await tx.one(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) AS tables FROM pragma_user_version"
        )
    if found is None or not (found["tables"] or found["user_version"]):
        raise StoreCorrupt(
            f"The file {database.path} holds no tables, like a copy of a running bot's database without the"
            " -wal file beside it. `reelwatch backup` makes a whole copy, `reelwatch restore` puts one in its"
            " place; to begin anew, remove the file."
        )


async def schema_of(database: Database) -> int:
    """The number of its schema, 0 for none; raises StoreFromFuture, and StoreCorrupt if it is not ours."""
    async with database.reading() as tx:
        return await _version(database, tx, newest=bundled_migrations()[-1].number)


def _publish(draft: Path, path: Path) -> None:
    """Link the draft to its name; unlike a rename, a link never replaces another process's file."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if path.exists():
            return
        try:
            draft.rename(path)
        except OSError as error:
            raise not_made(path, error) from error


async def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Apply the missing migrations, each in its own transaction; raises StoreError."""
    for migration in migrations:
        async with database.transaction() as tx:
            version = await _version(database, tx, newest=migrations[-1].number)
            if version >= migration.number:
                continue
            for statement in migration.statements():
                await tx.run(statement)
            await tx.run(f"PRAGMA user_version = {migration.number}")


async def _version(database: Database, tx: Transaction, *, newest: int) -> int:
    row = await tx.one(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) AS objects"
        " FROM pragma_user_version, pragma_application_id"
    )
    version, application, objects = row or (0, 0, 0)
    if version > newest:
        raise StoreFromFuture(
            f"The database {database.path} was made by a newer version of the program"
            f" (its schema is {version}, this program knows {newest})."
        )
    if version < 0 or (application != APPLICATION_ID and (version or objects)):
        raise StoreCorrupt(f"The file {database.path} is a database of another program.")
    return int(version)
