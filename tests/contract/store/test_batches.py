"""Batches: the watches that one message started, with one card for all of them."""

from datetime import timedelta

import pytest

from storage.models import Chat, DeliveryKind, DeliveryState, EventKind, TaskStatus
from storage.outbox import ThrottledChats, WatchDelivery
from storage.watches import WatchLimits, WatchRequest
from tests.contract.store.batch_driver import FOUR, claim, claim_card, send
from tests.contract.store.driver import CHAT, LEASE_S, Driver
from tests.fakes.requests import watch_request

HOLD_S = 2.0
GROUP = -100


def requests(*ids: str, chat_id: int = CHAT) -> list[WatchRequest]:
    return [watch_request(external_id, chat_id=chat_id) for external_id in ids]


async def age(driver: Driver, seconds: float) -> None:
    """Let the batch grow old, with its card as it was at that time."""
    driver.advance(seconds)
    await send(driver)


async def test_four_requests_of_one_message_share_one_card(driver: Driver):
    await driver.watch_batch(*FOUR)

    out = await claim_card(driver)

    assert [each.task.ref.external_id for each in out.watched] == list(FOUR)
    assert {each.watch.batch_id for each in out.watched} == {out.batch.id}
    assert (out.batch.chat_id, out.batch.request_message_id, out.batch.user_id) == (CHAT, 7, 42)
    assert out.batch.card_message_id is None


async def test_three_requests_have_a_card_each(driver: Driver):
    await driver.watch_batch(*FOUR[:3])

    assert await send(driver) == ["card"] * 3


async def test_the_first_card_waits_for_the_first_polls_even_if_one_is_earlier(driver: Driver):
    first, *_ = await driver.watch_batch(*FOUR, hold_s=HOLD_S)
    await driver.poll(first, TaskStatus.RUNNING)

    assert await send(driver) == []
    driver.advance(HOLD_S)
    assert await send(driver) == ["batch"]


async def test_watches_that_exist_already_keep_their_cards(driver: Driver):
    await driver.watch("a")
    found = await driver.store.add_watches(requests(*FOUR), at=driver.now)

    assert [each.is_new for each in found.watched] == [False, True, True, True]
    assert [each.watch.batch_id is None for each in found.watched] == [True, False, False, False]
    assert sorted(await send(driver)) == ["batch", "card"]


async def test_a_single_new_watch_has_its_own_card(driver: Driver):
    for name in "abc":
        await driver.watch(name)
    await send(driver)

    await driver.watch_batch(*FOUR)

    assert await send(driver) == ["card"]


async def test_the_same_message_again_makes_no_second_batch(driver: Driver):
    await driver.watch_batch(*FOUR)
    again = await driver.store.add_watches(requests(*FOUR), at=driver.now)

    assert not any(each.is_new for each in again.watched)
    assert await send(driver) == ["batch"]


async def test_a_watch_that_is_requested_again_names_the_card_of_its_batch(driver: Driver):
    await driver.watch_batch(*FOUR)
    card = await claim_card(driver)
    await driver.settle(card, message_id=9)

    assert (await driver.watch("b")).watch.card_message_id == 9


async def test_requests_beyond_a_limit_are_counted_and_leave_no_trace(driver: Driver):
    await driver.watch("c")
    found = await driver.store.add_watches(
        requests("a", "b", "c", "d", "e"), at=driver.now, limits=WatchLimits(per_chat=3)
    )

    assert [each.task.ref.external_id for each in found.watched] == ["a", "b", "c"]
    assert found.refused == 2
    assert found.limit is not None
    assert found.limit.limit == 3
    assert sum((await driver.store.stats()).tasks.values()) == 3


async def test_news_of_several_tasks_is_one_edit(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    await send(driver)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.RUNNING)
    driver.advance(5)

    out = await claim_card(driver)

    assert {each.task.status for each in out.watched} == {TaskStatus.RUNNING}
    assert out.batch.card_message_id == 1000 + out.delivery.id - 1
    assert out.batch.card_digest == "shown"


@pytest.mark.parametrize(("chat_id", "age_s", "wait_s"), [(CHAT, 600, 60), (GROUP, 600, 200), (GROUP, 3, 5)])
async def test_edits_get_rarer_with_the_age_of_the_batch(
    driver: Driver, chat_id: int, age_s: float, wait_s: float
):
    first, *_ = await driver.watch_batch(*FOUR, chat_id=chat_id, hold_s=age_s)
    await age(driver, age_s)
    await driver.poll(first, TaskStatus.RUNNING)

    assert await driver.store.next_delivery_at() == driver.later(wait_s)


async def test_the_last_state_is_due_at_once_though_an_edit_waits(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    await send(driver)
    await driver.poll(tasks[0], TaskStatus.RUNNING)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.FAILED)

    assert await send(driver) == ["result", "batch"]


async def test_the_last_state_is_sent_to_a_chat_throttled_for_edits(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    await send(driver)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.SUCCEEDED)
    throttled = ThrottledChats(to_edits=[CHAT])

    sent = []
    while claimed := await claim(driver, throttled):
        for out in claimed:
            sent.append(out.delivery.kind)
            await driver.settle(out, message_id=5)

    assert sent == [DeliveryKind.RESULT] * 4 + [DeliveryKind.BATCH]


async def test_results_come_in_the_order_of_ending(driver: Driver):
    tasks = dict(zip(FOUR, await driver.watch_batch(*FOUR), strict=True))
    await send(driver)
    for name in "cadb":
        await driver.poll(tasks[name], TaskStatus.SUCCEEDED)
        driver.advance(1)

    order = []
    while claimed := await claim(driver):
        for out in claimed:
            if isinstance(out, WatchDelivery):
                order.append(out.task.ref.external_id)
            await driver.settle(out, message_id=5)

    assert order == list("cadb")


