"""What the Store measures for /metrics."""

from storage.models import DeliveryState, TaskStatus
from storage.outbox import DeliveryPriority
from tests.contract.store.driver import CHAT, NOON, Driver
from tests.fakes.requests import lookup_request


async def test_an_empty_store_has_nothing_waiting(driver: Driver):
    figures = await driver.store.figures()

    assert figures.waiting_since == {}
    assert figures.open_lookups == 0
    assert figures.bytes > 0
    assert figures.stats == await driver.store.stats()


async def test_the_oldest_delivery_of_each_priority_is_found(driver: Driver):
    first = await driver.watch("a")
    await driver.send()
    driver.advance(100)
    await driver.poll(first.task.id, TaskStatus.SUCCEEDED)
    driver.advance(100)
    await driver.watch("b")
    driver.advance(100)
    await driver.watch("c")

    figures = await driver.store.figures()

    assert figures.waiting_since == {
        DeliveryPriority.VIDEO: NOON.replace(minute=1, second=40),
        DeliveryPriority.LAST_CARD: NOON.replace(minute=1, second=40),
        DeliveryPriority.FIRST_CARD: NOON.replace(minute=3, second=20),
    }


async def test_one_that_is_being_sent_or_retried_still_waits_and_one_that_was_sent_does_not(driver: Driver):
    await driver.watch()
    [card] = await driver.claim()
    driver.advance(100)
    assert (await driver.store.figures()).waiting_since == {DeliveryPriority.FIRST_CARD: NOON}

    await driver.settle(card, DeliveryState.PENDING, retry_s=600)
    assert (await driver.store.figures()).waiting_since == {DeliveryPriority.FIRST_CARD: NOON}

    driver.advance(600)
    await driver.send()
    assert (await driver.store.figures()).waiting_since == {}


async def test_a_delivery_to_a_lost_chat_does_not_wait(driver: Driver):
    await driver.watch()
    await driver.store.chat_lost(CHAT, "blocked", at=driver.now)

    assert (await driver.store.figures()).waiting_since == {}


async def test_open_lookups_are_counted(driver: Driver):
    await driver.store.look_up(lookup_request(), at=driver.now)

    assert (await driver.store.figures()).open_lookups == 1
