"""A page whose first chat has as many messages as a page keeps, without a bot; for tests and benchmarks."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bot.sandbox.environment import ANNA, GROUP, Sandbox, open_sandbox
from bot.sandbox.telegram.events import BotEdited, BotSent
from bot.sandbox.web.server import WebPage

MESSAGES = 500
_START_S = 30.0
_TEXT = "✅ jimeng · cgt-20261129-{number}\nDone · took 6 s\nThe link works until tomorrow\nA fox in snow"
_KEYBOARD = {
    "inline_keyboard": [
        [{"text": "Original file", "callback_data": "file"}, {"text": "Details", "callback_data": "details"}]
    ]
}


@dataclass(slots=True)
class LongChat:
    """The page; its methods are called by another thread than that of its server."""

    sandbox: Sandbox
    address: str
    loop: asyncio.AbstractEventLoop

    def send(self, number: int, *, topic: int | None = None) -> None:
        """The bot sends so many messages there, or to a topic of the group."""
        self._run(partial(self._send, topic), range(number))

    def edit(self, number: int) -> None:
        """The bot edits each of so many messages at the end, the newest first."""
        self._run(self._edit, range(-1, -number - 1, -1))

    def _send(self, topic: int | None, _: int) -> None:
        state = self.sandbox.telegram.state
        chat = state.chats[ANNA if topic is None else GROUP]
        number = chat.last_message_id + 1
        message = state.post(
            chat,
            sender=state.bot,
            from_bot=True,
            text=_TEXT.format(number=number),
            entities=(
                {"type": "bold", "offset": 2, "length": 6},
                {"type": "code", "offset": 11, "length": 12},
                {"type": "blockquote", "offset": 70, "length": 13},
            ),
            reply_markup=_KEYBOARD,
            reply_to=number - 1 or None,
            thread_id=topic,
        )
        state.publish(BotSent(message=message))

    def _edit(self, index: int) -> None:
        state = self.sandbox.telegram.state
        before = self.sandbox.telegram.messages(ANNA)[index]
        after = state.change(before, text=f"{before.text}\nedited")
        state.publish(BotEdited(message=after, before=before))

    def _run(self, action: Callable[[int], None], numbers: range) -> None:
        async def run() -> None:
            for number in numbers:
                action(number)

        asyncio.run_coroutine_threadsafe(run(), self.loop).result(_START_S)


@contextmanager
def long_chat() -> Iterator[LongChat]:
    """Serve it from a thread."""
    ready, end = threading.Event(), asyncio.Event()
    made: list[LongChat] = []

    async def read_nothing() -> dict[str, Any]:
        return {}

    async def serve() -> None:
        async with open_sandbox() as sandbox:
            page = WebPage(sandbox, read_nothing, lambda: False)
            async with page.serving("127.0.0.1", 0) as address:
                made.append(LongChat(sandbox, address, asyncio.get_running_loop()))
                ready.set()
                await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(_START_S)
    made[0].send(MESSAGES)
    try:
        yield made[0]
    finally:
        made[0].loop.call_soon_threadsafe(end.set)
        thread.join()
