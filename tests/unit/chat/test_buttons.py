from dataclasses import replace

import pytest

from bot.messages.callback_data import CheckNow, Details, OriginalFile, SendAgain, Stop
from storage.models import DeliveryKind, DeliveryState, Stall, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.watches import WatchedTask, WatchState
from tests.contract.store.driver import Driver
from tests.fakes import updates
from tests.unit.chat.chat_harness import (
    ANN,
    BORIS,
    CHANNEL,
    EVE,
    FOREIGN_GROUP,
    GROUP,
    NOW,
    BrokenService,
    ChatHarness,
    named,
)
from tests.unit.messages.reading import visible

PRIVATE = {"id": ANN, "type": "private", "first_name": "Ann"}
SAMPLES = {"id": GROUP, "type": "supergroup", "title": "Films"}
NEWS = {"id": CHANNEL, "type": "channel", "title": "News"}
FOREIGN_CHANNEL = -1004
NOTHING = "There's nothing to send again."
STALE = "This button no longer works."


@pytest.fixture
def driver(store: SqliteStore) -> Driver:
    driver = Driver(store)
    driver.now = NOW
    return driver


async def unconfirmed(driver: Driver, chat_id: int = ANN) -> WatchedTask:
    """A watch whose result may or may not have arrived."""
    watched = await driver.watch(chat_id=chat_id)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(DeliveryKind.RESULT), DeliveryState.UNKNOWN)
    return watched


async def press(
    harness: ChatHarness, data: str, chat: updates.Json = PRIVATE, user_id: int = ANN, **fields: str
) -> str:
    """The text of the answer to the callback query."""
    assert await harness.receive(updates.press(chat, user_id, data, **fields), kind="callback_query") == []
    return str(harness.request.callback_answers[-1]["text"])


def again(watched: WatchedTask) -> str:
    return SendAgain(watch_id=watched.watch.id).pack()


def check(watched: WatchedTask) -> str:
    return CheckNow(watch_id=watched.watch.id).pack()


def stop(watched: WatchedTask) -> str:
    return Stop(watch_id=watched.watch.id).pack()


async def results(driver: Driver) -> int:
    """How many results wait to be carried."""
    return sum(one.delivery.kind is DeliveryKind.RESULT for one in await driver.claim())


async def test_send_again_queues_the_result_once(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver)

    assert await press(harness, again(watched)) == "Sending it again."
    assert await press(harness, again(watched)) == NOTHING
    assert await results(driver) == 1
    assert harness.request.callback_answers[0]["callback_query_id"] == "4000000000001"


async def test_a_callback_answer_is_in_the_language_of_the_user(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver)

    assert await press(harness, again(watched), language="zh-hans") == "正在重新发送。"


async def test_any_user_in_an_allowed_chat_may_press(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver, GROUP)

    assert await press(harness, again(watched), SAMPLES, EVE) == "Sending it again."


async def test_a_user_who_presses_under_a_channel_post_is_checked_as_a_user(
    harness: ChatHarness, driver: Driver
):
    foreign_channel = NEWS | {"id": FOREIGN_CHANNEL}
    watched = await unconfirmed(driver, FOREIGN_CHANNEL)

    assert (
        await press(harness, SendAgain(watch_id=0).pack(), NEWS, EVE, language="zh-hans")
        == "只有本聊天的管理员和机器人的管理员可以操作。"
    )
    assert await press(harness, again(watched), foreign_channel, EVE) == STALE
    assert await press(harness, again(watched), foreign_channel, BORIS) == "Sending it again."


async def test_a_button_works_only_in_the_chat_that_owns_the_watch(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver, GROUP)

    assert await press(harness, again(watched)) == NOTHING
    assert await results(driver) == 0


async def test_a_user_without_access_gets_nothing_by_a_button(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver, FOREIGN_GROUP)
    chat = SAMPLES | {"id": FOREIGN_GROUP}

    assert await press(harness, again(watched), chat, EVE) == STALE
    assert await press(harness, again(watched), chat, BORIS) == "Sending it again."


