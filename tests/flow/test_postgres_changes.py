"""Leadership while somebody else changes the tables: an operator, or another user of the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import asyncpg
import pytest

from storage.errors import StoreInUse, StoreUnavailable
from storage.postgres.leadership import Timing
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.contract.store.driver import Driver
from tests.fakes.clock import SteadyClock
from tests.postgres.schemas import open_schema

SHORT = Timing(poll_s=0.02, renew_s=0.02, heartbeat_s=0.02)

Opening = Callable[..., Awaitable[PostgresStore]]
Query = Callable[[str], Awaitable[object]]


@pytest.fixture
async def postgres_url(postgres_server: str) -> AsyncIterator[str]:
    """A schema for one test, which may leave it broken."""
    async with open_schema(postgres_server) as url:
        yield url


@pytest.fixture
async def query(postgres_url: str) -> AsyncIterator[Query]:
    connection = await asyncpg.connect(postgres_url, statement_cache_size=0)
    yield connection.fetchval
    await connection.close()


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[Opening]:
    async with AsyncExitStack() as stack:

        async def open_one(url: str = postgres_url, timing: Timing = SHORT) -> PostgresStore:
            store = await PostgresStore.open(PostgresUrl.of(url), timing=timing, bot_id="11")
            stack.push_async_callback(store.close)
            return store

        yield open_one


async def drop_beside_others(query: Query, schema: object) -> None:
    """Drop the schema; where this and another transaction wait for each other, the server ends one."""
    while True:
        with suppress(asyncpg.DeadlockDetectedError):
            await query(f"DROP SCHEMA {schema} CASCADE")
            return


async def test_of_many_and_of_odd_rows_of_others_few_and_short_ones_are_read(opened: Opening, query: Query):
    leader = await opened()
    await leader.leadership.acquire()
    await query(
        """
        INSERT INTO replicas SELECT 'other ' || number, E'a\\nb' || repeat('\u202e', 100000),
            repeat('v', 100000), '-infinity', clock_timestamp() FROM generate_series(1, 100) AS number
        """
    )
    holding = asyncio.create_task(leader.leadership.hold())
    while len(found := leader.leadership.replicas()) < 2:
        assert not holding.done()
        await asyncio.sleep(SHORT.poll_s)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)

    assert (len(found), found[0].is_self) == (20, True)
    assert {(each.name, each.version) for each in found[1:]} == {("a?b" + 97 * "?", 40 * "v")}


async def test_an_odd_holder_of_a_lease_is_named_in_short(opened: Opening, query: Query):
    leader = await opened()
    await leader.leadership.acquire()
    await query("UPDATE leader SET holder = repeat(E'\\x1b', 100000), bot_id = repeat(E'\\n9', 100000)")
    with pytest.raises(StoreInUse) as caught:
        await leader.leadership.acquire()
    assert "whose id is ?9?9?9?9?9?9?9?9?9?9:" in str(caught.value)

    await query("UPDATE leader SET until = 'epoch'")
    await leader.leadership.acquire()

    assert leader.leadership.took_over_from == 100 * "?"


async def test_a_server_s_clock_that_is_set_forward_ends_no_lease_that_is_renewed(
    postgres_url: str, query: Query, opened: Opening
):
    function = f"{await query('SELECT current_schema()')}.clock_timestamp()"
    url = f"{postgres_url},pg_catalog"  # of the search_path: the function is found before the server's own
    set_clock = (
        f"CREATE OR REPLACE FUNCTION {function} RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT pg_catalog.clock_timestamp() + interval '%s' $$"
    )
    await query(set_clock % "0")
    steady = SteadyClock()
    leader = await opened(url=url)
    other = await opened(url=url, timing=replace(SHORT, now_s=steady))
    await leader.leadership.acquire()
    waiting = asyncio.create_task(other.leadership.acquire())
    done, _ = await asyncio.wait([waiting], timeout=10 * SHORT.poll_s)
    assert not done

    await query(set_clock % "1 h")
    done, _ = await asyncio.wait([waiting], timeout=10 * SHORT.poll_s)
    assert not done
    assert leader.leadership.is_held

    steady.advance(SHORT.ttl_s + 0.1)
    await waiting


async def test_tables_that_are_dropped_are_waited_for_and_made_anew_when_all_are_gone(
    opened: Opening, query: Query
):
    leader = await opened()
    await leader.leadership.acquire()
    await query("DROP TABLE tasks CASCADE")
    with pytest.raises(StoreUnavailable, match='fails: relation "tasks" does not exist'):
        await Driver(leader).watch()
    await leader.leadership.resign()
    outages: list[str | None] = []
    waiting = asyncio.create_task(leader.leadership.acquire(outages.append))
    while not outages:
        assert not waiting.done()
        await asyncio.sleep(SHORT.poll_s)
    done, _ = await asyncio.wait([waiting], timeout=10 * SHORT.poll_s)
    assert not done

    schema = await query("SELECT current_schema()")
    await drop_beside_others(query, schema)
    await query(f"CREATE SCHEMA {schema}")
    await waiting

    assert len(outages) == 2
    assert 'relation "tasks" does not exist' in str(outages[0])
    assert outages[1] is None
    await Driver(leader).watch()


async def test_a_database_that_is_too_slow_for_the_lease_is_reported_once(opened: Opening):
    slow = await opened(timing=replace(SHORT, ttl_s=1.0, margin_s=1.0))
    outages: list[str | None] = []
    waiting = asyncio.create_task(slow.leadership.acquire(outages.append))
    while (slow.leadership.epoch or 0) < 3:
        assert not waiting.done()
        await asyncio.sleep(SHORT.poll_s)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    [outage] = outages
    assert "was not renewed in time" in str(outage)
