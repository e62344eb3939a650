"""The pages of /tasks are edited in place by their buttons."""

from typing import Any

from bot.messages.callback_data import CallbackData, StopListed, TasksPage
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, CHANNEL, EVE, GROUP, ChatHarness
from tests.unit.messages.reading import visible

SAMPLES = {"id": GROUP, "type": "supergroup", "title": "Films"}


async def press(harness: ChatHarness, data: CallbackData, user_id: int = ANN, **message: Any) -> str:
    """The text of the bubble; message: fields of the message with the button."""
    query = updates.press(SAMPLES, user_id, data.pack())
    query["message"] |= message
    assert await harness.receive(query, kind="callback_query") == []
    return str(harness.request.callback_answers[-1].get("text", ""))


def shown(harness: ChatHarness) -> str:
    return visible(str(harness.request.edits[-1]["text"]))


async def watch(harness: ChatHarness, count: int) -> None:
    ids = " ".join(f"id-{number}" for number in range(count))
    await harness.receive(updates.group(GROUP, ANN, f"/watch wan {ids}"))


async def test_a_page_is_turned_in_place_in_the_language_of_who_presses(harness: ChatHarness):
    await watch(harness, 10)
    [first] = await harness.receive(updates.group(GROUP, ANN, "/tasks"))
    assert "id-7" in first
    assert "id-8" not in first

    assert await press(harness, TasksPage(page=1)) == ""

    assert shown(harness).splitlines()[1:] == [
        "9. ⏳ alibailian · id-8 · Queued · 0 s so far",
        "10. ⏳ alibailian · id-9 · Queued · 0 s so far",
    ]


async def test_an_entry_is_stopped_and_the_page_shown_without_it(harness: ChatHarness):
    await watch(harness, 2)
    [one, _] = await harness.service.active(GROUP)

    assert await press(harness, StopListed(watch_id=one.watch.id, page=0)) == "Stopped watching."

    assert "id-0" not in shown(harness)
    assert "id-1" in shown(harness)


async def test_the_last_entry_that_is_stopped_leaves_the_sentence_how_to_begin(harness: ChatHarness):
    await watch(harness, 1)
    [only] = await harness.service.active(GROUP)

    await press(harness, StopListed(watch_id=only.watch.id, page=0))

    assert shown(harness).startswith("Nothing is being watched here.")
    assert "reply_markup" not in harness.request.edits[-1]


async def test_who_may_not_stop_an_entry_is_told_and_the_page_stays(harness: ChatHarness):
    await watch(harness, 1)
    [only] = await harness.service.active(GROUP)

    assert "Only the person who asked" in await press(
        harness, StopListed(watch_id=only.watch.id, page=0), EVE
    )

    assert harness.request.edits == []
    assert len(await harness.service.active(GROUP)) == 1


async def test_a_page_too_old_to_be_edited_says_so(harness: ChatHarness):
    await watch(harness, 1)

    assert await press(harness, TasksPage(page=0), date=0) == "This button no longer works."


async def test_in_a_channel_only_its_admins_turn_pages(harness: ChatHarness):
    harness.request.admins = [ANN]
    await harness.receive(updates.channel_post(CHANNEL, "/watch wan id-1"), kind="channel_post")
    channel = {"id": CHANNEL, "type": "channel", "title": "News"}

    await harness.receive(updates.press(channel, EVE, TasksPage(page=0).pack()), kind="callback_query")
    assert harness.request.callback_answers[-1]["text"] == (
        "Only this chat's admins and the bot's admins can do that."
    )
    assert harness.request.edits == []
    await harness.receive(updates.press(channel, ANN, TasksPage(page=0).pack()), kind="callback_query")
    assert len(harness.request.edits) == 1


async def test_a_page_that_did_not_change_is_no_error(harness: ChatHarness, caplog):
    await watch(harness, 1)
    harness.request.refuse = lambda sent: (
        (400, "Bad Request: message is not modified: same content")
        if "text" in sent and "chat_id" in sent
        else None
    )

    assert await press(harness, TasksPage(page=0)) == ""

    assert caplog.messages == []
