"""Migrates a database to the current schema; the table migrations holds those that were applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from storage.errors import StoreCorrupt, StoreFromFuture
from storage.postgres.connection import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int  # from 1, without gaps
    script: str  # SQL statements, without BEGIN and COMMIT


def bundled_migrations() -> list[Migration]:
    """The migrations shipped with the program, in order."""
    folder = resources.files("storage.postgres") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [Migration(number=int(file.name[:4]), script=file.read_text("utf-8")) for file in files]


async def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Apply the missing migrations, each in its own transaction; raises StoreError."""
    for migration in migrations:
        async with database.transaction() as tx:
            if await _version(database, tx, newest=migrations[-1].number) >= migration.number:
                continue
            await tx.script(migration.script)
            await tx.run("INSERT INTO migrations (number, at) VALUES ($1, now())", (migration.number,))


async def _version(database: Database, tx: Transaction, *, newest: int) -> int:
    """The last migration, 0 for an empty schema, which gets the table of migrations."""
    [found] = await tx.all(
        """
        SELECT count(*) AS tables, count(*) FILTER (WHERE relname = 'migrations') > 0 AS is_migrated
        FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p', 'v')
        """
    )
    if not found["is_migrated"]:
        if found["tables"]:
            raise StoreCorrupt(
                f"The database {database.url} holds tables of another program: give the bot a"
                " database or a schema of its own."
            )
        await tx.run("CREATE TABLE migrations (number integer PRIMARY KEY, at timestamptz NOT NULL)")
    [found] = await tx.all("SELECT coalesce(max(number), 0) AS number FROM migrations")
    version = int(found["number"])
    if version > newest:
        raise StoreFromFuture(
            f"The database {database.url} was made by a newer version of the program"
            f" (its schema is {version}, this program knows {newest})."
        )
    return version
