"""What is found out about a database on a server, without changing it."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest

from storage.errors import StoreCorrupt, StoreFromFuture, StoreRefused
from storage.postgres.migrate import bundled_migrations
from storage.postgres.store import PostgresStore
from storage.postgres.summary import summary_of
from storage.postgres_url import PostgresUrl
from tests.postgres.guests import open_guest
from tests.postgres.schemas import new_schema, schema_of

NEWEST = bundled_migrations()[-1].number


@pytest.fixture
def schema(postgres_server: str) -> Iterator[str]:
    """The URL of an empty schema."""
    with new_schema(postgres_server) as url:
        yield url


async def run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def test_a_new_database_has_no_schema_yet_and_stays_empty(schema: str):
    found = [asyncio.run(summary_of(PostgresUrl.of(schema))) for _ in range(2)]

    assert [each.schema for each in found] == [0, 0]
    assert (found[0].admins, found[0].allowed) == (frozenset(), 0)
    assert (found[0].leader, found[0].standbys) == ("", 0)
    assert 0 < found[0].round_trip_s < 1
    assert int(found[0].server.partition(".")[0]) >= 13


async def test_who_may_use_the_bot_is_read(postgres_url: str):
    store = await PostgresStore.open(PostgresUrl.of(postgres_url))
    await store.leadership.acquire()
    await store.add_first_admin(1234, at=datetime.now(UTC))
    await store.close()

    found = await summary_of(PostgresUrl.of(postgres_url))

    assert (found.schema, found.admins, found.allowed) == (NEWEST, frozenset({1234}), 0)


async def test_who_leads_and_how_many_stand_by_is_read(postgres_url: str):
    url = PostgresUrl.of(postgres_url)
    stores = [await PostgresStore.open(url) for _ in range(2)]
    await stores[0].leadership.acquire()
    standing_by = asyncio.create_task(stores[1].leadership.acquire())
    async with asyncio.timeout(30):
        while not (found := await summary_of(url)).standbys:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
    standing_by.cancel()
    await asyncio.wait([standing_by])
    await asyncio.gather(*(store.close() for store in stores))
    after = await summary_of(url)

    assert found.leader.endswith(f":{os.getpid()}")
    assert found.standbys == 1
    assert (after.leader, after.standbys) == ("", 0)


async def test_an_odd_name_of_the_leader_is_shown_in_short(postgres_url: str):
    store = await PostgresStore.open(PostgresUrl.of(postgres_url))
    await store.leadership.acquire()
    await run(postgres_url, "UPDATE replicas SET name = repeat(E'\\x1b[1m', 100000)")

    found = await summary_of(PostgresUrl.of(postgres_url))
    await store.close()

    assert found.leader == 25 * "?[1m"


def test_a_schema_of_a_newer_version_is_an_error(schema: str):
    asyncio.run(
        run(
            schema,
            "CREATE TABLE migrations (number integer, at timestamptz)",
            f"INSERT INTO migrations VALUES ({NEWEST + 1}, now())",
        )
    )

    with pytest.raises(StoreFromFuture, match=rf"its schema is {NEWEST + 1}, this program knows {NEWEST}"):
        asyncio.run(summary_of(PostgresUrl.of(schema)))


def test_tables_of_another_program_are_an_error(schema: str):
    asyncio.run(run(schema, "CREATE TABLE wp_posts (id integer)"))

    with pytest.raises(StoreCorrupt, match="holds tables of another program"):
        asyncio.run(summary_of(PostgresUrl.of(schema)))


def test_a_schema_that_does_not_exist_is_an_error(schema: str):
    with pytest.raises(StoreRefused, match="has no schema of the name that search_path gives"):
        asyncio.run(summary_of(PostgresUrl.of(f"{schema}_missing")))


def test_a_user_who_may_not_make_tables_is_an_error(schema: str):
    async def summarize() -> None:
        async with open_guest(schema) as guest:
            await summary_of(PostgresUrl.of(guest.url))

    with pytest.raises(StoreRefused, match=rf"GRANT CREATE ON SCHEMA {schema_of(schema)} TO"):
        asyncio.run(summarize())


def test_a_server_that_takes_no_writes_is_an_error(schema: str):
    # A server that follows another one would be a second server; this is what it says of itself.
    asyncio.run(
        run(
            schema,
            f"CREATE FUNCTION {schema.rpartition('=')[2]}.pg_is_in_recovery() RETURNS boolean"
            " LANGUAGE sql AS 'SELECT true'",
        )
    )
    here_first = f"{schema},pg_catalog"

    with pytest.raises(StoreRefused, match="is a standby, which is read-only"):
        asyncio.run(summary_of(PostgresUrl.of(here_first)))
