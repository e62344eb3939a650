"""What a batch did not deliver, taken up again by its button."""

from dataclasses import replace

import pytest

from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings
from storage.models import DeliveryState, TaskStatus
from storage.outbox import BatchDelivery, WatchDelivery
from storage.watches import WatchLimits
from tests.contract.store.batch_driver import FOUR, claim, claim_card, send
from tests.contract.store.driver import CHAT, Driver
from tests.fakes.requests import watch_request


async def end(driver: Driver, tasks: list[int], status: TaskStatus, result: DeliveryState) -> int:
    """End all tasks of a batch and settle their results alike; returns the batch's id."""
    for task_id in tasks:
        await driver.poll(task_id, status)
    batch_id = 0
    while claimed := await claim(driver):
        for out in claimed:
            if isinstance(out, BatchDelivery):
                batch_id = out.batch.id
                await driver.settle(out, message_id=5)
                continue
            assert isinstance(out, WatchDelivery)
            for each in (out, *out.companions):
                await driver.settle(each, result, message_id=6)
    return batch_id


@pytest.mark.parametrize("result", [DeliveryState.UNKNOWN, DeliveryState.DEAD])
async def test_results_that_did_not_arrive_are_sent_again_once(driver: Driver, result: DeliveryState):
    batch_id = await end(driver, await driver.watch_batch(*FOUR), TaskStatus.SUCCEEDED, result)

    assert await driver.store.send_batch_again(batch_id, CHAT, at=driver.now) == 4
    assert await driver.store.send_batch_again(batch_id, CHAT, at=driver.now) == 0
    assert await send(driver) == ["result"] * 4 + ["batch"]


@pytest.mark.parametrize("status", [TaskStatus.NOT_FOUND, TaskStatus.EXPIRED])
async def test_tasks_that_were_not_found_are_polled_again_in_the_batch(driver: Driver, status: TaskStatus):
    tasks = await driver.watch_batch(*FOUR)
    batch_id = await end(driver, tasks, status, DeliveryState.SENT)
    driver.advance(3600)

    assert await driver.store.send_batch_again(batch_id, CHAT, at=driver.now) == 4

    assert sorted(task.id for task in await driver.claim_tasks()) == tasks
    card = await claim_card(driver)
    assert (card.batch.id, card.batch.created_at) == (batch_id, driver.now)
    assert {each.task.status for each in card.watched} == {TaskStatus.UNKNOWN}


async def test_a_task_that_is_polled_again_keeps_the_name_and_language_of_who_asked(driver: Driver):
    requests = [replace(watch_request(external_id, chat_id=CHAT), user_name="Anna") for external_id in FOUR]
    registered = await driver.store.add_watches(requests, at=driver.now)
    tasks = [each.task.id for each in registered.watched]
    batch_id = await end(driver, tasks, TaskStatus.NOT_FOUND, DeliveryState.SENT)
    await driver.store.save_chat_settings(CHAT, ChatSettings(language="zh"))

    assert await driver.store.send_batch_again(batch_id, CHAT, at=driver.now) == 4

    await driver.store.save_chat_settings(CHAT, DEFAULT_SETTINGS)
    watches = [each.watch for each in await driver.store.batch(batch_id, CHAT)]
    assert [(watch.user_name, watch.language) for watch in watches] == [("Anna", "en")] * 4


async def test_tasks_beyond_the_limit_are_not_taken_up_again(driver: Driver):
    batch_id = await end(driver, await driver.watch_batch(*FOUR), TaskStatus.EXPIRED, DeliveryState.SENT)
    limits = WatchLimits(per_chat=3)

    assert await driver.store.send_batch_again(batch_id, CHAT, at=driver.now, limits=limits) == 3


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED])
async def test_what_was_delivered_is_not_sent_again(driver: Driver, status: TaskStatus):
    batch_id = await end(driver, await driver.watch_batch(*FOUR), status, DeliveryState.SENT)

    assert await driver.store.send_batch_again(batch_id, CHAT, at=driver.now) == 0
    assert await send(driver) == []


async def test_a_batch_belongs_to_its_chat(driver: Driver):
    batch_id = await end(driver, await driver.watch_batch(*FOUR), TaskStatus.EXPIRED, DeliveryState.SENT)

    assert await driver.store.batch(batch_id, 2) == []
    assert await driver.store.send_batch_again(batch_id, 2, at=driver.now) == 0
    assert len(await driver.store.batch(batch_id, CHAT)) == 4
