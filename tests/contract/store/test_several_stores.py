"""Leases of stores that share a database, or are closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from storage.errors import StoreUnavailable
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from tests.contract.store.driver import LEASE_S, Driver
from tests.contract.store.engines import Engine


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def empty(engine: Engine) -> None:
    await engine.clear()


@asynccontextmanager
async def opened(engine: Engine) -> AsyncIterator[Driver]:
    store = await engine.open()
    try:
        yield Driver(store)
    finally:
        await store.close()


async def test_a_second_store_leaves_the_first_one_s_leases_alone(engine: Engine):
    async with opened(engine) as first:
        await first.watch()
        await first.claim_tasks()
        await first.claim()

        async with opened(engine) as second:
            assert await second.claim_tasks() == []
            assert await second.claim() == []
        async with opened(engine) as third:
            assert await third.claim_tasks() == []
            assert await third.claim() == []


async def test_a_third_store_leaves_the_second_one_s_leases_alone_though_the_first_has_ended(engine: Engine):
    async with opened(engine) as first, opened(engine) as second:
        await second.watch()
        await first.store.close()
        await second.claim_tasks()
        await second.claim()

        async with opened(engine) as third:
            assert await third.claim_tasks() == []
            assert await third.claim() == []


async def test_two_stores_that_claim_at_once_never_get_the_same(engine: Engine):
    async with opened(engine) as first, opened(engine) as second:
        watched = [await first.watch(f"t{number}") for number in range(20)]

        tasks = await asyncio.gather(*(one.claim_tasks(limit=3) for one in (first, second) * 5))
        deliveries = await asyncio.gather(*(one.claim(3) for one in (first, second) * 5))

        assert sorted(task.id for some in tasks for task in some) == [one.task.id for one in watched]
        assert sorted(each.watch.id for some in deliveries for each in some) == [
            one.watch.id for one in watched
        ]


async def test_a_lease_that_ran_out_is_taken_over_by_another_store(engine: Engine):
    async with opened(engine) as first, opened(engine) as second:
        await first.watch()
        (task,) = await first.claim_tasks()
        second.advance(LEASE_S)
        (taken,) = await second.claim_tasks()

        assert not await first.store.apply(*first.polled(task, TaskStatus.RUNNING))
        assert await first.claim_tasks() == []
        assert await second.store.apply(*second.polled(taken, TaskStatus.SUCCEEDED))


async def test_what_a_closed_store_had_in_hand_is_free_at_once(engine: Engine):
    async with opened(engine) as second:
        async with opened(engine) as first:
            await first.watch("plain")
            await first.watch("noted")
            await first.claim_tasks()
            plain, noted = await first.claim()
            await first.store.note_message(noted.delivery.id, 5)

        assert len(await second.claim_tasks()) == 2
        again = await second.claim()
        assert [one.delivery.id for one in again] == [plain.delivery.id, noted.delivery.id]
        assert again[1].delivery.message_id == 5


async def test_a_closing_store_gives_back_only_its_own(engine: Engine):
    async with opened(engine) as first:
        async with opened(engine) as second:
            await first.watch("a")
            await first.claim_tasks()
            await first.claim()
            await second.watch("b")
            await second.claim_tasks()
            await second.claim()

        assert [task.ref.external_id for task in await first.claim_tasks()] == ["b"]
        assert [one.task.ref.external_id for one in await first.claim()] == ["b"]


async def test_a_call_that_must_not_be_repeated_is_remembered_past_the_close(engine: Engine):
    async with opened(engine) as first:
        await first.watch()
        (risky,) = await first.claim()
        await first.store.note_unconfirmed_call(risky.delivery.id, at=first.now)

    async with opened(engine) as second:
        stats = await second.store.stats()
        assert (stats.deliveries["sending"], stats.deliveries["pending"]) == (1, 0)
        (again,) = await second.claim()
        assert (again.delivery.id, again.delivery.unconfirmed_call_at) == (risky.delivery.id, first.now)


async def test_a_card_given_back_at_the_close_takes_the_newer_one_s_place(engine: Engine):
    async with opened(engine) as first:
        watched = await first.watch()
        (card,) = await first.claim()
        await first.poll(watched.task.id, TaskStatus.RUNNING)

    async with opened(engine) as second:
        (again,) = await second.claim()
        assert again.delivery.id == card.delivery.id
        assert again.task.status is TaskStatus.RUNNING


async def test_what_was_acknowledged_is_there_when_the_database_is_opened_again(engine: Engine):
    async with opened(engine) as first:
        watched = await first.watch()
        await first.poll(watched.task.id, TaskStatus.SUCCEEDED)
        await first.settle(await first.claim_one(DeliveryKind.RESULT), DeliveryState.PENDING, retry_s=5)

    async with opened(engine) as second:
        second.advance(5)
        result = await second.claim_one(DeliveryKind.RESULT)
        assert result.task.status is TaskStatus.SUCCEEDED
        assert result.delivery.attempts == 2


async def test_a_closed_store_raises_store_unavailable(engine: Engine):
    async with opened(engine) as driver:
        await driver.store.close()

        with pytest.raises(StoreUnavailable, match="is closed"):
            await driver.watch()
