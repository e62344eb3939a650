import pytest

from bot.messages.callback_data import HistoryPage, SendCopy
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.watches import Ending
from tests.contract.store.driver import Driver
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, CHANNEL, EVE, GROUP, NOW, ChatHarness
from tests.unit.chat.test_chat_settings import FILMS, NEWS, press
from tests.unit.messages.reading import visible


@pytest.fixture
def driver(store: SqliteStore) -> Driver:
    driver = Driver(store)
    driver.now = NOW
    return driver


async def ended(driver: Driver, external_id: str, *, provider: str = "mine", chat_id: int = ANN) -> int:
    """A watch whose video was sent."""
    watched = await driver.watch(external_id, provider=provider, chat_id=chat_id)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.send()
    driver.advance(1)
    return watched.watch.id


async def test_history_lists_what_ended_here(harness: ChatHarness, driver: Driver):
    for number in range(6):
        await ended(driver, f"id-{number}")
    await ended(driver, "elsewhere", chat_id=GROUP)

    [shown] = await harness.receive(updates.private(ANN, "/history"))

    assert [f"id-{number}" in shown for number in range(6)] == [False, *[True] * 5]
    assert "elsewhere" not in shown


async def test_an_empty_history_says_so(harness: ChatHarness):
    [shown] = await harness.receive(updates.private(ANN, "/history"))

    assert "No task has ended here yet" in shown


async def test_pages_and_filters_change_the_same_message(harness: ChatHarness, driver: Driver):
    for number in range(6):
        await ended(driver, f"id-{number}")
    await ended(driver, "other", provider="alibailian")

    assert await press(harness, HistoryPage(page=1)) == ""
    older = visible(harness.request.edits[-1]["text"])
    assert ("id-0" in older, "id-5" in older) == (True, False)

    await press(harness, HistoryPage(provider="alibailian"))
    assert "id-" not in visible(harness.request.edits[-1]["text"])
    await press(harness, HistoryPage(ending=Ending.FAILED))
    assert "No tasks match" in harness.request.edits[-1]["text"]
    await press(harness, HistoryPage(provider="gone"))  # no longer configured: all
    assert "other" in harness.request.edits[-1]["text"]


@pytest.mark.parametrize("page", [-1, 10**17])
async def test_a_forged_page_is_answered(harness: ChatHarness, driver: Driver, page: int):
    await ended(driver, "id-1")

    await press(harness, HistoryPage(page=page))

    assert len(harness.request.edits) == 1


async def test_send_again_queues_a_copy_of_the_chat_s_own_video(harness: ChatHarness, driver: Driver):
    watch_id = await ended(driver, "id-1")

    nothing = "There's nothing to send again."
    assert await press(harness, SendCopy(watch_id=watch_id), FILMS, EVE) == nothing
    assert await driver.claim() == []
    assert await press(harness, SendCopy(watch_id=watch_id)) == "Sending it again."
    [copy] = await driver.claim()
    assert (copy.delivery.kind, copy.delivery.chat_id) == (DeliveryKind.COPY, ANN)
    await driver.settle(copy, DeliveryState.SENT)

    assert await press(harness, SendCopy(watch_id=watch_id)) == "Sending it again."  # the same press
    assert await driver.claim() == []


async def test_in_a_channel_only_its_admins_turn_pages_and_send_again(harness: ChatHarness, driver: Driver):
    watch_id = await ended(driver, "id-1", chat_id=CHANNEL)
    harness.request.admins = [ANN]

    for data in (HistoryPage(page=1), SendCopy(watch_id=watch_id)):
        assert "Only this chat's admins" in await press(harness, data, NEWS, EVE)
    assert (harness.request.edits, await driver.claim()) == ([], [])

    assert await press(harness, SendCopy(watch_id=watch_id), NEWS, ANN) == "Sending it again."
