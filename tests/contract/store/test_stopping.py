"""Watches that users stop and restart."""

import pytest

from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.watches import WatchState
from tests.contract.store.driver import CHAT, LEASE_S, Driver

CARD, RESULT, NOTICE = DeliveryKind.CARD, DeliveryKind.RESULT, DeliveryKind.NOTICE


async def test_stopping_a_watch_updates_its_card_and_clears_the_next_poll(driver: Driver):
    watched = await driver.watch()
    await driver.send()

    assert await driver.store.stop_watch(watched.watch.id, at=driver.now)

    outgoing = await driver.claim_one(CARD)
    assert outgoing.watch.state is WatchState.STOPPED
    assert outgoing.task.next_poll_at is None
    assert await driver.claim_tasks() == []


async def test_who_stopped_a_watch_is_kept_until_it_is_restarted(driver: Driver):
    watched = await driver.watch()
    await driver.store.stop_watch(watched.watch.id, at=driver.now, by="Bob")

    found = await driver.store.watch(watched.watch.id, CHAT)
    assert found is not None
    assert found.watch.stopped_by == "Bob"
    assert found.task.ref == watched.task.ref

    assert (await driver.watch()).watch.stopped_by is None


async def test_a_watch_is_found_by_its_id_in_its_own_chat(driver: Driver):
    watched = await driver.watch()

    assert await driver.store.watch(watched.watch.id, CHAT + 1) is None
    assert await driver.store.watch(watched.watch.id + 1, CHAT) is None


async def test_a_watch_is_stopped_once(driver: Driver):
    watched = await driver.watch()

    assert await driver.store.stop_watch(watched.watch.id, at=driver.now)
    assert not await driver.store.stop_watch(watched.watch.id, at=driver.now)
    assert not await driver.store.stop_watch(12345, at=driver.now)


async def test_a_task_watched_by_another_chat_is_polled_further_when_one_stops(driver: Driver):
    first = await driver.watch()
    await driver.watch(chat_id=2)

    await driver.store.stop_watch(first.watch.id, at=driver.now)

    assert [task.id for task in await driver.claim_tasks()] == [first.task.id]


@pytest.mark.parametrize("claimed", [False, True])
async def test_stopping_supersedes_the_unsent_result(driver: Driver, claimed: bool):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    in_hand = await driver.claim() if claimed else []

    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    for outgoing in in_hand:
        await driver.settle(outgoing, DeliveryState.PENDING)
    driver.advance(LEASE_S)

    assert await driver.send() == [(CARD, watched.watch.id)]
    (found,) = await driver.store.watches_of(CHAT, "t1")
    assert found.watch.state is WatchState.STOPPED
    assert (await driver.store.stats()).deliveries["dead"] == 1


async def test_a_stopped_watch_can_be_restarted(driver: Driver):
    first = await driver.watch()
    await driver.send()
    await driver.store.stop_watch(first.watch.id, at=driver.now)
    driver.advance(5)

    again = await driver.watch(message_id=8)

    assert again.is_new
    assert (again.watch.id, again.watch.state) == (first.watch.id, WatchState.ACTIVE)
    assert (again.watch.card_message_id, again.watch.card_digest) == (None, None)
    assert (again.watch.request_message_id, again.watch.created_at) == (8, driver.now)
    assert again.task.next_poll_at == driver.now
    assert await driver.send() == [(CARD, first.watch.id)]


async def test_the_card_being_sent_when_a_watch_restarts_does_not_become_its_new_card(driver: Driver):
    first = await driver.watch()
    old_card = await driver.claim_one(CARD)
    await driver.store.stop_watch(first.watch.id, at=driver.now)
    await driver.watch()

    await driver.settle(old_card, message_id=55, digest="old")

    assert (await driver.claim_one(CARD)).watch.card_message_id is None


async def test_a_restarted_watch_of_an_ended_task_gets_the_result(driver: Driver):
    first = await driver.watch()
    await driver.store.stop_watch(first.watch.id, at=driver.now)
    await driver.watch(chat_id=2)
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    await driver.send()

    await driver.watch()

    assert await driver.send() == [(RESULT, first.watch.id)]
