"""One process leads: its term begins, is renewed, and ends when another one's may begin."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from storage.errors import (
    LeadershipLost,
    StoreCorrupt,
    StoreFromFuture,
    StoreInUse,
    StoreUnavailable,
)
from storage.postgres.connection import Database
from storage.postgres.guards import Fence
from storage.postgres.leadership import Identity, PostgresLeadership, Timing
from storage.postgres.migrate import Migration, bundled_migrations
from storage.postgres.server_clock import ServerClock
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.contract.store.driver import CHAT, Driver
from tests.fakes.clock import FrozenClock, SteadyClock

NEWER = [*bundled_migrations(), Migration(number=len(bundled_migrations()) + 1, script="SELECT 1")]

SHORT = Timing(poll_s=0.02, renew_s=0.02, heartbeat_s=0.02)

Opening = Callable[..., Awaitable[PostgresStore]]


class Query:
    """A session beside those of the stores."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __call__(self, sql: str) -> object:
        session = await asyncpg.connect(self.url)
        try:
            return await session.fetchval(sql)
        finally:
            await session.close()

    async def expire(self) -> None:
        """Let the leader's lease run out."""
        await self("UPDATE leader SET until = clock_timestamp() - interval '1 s'")


@pytest.fixture
def query(postgres_url: str) -> Query:
    return Query(postgres_url)


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[Opening]:
    """Opens stores, as processes do, with short waits."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str = postgres_url, **given: object) -> PostgresStore:
            given = {"timing": SHORT} | given
            store = await PostgresStore.open(PostgresUrl.of(url), **given)  # type: ignore[arg-type]
            stack.push_async_callback(store.close)
            return store

        yield open_one


async def watch(store: PostgresStore, name: str = "t1") -> None:
    await Driver(store).watch(name)


async def names(store: PostgresStore) -> list[str]:
    return [one.task.ref.external_id for one in await store.active_watches(CHAT)]


async def test_before_its_first_term_a_process_can_not_write(opened: Opening):
    leader, other = await opened(), await opened()
    await leader.leadership.acquire()

    with pytest.raises(LeadershipLost):
        await watch(other)

    assert not other.leadership.is_held
    assert await names(other) == []


async def test_a_second_process_waits_until_the_first_one_resigns(opened: Opening):
    first, second = await opened(), await opened()
    await first.leadership.acquire()
    await watch(first, "first")
    waiting = asyncio.create_task(second.leadership.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done

    await first.leadership.resign()
    await waiting

    assert (first.leadership.is_held, second.leadership.is_held) == (False, True)
    with pytest.raises(LeadershipLost):
        await watch(first, "too late")
    await watch(second, "second")
    assert await names(second) == ["first", "second"]


async def test_a_process_whose_lease_ran_out_can_not_write_once_another_one_leads(
    opened: Opening, query: Query
):
    frozen, other = await opened(timing=replace(SHORT, now_s=SteadyClock())), await opened()
    await frozen.leadership.acquire()
    await watch(frozen, "before")
    await query.expire()
    await other.leadership.acquire()
    still_believes = frozen.leadership.is_held

    with pytest.raises(LeadershipLost):
        await watch(frozen, "after")

    assert (still_believes, frozen.leadership.is_held) == (True, False)
    assert await names(other) == ["before"]


async def test_a_write_that_waits_for_the_lock_during_a_takeover_is_refused(
    opened: Opening, query: Query, postgres_url: str
):
    frozen, other = await opened(), await opened()
    await frozen.leadership.acquire()
    await query.expire()
    async with AsyncExitStack() as undo:
        session = await asyncpg.connect(postgres_url)
        undo.push_async_callback(session.close)
        await session.execute(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtext('reelwatch'), hashtext(current_schema()))"
        )
        acquiring = asyncio.create_task(other.leadership.acquire())
        while await query("SELECT count(*) FROM pg_locks WHERE NOT granted") != 1:
            pass
        writing = asyncio.create_task(watch(frozen))
        while await query("SELECT count(*) FROM pg_locks WHERE NOT granted") != 2:
            pass
        await session.execute("COMMIT")
    await acquiring

    with pytest.raises(LeadershipLost):
        await writing
    assert await names(other) == []


async def test_with_every_term_the_epoch_rises(opened: Opening):
    first, second = await opened(), await opened()
    epochs = []
    for store in (first, first, second, first):
        await store.leadership.acquire()
        epochs.append(store.leadership.epoch)
        await store.leadership.resign()

    assert epochs == [1, 2, 3, 4]


async def test_of_processes_that_start_at_once_one_leads_at_a_time(opened: Opening, query: Query):
    stores = [await opened() for _ in range(3)]
    for number in range(20):
        waiting = {asyncio.create_task(store.leadership.acquire()): store for store in stores}
        leading, standing_by = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(standing_by, timeout=0.03)
        assert [task.done() for task in waiting].count(True) == len(leading) == 1
        leader = waiting[leading.pop()]
        assert leader.leadership.epoch == number + 1
        for task in standing_by:
            task.cancel()
        await asyncio.gather(*standing_by, return_exceptions=True)
        await (query.expire() if number % 2 else leader.leadership.resign())


async def test_a_takeover_frees_what_the_last_leader_had_claimed(opened: Opening, query: Query):
    first, second = await opened(), await opened()
    await first.leadership.acquire()
    one, two = Driver(first), Driver(second)
    await one.watch()
    assert (len(await one.claim_tasks()), len(await one.claim())) == (1, 1)
    await query.expire()

    await second.leadership.acquire()

    assert (len(await two.claim_tasks()), len(await two.claim())) == (1, 1)


async def test_a_lease_is_renewed_and_others_see_who_leads(opened: Opening, query: Query):
    leader, other = await opened(version="1.0"), await opened(version="1.1")
    await leader.leadership.acquire()
    waiting = asyncio.create_task(other.leadership.acquire())
    holding = asyncio.create_task(leader.leadership.hold())
    until = await query("SELECT until FROM leader")
    while await query("SELECT until FROM leader") == until or len(leader.leadership.replicas()) < 2:
        assert not holding.done()

    found = leader.leadership.replicas()
    assert [(each.version, each.is_leader, each.is_self) for each in found] == [
        ("1.0", True, True),
        ("1.1", False, False),
    ]
    assert leader.leadership.round_trip_s is not None
    for task in (waiting, holding):
        task.cancel()
    await asyncio.gather(waiting, holding, return_exceptions=True)


async def test_a_leader_learns_at_its_next_renewal_that_another_one_leads(opened: Opening, query: Query):
    first, second = await opened(), await opened()
    await first.leadership.acquire()
    await query.expire()
    await second.leadership.acquire()

    with pytest.raises(LeadershipLost):
        await first.leadership.hold()

    assert not first.leadership.is_held
    assert second.leadership.is_held


async def test_only_a_leader_migrates(opened: Opening, query: Query):
    old, newer = await opened(), await opened(migrations=NEWER)
    await old.leadership.acquire()
    waiting = asyncio.create_task(newer.leadership.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    await watch(old)
    with pytest.raises(StoreUnavailable, match="another schema"):
        await names(newer)

    await old.leadership.resign()
    await waiting

    assert await query("SELECT max(number) FROM migrations") == NEWER[-1].number
    assert await names(newer) == ["t1"]
    with pytest.raises(StoreFromFuture):
        await old.leadership.acquire()  # while the newer one leads
    await query("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations WHERE number > 1)")


async def test_a_process_knows_whose_lease_ran_out_before_its_term(opened: Opening, query: Query):
    first, second = await opened(), await opened()
    await first.leadership.acquire()
    assert first.leadership.took_over_from is None

    await query.expire()
    await second.leadership.acquire()
    assert second.leadership.took_over_from == f"{socket.gethostname()}:{os.getpid()}"

    await second.leadership.resign()
    await first.leadership.acquire()
    assert first.leadership.took_over_from is None


async def test_a_leader_that_was_frozen_for_longer_than_its_lease_believes_in_it_no_more(
    opened: Opening, query: Query
):
    steady = SteadyClock()
    frozen = await opened(timing=replace(SHORT, now_s=steady))
    await frozen.leadership.acquire()
    until = await query("SELECT until FROM leader")
    beliefs = [frozen.leadership.is_held]
    for seconds in (4.99, 0.02):
        steady.advance(seconds)
        beliefs.append(frozen.leadership.is_held)
    with pytest.raises(LeadershipLost):
        await frozen.leadership.hold()

    assert beliefs == [True, True, False]
    assert await query("SELECT until FROM leader") == until  # it was not sent_at for again


async def test_the_server_s_clock_says_when_a_lease_ends_not_the_processes_clocks(
    opened: Opening, query: Query
):
    behind, ahead = SteadyClock(), SteadyClock()
    ahead.advance(1_000_000)
    first, second = [await opened(timing=replace(SHORT, now_s=each)) for each in (behind, ahead)]
    await first.leadership.acquire()
    waiting = asyncio.create_task(second.leadership.acquire())
    done, _ = await asyncio.wait([waiting], timeout=10 * SHORT.poll_s)
    assert not done

    await query.expire()
    await waiting

    assert second.leadership.is_held


@pytest.mark.parametrize("until", ["clock_timestamp() + interval '1 h'", "'infinity'"])
async def test_a_lease_that_is_not_renewed_ends_although_the_server_s_clock_was_set_back(
    until: str, opened: Opening, query: Query
):
    steady = SteadyClock()
    dead, other = await opened(), await opened(timing=replace(SHORT, now_s=steady))
    await dead.leadership.acquire()
    await query(f"UPDATE leader SET until = {until}")
    waiting = asyncio.create_task(other.leadership.acquire())
    for seconds in (0.0, SHORT.ttl_s - 0.1):
        steady.advance(seconds)
        done, _ = await asyncio.wait([waiting], timeout=10 * SHORT.poll_s)
        assert not done

    steady.advance(0.2)
    await waiting

    assert other.leadership.is_held
    with pytest.raises(LeadershipLost):
        await watch(dead)


async def test_a_lease_that_is_renewed_does_not_end_whatever_time_it_is(opened: Opening, query: Query):
    steady = SteadyClock()
    leader, other = await opened(), await opened(timing=replace(SHORT, now_s=steady))
    await leader.leadership.acquire()
    waiting = asyncio.create_task(other.leadership.acquire())
    for _ in range(5):
        done, _ = await asyncio.wait([waiting], timeout=10 * SHORT.poll_s)
        assert not done
        await query("UPDATE leader SET until = clock_timestamp() + interval '6 s'")
        steady.advance(SHORT.ttl_s - 0.1)

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert leader.leadership.epoch == await query("SELECT epoch FROM leader") == 1


async def test_the_time_is_the_server_s_from_the_first_question_on(postgres_url: str):
    url, wrong = PostgresUrl.of(postgres_url), FrozenClock(datetime.now(UTC) - timedelta(hours=1))
    fence, clock = Fence(url), ServerClock(wrong)
    database = Database(url, writing=fence)
    leadership = PostgresLeadership(
        database, fence, clock, Identity(), migrations=bundled_migrations(), timing=SHORT
    )
    before = clock()
    await leadership.acquire()
    await leadership.close()
    await database.close()

    assert before == wrong.now
    assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_another_bot_is_refused_while_one_leads(opened: Opening):
    one, same, other = [await opened(bot_id=bot_id) for bot_id in ("11", "11", "22")]
    await one.leadership.acquire()

    with pytest.raises(StoreInUse, match="whose id is 11"):
        await other.leadership.acquire()

    standing_by = asyncio.create_task(same.leadership.acquire())
    done, _ = await asyncio.wait([standing_by], timeout=0.1)
    assert not done
    await one.leadership.resign()
    await standing_by
    await same.leadership.resign()
    await other.leadership.acquire()


async def test_an_epoch_that_cannot_be_raised_is_said_in_a_sentence(opened: Opening, query: Query):
    first = await opened()
    await first.leadership.acquire()
    await first.leadership.resign()
    await query(f"UPDATE leader SET epoch = {2**63 - 1}")

    with pytest.raises(StoreCorrupt, match=r"highest possible epoch, .*: set it to 0"):
        await first.leadership.acquire()


async def test_a_schema_with_tables_of_another_program_is_left_as_it_is(
    postgres_server: str, opened: Opening
):
    name = f"theirs_{uuid4().hex}"
    theirs = Query(f"{postgres_server}{'&' if '?' in postgres_server else '?'}search_path={name}")
    await theirs(f"CREATE SCHEMA {name}")
    await theirs("CREATE TABLE theirs (id integer)")
    store = await opened(theirs.url)

    with pytest.raises(StoreCorrupt, match="tables of another program"):
        await store.leadership.acquire()

    assert await theirs("SELECT to_regclass('leader') IS NULL")
    await theirs(f"DROP SCHEMA {name} CASCADE")