async def test_a_button_without_a_watch_is_answered_too(harness: ChatHarness):
    assert await press(harness, SendAgain(watch_id=1).pack()) == NOTHING


@pytest.mark.parametrize(
    "data", ["again0|1", "again1|x", "again1|" + "9" * 80, "no button of ours", "\ud800"]
)
async def test_a_stale_or_foreign_button_is_answered_with_a_bubble(harness: ChatHarness, data: str):
    assert await press(harness, data) == STALE


async def test_a_press_too_old_to_be_answered_is_executed(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver)
    harness.request.refuse = lambda _: (400, "Bad Request: query is too old and query ID is invalid")

    await press(harness, again(watched))

    assert await results(driver) == 1


async def test_a_press_while_the_database_is_unavailable_gets_an_apology_in_its_bubble(harnesses, caplog):
    harness = await harnesses.make(named("wan", "alibailian"), service=BrokenService())

    assert "database" in await press(harness, SendAgain(watch_id=1).pack())
    assert harness.request.callback_answers[-1]["show_alert"] is True


async def test_check_again_resumes_the_polling_of_a_task(harness: ChatHarness, driver: Driver):
    watched = await driver.watch(chat_id=ANN)
    before = await driver.claim_task(watched.task.id)
    after, _ = driver.polled(before, TaskStatus.RUNNING)
    resting = replace(after, next_poll_at=None, stall=Stall.RESTING, unchanged_since=driver.now)
    assert await driver.store.apply(resting, [])

    assert await press(harness, check(watched), SAMPLES, EVE) == "This task isn't being watched any more."
    assert await driver.nothing_is_due()
    assert await press(harness, check(watched)) == "Running · 0 s so far"
    assert [task.stall for task in await driver.claim_tasks()] == [Stall.MOVING]


async def test_check_now_answers_with_what_the_poll_finds(harness: ChatHarness, driver: Driver):
    watched = await driver.watch(chat_id=ANN, provider="alibailian")
    harness.poll_result = TaskStatus.RUNNING

    assert await press(harness, check(watched)) == "Running · 0 s so far"
    assert await press(harness, check(watched), language="zh-hans") == "生成中 · 已用 0 秒"


NOT_YOURS = "Only the person who asked for it, this chat's admins and the bot's admins can stop it."
RIGHTS_UNKNOWN = "Telegram didn't tell me whether you're an admin here. Please try again."
GONE = "This task isn't being watched any more."


@pytest.mark.parametrize(
    ("user_id", "admins"),
    [(ANN, []), (BORIS, []), (EVE, [EVE])],
    ids=["who asked", "an admin of the bot", "an admin of the chat"],
)
async def test_who_asked_and_admins_may_stop(
    harness: ChatHarness, driver: Driver, user_id: int, admins: list[int]
):
    watched = await driver.watch(chat_id=GROUP, user_id=ANN)
    harness.request.admins = admins

    assert await press(harness, stop(watched), SAMPLES, user_id) == "Stopped watching."
    found = await harness.service.watched(watched.watch.id, GROUP)
    assert found is not None
    assert (found.watch.state, found.watch.stopped_by) == (WatchState.STOPPED, "Ann")


@pytest.mark.parametrize(("admins", "answer"), [([ANN], NOT_YOURS), (None, RIGHTS_UNKNOWN)])
async def test_others_may_not_stop_and_are_alerted(
    harness: ChatHarness, driver: Driver, admins: list[int] | None, answer: str
):
    watched = await driver.watch(chat_id=GROUP, user_id=ANN)
    harness.request.admins = admins

    assert await press(harness, stop(watched), SAMPLES, EVE) == answer
    assert harness.request.callback_answers[-1]["show_alert"] is True
    assert len(await harness.service.active(GROUP)) == 1


async def test_a_watch_is_stopped_only_where_it_is_and_once(harness: ChatHarness, driver: Driver):
    watched = await driver.watch(chat_id=GROUP, user_id=ANN)

    assert await press(harness, stop(watched)) == GONE
    assert await press(harness, stop(watched), SAMPLES) == "Stopped watching."
    assert await press(harness, stop(watched), SAMPLES) == GONE


