"""The fake Telegram and gateway with their users, and the settings of a bot that uses them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.screen import Screen
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.events import Event

ANNA, LIN = 1001, 1002
GROUP = -1001000000042


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Both servers and the screen."""

    telegram: FakeTelegram
    gateway: FakeGateway
    screen: Screen
    environment: dict[str, str]  # the bot's settings
    pace: float  # a factor for all times

    def new_task(self, kind: str, *, seconds: float, fails: str | None = None) -> GatewayTask:
        """Submit a task to the gateway."""
        return self.gateway.add(kind, new_id(kind, time.time()), seconds=seconds * self.pace, fails=fails)

    def bot_messages(self, chat_id: int) -> list[Message]:
        """The bot's messages in a chat."""
        return [message for message in self.telegram.messages(chat_id) if message.from_bot]

    async def wait_for_bot(self) -> None:
        """Wait until the bot polls for updates."""
        requests = self.telegram.requests
        await self.telegram.wait_for(
            lambda: any(request.method == "getUpdates" for request in requests), timeout_s=60
        )


@contextlib.asynccontextmanager
async def open_sandbox(*, pace: float = 1.0) -> AsyncIterator[Sandbox]:
    """Start both servers and print all events until the end."""
    telegram, gateway = FakeTelegram(), FakeGateway()
    telegram.private_chat(ANNA, first_name="Anna", language_code="en")
    telegram.group(GROUP, title="影迷群")
    telegram.private_chat(LIN, first_name="小林", language_code="zh-hans")
    screen = Screen(telegram.state)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="reelwatch-demo-")))
        for server in (telegram, gateway):
            await server.start()
            stack.push_async_callback(server.stop)
        printing = asyncio.create_task(_print_all(telegram.subscribe(), screen))
        stack.callback(printing.cancel)
        environment = {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_URL": telegram.url,
            "GATEWAY_BASE_URL": gateway.url,
            "GATEWAY_API_KEY": gateway.key,
            "ALLOWED_CHATS": f"{ANNA},{LIN},{GROUP}",
            "DATABASE_URL": f"sqlite:///{folder / 'reelwatch.db'}",
            "DOWNLOAD_ALLOW_PRIVATE": "true",
            "LANGUAGE": "auto",
            "LOG_LEVEL": "WARNING",
        }
        yield Sandbox(telegram=telegram, gateway=gateway, screen=screen, environment=environment, pace=pace)


async def _print_all(events: "asyncio.Queue[Event]", screen: Screen) -> None:
    while True:
        screen.show(await events.get())
