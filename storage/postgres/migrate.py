"""Migrates a database to the current schema; the table migrations holds those that were applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from storage.errors import StoreCorrupt, StoreFromFuture
from storage.postgres.connecting import may_not_make_tables
from storage.postgres.connection import Database, Transaction
from storage.postgres_url import PostgresUrl


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


# What the processes that share the database agree by; made before any migration.
_TABLES = """
CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS leader (
    name text PRIMARY KEY,
    holder text NOT NULL, -- the process that leads
    epoch bigint NOT NULL, -- of its term
    until timestamptz NOT NULL, -- when another process may lead
    bot_id text NOT NULL
);
INSERT INTO leader VALUES ('bot', '', 0, '-infinity', '') ON CONFLICT (name) DO NOTHING;
CREATE TABLE IF NOT EXISTS replicas (
    holder text PRIMARY KEY,
    name text NOT NULL,
    version text NOT NULL,
    since timestamptz NOT NULL, -- it leads, or stands by
    seen_at timestamptz NOT NULL
);
"""


async def has_tables(tx: Transaction, url: PostgresUrl) -> bool:
    """Whether those tables are there; raises StoreCorrupt if only others are."""
    [found] = await tx.all(
        """
        SELECT count(*) AS tables,
            count(*) FILTER (WHERE relname IN ('migrations', 'leader')) > 0 AS is_ours
        FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p', 'v')
        """
    )
    if found["tables"] and not found["is_ours"]:
        raise StoreCorrupt(
            f"The database {url} holds tables of another program: give the bot a database or a schema of"
            " its own."
        )
    return bool(found["is_ours"])


async def make_tables(tx: Transaction, url: PostgresUrl) -> None:
    """Make the tables of the processes and of the migrations, if missing; raises StoreError."""
    await has_tables(tx, url)
    [found] = await tx.all(
        "SELECT current_schema() AS schema, has_schema_privilege(current_schema(), 'CREATE') AS may_create"
    )
    if found["may_create"] is False:  # None: without a schema
        raise may_not_make_tables(url, found["schema"])
    await tx.script(_TABLES)


def refuse_newer(version: int, *, newest: int, url: PostgresUrl) -> None:
    """Raise StoreFromFuture for a schema that this program does not know; newest: the one that it knows."""
    if version > newest:
        raise StoreFromFuture(
            f"The database {url} was made by a newer version of the program"
            f" (its schema is {version}, this program knows {newest})."
        )


async def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Apply the missing migrations, each in its own transaction; raises StoreError.

    The tables of make_tables() are there.
    """
    for migration in migrations:
        async with database.transaction() as tx:
            if await version_of(tx, database.url, newest=migrations[-1].number) < migration.number:
                await apply(tx, migration)


async def version_of(tx: Transaction, url: PostgresUrl, *, newest: int) -> int:
    """The number of the last migration, 0 for none; raises StoreFromFuture."""
    [found] = await tx.all("SELECT coalesce(max(number), 0) AS version FROM migrations")
    refuse_newer(found["version"], newest=newest, url=url)
    return int(found["version"])


async def apply(tx: Transaction, migration: Migration) -> None:
    """Apply the migration that comes next."""
    await tx.script(migration.script)
    await tx.run("INSERT INTO migrations (number, at) VALUES ($1, now())", (migration.number,))
