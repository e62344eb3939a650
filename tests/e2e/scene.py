"""A fake Telegram and gateway in the test's event loop, and bot processes that use them."""

import asyncio
import contextlib
import itertools
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
from tests.e2e.database import SceneDatabase, open_database
from tests.e2e.program import Program

T = TypeVar("T")

BOOT_S = 30.0  # a process starts within about two seconds on an idle machine
WAIT_S = 15.0  # default timeout of wait_for

_DATABASE_PERIOD_S = 0.05  # between two reads

ADMIN = 1000

# The signatures in the gateway's links, percent-encoded and decoded.
SIGNATURES = ("q7%2F%2FTe9b", "q7//Te9b", "0123456789abcdef", "aGVs%2Bbg", "aGVs+bg")


_UPDATES = {"getUpdates", "setWebhook"}


class Scene:
    """Both servers, the users, and every process that was started."""

    def __init__(self, folder: Path, database: SceneDatabase, **settings: str) -> None:
        """settings: of every process, in addition to the required ones."""
        self.telegram = FakeTelegram(local=settings.get("TELEGRAM_LOCAL_MODE") == "true")
        self.gateway = FakeGateway()
        self.folder = folder
        self.database = database
        self.programs: list[Program] = []
        self._more_settings = settings
        self._ids = itertools.count(ADMIN + 1)
        self.telegram.private_chat(ADMIN)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, **settings: str) -> AsyncIterator[Self]:
        """Start the servers; at the end kill all processes and check that none printed a secret."""
        async with open_database(folder) as database:
            scene = cls(folder, database, **settings)
            await scene.telegram.start()
            await scene.gateway.start()
            try:
                yield scene
            finally:
                await asyncio.gather(*(program.kill() for program in scene.programs))
                await scene.telegram.stop()
                await scene.gateway.stop()
                for program in scene.programs:
                    sys.stdout.write(
                        f"{program.output}\n{program.log}\n"
                    )  # pytest shows it when a test fails
        assert scene.leaks() == []

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a bot that uses these servers."""
        return {
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "TELEGRAM_API_URL": self.telegram.url,
            "GATEWAY_BASE_URL": self.gateway.url,
            "GATEWAY_API_KEY": self.gateway.key,
            "DATABASE_URL": self.database.url,
            "ALLOWED_CHATS": "*",
            "ADMINS": str(ADMIN),
            "TZ": "Asia/Shanghai",
            "DOWNLOAD_ALLOW_PRIVATE": "true",
        } | self._more_settings

    async def run(self, *arguments: str, **settings: str) -> Program:
        """Start the program; a setting that is "" counts as not set."""
        return await self._start(*arguments, settings=settings)

    async def load(self, *arguments: str, **settings: str) -> Program:
        """Start the program in a new Python, which has to load it."""
        return await self._start(*arguments, settings=settings, is_loading=True)

    async def _start(self, *arguments: str, settings: dict[str, str], is_loading: bool = False) -> Program:
        program = await Program.start(
            *arguments,
            settings=self.settings | settings,
            folder=self.folder,
            change_signal=self.telegram.change_signal,
            is_loading=is_loading,
        )
        self.programs.append(program)
        return program

    async def start_bot(self, **settings: str) -> Program:
        """Start the bot and wait until it polls for updates, or sets its webhook."""
        before = len(self.telegram.requests)
        program = await self.run(**settings)
        await self.wait_for(
            lambda: (
                not program.is_running
                or any(each.method in _UPDATES for each in self.telegram.requests[before:])
            ),
            timeout_s=BOOT_S,
        )
        assert program.is_running, program.log
        return program

    def leaks(self) -> list[str]:
        """The secrets that any of the processes has printed."""
        _, _, secret_half = self.telegram.token.partition(":")
        secrets = (secret_half, self.gateway.key, *SIGNATURES)
        written = "".join(program.output + program.log for program in self.programs)
        return [secret for secret in secrets if secret in written]

    # users

    def add_user(self, *, language_code: str = "en") -> int:
        """Add a user with a private chat."""
        return self.telegram.private_chat(next(self._ids), language_code=language_code)

    async def command(self, chat_id: int, text: str, *, user: int | None = None) -> Message:
        """Send a message and return the first reply to it."""
        return await self.first_reply(chat_id, self.telegram.send(chat_id, text, user=user))

    async def first_reply(self, chat_id: int, message_id: int) -> Message:
        """The first message of the bot that replies to this one."""
        [first, *_] = await self.wait_for(lambda: self.replies(chat_id, message_id))
        return first

    def replies(self, chat_id: int, message_id: int) -> list[Message]:
        """The bot's messages that reply to this one; to a /watch: its card, then its result."""
        return [message for message in self.telegram.messages(chat_id) if message.reply_to == message_id]

    # tasks

    def task(self, kind: str, *, fails: str | None = None) -> GatewayTask:
        """Submit a task that moves only by advance()."""
        return self.gateway.add(kind, new_id(kind, time.time()), seconds=None, fails=fails)

    async def watch(self, chat_id: int, task: GatewayTask, *, user: int | None = None) -> int:
        """Send /watch, wait for the card, and return the id of the command's message."""
        command_id = self.telegram.send(chat_id, f"/watch {task.kind} {task.task_id}", user=user)
        await self.first_reply(chat_id, command_id)
        return command_id

    async def poll(self, chat_id: int, task: GatewayTask) -> Message:
        """Send /status and return the reply."""
        return await self.command(chat_id, f"/status {task.task_id}")

    def finish(self, task: GatewayTask) -> None:
        """Advance a task to its final phase."""
        while self.gateway.advance(task.task_id) not in {Phase.SUCCEEDED, Phase.FAILED}:
            pass

    async def until_shown(self, chat_id: int, command_id: int, *words: str) -> Message:
        """Wait until a text reply to a command, such as its card, contains all these words."""
        [card, *_] = await self.wait_for(
            lambda: [
                message
                for message in self.replies(chat_id, command_id)
                if message.text and all(word in message.text for word in words)
            ]
        )
        return card

    async def until_video(self, chat_id: int, command_id: int) -> Message:
        """Wait until a reply to a command is a video."""
        [video, *_] = await self.wait_for(
            lambda: [message for message in self.replies(chat_id, command_id) if message.video]
        )
        return video

    async def until_all_is_sent(self) -> None:
        """Wait until all deliveries in the database are sent."""
        async with asyncio.timeout(WAIT_S):
            while await self.database.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"):  # noqa: ASYNC110
                await asyncio.sleep(_DATABASE_PERIOD_S)

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float = WAIT_S) -> T:
        """Return the first true value of a condition on the chats or on the output of the processes."""
        return await self.telegram.wait_for(condition, timeout_s=timeout_s)


def announces(request: Request, chat_id: int) -> bool:
    """Whether a sendMessage announces a video to a chat."""
    return request.params["chat_id"] == str(chat_id) and "on its way" in request.params["text"]
