"""Stores behind pgbouncer in transaction mode, which gives each transaction any session of the server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from storage.errors import LeadershipLost, StoreRefused
from storage.postgres.connection import Database
from storage.postgres.leadership import Timing
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.contract.exports import export, fill, import_
from tests.contract.store.driver import CHAT, Driver
from tests.fakes.tls import CERTIFICATE
from tests.postgres.bouncer import needs_pgbouncer, run_pgbouncer
from tests.postgres.schemas import empty
from tests.postgres.server import Server

pytestmark = needs_pgbouncer
SESSIONS = 2  # of the server; three stores have nine connections to pgbouncer
SHORT = Timing(poll_s=0.02, renew_s=0.02, heartbeat_s=0.02)


@pytest.fixture
def url(server: Server) -> Iterator[PostgresUrl]:
    with run_pgbouncer(server, sessions=SESSIONS) as url:
        yield PostgresUrl.of(url)


@pytest.fixture
async def stores(url: PostgresUrl) -> AsyncIterator[list[PostgresStore]]:
    """Three, of which the first one leads."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(3):
            store = await PostgresStore.open(url, timing=SHORT)
            stack.push_async_callback(store.close)
            opened.append(store)
        await opened[0].leadership.acquire()
        yield opened


async def test_one_leads_while_others_ask_and_the_next_one_takes_over(stores: list[PostgresStore]):
    leader, *others = stores
    holding = asyncio.create_task(leader.leadership.hold())
    asking = [asyncio.create_task(store.leadership.acquire()) for store in others]

    driver = Driver(leader)
    for number in range(20):
        await driver.watch(f"t{number}")
        await asyncio.gather(leader.active_watches(CHAT), leader.figures())
    assert not any(each.done() for each in (holding, *asking))

    holding.cancel()
    await leader.leadership.resign()
    done, pending = await asyncio.wait(asking, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(pending)) == (1, 1)
    pending.pop().cancel()
    [successor] = [store for store in others if store.leadership.is_held]
    assert len(await successor.active_watches(CHAT)) == 20
    await Driver(successor).watch("last")
    with pytest.raises(LeadershipLost):
        await driver.watch("too late")


async def test_a_frozen_process_loses_its_transaction_and_the_writers_lock(url: PostgresUrl):
    database = Database(url)
    async with database.transaction() as writing, database.reading() as reading:
        limits = [await tx.one("SHOW idle_in_transaction_session_timeout") for tx in (writing, reading)]
    await database.close()

    assert [row and row[0] for row in limits] == ["5s", "5s"]


async def test_a_url_that_does_not_say_so_is_refused(url: PostgresUrl):
    with pytest.raises(StoreRefused, match=r"is behind pgbouncer: write \?pgbouncer=true at the end"):
        await PostgresStore.open(PostgresUrl.of(url.dsn))


async def test_a_database_that_does_not_exist_is_refused(url: PostgresUrl):
    nowhere = url.dsn.replace("/postgres?", "/nowhere?")

    with pytest.raises(StoreRefused, match='"nowhere" does not exist'):
        await PostgresStore.open(PostgresUrl.of(f"{nowhere}&pgbouncer=true"))


def test_imports_and_exports_pass_through(server: Server, url: PostgresUrl, tmp_path: Path):
    fill(tmp_path / "a.db", seed=1)
    written = export(tmp_path / "a.db")
    asyncio.run(empty(server.url))

    import_(url, written)

    assert [export(url), export(url)] == [written] * 2


async def test_with_verify_full_only_a_trusted_certificate_of_the_host_is_accepted(url: PostgresUrl):
    port = url.dsn.rpartition("port=")[2]
    query = f"sslmode=verify-full&sslrootcert={CERTIFICATE}&pgbouncer=true"

    store = await PostgresStore.open(
        PostgresUrl.of(f"postgresql://postgres@localhost:{port}/postgres?{query}")
    )
    await store.leadership.acquire()
    await store.close()

    with pytest.raises(StoreRefused, match=r"^The certificate of the database .* is not trusted: "):
        await PostgresStore.open(PostgresUrl.of(f"postgresql://postgres@127.0.0.2:{port}/postgres?{query}"))