async def test_tasks_that_have_ended_before_still_get_a_card(driver: Driver):
    tasks = await driver.watch_batch(*FOUR, hold_s=HOLD_S)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.FAILED)

    assert await send(driver) == ["result", "batch"]


async def test_news_while_the_card_is_being_sent_is_an_edit_of_its_own_later(driver: Driver):
    first, *_ = await driver.watch_batch(*FOUR)
    card = await claim_card(driver)
    await driver.poll(first, TaskStatus.RUNNING)
    assert await claim(driver) == []

    await driver.settle(card, message_id=9, digest="queued")

    assert await driver.store.next_delivery_at() == driver.later(5)
    driver.advance(5)
    assert (await claim_card(driver)).batch.card_message_id == 9


async def test_an_end_while_the_card_is_being_sent_is_shown_at_once(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    card = await claim_card(driver)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.FAILED)
    await driver.settle(card, message_id=9, digest="queued")

    assert await send(driver) == ["result", "batch"]


async def test_a_card_that_could_not_be_sent_keeps_its_backoff(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    await driver.settle(await claim_card(driver), DeliveryState.PENDING, retry_s=30)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.FAILED)

    assert await send(driver) == ["result"]
    driver.advance(30)
    assert await send(driver) == ["batch"]


async def test_a_claimed_card_is_claimed_again_after_a_crash_and_shows_the_newest_state(driver: Driver):
    first, *_ = await driver.watch_batch(*FOUR)
    await claim_card(driver)
    await driver.poll(first, TaskStatus.RUNNING)
    driver.advance(LEASE_S)

    out = await claim_card(driver)

    assert out.watched[0].task.status is TaskStatus.RUNNING
    await driver.settle(out, message_id=9)
    driver.advance(3600)
    assert await send(driver) == ["batch"]  # the news that came while it was being sent
    assert await send(driver) == []


async def test_stopping_one_of_them_updates_the_card(driver: Driver):
    await driver.watch_batch(*FOUR)
    await send(driver)
    [watched] = await driver.store.watches_of(CHAT, "b")
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    driver.advance(5)

    assert await send(driver) == ["batch"]


async def test_a_result_that_is_given_up_updates_the_card(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.SUCCEEDED)
    for _ in tasks:
        [result] = await claim(driver)
        await driver.settle(result, DeliveryState.DEAD)

    out = await claim_card(driver)

    assert {each.watch.result for each in out.watched} == {DeliveryState.DEAD}


async def test_a_watch_that_is_restarted_alone_leaves_the_batch(driver: Driver):
    await driver.watch_batch(*FOUR)
    [watched] = await driver.store.watches_of(CHAT, "b")
    await driver.store.stop_watch(watched.watch.id, at=driver.now)
    await send(driver)

    again = await driver.watch("b", message_id=8)

    assert again.watch.batch_id is None
    assert await send(driver) == ["card"]


async def test_a_lost_chat_gets_the_card_when_it_is_found_again(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    await send(driver)
    await driver.poll(tasks[0], TaskStatus.RUNNING)
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)
    driver.advance(3600)
    assert await send(driver) == []

    await driver.store.chat_found(CHAT, at=driver.now)

    assert await send(driver) == ["batch"]


@pytest.mark.parametrize("in_hand", [False, True])
async def test_a_migrated_group_gets_a_new_card(driver: Driver, in_hand: bool):
    tasks = await driver.watch_batch(*FOUR, chat_id=GROUP)
    await send(driver)
    await driver.poll(tasks[0], TaskStatus.RUNNING)
    driver.advance(5)
    claimed = await claim(driver) if in_hand else []

    await driver.store.migrate_chat(GROUP, -200, at=driver.now)
    for out in claimed:
        await driver.settle(out, message_id=9)

    out = await claim_card(driver)
    assert out.delivery.chat_id == -200
    assert (out.batch.card_message_id, out.batch.request_message_id) == (None, None)
    assert len(out.watched) == 4


async def test_a_migrated_group_gets_the_summary_that_was_to_be_sent(driver: Driver):
    tasks = await driver.watch_batch(*FOUR, chat_id=GROUP)
    await send(driver)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.FAILED)
    [failures] = await claim(driver)
    assert isinstance(failures, WatchDelivery)
    for each in (failures, *failures.companions):
        await driver.settle(each, message_id=5)

    await driver.store.migrate_chat(GROUP, -200, at=driver.now)

    assert (await claim_card(driver)).delivery.chat_id == -200


async def test_a_chat_that_loses_access_gets_no_card(driver: Driver):
    await driver.watch_batch(*FOUR)

    await driver.store.stop_all_but([1], at=driver.now)

    assert await send(driver) == []
    assert (await driver.store.stats()).deliveries["dead"] == 1


async def test_a_batch_is_pruned_after_its_watches(driver: Driver):
    tasks = await driver.watch_batch(*FOUR)
    for task_id in tasks:
        await driver.poll(task_id, TaskStatus.FAILED)
    await send(driver)
    driver.advance(86_400)
    await driver.store.save_chat(Chat(id=CHAT, title=""), at=driver.now)
    older_than = driver.now - timedelta(hours=1)

    pruned = [await driver.store.prune(older_than=older_than, limit=100) for _ in range(2)]

    assert pruned == [4 + 4 + 1 + 4, 0]  # results, watches, batch, tasks


async def test_progress_of_a_batch_whose_card_was_refused_is_shown_in_a_new_one(driver: Driver):
    first, *_ = await driver.watch_batch(*FOUR)
    await driver.settle(await claim_card(driver), DeliveryState.DEAD)

    await driver.poll(first, TaskStatus.RUNNING, EventKind.PROGRESS)

    assert await send(driver) == ["batch"]
