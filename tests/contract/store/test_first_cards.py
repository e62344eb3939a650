"""When a watch's first card is sent or skipped, and which failures are sent in one message."""

import pytest

from storage.models import DeliveryKind, DeliveryState, EventKind, TaskStatus
from tests.contract.store.driver import CHAT, LEASE_S, Driver
from tests.fakes.requests import watch_request

CARD, RESULT = DeliveryKind.CARD, DeliveryKind.RESULT
HOLD_S = 2.0


async def watch_before_first_poll(driver: Driver, external_id: str = "t1", *, chat_id: int = CHAT) -> int:
    """A user sends /watch, and the card waits for the first poll; returns the task's id."""
    request = watch_request(external_id, chat_id=chat_id)
    watched = await driver.store.add_watch(request, at=driver.now, hold_card_s=HOLD_S)
    return watched.task.id


async def test_a_card_waits_for_the_first_poll_but_not_for_long(driver: Driver):
    await watch_before_first_poll(driver)

    assert await driver.send() == []
    assert await driver.store.next_delivery_at() == driver.later(HOLD_S)
    driver.advance(HOLD_S)
    assert [kind for kind, _ in await driver.send()] == [CARD]


@pytest.mark.parametrize("kind", [EventKind.STATUS, EventKind.POLL_FAILURE, EventKind.MISSING])
async def test_the_first_poll_releases_the_card(driver: Driver, kind: EventKind):
    task_id = await watch_before_first_poll(driver)
    await driver.poll(task_id, TaskStatus.UNKNOWN, kind)

    assert [kind for kind, _ in await driver.send()] == [CARD]


async def test_the_card_of_a_known_task_is_due_at_once(driver: Driver):
    task_id = await watch_before_first_poll(driver)
    await driver.poll(task_id, TaskStatus.RUNNING)
    await driver.send()

    await watch_before_first_poll(driver, chat_id=2)

    assert [kind for kind, _ in await driver.send()] == [CARD]


async def test_news_does_not_shorten_the_backoff_of_a_card(driver: Driver):
    task_id = await watch_before_first_poll(driver)
    driver.advance(HOLD_S)
    await driver.settle(await driver.claim_one(CARD), DeliveryState.PENDING, retry_s=30)

    await driver.poll(task_id, TaskStatus.RUNNING)

    assert await driver.store.next_delivery_at() == driver.later(30)


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.NOT_FOUND])
@pytest.mark.parametrize("waited_s", [0.0, HOLD_S])
async def test_a_task_that_ends_before_its_card_is_sent_gets_only_its_result(
    driver: Driver, status: TaskStatus, waited_s: float
):
    task_id = await watch_before_first_poll(driver)
    driver.advance(waited_s)
    await driver.poll(task_id, status)

    assert [kind for kind, _ in await driver.send()] == [RESULT]
    driver.advance(3600)
    assert await driver.send() == []


async def test_a_card_being_sent_when_the_task_ends_is_updated_afterwards(driver: Driver):
    task_id = await watch_before_first_poll(driver)
    driver.advance(HOLD_S)
    card = await driver.claim_one(CARD)
    await driver.poll(task_id, TaskStatus.SUCCEEDED)
    await driver.settle(card, message_id=5, digest="running")

    assert [kind for kind, _ in await driver.send()] == [RESULT, CARD]


@pytest.mark.parametrize("is_told", [False, True])
async def test_a_card_that_failed_while_the_task_ended_is_not_retried(driver: Driver, is_told: bool):
    task_id = await watch_before_first_poll(driver)
    driver.advance(HOLD_S)
    card = await driver.claim_one(CARD)
    await driver.poll(task_id, TaskStatus.SUCCEEDED)
    if is_told:
        await driver.settle(await driver.claim_one(RESULT), message_id=9)
    await driver.settle(card, DeliveryState.PENDING, retry_s=0)

    assert [kind for kind, _ in await driver.send()] == ([] if is_told else [RESULT])


async def test_a_result_that_is_given_up_creates_a_card(driver: Driver):
    task_id = await watch_before_first_poll(driver)
    await driver.poll(task_id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(RESULT), DeliveryState.DEAD)

    assert [kind for kind, _ in await driver.send()] == [CARD]


async def test_a_watch_stopped_before_its_card_is_sent_gets_the_card_at_once(driver: Driver):
    await watch_before_first_poll(driver)
    [watched] = await driver.store.watches_of(CHAT, "t1")
    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    assert [kind for kind, _ in await driver.send()] == [CARD]


async def test_the_last_state_of_a_card_is_sent_to_a_chat_throttled_for_edits(driver: Driver):
    watched = await driver.watch()
    await driver.send()
    await driver.poll(watched.task.id, TaskStatus.RUNNING)
    await driver.store.stop_watch(watched.watch.id, at=driver.now)

    assert [kind for kind, _ in await driver.claim_while_edits_are_throttled()] == [CARD]


async def test_failures_of_one_request_are_claimed_together_and_others_are_not(driver: Driver):
    for name in ("bad1", "bad2", "good", "running"):
        await driver.watch(name)
    await driver.watch("bad3", message_id=8)
    await driver.watch("bad4", thread_id=3)
    await driver.send()
    for name in ("bad1", "bad2", "bad3", "bad4", "good"):
        [watched, *_] = await driver.store.watches_of(CHAT, name)
        status = TaskStatus.SUCCEEDED if name == "good" else TaskStatus.FAILED
        await driver.poll(watched.task.id, status)

    rounds = []
    while found := await driver.claim_round(1):
        rounds += [[each.task.ref.external_id for each in (one, *one.companions)] for one in found]

    results = rounds[:4]
    assert results == [["good"], ["bad1", "bad2"], ["bad3"], ["bad4"]]


async def test_companions_are_leased_and_claimed_again_after_expiry(driver: Driver):
    for name in ("a", "b"):
        watched = await driver.watch(name)
        await driver.poll(watched.task.id, TaskStatus.FAILED)
    [first] = await driver.claim_round(1)
    assert len(first.companions) == 1
    await driver.settle(first)

    assert RESULT not in {kind for kind, _ in await driver.send()}
    driver.advance(LEASE_S)

    assert [kind for kind, _ in await driver.send()] == [RESULT]


async def test_no_more_than_fifty_failures_are_claimed_together(driver: Driver):
    for number in range(60):
        watched = await driver.watch(f"t{number}")
        await driver.poll(watched.task.id, TaskStatus.FAILED, EventKind.FINISHED)

    [first] = await driver.claim_round(1)

    assert len(first.companions) == 49