async def test_in_a_channel_its_admins_may_stop_by_a_button(harness: ChatHarness, driver: Driver):
    watched = await driver.watch(chat_id=CHANNEL, user_id=None)
    harness.request.admins = [EVE]

    assert await press(harness, stop(watched), NEWS, ANN) == NOT_YOURS
    assert await press(harness, stop(watched), NEWS, EVE) == "Stopped watching."


VIDEO = {
    "file_id": "v",
    "file_unique_id": "v",
    "width": 640,
    "height": 360,
    "duration": 5,
    "file_size": 2_100_000,
}
FILE = {"file_id": "d", "file_unique_id": "d", "file_size": 2_100_000}


async def press_details(
    harness: ChatHarness, data: Details, chat: updates.Json = PRIVATE, user_id: int = ANN, **content: object
) -> str:
    """Press under a message with this content; the bubble's text."""
    query = updates.press(chat, user_id, data.pack())
    del query["message"]["text"]
    query["message"] |= content
    await harness.receive(query, kind="callback_query")
    return str(harness.request.callback_answers[-1].get("text", ""))


async def test_details_replace_the_caption_and_give_it_back(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver)

    assert await press_details(harness, Details(watch_id=watched.watch.id, is_shown=True), video=VIDEO) == ""
    shown = visible(str(harness.request.edits[-1]["caption"]))
    assert "Gateway status: " in shown
    await press_details(harness, Details(watch_id=watched.watch.id, is_shown=False), video=VIDEO)
    caption = visible(str(harness.request.edits[-1]["caption"]))

    assert "640×360 · 5 s · 2.1 MB" in caption
    assert "Original file" in str(harness.request.edits[-1]["reply_markup"])


async def test_the_caption_of_a_document_is_given_back_without_the_button_for_the_file(
    harness: ChatHarness, driver: Driver
):
    watched = await unconfirmed(driver)

    await press_details(harness, Details(watch_id=watched.watch.id, is_shown=False), document=FILE)

    assert "2.1 MB" in str(harness.request.edits[-1]["caption"])
    assert "Original file" not in str(harness.request.edits[-1]["reply_markup"])


async def test_details_of_another_chat_s_watch_or_without_a_file_are_stale(
    harness: ChatHarness, driver: Driver
):
    data = Details(watch_id=(await unconfirmed(driver, GROUP)).watch.id, is_shown=True)

    assert await press_details(harness, data, video=VIDEO) == STALE
    assert await press_details(harness, data, SAMPLES, text="a") == STALE
    assert harness.request.edits == []


async def test_in_a_channel_only_its_admins_show_details(harness: ChatHarness, driver: Driver):
    data = Details(watch_id=(await unconfirmed(driver, CHANNEL)).watch.id, is_shown=True)
    harness.request.admins = [ANN]

    assert "Only this chat's admins" in await press_details(harness, data, NEWS, EVE, video=VIDEO)
    assert await press_details(harness, data, NEWS, ANN, video=VIDEO) == ""
    assert len(harness.request.edits) == 1


async def test_the_original_file_is_enqueued_once_per_press_as_a_reply(harness: ChatHarness, driver: Driver):
    watched = await driver.watch(chat_id=ANN)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(DeliveryKind.RESULT), DeliveryState.SENT)
    data = OriginalFile(watch_id=watched.watch.id).pack()

    for _ in range(2):  # Telegram delivers the same press again
        assert await press(harness, data) == "Sending the original file."

    [found] = [each for each in await driver.claim() if each.delivery.kind is DeliveryKind.DOCUMENT]
    assert found.delivery.reply_to == 8


async def test_there_is_no_file_of_what_is_another_chat_s_or_gone(harness: ChatHarness, driver: Driver):
    watched = await unconfirmed(driver, GROUP)
    data = OriginalFile(watch_id=watched.watch.id).pack()

    assert await press(harness, data) == NOTHING
    assert await press(harness, OriginalFile(watch_id=404).pack()) == NOTHING
