"""A make-believe Telegram and gateway in the test's own loop, and the bot's processes between them."""

import asyncio
import contextlib
import itertools
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self, TypeVar

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import GatewayTask, Phase
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server import Request
from tests.e2e.program import Program

T = TypeVar("T")

BOOT_S = 30.0  # a process starts within about two seconds on an idle machine
NEWS_S = 15.0  # for what should come at once

ADMIN = 1000

# What signs the gateway's links, as it stands in them and decoded.
SIGNATURES = ("q7%2F%2FTe9b", "q7//Te9b", "0123456789abcdef", "aGVs%2Bbg", "aGVs+bg")


_NOTHING_OPEN = re.compile(
    r"^Deliveries: to be sent 0, being sent 0, sent \d+, unconfirmed 0, given up 0$", re.M
)


class Scene:
    """Both servers, the people, and every process that was started."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """settings: of every process, beside those without which there is no bot."""
        self.telegram = FakeTelegram(local=settings.get("TELEGRAM_LOCAL_MODE") == "true")
        self.gateway = FakeGateway()
        self.folder = folder
        self.programs: list[Program] = []
        self._more_settings = settings
        self._ids = itertools.count(ADMIN + 1)
        self.telegram.private_chat(ADMIN)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, **settings: str) -> AsyncIterator[Self]:
        """Start the servers; at the end kill what still runs, and see that nothing told a secret."""
        scene = cls(folder, **settings)
        await scene.telegram.start()
        await scene.gateway.start()
        try:
            yield scene
        finally:
            await asyncio.gather(*(program.kill() for program in scene.programs))
            await scene.telegram.stop()
            await scene.gateway.stop()
            for program in scene.programs:
                sys.stdout.write(f"{program.output}\n{program.log}\n")  # pytest shows it when a test fails
        assert scene.leaks() == []

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a bot that lives here."""
        return {
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "TELEGRAM_API_URL": self.telegram.url,
            "GATEWAY_BASE_URL": self.gateway.url,
            "GATEWAY_API_KEY": self.gateway.key,
            "DATABASE_URL": f"sqlite:///{self.folder / 'reelwatch.db'}",
            "ALLOWED_CHATS": "*",
            "ADMINS": str(ADMIN),
            "DOWNLOAD_ALLOW_PRIVATE": "true",
        } | self._more_settings

    async def run(self, *arguments: str, **settings: str) -> Program:
        """Start the program; a setting that is "" counts as not set."""
        program = await Program.start(
            *arguments,
            settings=self.settings | settings,
            folder=self.folder,
            change_signal=self.telegram.change_signal,
        )
        self.programs.append(program)
        return program

    async def start_bot(self, **settings: str) -> Program:
        """Start the bot, and wait until it asks for updates."""
        before = len(self.telegram.requests)
        program = await self.run(**settings)
        await self.wait_for(
            lambda: (
                not program.is_running
                or any(each.method == "getUpdates" for each in self.telegram.requests[before:])
            ),
            timeout_s=BOOT_S,
        )
        assert program.is_running, program.log
        return program

    def leaks(self) -> list[str]:
        """The secrets that any of the processes has written anywhere."""
        _, _, secret_half = self.telegram.token.partition(":")
        secrets = (secret_half, self.gateway.key, *SIGNATURES)
        written = "".join(program.output + program.log for program in self.programs)
        return [secret for secret in secrets if secret in written]

    # people

    def person(self, *, language_code: str = "en") -> int:
        """Somebody new with a chat of their own."""
        return self.telegram.private_chat(next(self._ids), language_code=language_code)

    async def ask(self, chat_id: int, text: str, *, user: int | None = None) -> Message:
        """Say something, and return the first answer to it."""
        return await self.answer(chat_id, self.telegram.say(chat_id, text, user=user))

    async def answer(self, chat_id: int, message_id: int) -> Message:
        """The first message of the bot that replies to this one."""
        [first, *_] = await self.wait_for(lambda: self.replies(chat_id, message_id))
        return first

    def replies(self, chat_id: int, message_id: int) -> list[Message]:
        """The bot's messages that reply to this one; to a /watch: its card, then its result."""
        return [message for message in self.telegram.messages(chat_id) if message.reply_to == message_id]

    # tasks

    def task(self, kind: str, *, fails: str | None = None) -> GatewayTask:
        """Submit a task that moves only when advanced."""
        return self.gateway.add(kind, new_id(kind, time.time()), seconds=None, fails=fails)

    async def watch(self, chat_id: int, task: GatewayTask, *, user: int | None = None) -> int:
        """Ask for a task, wait for its card, and return the asking message."""
        asked = self.telegram.say(chat_id, f"/watch {task.kind} {task.task_id}", user=user)
        await self.answer(chat_id, asked)
        return asked

    async def poll(self, chat_id: int, task: GatewayTask) -> Message:
        """Have the bot look now, and return what it says to that."""
        return await self.ask(chat_id, f"/status {task.task_id}")

    def finish(self, task: GatewayTask) -> None:
        """Bring a task to its end."""
        while self.gateway.advance(task.task_id) not in {Phase.SUCCEEDED, Phase.FAILED}:
            pass

    async def until_shown(self, chat_id: int, asked: int, *words: str) -> Message:
        """Wait until a text that replies to a request, as its card does, shows all these words."""
        [card, *_] = await self.wait_for(
            lambda: [
                message
                for message in self.replies(chat_id, asked)
                if message.text and all(word in message.text for word in words)
            ]
        )
        return card

    async def until_video(self, chat_id: int, asked: int) -> Message:
        """Wait until a reply to a request is a video."""
        [video, *_] = await self.wait_for(
            lambda: [message for message in self.replies(chat_id, asked) if message.video]
        )
        return video

    async def until_all_is_sent(self) -> None:
        """Wait until an admin is told that nothing is left to be sent, and nothing was given up."""
        async with asyncio.timeout(NEWS_S):
            while not _NOTHING_OPEN.search((await self.ask(ADMIN, "/stats")).words):
                pass

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float = NEWS_S) -> T:
        """Return the first true value of a condition on the chats or on what the processes have written."""
        return await self.telegram.wait_for(condition, timeout_s=timeout_s)


def announces(request: Request, chat_id: int) -> bool:
    """Whether a sendMessage tells a chat that its video is on its way."""
    return request.params["chat_id"] == str(chat_id) and "on its way" in request.params["text"]
