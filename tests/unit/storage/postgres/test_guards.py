"""Stores that need not lead, and stores before their first term."""

from collections.abc import AsyncIterator, Iterator

import pytest

from storage.errors import LeadershipLost, StoreUnavailable
from storage.postgres.migrate import Migration, bundled_migrations
from storage.postgres.server_clock import utc_now
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from tests.contract.store.driver import CHAT, Driver
from tests.postgres.schemas import new_schema

NEWER = [*bundled_migrations(), Migration(number=len(bundled_migrations()) + 1, script="SELECT 1")]


@pytest.fixture
def url(postgres_server: str) -> Iterator[PostgresUrl]:
    with new_schema(postgres_server) as url:
        yield PostgresUrl.of(url)


@pytest.fixture
async def unfenced(url: PostgresUrl) -> AsyncIterator[PostgresStore]:
    store = PostgresStore.open_unfenced(url, now=utc_now)
    yield store
    await store.close()


async def migrate(url: PostgresUrl, migrations: list[Migration] | None = None) -> PostgresStore:
    """By a store that leads then."""
    store = await PostgresStore.open(url, migrations=migrations)
    await store.leadership.acquire()
    return store


async def test_a_store_without_the_fence_writes_beside_the_leader(url: PostgresUrl, unfenced: PostgresStore):
    leader = await migrate(url)

    await Driver(unfenced).watch()

    assert len(await leader.active_watches(CHAT)) == 1
    await leader.close()
    await Driver(unfenced).watch("another")


async def test_a_store_without_the_fence_is_unavailable_until_a_leader_has_made_the_schema(
    url: PostgresUrl, unfenced: PostgresStore
):
    for call in (unfenced.active_watches(CHAT), Driver(unfenced).watch()):
        with pytest.raises(StoreUnavailable, match="another schema"):
            await call

    await (await migrate(url)).close()

    await Driver(unfenced).watch()
    assert len(await unfenced.active_watches(CHAT)) == 1


async def test_a_store_without_the_fence_is_unavailable_once_a_newer_version_has_migrated(
    url: PostgresUrl, unfenced: PostgresStore
):
    await (await migrate(url)).close()
    await Driver(unfenced).watch()
    await (await migrate(url, NEWER)).close()

    for call in (unfenced.active_watches(CHAT), Driver(unfenced).watch("another")):
        with pytest.raises(StoreUnavailable, match="another schema"):
            await call


async def test_a_store_that_leads_asks_for_the_schema_only_when_its_term_is_over(url: PostgresUrl):
    first = await migrate(url)
    await first.leadership.resign()
    await (await migrate(url, NEWER)).close()

    with pytest.raises(StoreUnavailable, match="another schema"):
        await first.active_watches(CHAT)
    await first.close()


async def test_a_store_that_has_never_led_can_be_closed_and_writes_nothing(url: PostgresUrl):
    store = await PostgresStore.open(url)

    with pytest.raises(LeadershipLost):
        await store.check()
    await store.close()
    await store.close()
