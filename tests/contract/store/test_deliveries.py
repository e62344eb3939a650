"""The delivery methods of the Store."""

import pytest

from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.watches import WatchState
from tests.contract.store.driver import CHAT, LEASE_S, Driver

CARD, RESULT, NOTICE = DeliveryKind.CARD, DeliveryKind.RESULT, DeliveryKind.NOTICE


async def test_the_order_is_videos_failures_notices_last_states_first_cards_news(driver: Driver):
    running = await driver.watch("running", chat_id=6)
    early, late = await driver.watch("early", chat_id=4), await driver.watch("late", chat_id=3)
    failed = await driver.watch("failed", chat_id=5)
    await driver.send()
    await driver.poll(running.task.id, TaskStatus.RUNNING)
    driver.advance(1)
    first_card = await driver.watch("card")
    notice = await driver.watch("notice", provider="veo", chat_id=2)
    driver.advance(1)
    await driver.fail_key(notice.task.id)
    await driver.poll(failed.task.id, TaskStatus.FAILED)
    driver.advance(1)
    await driver.poll(early.task.id, TaskStatus.SUCCEEDED)
    driver.advance(1)
    await driver.poll(late.task.id, TaskStatus.SUCCEEDED)

    order = []
    while found := await driver.claim_round(1):
        order += [(one.delivery.kind, one.watch.id) for one in found]

    assert order == [
        (RESULT, early.watch.id),
        (RESULT, late.watch.id),
        (RESULT, failed.watch.id),
        (NOTICE, notice.watch.id),
        (CARD, failed.watch.id),
        (CARD, early.watch.id),
        (CARD, late.watch.id),
        (CARD, first_card.watch.id),
        (CARD, notice.watch.id),
        (CARD, running.watch.id),
    ]


async def test_no_more_than_the_limit_are_claimed(driver: Driver):
    for number in range(3):
        await driver.watch(f"t{number}")

    assert len(await driver.claim(2)) == 2
    assert await driver.claim(0) == []
    assert len(await driver.claim(2)) == 1


async def test_a_claimed_delivery_is_not_claimed_again_until_its_lease_expires(driver: Driver):
    await driver.watch()
    (first,) = await driver.claim()

    assert first.delivery.attempts == 1
    assert await driver.claim() == []
    assert await driver.store.next_delivery_at() == driver.later(LEASE_S)
    driver.advance(LEASE_S)
    (again,) = await driver.claim()
    assert (again.delivery.id, again.delivery.attempts) == (first.delivery.id, 2)


async def test_a_delivery_of_a_crashed_worker_is_claimed_again_with_its_message_id(driver: Driver):
    await driver.watch()
    (first,) = await driver.claim()
    await driver.store.note_message(first.delivery.id, 77)
    await driver.store.note_unconfirmed_call(first.delivery.id, at=driver.now)
    unconfirmed_call_at = driver.now
    driver.advance(LEASE_S)

    (again,) = await driver.claim()

    assert (again.delivery.message_id, again.delivery.unconfirmed_call_at) == (77, unconfirmed_call_at)


async def test_a_renewed_lease_expires_later(driver: Driver):
    await driver.watch()
    (claimed,) = await driver.claim()
    driver.advance(LEASE_S - 1)

    await driver.store.renew_deliveries([claimed.delivery.id], at=driver.now, lease_s=LEASE_S)

    driver.advance(LEASE_S - 1)
    assert await driver.claim() == []
    driver.advance(1)
    assert len(await driver.claim()) == 1


async def test_a_delivery_is_not_retried_before_its_time(driver: Driver):
    await driver.watch()
    (first,) = await driver.claim()
    await driver.store.note_unconfirmed_call(first.delivery.id, at=driver.now)

    await driver.settle(first, DeliveryState.PENDING, retry_s=90, message_id=5)

    assert await driver.claim() == []
    assert await driver.store.next_delivery_at() == driver.later(90)
    driver.advance(90)
    (again,) = await driver.claim()
    assert (again.delivery.attempts, again.delivery.message_id, again.delivery.unconfirmed_call_at) == (
        2,
        5,
        None,
    )


async def test_no_delivery_is_due_when_all_are_sent(driver: Driver):
    await driver.watch()
    await driver.send()

    assert await driver.store.next_delivery_at() is None


