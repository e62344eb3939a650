"""An old success is confirmed by a new poll before another chat gets the video."""

import pytest
import pytest_asyncio

from storage.models import DeliveryKind, DeliveryState, StoredFile, TaskStatus
from storage.outbox import Settlement
from storage.watches import WatchedTask
from tests.contract.store.driver import CHAT, Driver

CARD, RESULT = DeliveryKind.CARD, DeliveryKind.RESULT
OTHER, THIRD = 2, 3
DAY_S = 86_400
FILE = StoredFile(file_id="f1", is_video=True)


@pytest_asyncio.fixture(loop_scope="module")
async def old(driver: Driver) -> WatchedTask:
    """A chat's watch whose video was delivered more than a day ago."""
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    result = await driver.claim_one(RESULT)
    await driver.store.settle(
        result.delivery.id, Settlement(state=DeliveryState.SENT, at=driver.now, message_id=5, file=FILE)
    )
    await driver.send()
    driver.advance(DAY_S + 1)
    return watched


async def statuses(driver: Driver, chat_id: int = CHAT) -> list[TaskStatus]:
    """The task as a chat sees it."""
    return [each.task.status for each in await driver.store.watches_of(chat_id, "t1")]


async def test_an_old_video_is_sent_to_another_chat_after_one_poll(driver: Driver, old: WatchedTask):
    other = await driver.watch(chat_id=OTHER)
    assert (other.task.status, other.is_new) == (TaskStatus.UNKNOWN, True)
    assert RESULT not in {kind for kind, _ in await driver.send()}

    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)

    result = await driver.claim_one(RESULT)
    assert (result.watch.id, result.task.file) == (other.watch.id, FILE)
    assert await driver.nothing_is_due()


async def test_a_video_deleted_at_the_gateway_is_not_sent_to_another_chat(driver: Driver, old: WatchedTask):
    other = await driver.watch(chat_id=OTHER)

    await driver.poll(old.task.id, TaskStatus.EXPIRED)

    result = await driver.claim_one(RESULT)
    assert (result.watch.id, result.task.status) == (other.watch.id, TaskStatus.EXPIRED)


async def test_the_chat_that_has_the_video_gets_no_message(driver: Driver, old: WatchedTask):
    await driver.watch(chat_id=OTHER)
    assert await statuses(driver) == [TaskStatus.SUCCEEDED]
    assert await statuses(driver, OTHER) == [TaskStatus.UNKNOWN]
    again = await driver.watch()
    assert (again.is_new, again.task.status) == (False, TaskStatus.SUCCEEDED)

    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)

    assert old.watch.id not in {watch_id for _, watch_id in await driver.send()}


async def test_a_video_seen_within_a_day_is_sent_to_another_chat_at_once(driver: Driver, old: WatchedTask):
    await driver.watch(chat_id=OTHER)
    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)
    await driver.send()
    driver.advance(DAY_S)

    third = await driver.watch(chat_id=THIRD)

    assert await driver.send() == [(RESULT, third.watch.id)]
    assert await driver.nothing_is_due()


async def test_all_new_watches_get_the_result_of_one_poll(driver: Driver, old: WatchedTask):
    waiting = [await driver.watch(chat_id=chat_id) for chat_id in (OTHER, THIRD)]

    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)

    assert await driver.send() == [(RESULT, each.watch.id) for each in waiting]


async def test_without_a_watch_it_stays_succeeded_and_the_next_watch_polls_it(
    driver: Driver, old: WatchedTask
):
    other = await driver.watch(chat_id=OTHER)
    (in_hand,) = await driver.claim_tasks()
    await driver.store.stop_watch(other.watch.id, at=driver.now)
    assert await statuses(driver) == [TaskStatus.SUCCEEDED]
    assert not await driver.store.apply(*driver.polled(in_hand, TaskStatus.EXPIRED))
    assert await statuses(driver) == [TaskStatus.SUCCEEDED]
    assert await driver.nothing_is_due()

    third = await driver.watch(chat_id=THIRD)
    assert third.task.status is TaskStatus.UNKNOWN
    assert (RESULT, third.watch.id) not in await driver.send()


async def test_a_chat_lost_before_the_poll_gets_the_video_only_after_it(driver: Driver, old: WatchedTask):
    other = await driver.watch(chat_id=OTHER)
    await driver.store.chat_lost(OTHER, "kicked", at=driver.now)
    assert await statuses(driver) == [TaskStatus.SUCCEEDED]
    assert await driver.nothing_is_due()

    await driver.store.chat_found(OTHER, at=driver.now)
    assert RESULT not in {kind for kind, _ in await driver.send()}
    await driver.poll(old.task.id, TaskStatus.SUCCEEDED)
    assert (RESULT, other.watch.id) in await driver.send()


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.PENDING])
async def test_a_video_being_sent_meanwhile_is_sent_once(driver: Driver, state: DeliveryState):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    driver.advance(DAY_S + 1)
    sending = await driver.claim_one(RESULT)
    other = await driver.watch(chat_id=OTHER)

    await driver.settle(sending, state)

    assert RESULT not in {kind for kind, _ in await driver.send()}
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    results = [watch_id for kind, watch_id in await driver.send() if kind is RESULT]
    waited = [first.watch.id] if state is DeliveryState.PENDING else []
    assert sorted(results) == [*waited, other.watch.id]
    assert not (await driver.watch()).is_new  # it has its video


async def test_an_unconfirmed_result_can_be_sent_again_once_the_video_is_confirmed(
    driver: Driver,
):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(RESULT), DeliveryState.UNKNOWN)
    await driver.send()
    driver.advance(DAY_S + 1)
    await driver.watch(chat_id=OTHER)
    assert not await driver.store.send_again(first.watch.id, CHAT, at=driver.now)

    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)

    assert await driver.store.send_again(first.watch.id, CHAT, at=driver.now)
    assert (RESULT, first.watch.id) in await driver.send()


async def test_a_failure_is_sent_to_other_chats_without_another_poll(driver: Driver):
    first = await driver.watch()
    await driver.poll(first.task.id, TaskStatus.FAILED)
    await driver.send()
    driver.advance(DAY_S + 1)

    other = await driver.watch(chat_id=OTHER)

    assert await driver.send() == [(RESULT, other.watch.id)]
