"""Notifications among processes that share a schema of PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import asyncpg
import pytest

from storage.notifications import NoNotifications, Notifications, Topic
from storage.postgres.notifications import PostgresNotifications
from storage.postgres.server_clock import utc_now
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.fakes.relay import Relay
from tests.postgres.relayed import server_of, through
from tests.postgres.schemas import new_schema

WITHIN_S = 5.0


class Listener:
    """What one process hears."""

    def __init__(self, notifications: Notifications) -> None:
        self.notifications = notifications
        self.heard: asyncio.Queue[Topic] = asyncio.Queue()

    async def next(self) -> Topic:
        return await asyncio.wait_for(self.heard.get(), WITHIN_S)

    async def until_connected(self) -> None:
        assert {await self.next() for _ in Topic} == set(Topic)


@asynccontextmanager
async def listening(url: str, *, check_s: float = 10.0) -> AsyncIterator[Listener]:
    listener = Listener(PostgresNotifications(PostgresUrl.of(url), check_s=check_s))
    run = asyncio.create_task(listener.notifications.run(listener.heard.put_nowait))
    try:
        await listener.until_connected()
        yield listener
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


@asynccontextmanager
async def another_session(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    session = await asyncpg.connect(url)
    yield session
    await session.close()


async def end_listening_sessions(url: str) -> None:
    async with another_session(url) as session:
        ended = await session.fetch(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE application_name = 'reelwatch' AND pid <> pg_backend_pid()
            """
        )
    assert ended


async def test_others_hear_what_one_sends_and_it_does_not_hear_itself(postgres_url: str):
    async with listening(postgres_url) as one, listening(postgres_url) as two:
        one.notifications.send(Topic.POLLING)
        assert await two.next() is Topic.POLLING
        two.notifications.send(Topic.ACCESS)
        assert await one.next() is Topic.ACCESS
        assert one.heard.empty()
        assert two.heard.empty()


async def test_what_is_sent_before_the_connection_is_sent_with_it(postgres_url: str):
    async with listening(postgres_url) as two:
        notifications = PostgresNotifications(PostgresUrl.of(postgres_url))
        notifications.send(Topic.DELIVERY)
        run = asyncio.create_task(notifications.run(lambda _: None))
        assert await two.next() is Topic.DELIVERY
        run.cancel()


async def test_after_a_lost_connection_every_topic_counts_as_heard_and_it_listens_again(postgres_url: str):
    async with listening(postgres_url) as one, listening(postgres_url) as two:
        await end_listening_sessions(postgres_url)
        await two.until_connected()
        await one.until_connected()
        one.notifications.send(Topic.POLLING)
        assert await two.next() is Topic.POLLING


async def test_what_a_lost_connection_did_not_send_is_sent_by_the_next_one(postgres_url: str):
    async with Relay.open(server_of(postgres_url)) as relay, listening(postgres_url) as two:
        url = through(relay.port, postgres_url)
        notifications = PostgresNotifications(url, check_s=60.0, reconnect_s=0.0)
        heard = asyncio.Queue[Topic]()
        run = asyncio.create_task(notifications.run(heard.put_nowait))
        for _ in Topic:
            await heard.get()
        relay.hold()
        sent_before = relay.sent_at
        for topic in Topic:
            notifications.send(topic)
        while relay.sent_at == sent_before:  # noqa: ASYNC110 - until one is on its way
            await asyncio.sleep(0.01)
        relay.break_connections()
        relay.mend()

        assert {await two.next() for _ in Topic} == set(Topic)
        run.cancel()


@pytest.fixture(scope="module")
def other_schema(postgres_server: str) -> Iterator[str]:
    with new_schema(postgres_server) as url:
        yield url


async def test_another_schema_of_the_database_hears_nothing(postgres_url: str, other_schema: str):
    async with (
        listening(postgres_url) as one,
        listening(postgres_url) as two,
        listening(other_schema) as other,
    ):
        one.notifications.send(Topic.POLLING)
        assert await two.next() is Topic.POLLING
        assert other.heard.empty()


async def test_a_connection_without_traffic_is_checked_and_kept(postgres_url: str):
    async with listening(postgres_url, check_s=0.01) as one, listening(postgres_url) as two:
        await asyncio.sleep(0.1)
        two.notifications.send(Topic.POLLING)
        assert await one.next() is Topic.POLLING
        assert one.heard.empty()


async def test_a_payload_of_another_version_is_ignored(postgres_url: str):
    async with listening(postgres_url) as one, another_session(postgres_url) as session:
        channel = await session.fetchval("SELECT 'reelwatch_' || md5(current_schema())")
        for payload in ("a topic of the future", "", Topic.DELIVERY):
            await session.execute("SELECT pg_notify($1, $2)", channel, payload)
        assert await one.next() is Topic.DELIVERY
        assert one.heard.empty()


async def test_a_server_that_is_away_is_waited_for(postgres_url: str):
    away = PostgresNotifications(PostgresUrl.of("postgresql://127.0.0.1:1/nowhere"))
    away.send(Topic.POLLING)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(away.run(lambda _: None), 0.1)


async def test_behind_pgbouncer_nothing_is_sent_or_heard(postgres_url: str):
    url = replace(PostgresUrl.of(postgres_url), is_pooled=True)
    assert isinstance(PostgresStore.open_unfenced(url, now=utc_now).notifications, NoNotifications)
