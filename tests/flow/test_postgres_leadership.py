"""Leadership while the database, or the way to it, fails; and while a process is cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from storage.errors import LeadershipLost, StoreBusy
from storage.postgres.connection import BEGIN_WRITING, Database, Session
from storage.postgres.leadership import Timing
from storage.postgres.migrate import Migration, bundled_migrations
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.contract.store.driver import CHAT, Driver
from tests.fakes.clock import SteadyClock
from tests.fakes.relay import Relay
from tests.postgres.relayed import server_of, through

TTL_S, MARGIN_S = 1.0, 0.2
SHORT = Timing(
    ttl_s=TTL_S,
    margin_s=MARGIN_S,
    renew_s=0.05,
    retry_s=0.02,
    renewal_timeout_s=0.3,
    poll_s=0.02,
    resign_s=0.2,
)
LONG = replace(SHORT, ttl_s=60.0, margin_s=1.0, resign_s=10.0)  # nothing runs out while a test runs
EARLY = replace(SHORT, ttl_s=12.0, margin_s=10.0)  # belief ends long before the lease, also on a busy machine
_TIMEOUT_S = 20.0
LOCK = "SELECT pg_advisory_xact_lock(hashtext('reelwatch'), hashtext(current_schema()))"


@pytest.fixture
async def relay(postgres_url: str) -> AsyncIterator[Relay]:
    async with Relay.open(server_of(postgres_url)) as relay:
        yield relay


@pytest.fixture
def relayed_url(relay: Relay, postgres_url: str) -> PostgresUrl:
    return through(relay.port, postgres_url)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def open_store(
    stack: AsyncExitStack,
    url: PostgresUrl,
    migrations: list[Migration] | None = None,
    *,
    timing: Timing = SHORT,
) -> PostgresStore:
    store = await PostgresStore.open(url, timing=timing, migrations=migrations)
    stack.push_async_callback(store.close)
    return store


@asynccontextmanager
async def session(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Beside those of the stores, and not through the relay."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def leads(store: PostgresStore) -> bool:
    """Whether it becomes the leader long before a LONG lease can run out."""
    try:
        async with asyncio.timeout(LONG.ttl_s / 2):
            await store.leadership.acquire()
    except TimeoutError:
        return False
    return True


async def watch(store: PostgresStore) -> None:
    await Driver(store).watch()


async def test_a_leader_that_is_cut_off_stops_before_its_lease_has_run_out(
    relay: Relay, relayed_url: PostgresUrl, stack: AsyncExitStack, postgres_url: str
):
    store = await open_store(stack, relayed_url, timing=EARLY)
    async with session(postgres_url) as beside:
        await store.leadership.acquire()
        holding = asyncio.create_task(store.leadership.hold())
        before = await beside.fetchval("SELECT until FROM leader")
        while await beside.fetchval("SELECT until FROM leader") == before:
            assert not holding.done()
        relay.hold()

        with pytest.raises(LeadershipLost, match="not renewed in time"):
            await holding

        assert not store.leadership.is_held
        assert await beside.fetchval("SELECT until > clock_timestamp() FROM leader")
        relay.mend()


async def test_what_waits_for_a_database_that_is_cut_off_ends_with_the_lease(
    relay: Relay, relayed_url: PostgresUrl, stack: AsyncExitStack
):
    store = await open_store(stack, relayed_url)
    await store.leadership.acquire()
    relay.hold()
    writing = asyncio.create_task(watch(store))
    async with asyncio.timeout(_TIMEOUT_S):
        with pytest.raises(LeadershipLost):
            await store.leadership.hold()
        with pytest.raises(LeadershipLost):
            await writing
    relay.mend()


async def test_a_leader_that_is_cut_off_for_a_moment_leads_on(
    relay: Relay, relayed_url: PostgresUrl, stack: AsyncExitStack, postgres_url: str
):
    store = await open_store(stack, relayed_url, timing=LONG)
    await store.leadership.acquire()
    holding = asyncio.create_task(store.leadership.hold())
    for _ in range(3):
        relay.hold()
        await asyncio.sleep(0.4)  # longer than one renewal may take
        relay.break_connections()
        relay.mend()
        async with session(postgres_url) as beside:
            before = await beside.fetchval("SELECT until FROM leader")
            while await beside.fetchval("SELECT until FROM leader") == before:
                assert not holding.done()

    assert store.leadership.epoch == 1
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_a_leader_believes_in_a_renewal_from_when_it_was_sent(
    relay: Relay, relayed_url: PostgresUrl, stack: AsyncExitStack
):
    steady, sent, renewed = SteadyClock(), asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds > 0 or sent.is_set():
            renewed.set()
            await asyncio.Event().wait()
        sent.set()

    store = await open_store(
        stack, relayed_url, timing=Timing(now_s=steady, sleep=sleep, renewal_timeout_s=60)
    )
    await store.leadership.acquire()
    renewed.clear()
    steady.advance(2)
    relay.hold()
    holding = asyncio.create_task(store.leadership.hold())
    await sent.wait()
    at = steady.now
    steady.advance(2)
    relay.mend()
    await renewed.wait()

    beliefs = []
    for after_s in (4.9, 5.1):
        steady.now = at + after_s
        beliefs.append(store.leadership.is_held)
    assert beliefs == [True, False]
    assert store.leadership.round_trip_s == 2
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_a_leader_that_resigns_while_it_is_cut_off_does_not_wait_for_the_database(
    relay: Relay, relayed_url: PostgresUrl, stack: AsyncExitStack
):
    store = await open_store(stack, relayed_url, timing=replace(LONG, resign_s=0.2))
    await store.leadership.acquire()
    await watch(store)
    relay.hold()

    async with asyncio.timeout(_TIMEOUT_S):
        await store.leadership.resign()

    assert not store.leadership.is_held
    with pytest.raises(LeadershipLost):
        await watch(store)
    relay.mend()


async def test_a_database_that_is_away_is_waited_for_and_reported_once(
    relay: Relay, relayed_url: PostgresUrl, stack: AsyncExitStack
):
    reported, is_reported = list[str | None](), asyncio.Event()
    attempts: list[None] = []

    def report(outage: str | None) -> None:
        reported.append(outage)
        is_reported.set()

    relay.break_connections()
    store = await open_store(stack, relayed_url, timing=LONG)
    waiting = asyncio.create_task(store.leadership.acquire(report, lambda: attempts.append(None)))
    await is_reported.wait()
    while len(attempts) < 3:
        assert not waiting.done()
        await asyncio.sleep(SHORT.poll_s)
    relay.mend()
    await waiting

    [away, back] = reported
    assert away is not None
    assert "cannot be reached" in away
    assert back is None
    assert len(attempts) > len(reported)
    await watch(store)


async def test_a_taking_waits_for_the_last_transaction_of_the_leader_before(
    stack: AsyncExitStack, postgres_url: str
):
    first, second = [await open_store(stack, PostgresUrl.of(postgres_url)) for _ in range(2)]
    await first.leadership.acquire()
    async with session(postgres_url) as beside:
        await beside.execute("UPDATE leader SET until = '-infinity'")
        async with beside.transaction():
            await beside.execute(LOCK)
            waiting = asyncio.create_task(second.leadership.acquire())
            while not await beside.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not waiting.done()
            assert await beside.fetchval("SELECT epoch FROM leader") == 1
        await waiting

    assert second.leadership.epoch == 2


async def test_a_lease_is_renewed_while_a_transaction_has_the_writers_lock(
    stack: AsyncExitStack, postgres_url: str
):
    ttl_s = 3.0  # time for a renewal on a busy machine
    store = await open_store(stack, PostgresUrl.of(postgres_url), timing=replace(SHORT, ttl_s=ttl_s))
    await store.leadership.acquire()
    holding = asyncio.create_task(store.leadership.hold())
    async with session(postgres_url) as beside, beside.transaction():
        await beside.execute(LOCK)
        await asyncio.sleep(ttl_s)
        assert not holding.done()

    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_a_migration_may_take_longer_than_a_lease(stack: AsyncExitStack, postgres_url: str):
    last = bundled_migrations()[-1].number
    slow = Migration(number=last + 1, script=f"SELECT pg_sleep({TTL_S + 0.2})")
    first = await open_store(stack, PostgresUrl.of(postgres_url), [*bundled_migrations(), slow])
    second = await open_store(stack, PostgresUrl.of(postgres_url), [*bundled_migrations(), slow])
    plain = await open_store(stack, PostgresUrl.of(postgres_url))
    assert await leads(plain)
    await plain.leadership.resign()
    leading = asyncio.create_task(first.leadership.acquire())
    async with session(postgres_url) as beside:
        while await beside.fetchval("SELECT epoch FROM leader") == 1:
            assert not leading.done()
        standing_by = asyncio.create_task(second.leadership.acquire())
        await leading
        assert not standing_by.done()
        assert (first.leadership.epoch, first.leadership.is_held) == (2, True)
        standing_by.cancel()
        await asyncio.gather(standing_by, return_exceptions=True)
        await beside.execute(f"DELETE FROM migrations WHERE number > {last}")


async def test_a_migration_that_fails_ends_the_term(stack: AsyncExitStack, postgres_url: str):
    broken = Migration(number=bundled_migrations()[-1].number + 1, script="SELECT 1 / 0")
    first = await open_store(
        stack, PostgresUrl.of(postgres_url), [*bundled_migrations(), broken], timing=LONG
    )
    second = await open_store(stack, PostgresUrl.of(postgres_url), timing=LONG)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await first.leadership.acquire()

    assert await leads(second)


@pytest.mark.parametrize("after_ms", range(0, 40, 2))
async def test_an_acquiring_that_is_cancelled_leaves_no_lease_and_no_lock(
    stack: AsyncExitStack, postgres_url: str, after_ms: int
):
    first, second = [await open_store(stack, PostgresUrl.of(postgres_url), timing=LONG) for _ in range(2)]
    acquiring = asyncio.create_task(first.leadership.acquire())
    await asyncio.sleep(after_ms / 1000)
    acquiring.cancel()
    await asyncio.gather(acquiring, return_exceptions=True)
    await first.leadership.resign()

    assert await leads(second)
    await watch(second)


async def test_a_renewal_that_is_cancelled_leaves_a_leader_that_can_resign(
    stack: AsyncExitStack, postgres_url: str
):
    first, second = [await open_store(stack, PostgresUrl.of(postgres_url), timing=LONG) for _ in range(2)]
    for after_ms in range(10):
        await first.leadership.acquire()
        holding = asyncio.create_task(first.leadership.hold())
        await asyncio.sleep(SHORT.renew_s + after_ms / 2000)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await first.leadership.resign()

        assert await leads(second)
        await second.leadership.resign()


async def test_a_renewal_that_reaches_the_server_after_the_resigning_changes_nothing(
    stack: AsyncExitStack, postgres_url: str
):
    first, second = [await open_store(stack, PostgresUrl.of(postgres_url), timing=LONG) for _ in range(2)]
    await first.leadership.acquire()
    async with session(postgres_url) as late:
        [term] = await late.fetch("SELECT holder, epoch FROM leader")
        await first.leadership.resign()
        await late.execute(
            "UPDATE leader SET until = clock_timestamp() + interval '60 s' WHERE holder = $1 AND epoch = $2",
            *term,
        )

    assert await leads(second)
    assert second.leadership.took_over_from is None


async def test_a_cancellation_during_a_rollback_is_not_lost(relay: Relay, relayed_url: PostgresUrl):
    database = Database(relayed_url)

    async def fail() -> None:
        async with database.transaction():
            relay.hold()
            raise ZeroDivisionError

    failing = asyncio.create_task(fail())
    await asyncio.sleep(0.1)
    failing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await failing

    relay.mend()
    async with database.reading() as tx:
        await tx.run("SELECT 1")
    await database.close()


async def test_a_writers_lock_that_stays_is_named(postgres_url: str):
    impatient = Session(PostgresUrl.of(postgres_url), begin=BEGIN_WRITING.replace("'7s'", "'50ms'"))
    async with session(postgres_url) as beside, beside.transaction():
        await beside.execute(LOCK)
        with pytest.raises(StoreBusy, match="is locked by another process"):
            async with impatient.transaction():
                pass
    await impatient.close()


async def test_behind_pgbouncer_a_process_leads_and_another_one_takes_over(
    stack: AsyncExitStack, postgres_url: str
):
    url = replace(PostgresUrl.of(postgres_url), is_pooled=True)
    first, second = [await open_store(stack, url, timing=LONG) for _ in range(2)]
    await first.leadership.acquire()
    holding = asyncio.create_task(first.leadership.hold())
    await watch(first)
    async with session(postgres_url) as beside:
        before = await beside.fetchval("SELECT until FROM leader")
        while await beside.fetchval("SELECT until FROM leader") == before:
            assert not holding.done()
        await beside.execute("UPDATE leader SET until = '-infinity', holder = 'another process'")
    with pytest.raises(LeadershipLost):
        await holding

    await second.leadership.acquire()

    with pytest.raises(LeadershipLost):
        await watch(first)
    assert len(await second.active_watches(CHAT)) == 1
