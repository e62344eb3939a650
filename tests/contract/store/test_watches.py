"""The watch methods of the Store."""

import asyncio

import pytest

from storage.errors import WatchLimitReached
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.watches import WatchLimits, WatchState
from tests.contract.store.driver import CHAT, Driver
from tests.fakes.requests import watch_request

CARD, RESULT, NOTICE = DeliveryKind.CARD, DeliveryKind.RESULT, DeliveryKind.NOTICE


async def test_a_new_watch_creates_a_card_and_a_due_task(driver: Driver):
    watched = await driver.watch(thread_id=5)

    assert watched.is_new
    assert (watched.watch.chat_id, watched.watch.thread_id) == (CHAT, 5)
    assert (watched.watch.state, watched.watch.request_message_id) == (WatchState.ACTIVE, 7)
    assert (watched.task.status, watched.task.next_poll_at) == (TaskStatus.UNKNOWN, driver.now)
    (outgoing,) = await driver.claim()
    assert (outgoing.delivery.kind, outgoing.watch, outgoing.task) == (CARD, watched.watch, watched.task)


@pytest.mark.parametrize("thread_id", [None, 5])
async def test_the_same_task_in_the_same_chat_and_topic_is_the_same_watch(
    driver: Driver, thread_id: int | None
):
    first = await driver.watch(thread_id=thread_id)
    again = await driver.watch(thread_id=thread_id, message_id=8)

    assert (again.watch, again.is_new) == (first.watch, False)
    assert await driver.send() == [(CARD, first.watch.id)]


@pytest.mark.parametrize("ends", [False, True])
async def test_a_message_that_is_repeated_after_its_watch_was_stopped_or_ended_restarts_nothing(
    driver: Driver, ends: bool
):
    first = await driver.watch(message_id=7)
    await driver.send()
    if ends:
        await driver.poll(first.task.id, TaskStatus.NOT_FOUND)
    else:
        await driver.store.stop_watch(first.watch.id, at=driver.now)
    await driver.send()

    again = await driver.watch(message_id=7)

    assert not again.is_new
    assert await driver.send() == []
    assert (await driver.watch(message_id=8)).is_new


async def test_a_task_watched_from_several_chats_and_topics_is_one_task(driver: Driver):
    watched = [
        await driver.watch(chat_id=chat, thread_id=topic) for chat, topic in [(1, None), (1, 2), (3, None)]
    ]

    assert len({one.watch.id for one in watched}) == 3
    assert len({one.task.id for one in watched}) == 1


async def test_ids_that_differ_in_case_or_provider_are_different_tasks(driver: Driver):
    watched = [await driver.watch("a"), await driver.watch("A"), await driver.watch("a", provider="veo")]

    assert len({one.task.id for one in watched}) == 3


async def test_a_new_watch_makes_a_task_due_although_its_next_poll_is_far_off(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.RUNNING, next_s=3600)

    other = await driver.watch(chat_id=2)

    assert other.task.next_poll_at == driver.now
    assert other.task.status is TaskStatus.RUNNING


async def test_a_new_watch_during_a_poll_gets_its_result(driver: Driver):
    first = await driver.watch()
    (task,) = await driver.claim_tasks()
    second = await driver.watch(chat_id=2)

    assert await driver.store.apply(*driver.polled(task, TaskStatus.SUCCEEDED))
    sent = await driver.send()

    assert {(RESULT, first.watch.id), (RESULT, second.watch.id)} <= set(sent)


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED])
async def test_a_new_watch_of_an_ended_task_gets_only_its_result(driver: Driver, status: TaskStatus):
    first = await driver.watch()
    await driver.poll(first.task.id, status)
    await driver.send()

    second = await driver.watch(chat_id=2)

    assert (second.task.status, second.task.next_poll_at) == (status, None)
    assert await driver.send() == [(RESULT, second.watch.id)]


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED])
async def test_a_watch_whose_result_was_delivered_is_returned_unchanged(driver: Driver, status: TaskStatus):
    first = await driver.watch()
    await driver.poll(first.task.id, status)
    await driver.send()

    again = await driver.watch(message_id=99)

    assert (again.watch.id, again.is_new) == (first.watch.id, False)
    assert (again.watch.state, again.watch.request_message_id) == (WatchState.FINISHED, 7)
    assert await driver.send() == []


async def test_a_watch_whose_result_was_given_up_is_restarted(driver: Driver):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(RESULT), DeliveryState.DEAD)

    again = await driver.watch()

    assert (again.watch.id, again.is_new) == (first.watch.id, True)
    assert await driver.send() == [(RESULT, first.watch.id)]