async def test_a_sent_card_is_the_watchs_card(driver: Driver):
    await driver.watch()
    await driver.settle(await driver.claim_one(CARD), message_id=11, digest="abc")

    (watched,) = await driver.store.active_watches(CHAT)
    assert (watched.watch.card_message_id, watched.watch.card_digest) == (11, "abc")


async def test_a_card_with_a_stored_message_id_keeps_it(driver: Driver):
    await driver.watch()
    card = await driver.claim_one(CARD)
    await driver.store.note_message(card.delivery.id, 12)
    await driver.settle(card, digest="abc")

    (watched,) = await driver.store.active_watches(CHAT)
    assert watched.watch.card_message_id == 12


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.UNKNOWN])
async def test_an_unsent_card_has_no_message_id(driver: Driver, state: DeliveryState):
    await driver.watch()
    await driver.settle(await driver.claim_one(CARD), state, message_id=11, digest="abc")

    (watched,) = await driver.store.active_watches(CHAT)
    assert (watched.watch.card_message_id, watched.watch.card_digest) == (None, None)


async def test_a_new_card_waits_while_one_is_being_sent(driver: Driver):
    watched = await driver.watch()
    on_its_way = await driver.claim_one(CARD)
    await driver.poll(watched.task.id, TaskStatus.RUNNING)

    assert await driver.claim() == []
    assert await driver.store.next_delivery_at() == driver.later(LEASE_S)
    await driver.settle(on_its_way, message_id=11, digest="old")
    (newer,) = await driver.claim()
    assert newer.delivery.id != on_its_way.delivery.id
    assert (newer.watch.card_message_id, newer.task.status) == (11, TaskStatus.RUNNING)


async def test_a_card_to_be_retried_replaces_the_newer_one(driver: Driver):
    watched = await driver.watch()
    on_its_way = await driver.claim_one(CARD)
    await driver.poll(watched.task.id, TaskStatus.RUNNING)

    await driver.settle(on_its_way, DeliveryState.PENDING, retry_s=30)

    assert await driver.claim() == []
    driver.advance(30)
    (again,) = await driver.claim()
    assert (again.delivery.id, again.task.status) == (on_its_way.delivery.id, TaskStatus.RUNNING)


async def test_a_result_does_not_wait_for_a_card_being_sent(driver: Driver):
    watched = await driver.watch()
    await driver.claim_one(CARD)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)

    assert [outgoing.delivery.kind for outgoing in await driver.claim()] == [RESULT]


async def test_a_sent_result_finishes_its_watch(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.send()

    (found,) = await driver.store.watches_of(CHAT, "t1")
    assert found.watch.state is WatchState.FINISHED
    assert await driver.store.active_watches(CHAT) == []
    assert await driver.store.next_delivery_at() is None


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.UNKNOWN])
async def test_an_unconfirmed_result_finishes_its_watch_and_updates_the_card(
    driver: Driver, state: DeliveryState
):
    watched = await driver.watch()
    await driver.send()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    result, card = await driver.claim()
    await driver.settle(card, message_id=3, digest="done")

    await driver.settle(result, state)

    (again,) = await driver.claim()
    assert (again.delivery.kind, again.watch.state) == (CARD, WatchState.FINISHED)


async def test_a_result_to_be_retried_leaves_its_watch_active(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)

    await driver.settle(await driver.claim_one(RESULT), DeliveryState.PENDING, retry_s=1)

    assert [one.watch.id for one in await driver.store.active_watches(CHAT)] == [watched.watch.id]


async def test_a_delivery_is_settled_once(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    result = await driver.claim_one(RESULT)
    await driver.settle(result)

    await driver.settle(result, DeliveryState.PENDING)

    driver.advance(LEASE_S)
    assert RESULT not in {kind for kind, _ in await driver.send()}


async def test_old_cards_of_active_watches_are_refreshed(driver: Driver):
    old = await driver.watch("old")
    over = await driver.watch("over")
    await driver.send()
    await driver.store.stop_watch(over.watch.id, at=driver.now)
    await driver.send()
    driver.advance(100)
    await driver.watch("new")
    await driver.send()

    assert await driver.store.refresh_cards(older_than=driver.later(-50), limit=9, at=driver.now) == 1
    assert await driver.store.refresh_cards(older_than=driver.later(-50), limit=9, at=driver.now) == 0

    assert await driver.send() == [(CARD, old.watch.id)]
