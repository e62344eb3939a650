"""A store on PostgreSQL whose server ends sessions, restarts or crashes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from storage.errors import StoreUnavailable
from storage.leadership import SoleLeadership
from storage.postgres.connection import Database
from storage.postgres.server_clock import utc_now
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.contract.store.driver import CHAT, Driver
from tests.postgres.schemas import empty
from tests.postgres.server import Server


@pytest.fixture
async def driver(server: Server) -> AsyncIterator[Driver]:
    """Its store is connected."""
    await empty(server.url)
    store = await PostgresStore.open(PostgresUrl.of(server.url))
    await store.leadership.acquire()
    driver = Driver(store)
    assert await store.active_watches(CHAT) == []
    yield driver
    await store.close()


@asynccontextmanager
async def another_session(server: Server) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    session = await asyncpg.connect(server.url)
    try:
        yield session
    finally:
        session.terminate()


async def ids(driver: Driver) -> list[str]:
    return [one.task.ref.external_id for one in await driver.store.active_watches(CHAT)]


@asynccontextmanager
async def watch_in_progress(server: Server, driver: Driver) -> AsyncIterator[asyncio.Task[object]]:
    """A call that has written something, and waits for a table that another session has locked."""
    async with another_session(server) as other:
        await other.execute("BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
        call = asyncio.create_task(driver.watch())
        while not await other.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"):
            assert not call.done()
        yield call


async def test_sessions_that_the_server_ends_are_replaced(server: Server, driver: Driver):
    async with another_session(server) as other:
        ended = await other.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reelwatch'"
        )
    assert len(ended) == 3

    await driver.watch()
    assert await ids(driver) == ["t1"]


@pytest.mark.parametrize("signal", ["INT", "QUIT", "KILL"])
async def test_a_call_while_the_server_is_away_waits_for_it(server: Server, driver: Driver, signal: str):
    await driver.watch("before")
    await asyncio.to_thread(server.end, signal)

    await asyncio.gather(driver.watch("meanwhile"), asyncio.to_thread(server.start))

    assert await ids(driver) == ["before", "meanwhile"]


async def test_a_call_that_was_in_progress_when_the_server_crashed_fails_and_leaves_nothing(
    server: Server, driver: Driver
):
    async with watch_in_progress(server, driver) as call:
        await asyncio.to_thread(server.end, "QUIT")
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await call

    await asyncio.to_thread(server.start)
    assert await ids(driver) == []
    await driver.watch("after")
    assert await ids(driver) == ["after"]


async def test_a_call_that_is_cancelled_leaves_nothing_and_no_lock(server: Server, driver: Driver):
    async with watch_in_progress(server, driver) as call:
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    await driver.watch("after")
    assert await ids(driver) == ["after"]


async def test_a_server_that_stays_away_is_an_error_of_one_sentence(server: Server):
    await empty(server.url)
    database = Database(PostgresUrl.of(server.url), retry_begin_s=0.0)
    driver = Driver(PostgresStore(database, leadership=SoleLeadership(), now=utc_now))
    await asyncio.to_thread(server.end, "INT")

    with pytest.raises(StoreUnavailable, match=r"^The database .+ cannot be reached: [^\n]+\.$"):
        await ids(driver)

    await asyncio.to_thread(server.start)
    assert await ids(driver) == []
    await driver.store.close()


async def test_stores_that_wait_for_a_new_database_at_once_lead_one_after_another(server: Server):
    async with another_session(server) as other:
        await other.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    stores = [await PostgresStore.open(PostgresUrl.of(server.url)) for _ in range(4)]
    waiting = {asyncio.create_task(store.leadership.acquire()): store for store in stores}
    while waiting:
        leading, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert len(leading) == 1
        leader = waiting.pop(leading.pop())
        await Driver(leader).watch()
        assert [await ids(Driver(store)) for store in stores] == [["t1"]] * len(stores)
        await leader.close()
        stores.remove(leader)
