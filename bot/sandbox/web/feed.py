"""What happens in the sandbox, as server-sent events for the open pages."""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from bot.sandbox.environment import Sandbox
from bot.sandbox.telegram.events import (
    ActionShown,
    BotEdited,
    BotSent,
    CallbackAnswered,
    Deleted,
    Event,
    MenuChanged,
    Pinned,
    UserSent,
)
from bot.sandbox.web.gateway_view import task_view
from bot.sandbox.web.switches import Switches
from bot.sandbox.web.telegram_view import chat_view, message_view

Json = dict[str, Any]
ReadMind = Callable[[], Awaitable[Json]]

_SHOWN_TASKS = 30  # the newest
_SHOWN_MESSAGES = 500  # the newest of each chat
_PERIOD_S = 0.5  # between two reads of the tasks
_MIND_PERIODS = 2  # of these between two reads of the bot's state
_QUEUED = 2000  # events that a slow page may be behind; then it begins anew
_MOST_PAGES = 16


class TooManyPages(Exception):
    """More pages are open than are served."""


class Feed:
    """Collects events and sends them to each open page; a page gets a snapshot first."""

    def __init__(self, sandbox: Sandbox, switches: Switches, read_mind: ReadMind) -> None:
        """read_mind: what the bot has in its database and metrics."""
        self._sandbox = sandbox
        self._switches = switches
        self._read_mind = read_mind
        self._run = secrets.token_hex(8)  # tells pages whether they have shown this demo before
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._tasks: dict[str, Json] = {}  # as last sent, by id
        self._mind: Json = {}
        self._states: Mapping[str, bool] = switches.states()

    async def run(self) -> None:
        """Send what happens, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(self._sandbox.telegram.subscribe()))
            group.create_task(self._send_changes())

    def open_page(self) -> "asyncio.Queue[str | None]":
        """A queue of events, which begins with a snapshot; None: the page is too slow and must begin anew."""
        if len(self._pages) >= _MOST_PAGES:
            raise TooManyPages
        queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUED)
        self._pages.add(queue)
        queue.put_nowait(_line("snapshot", self._snapshot()))
        return queue

    def close_page(self, queue: "asyncio.Queue[str | None]") -> None:
        """Send no more there."""
        self._pages.discard(queue)

    def close(self) -> None:
        """End all pages' connections."""
        for queue in list(self._pages):
            _end(queue)

    def _snapshot(self) -> Json:
        state = self._sandbox.telegram.state
        return {
            "run": self._run,
            "bot": {"name": state.bot.first_name, "username": state.bot.username},
            "chats": self._chats(),
            "messages": [
                message_view(state, message)
                for chat_id in self._sandbox.people
                for message in self._sandbox.telegram.messages(chat_id)[-_SHOWN_MESSAGES:]
            ],
            "tasks": self._read_tasks(),
            "switches": self._switches.states(),
            "mind": self._mind,
        }

    def _chats(self) -> list[Json]:
        state = self._sandbox.telegram.state
        return [
            chat_view(state, state.chats[chat_id], people=people)
            for chat_id, people in self._sandbox.people.items()
        ]

    async def _pass_on(self, events: "asyncio.Queue[Event]") -> None:
        state = self._sandbox.telegram.state
        while True:
            match await events.get():
                case UserSent(message=message) | BotSent(message=message):
                    self._send("message", message_view(state, message))
                case BotEdited(message=message):
                    self._send("message", message_view(state, message) | {"wasJustEdited": True})
                case Deleted(message=message):
                    self._send("deleted", {"chat": message.chat_id, "id": message.message_id})
                case CallbackAnswered(query_id=query, text=text, is_alert=is_alert):
                    self._send("answered", {"query": query, "text": text, "isAlert": is_alert})
                case ActionShown(chat_id=chat, thread_id=thread, action=action):
                    self._send("action", {"chat": chat, "thread": thread, "action": action})
                case Pinned() | MenuChanged():
                    self._send("chats", self._chats())
                case _:
                    pass

    async def _send_changes(self) -> None:
        """Send what changes by itself, tasks, switches and the bot's state, while pages are open."""
        rounds = 0
        while True:
            await asyncio.sleep(_PERIOD_S)
            if not self._pages:
                continue
            known = self._tasks
            self._send_each("task", (each for each in self._read_tasks() if known.get(each["id"]) != each))
            if (states := self._switches.states()) != self._states:
                self._states = states
                self._send("switches", states)
            rounds += 1
            if rounds % _MIND_PERIODS == 0 and (mind := await self._read_mind()) != self._mind:
                self._mind = mind
                self._send("mind", mind)

    def _read_tasks(self) -> list[Json]:
        """The newest tasks, which are remembered as sent."""
        gateway, now = self._sandbox.gateway, time.time()
        newest = list(gateway.tasks.values())[-_SHOWN_TASKS:]
        views = [task_view(gateway, task, now=now) for task in newest]
        self._tasks = {view["id"]: view for view in views}
        return views

    def _send_each(self, name: str, contents: Iterable[object]) -> None:
        for content in contents:
            self._send(name, content)

    def _send(self, name: str, content: object) -> None:
        line = _line(name, content)
        for queue in list(self._pages):
            if queue.full():
                self._pages.discard(queue)
                _end(queue)
            else:
                queue.put_nowait(line)


def _line(name: str, content: object) -> str:
    return f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"


def _end(queue: "asyncio.Queue[str | None]") -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
