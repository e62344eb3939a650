"""A user of the database who lacks a right: refused at the start, waited for later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storage.errors import StoreRefused
from storage.postgres.leadership import Timing
from storage.postgres.migrate import Migration, bundled_migrations
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.postgres.guests import Guest, open_guest
from tests.postgres.schemas import open_schema


@asynccontextmanager
async def opened(url: str, migrations: list[Migration] | None = None) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(PostgresUrl.of(url), timing=Timing(poll_s=0.02), migrations=migrations)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def guest(postgres_server: str) -> AsyncIterator[Guest]:
    """A user who may do nothing yet with the tables that are there, of a schema for one test."""
    async with open_schema(postgres_server) as url:
        async with opened(url) as owners:
            await owners.leadership.acquire()
        async with open_guest(url) as guest:
            yield guest


async def test_a_right_that_is_lacking_at_the_start_is_an_error(guest: Guest):
    async with opened(guest.url) as store:
        with pytest.raises(StoreRefused, match="refuses the bot: permission denied for table"):
            await store.leadership.acquire()


async def test_a_right_that_only_a_migration_needs_is_an_error(guest: Guest):
    await guest.grant()
    migrations = bundled_migrations()
    migrations.append(Migration(number=len(migrations) + 1, script="ALTER TABLE tasks ADD COLUMN new text"))
    async with opened(guest.url, migrations) as store:
        with pytest.raises(StoreRefused, match="must be owner of table tasks"):
            await store.leadership.acquire()


async def test_a_right_that_is_lost_later_is_waited_for(guest: Guest):
    await guest.grant()
    outages = asyncio.Queue[str | None]()
    async with opened(guest.url) as store:
        await store.leadership.acquire()
        await store.leadership.resign()
        await guest.revoke()
        leading_again = asyncio.create_task(store.leadership.acquire(outages.put_nowait))
        assert "permission denied" in str(await outages.get())

        await guest.grant()
        await leading_again

        assert (outages.get_nowait(), store.leadership.is_held) == (None, True)
