"""Open pages learn what happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.sandbox.environment import ANNA, GROUP, Sandbox
from bot.sandbox.telegram.events import ActionShown, BotEdited, CallbackAnswered, Deleted, MenuChanged
from bot.sandbox.web.feed import Feed, TooManyPages
from bot.sandbox.web.switches import Switches
from tests.unit.sandbox.web.conftest import MIND, read_mind

_MOST_PAGES, _QUEUED = 16, 2000


@pytest.fixture
async def feed(sandbox: Sandbox) -> AsyncIterator[Feed]:
    made = Feed(sandbox, Switches(sandbox.telegram, sandbox.gateway), read_mind)
    async with _running(made):
        yield made


@asynccontextmanager
async def _running(feed: Feed) -> AsyncIterator[None]:
    running = asyncio.create_task(feed.run())
    await asyncio.sleep(0)
    yield
    running.cancel()


async def heard(page: "asyncio.Queue[str | None]", name: str) -> Any:
    """The content of the next event of this name."""
    async with asyncio.timeout(30):
        while True:
            line = await page.get()
            assert line is not None
            if line.startswith(f"event: {name}\n"):
                return json.loads(line.partition("data: ")[2])


async def test_a_page_begins_with_all_that_is_there(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.telegram.send(ANNA, "hello")
    sandbox.gateway.add("jimeng", "1", video=b"x")

    snapshot = await heard(feed.open_page(), "snapshot")

    assert [chat["id"] for chat in snapshot["chats"]] == list(sandbox.people)
    assert "hello" in [message["text"] for message in snapshot["messages"]]
    assert [task["id"] for task in snapshot["tasks"]] == ["1"]
    assert not any(snapshot["switches"].values())


async def test_messages_edits_and_deletions_are_told(sandbox: Sandbox, feed: Feed) -> None:
    page = feed.open_page()

    sandbox.telegram.send(ANNA, "hello")
    assert (await heard(page, "message"))["isMine"]
    state = sandbox.telegram.state
    sent = state.post(state.chats[ANNA], sender=state.bot, from_bot=True, text="card")
    state.publish(BotEdited(message=state.change(sent, text="news"), before=sent))
    edited = await heard(page, "message")
    assert (edited["text"], edited["isEdited"], edited["wasJustEdited"]) == ("news", True, True)
    state.publish(Deleted(message=sent))
    assert await heard(page, "deleted") == {"chat": ANNA, "id": sent.message_id}


async def test_actions_bubbles_and_menus_are_told(sandbox: Sandbox, feed: Feed) -> None:
    page, state = feed.open_page(), sandbox.telegram.state

    state.publish(ActionShown(chat_id=GROUP, thread_id=3, action="upload_video"))
    state.publish(CallbackAnswered(query_id="5", text="Stopped", is_alert=True))
    state.commands['{"type": "default"}', ""] = [{"command": "watch", "description": "Watch"}]
    state.publish(MenuChanged())

    assert await heard(page, "action") == {"chat": GROUP, "thread": 3, "action": "upload_video"}
    assert await heard(page, "answered") == {"query": "5", "text": "Stopped", "isAlert": True}
    assert (await heard(page, "chats"))[0]["commands"][0]["command"] == "watch"


async def test_what_changes_by_itself_is_told_once(sandbox: Sandbox, feed: Feed) -> None:
    page = feed.open_page()

    sandbox.gateway.add("jimeng", "1", seconds=None, video=b"x")
    assert (await heard(page, "task"))["phase"] == "queued"
    assert await heard(page, "mind") == MIND
    sandbox.gateway.advance("1")

    assert (await heard(page, "task"))["phase"] == "running"


async def test_a_page_that_is_too_slow_begins_anew(sandbox: Sandbox, feed: Feed) -> None:
    page = feed.open_page()

    for _ in range(_QUEUED + 1):
        sandbox.telegram.state.publish(MenuChanged())
        await asyncio.sleep(0)

    lines = [page.get_nowait() for _ in range(page.qsize())]
    assert lines[-1] is None
    assert len(lines) <= _QUEUED


async def test_only_so_many_pages_are_served(feed: Feed) -> None:
    pages = [feed.open_page() for _ in range(_MOST_PAGES)]
    with pytest.raises(TooManyPages):
        feed.open_page()

    feed.close_page(pages[0])

    feed.open_page()