@pytest.mark.parametrize("status", [TaskStatus.EXPIRED, TaskStatus.NOT_FOUND])
@pytest.mark.parametrize("chat_id", [CHAT, 2])
async def test_a_task_unknown_to_the_gateway_is_polled_again(
    driver: Driver, status: TaskStatus, chat_id: int
):
    first = await driver.watch()
    await driver.poll(first.task.id, status)
    await driver.send()
    driver.advance(10)

    again = await driver.watch(chat_id=chat_id)

    assert again.is_new
    assert (again.watch.card_message_id, again.watch.created_at) == (None, driver.now)
    assert (again.task.id, again.task.status) == (first.task.id, TaskStatus.UNKNOWN)
    assert (again.task.snapshot, again.task.snapshot_at, again.task.last_poll_at) == (None, None, None)
    assert (again.task.registered_at, again.task.next_poll_at) == (driver.now, driver.now)
    assert await driver.send() == [(CARD, again.watch.id)]


async def test_a_chat_that_got_not_found_gets_the_later_result(driver: Driver):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.NOT_FOUND)
    await driver.send()
    await driver.watch(chat_id=2)
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    await driver.send()

    again = await driver.watch()

    assert again.is_new
    assert await driver.send() == [(RESULT, first.watch.id)]


async def test_an_unsent_not_found_is_superseded_by_the_new_poll(driver: Driver):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.NOT_FOUND)
    second = await driver.watch(chat_id=2)

    assert {kind for kind, _ in await driver.send()} == {CARD}
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    assert {(RESULT, first.watch.id), (RESULT, second.watch.id)} <= set(await driver.send())


async def test_the_other_cards_show_that_a_task_is_polled_again(driver: Driver):
    first = await driver.watch()
    await driver.send()
    await driver.poll(first.task.id, TaskStatus.NOT_FOUND)
    await driver.settle(await driver.claim_one(CARD), message_id=1, digest="not found")

    second = await driver.watch(chat_id=2)

    assert set(await driver.send()) == {(CARD, first.watch.id), (CARD, second.watch.id)}


async def test_active_watches_are_the_chats_own_oldest_first(driver: Driver):
    old = await driver.watch("b")
    driver.advance(1)
    new = await driver.watch("a")
    gone = await driver.watch("c")
    await driver.watch("d", chat_id=2)
    await driver.store.stop_watch(gone.watch.id, at=driver.now)

    assert [one.watch.id for one in await driver.store.active_watches(CHAT)] == [old.watch.id, new.watch.id]


async def test_watches_of_an_id_are_listed_newest_first_in_any_state(driver: Driver):
    stopped = await driver.watch("x")
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)
    driver.advance(1)
    other = await driver.watch("x", provider="veo", thread_id=3)
    await driver.watch("y")
    await driver.watch("x", chat_id=2)

    found = await driver.store.watches_of(CHAT, "x")

    assert [one.watch.id for one in found] == [other.watch.id, stopped.watch.id]
    assert [one.task.ref.provider for one in found] == ["veo", "wan"]


async def test_a_poll_request_makes_a_task_due(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.RUNNING, next_s=600)
    driver.advance(1)

    await driver.store.request_poll(watched.task.id, at=driver.now)

    assert [task.id for task in await driver.claim_tasks()] == [watched.task.id]


async def test_a_poll_request_does_not_make_an_overdue_task_due_later(driver: Driver):
    overdue = await driver.watch("overdue")
    driver.advance(1)
    due = await driver.watch("due")
    driver.advance(1)

    await driver.store.request_poll(overdue.task.id, at=driver.now)

    assert [task.id for task in await driver.claim_tasks()] == [overdue.task.id, due.task.id]


async def test_a_poll_request_does_not_change_an_ended_task(driver: Driver):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.FAILED)

    await driver.store.request_poll(watched.task.id, at=driver.now)

    assert await driver.claim_tasks() == []


async def test_an_unknown_task_is_none(driver: Driver):
    assert await driver.store.task(1) is None


async def test_a_watch_beyond_the_limit_of_a_chat_is_not_stored(driver: Driver):
    limits = WatchLimits(per_chat=2)
    for external_id in ("t1", "t2"):
        await driver.store.add_watch(watch_request(external_id), at=driver.now, limits=limits)

    with pytest.raises(WatchLimitReached) as reached:
        await driver.store.add_watch(watch_request("t3"), at=driver.now, limits=limits)

    assert (reached.value.limit, reached.value.is_personal) == (2, False)
    assert (await driver.store.stats()).tasks["unknown"] == 2
    again = await driver.store.add_watch(watch_request("t1"), at=driver.now, limits=limits)
    assert not again.is_new
    await driver.store.stop_watch(again.watch.id, at=driver.now)
    assert (await driver.store.add_watch(watch_request("t3"), at=driver.now, limits=limits)).is_new


async def test_concurrent_requests_do_not_exceed_the_limit(driver: Driver):
    limits = WatchLimits(per_chat=100, per_person=3)
    requests = [watch_request(f"t{number}") for number in range(9)]

    ended = await asyncio.gather(
        *(driver.store.add_watch(each, at=driver.now, limits=limits) for each in requests),
        return_exceptions=True,
    )

    assert sum(isinstance(each, WatchLimitReached) and each.is_personal for each in ended) == 6
    assert len(await driver.store.active_watches(CHAT)) == 3
