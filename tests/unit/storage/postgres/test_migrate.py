"""The schema of a PostgreSQL database: made once, never by an older program, never among other tables."""

import asyncio
from collections.abc import Iterator

import pytest

from storage.errors import StoreCorrupt, StoreFromFuture, StoreRefused, StoreUnavailable
from storage.postgres.connection import BEGIN_WRITING, Database, Session
from storage.postgres.migrate import Migration, bundled_migrations, make_tables, migrate
from storage.postgres_url import PostgresUrl
from tests.postgres.guests import open_guest
from tests.postgres.schemas import new_schema

TWO = [
    Migration(number=1, script="CREATE TABLE a (id integer); CREATE TABLE b (id integer);"),
    Migration(number=2, script="ALTER TABLE a ADD COLUMN text text;"),
]


@pytest.fixture
def url(postgres_server: str) -> Iterator[PostgresUrl]:
    with new_schema(postgres_server) as url:
        yield PostgresUrl.of(url)


async def applied(url: PostgresUrl, *migrations: Migration) -> list[int]:
    database = Database(url)
    session = Session(url, begin=BEGIN_WRITING)
    try:
        async with session.transaction() as tx:
            await make_tables(tx, url)
        await migrate(database, migrations)
        async with database.reading() as tx:
            return [row["number"] for row in await tx.all("SELECT number FROM migrations ORDER BY number")]
    finally:
        await session.close()
        await database.close()


def test_the_bundled_migrations_are_numbered_without_gaps():
    assert [each.number for each in bundled_migrations()] == list(range(1, len(bundled_migrations()) + 1))


def test_each_migration_is_applied_once(url: PostgresUrl):
    assert asyncio.run(applied(url, TWO[0])) == [1]
    assert asyncio.run(applied(url, *TWO)) == [1, 2]
    assert asyncio.run(applied(url, *TWO)) == [1, 2]


def test_processes_that_start_at_once_apply_each_once(url: PostgresUrl):
    async def start() -> list[list[int]]:
        return await asyncio.gather(*(applied(url, *TWO) for _ in range(4)))

    assert asyncio.run(start()) == [[1, 2]] * 4


def test_a_migration_that_fails_leaves_nothing(url: PostgresUrl):
    broken = Migration(number=2, script="CREATE TABLE c (id integer); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        asyncio.run(applied(url, TWO[0], broken))

    assert asyncio.run(applied(url, *TWO)) == [1, 2]


def test_a_newer_schema_is_refused(url: PostgresUrl):
    asyncio.run(applied(url, *TWO))

    with pytest.raises(StoreFromFuture, match="its schema is 2, this program knows 1"):
        asyncio.run(applied(url, TWO[0]))


def test_a_schema_with_tables_of_another_program_is_refused(url: PostgresUrl):
    async def fill() -> None:
        database = Database(url)
        async with database.transaction() as tx:
            await tx.run("CREATE TABLE theirs (id integer)")
        await database.close()

    asyncio.run(fill())
    with pytest.raises(StoreCorrupt, match="tables of another program"):
        asyncio.run(applied(url, *TWO))


def test_a_user_who_may_not_make_tables_is_told_what_to_grant(url: PostgresUrl):
    async def start() -> None:
        async with open_guest(url.dsn) as guest:
            await applied(PostgresUrl.of(guest.url), *TWO)

    with pytest.raises(StoreRefused, match="GRANT CREATE ON SCHEMA"):
        asyncio.run(start())


def test_a_schema_that_does_not_exist_is_named(postgres_server: str):
    missing = PostgresUrl.of(f"{postgres_server}&search_path=nowhere")

    with pytest.raises(StoreUnavailable, match="no schema"):
        asyncio.run(applied(missing, *TWO))
