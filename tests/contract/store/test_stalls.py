"""Tasks that do not change, and their resumption by users."""

from dataclasses import replace
from datetime import datetime

import pytest

from storage.models import DeliveryKind, EventKind, Stall, Task, TaskStatus
from storage.watches import WatchedTask
from tests.contract.store.driver import CHAT, Driver

CARD, NOTICE = DeliveryKind.CARD, DeliveryKind.NOTICE
RUNNING = TaskStatus.RUNNING
DAY = 86400.0


async def stalled(driver: Driver, stall: Stall, kind: EventKind | None = None) -> WatchedTask:
    """A watched task that is unchanged since now, written by a poll."""
    watched = await driver.watch()
    before = await driver.claim_task(watched.task.id)
    assert await write(driver, before, stall, kind, since=driver.now)
    return watched


async def write(
    driver: Driver, before: Task, stall: Stall, kind: EventKind | None = None, *, since: datetime
) -> bool:
    """Apply a poll that finds the task unchanged since then."""
    after, events = driver.polled(before, RUNNING, kind or EventKind.PROGRESS)
    rests = stall is Stall.RESTING
    after = replace(after, stall=stall, unchanged_since=since, lease_until=before.lease_until)
    return await driver.store.apply(
        replace(after, next_poll_at=None if rests else after.next_poll_at), events if kind else []
    )


async def known(driver: Driver, watched: WatchedTask) -> Task:
    task = await driver.store.task(watched.task.id)
    assert task is not None
    return task


async def test_a_task_whose_polling_stopped_is_never_due(driver: Driver):
    watched = await stalled(driver, Stall.RESTING)

    task = await known(driver, watched)

    assert (task.stall, task.unchanged_since, task.next_poll_at) == (Stall.RESTING, driver.now, None)
    assert await driver.nothing_is_due()


@pytest.mark.parametrize("way", ["/status", "the button", "/watch", "/watch elsewhere", "the chat is back"])
async def test_polling_that_stopped_is_resumed_on_request(driver: Driver, way: str):
    watched = await stalled(driver, Stall.RESTING)
    await driver.send()
    driver.advance(DAY)

    match way:
        case "/status":
            await driver.store.request_poll(watched.task.id, at=driver.now)
        case "the button":
            assert await driver.store.resume(watched.watch.id, CHAT, at=driver.now)
        case "/watch":
            assert not (await driver.watch()).is_new
        case "/watch elsewhere":
            assert (await driver.watch(chat_id=CHAT + 1)).is_new
        case _:
            await driver.store.chat_lost(CHAT, "kicked", at=driver.now)
            await driver.store.chat_found(CHAT, at=driver.now)

    task = await known(driver, watched)
    assert (task.stall, task.unchanged_since, task.next_poll_at) == (Stall.MOVING, driver.now, driver.now)
    assert len(await driver.claim_tasks()) == 1
    assert (CARD, watched.watch.id) in await driver.send()


async def test_an_unchanged_task_stays_unchanged_on_request_and_its_polling_stops_later(driver: Driver):
    watched = await stalled(driver, Stall.UNCHANGED)
    await driver.send()
    driver.advance(DAY)

    await driver.store.request_poll(watched.task.id, at=driver.now)

    task = await known(driver, watched)
    assert (task.stall, task.unchanged_since) == (Stall.UNCHANGED, driver.now)
    assert len(await driver.claim_tasks()) == 1
    assert await driver.send() == []


async def test_requesting_a_changing_task_is_no_change(driver: Driver):
    watched = await stalled(driver, Stall.MOVING)
    since = driver.now
    driver.advance(DAY)

    await driver.store.request_poll(watched.task.id, at=driver.now)

    assert (await known(driver, watched)).unchanged_since == since


async def test_a_task_resumed_during_a_poll_stays_due(driver: Driver):
    watched = await stalled(driver, Stall.UNCHANGED)
    since = driver.now
    driver.advance(60)
    (polled,) = await driver.claim_tasks()
    driver.advance(1)
    await driver.store.request_poll(watched.task.id, at=driver.now)

    assert await write(driver, polled, Stall.RESTING, since=since)

    task = await known(driver, watched)
    assert (task.stall, task.unchanged_since) == (Stall.UNCHANGED, driver.now)
    assert task.next_poll_at is not None
    assert [each.id for each in await driver.store.take_poll_requests()] == [task.id]


async def test_the_button_resumes_only_the_chats_own_active_watch(driver: Driver):
    watched = await stalled(driver, Stall.RESTING)
    other = await driver.watch("other")
    await driver.store.stop_watch(other.watch.id, at=driver.now)

    assert not await driver.store.resume(watched.watch.id, CHAT + 1, at=driver.now)
    assert not await driver.store.resume(other.watch.id, CHAT, at=driver.now)
    assert (await known(driver, watched)).stall is Stall.RESTING


async def test_a_renewal_keeps_the_latest_change(driver: Driver):
    watched = await stalled(driver, Stall.MOVING)
    driver.advance(60)
    (task,) = await driver.claim_tasks()
    moved = replace(task, unchanged_since=driver.now)

    await driver.store.renew_tasks([moved], at=driver.now, lease_s=60)
    assert (await known(driver, watched)).unchanged_since == driver.now
    await driver.store.renew_tasks([task], at=driver.now, lease_s=60)
    assert (await known(driver, watched)).unchanged_since == driver.now


async def test_each_card_shows_the_stall_and_each_chat_gets_one_notice(driver: Driver):
    first = await driver.watch("t1")
    second = await driver.watch("t2")
    await driver.send()

    sent = []
    for watched in (first, second):
        before = await driver.claim_task(watched.task.id)
        await write(driver, before, Stall.UNCHANGED, EventKind.UNCHANGED, since=driver.now)
        sent += await driver.send()

    assert sorted(sent) == sorted([(NOTICE, first.watch.id), (CARD, first.watch.id), (CARD, second.watch.id)])


async def test_the_card_of_a_task_that_is_not_polled_is_not_refreshed(driver: Driver):
    watched = await stalled(driver, Stall.RESTING, EventKind.RESTS)
    assert (CARD, watched.watch.id) in await driver.send()
    driver.advance(DAY)

    assert await driver.store.refresh_cards(older_than=driver.now, limit=9, at=driver.now) == 0
    await driver.store.resume(watched.watch.id, CHAT, at=driver.now)
    await driver.send()
    driver.advance(DAY)
    assert await driver.store.refresh_cards(older_than=driver.now, limit=9, at=driver.now) == 1
