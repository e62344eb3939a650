"""The cards that are refreshed when their gateway went down or recovered."""

from dataclasses import replace
from datetime import datetime

from storage.models import DeliveryKind, EventKind, Stall, TaskStatus
from storage.outbox import ThrottledChats
from tests.contract.store.batch_driver import FOUR, send
from tests.contract.store.driver import CHAT, Driver

CARD = DeliveryKind.CARD


async def refresh(driver: Driver, before: datetime, limit: int = 16) -> bool:
    return await driver.store.refresh_cards_of(["wan", "veo"], sent_before=before, limit=limit, at=driver.now)


async def watch(driver: Driver, *ids: str, chat_id: int = CHAT, provider: str = "wan") -> list[int]:
    """Watch these tasks, the cards of which are sent; returns the watches' ids."""
    watched = [await driver.watch(each, chat_id=chat_id, provider=provider) for each in ids]
    await driver.send()
    driver.advance(1)
    return [each.watch.id for each in watched]


async def test_each_card_that_was_sent_before_the_change_is_refreshed_once(driver: Driver):
    [first] = await watch(driver, "a")
    [second] = await watch(driver, "b", chat_id=2, provider="veo")
    await watch(driver, "c", chat_id=3, provider="other")
    before = driver.now
    await watch(driver, "d", chat_id=4)

    assert await refresh(driver, before)
    assert await driver.send() == [(CARD, first), (CARD, second)]
    assert not await refresh(driver, before)


async def test_a_chat_gets_two_at_a_time_and_no_chat_waits_for_the_second_of_another(driver: Driver):
    first, second, third = await watch(driver, "a", "b", "c")
    [single] = await watch(driver, "d", chat_id=2)
    before = driver.now

    assert await refresh(driver, before, limit=2)
    assert await driver.send() == [(CARD, first), (CARD, single)]
    for _ in range(2):
        assert await refresh(driver, before)
    assert await driver.send() == [(CARD, second), (CARD, third)]


async def test_a_chat_that_takes_no_edits_is_waited_for(driver: Driver):
    first, second, third = await watch(driver, "a", "b", "c")
    before = driver.now

    for _ in range(3):
        assert await refresh(driver, before)
    assert await driver.send() == [(CARD, first), (CARD, second)]
    assert await refresh(driver, before)
    assert await driver.send() == [(CARD, third)]


async def test_it_is_news_that_goes_before_refreshes(driver: Driver):
    [shown] = await watch(driver, "a")
    await driver.store.refresh_cards(older_than=driver.now, limit=9, at=driver.now)
    closed = ThrottledChats(to_refreshes=[CHAT])
    assert await driver.claim_round(throttled=closed) == []

    await refresh(driver, driver.now)

    assert [each.watch.id for each in await driver.claim_round(throttled=closed)] == [shown]


async def test_tasks_that_ended_rest_or_are_not_watched_have_no_part_in_it(driver: Driver):
    ended, resting, stopped = [await driver.watch(each) for each in ("ended", "resting", "stopped")]
    await driver.send()
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    rested, _ = driver.polled(await driver.claim_task(resting.task.id), TaskStatus.RUNNING)
    await driver.store.apply(replace(rested, stall=Stall.RESTING, next_poll_at=None), [])
    await driver.store.stop_watch(stopped.watch.id, at=driver.now)
    await driver.send()

    assert not await refresh(driver, driver.later(1))


async def test_the_card_of_a_batch_is_refreshed_once_for_all_its_tasks(driver: Driver):
    await driver.watch_batch(*FOUR)
    await send(driver)
    driver.advance(60)
    before = driver.now

    assert await refresh(driver, before, limit=1)
    assert await send(driver) == ["batch"]
    assert not await refresh(driver, before)


async def test_a_batch_whose_next_edit_is_queued_holds_up_no_card_of_its_chat(driver: Driver):
    first, *_ = await driver.watch_batch(*FOUR)
    await send(driver)
    driver.advance(1)
    await driver.poll(first, TaskStatus.RUNNING, EventKind.STATUS)
    [shown] = await watch(driver, "own")

    assert await refresh(driver, driver.now)
    assert [each.watch.id for each in await driver.claim()] == [shown]
