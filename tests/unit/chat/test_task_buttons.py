"""The buttons under the card of a batch."""

import pytest

from bot.messages.callback_data import SendBatchAgain, StopBatch
from storage.models import DeliveryState, TaskStatus
from storage.outbox import BatchDelivery, WatchDelivery
from storage.sqlite.store import SqliteStore
from storage.watches import WatchState
from tests.contract.store.driver import Driver
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, BORIS, EVE, GROUP, NOW, ChatHarness

PRIVATE = {"id": ANN, "type": "private", "first_name": "Ann"}
SAMPLES = {"id": GROUP, "type": "supergroup", "title": "Films"}
NOTHING = "There's nothing left to stop."
FOUR = ("a", "b", "c", "d")


@pytest.fixture
def driver(store: SqliteStore) -> Driver:
    driver = Driver(store)
    driver.now = NOW
    return driver


async def press(
    harness: ChatHarness, action: StopBatch | SendBatchAgain, chat: updates.Json = PRIVATE, user_id: int = ANN
) -> str:
    """The text of the answer to the callback query."""
    await harness.receive(updates.press(chat, user_id, action.pack()), kind="callback_query")
    return str(harness.request.callback_answers[-1]["text"])


async def deliver(driver: Driver, state: DeliveryState = DeliveryState.SENT) -> None:
    """Settle everything that can be sent."""
    while claimed := await driver.store.claim_deliveries(9, at=driver.now, lease_s=60):
        for out in claimed:
            together = (out, *out.companions) if isinstance(out, WatchDelivery) else (out,)
            for each in together:
                is_card = isinstance(each, BatchDelivery)
                await driver.settle(each, DeliveryState.SENT if is_card else state, message_id=5)


async def states(driver: Driver, chat_id: int) -> list[WatchState]:
    return [each.watch.state for each in await driver.store.batch(1, chat_id)]


async def test_stop_all_stops_what_is_awaited_and_says_who_did(harness: ChatHarness, driver: Driver):
    tasks = await driver.watch_batch(*FOUR, chat_id=ANN, user_id=ANN)
    await driver.poll(tasks[0], TaskStatus.SUCCEEDED)

    assert await press(harness, StopBatch(batch_id=1)) == "Stopped watching 3 tasks."
    assert await press(harness, StopBatch(batch_id=1)) == NOTHING
    assert await states(driver, ANN) == [WatchState.ACTIVE] + [WatchState.STOPPED] * 3
    found = await driver.store.batch(1, ANN)
    assert [each.watch.stopped_by for each in found] == [None, "Ann", "Ann", "Ann"]


@pytest.mark.parametrize(
    ("user_id", "admins"), [(ANN, []), (EVE, [EVE]), (BORIS, []), (EVE, [ANN]), (EVE, None)]
)
async def test_who_asked_and_admins_may_press(
    harness: ChatHarness, driver: Driver, user_id: int, admins: list[int] | None
):
    is_allowed = user_id != EVE or admins == [EVE]
    tasks = await driver.watch_batch(*FOUR, chat_id=GROUP, user_id=ANN)
    harness.request.admins = admins

    stopped = await press(harness, StopBatch(batch_id=1), SAMPLES, user_id)
    assert (stopped == "Stopped watching 4 tasks.") is is_allowed
    assert set(await states(driver, GROUP)) == {WatchState.STOPPED if is_allowed else WatchState.ACTIVE}

    await driver.watch_batch(*(name * 2 for name in FOUR), chat_id=GROUP, user_id=ANN)
    for task_id in range(tasks[-1] + 1, tasks[-1] + 5):
        await driver.poll(task_id, TaskStatus.SUCCEEDED)
    await deliver(driver, DeliveryState.UNKNOWN)
    again = await press(harness, SendBatchAgain(batch_id=2), SAMPLES, user_id)
    assert (again == "Trying 4 tasks again.") is is_allowed


async def test_a_batch_of_another_chat_is_left_alone(harness: ChatHarness, driver: Driver):
    await driver.watch_batch(*FOUR, chat_id=GROUP, user_id=ANN)

    assert await press(harness, StopBatch(batch_id=1)) == NOTHING
    assert await press(harness, SendBatchAgain(batch_id=1)) == "There's nothing to send again."
    assert await states(driver, GROUP) == [WatchState.ACTIVE] * 4


async def test_nothing_is_sent_again_that_arrived(harness: ChatHarness, driver: Driver):
    for task_id in await driver.watch_batch(*FOUR, chat_id=ANN, user_id=ANN):
        await driver.poll(task_id, TaskStatus.SUCCEEDED)
    await deliver(driver)

    assert await press(harness, SendBatchAgain(batch_id=1)) == "There's nothing to send again."
