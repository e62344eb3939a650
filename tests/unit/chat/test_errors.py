import pytest
from telegram.error import TelegramError

from bot.chat.dispatcher import HeldUpdates
from bot.messages.callback_data import Stop
from bot.messages.views.health_status import Health
from storage.errors import LeadershipLost, StoreUnreachable
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, BORIS, BrokenService, ChatHarnesses, named

PROVIDER = named("wan", "alibailian")


@pytest.mark.parametrize("command", ["/watch wan id-1", "/tasks", "/status id-1", "/unwatch id-1"])
async def test_an_unavailable_store_is_reported_to_the_user(harnesses: ChatHarnesses, caplog, command):
    harness = await harnesses.make(PROVIDER, service=BrokenService())
    assert await harness.receive(updates.private(ANN, command)) == [
        "I can't write to my database right now. Tasks without a card were not registered; "
        "please try again in a few minutes."
    ]
    assert "and its sender was told: The disk is full." in caplog.text


@pytest.mark.parametrize(
    ("language", "beginning"), [("zh", "暂时无法写入数据库"), (None, "I can't write to my database")]
)
async def test_the_apology_finds_its_language_without_the_store(
    harnesses: ChatHarnesses, language, beginning
):
    harness = await harnesses.make(PROVIDER, service=BrokenService())
    (sent,) = await harness.receive(updates.private(ANN, "/tasks", language=language))
    assert sent.startswith(beginning)


async def test_an_update_that_telegram_repeats_is_excused_and_logged_once(harnesses: ChatHarnesses, caplog):
    held = HeldUpdates(can_postpone=True)
    harness = await harnesses.make(PROVIDER, service=BrokenService(), held=held)
    for update_id, replies in ((1, 1), (2, 0)):
        held.hold(update_id)
        sent = await harness.receive(updates.private(ANN, "/watch wan id-1"))
        assert len(sent) == replies
        assert held.take_postponed(update_id)
        assert not held.take_postponed(update_id)
    assert "as soon as it works again" in harness.last["text"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_lost_connection_to_the_database_is_reported_when_the_handler_has_run_twice(
    harnesses: ChatHarnesses, caplog
):
    held = HeldUpdates()
    service = BrokenService(StoreUnreachable("The connection was closed."))
    harness = await harnesses.make(PROVIDER, service=service, held=held)
    message = updates.private(ANN, "/watch wan id-1")

    assert await harness.receive(message) == []
    assert held.is_repeated(1)
    assert caplog.records == []
    [told] = await harness.receive(message, is_repeated=True)
    assert told.startswith("I can't write to my database right now.")
    assert "The connection was closed." in caplog.text


async def test_a_failed_press_is_not_repeated(harnesses: ChatHarnesses):
    held = HeldUpdates(can_postpone=True)
    harness = await harnesses.make(PROVIDER, service=BrokenService(), held=held)
    held.hold(1)
    chat = updates.private(ANN, "")["chat"]
    await harness.receive(updates.press(chat, ANN, Stop(watch_id=1).pack()), kind="callback_query")
    assert not held.take_postponed(1)


@pytest.mark.parametrize("can_postpone", [False, True])
async def test_after_a_lost_leadership_nobody_is_told_and_telegram_repeats_the_update(
    harnesses: ChatHarnesses, caplog, can_postpone
):
    held = HeldUpdates(can_postpone=can_postpone)
    service = BrokenService(LeadershipLost("Another process leads."))
    harness = await harnesses.make(PROVIDER, service=service, held=held)
    held.hold(1)
    assert await harness.receive(updates.private(ANN, "/watch wan id-1")) == []
    assert held.take_postponed(1) is can_postpone
    assert caplog.records == []


async def failing_health() -> Health:
    raise ValueError("a secret detail")


async def test_an_unexpected_error_is_logged_with_the_update_id_and_not_shown(
    harnesses: ChatHarnesses, caplog
):
    harness = await harnesses.make(PROVIDER, health=failing_health)
    sent = await harness.receive(updates.private(BORIS, "/health"))
    assert sent == ["Something went wrong on my side; I've logged it. Please try again."]
    assert "A bug kept a command (update 1) in chat" in caplog.text
    assert "a secret detail" in caplog.text


async def timed_out_health() -> Health:
    raise TimeoutError


async def test_a_handler_that_timed_out_is_logged_in_one_line_and_the_user_is_told(
    harnesses: ChatHarnesses, caplog
):
    harness = await harnesses.make(PROVIDER, health=timed_out_health)
    replies = await harness.receive(updates.private(BORIS, "/health"))
    assert replies == ["Something went wrong on my side; I've logged it. Please try again."]
    assert "took too long and was given up." in caplog.text
    assert "Traceback" not in caplog.text


async def health_without_telegram() -> Health:
    raise TelegramError("Bad Gateway")


async def test_a_failed_call_to_telegram_is_logged_and_not_followed_by_another(
    harnesses: ChatHarnesses, caplog
):
    harness = await harnesses.make(PROVIDER, health=health_without_telegram)
    assert await harness.receive(updates.private(BORIS, "/health")) == []
    assert ": Bad Gateway" in caplog.text


async def test_a_refused_reply_is_only_logged(harnesses: ChatHarnesses, caplog):
    harness = await harnesses.make(PROVIDER)
    harness.request.refuse = lambda _: (403, "Forbidden: bot was blocked by the user")
    await harness.receive(updates.private(ANN, "/help"))
    assert len(harness.request.sent) == 1
    assert "Chat 42: the reply was not sent: Forbidden: bot was blocked" in caplog.text


async def test_a_refused_apology_is_only_logged(harnesses: ChatHarnesses, caplog):
    harness = await harnesses.make(PROVIDER, service=BrokenService())
    harness.request.refuse = lambda _: (403, "Forbidden: bot was blocked by the user")
    await harness.receive(updates.private(ANN, "/tasks"))
    assert len(harness.request.sent) == 1
    assert "Chat 42: the reply was not sent" in caplog.text


async def test_registered_watches_survive_a_refused_reply(harnesses: ChatHarnesses):
    harness = await harnesses.make(PROVIDER)
    await harness.receive(updates.private(ANN, "/watch wan id-1"))
    harness.request.refuse = lambda _: (429, "Too Many Requests: retry after 5")
    await harness.receive(updates.private(ANN, "/watch wan id-1 id-2 id-3"))
    assert [found.task.ref.external_id for found in await harness.service.active(ANN)] == [
        "id-1",
        "id-2",
        "id-3",
    ]
