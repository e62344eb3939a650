"""Brings a database to the schema of this program; the number of the last migration is its user_version."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from storage.errors import StoreCorrupt, StoreFromFuture
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


def bundled_migrations() -> list[Migration]:
    """The migrations that come with the program, first to last."""
    folder = resources.files("storage.sqlite") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [Migration(number=int(file.name[:4]), script=file.read_text("utf-8")) for file in files]


async def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Apply what the database lacks, each migration in a transaction of its own; raises StoreError."""
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
    if application != APPLICATION_ID and (version or objects):
        raise StoreCorrupt(f"The file {database.path} is a database of another program.")
    return int(version)
