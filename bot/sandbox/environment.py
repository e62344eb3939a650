"""The fake Telegram and gateway with their users, and the settings of a bot that uses them."""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.ports import free_port, is_free
from bot.sandbox.sample_video import scene, with_free_box
from bot.sandbox.screen import Screen
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.events import Event

ANNA, LIN, ADMIN, NEWCOMER, ZHOU = 1001, 1002, 1003, 1004, 1005
GROUP, CHANNEL = -1001000000042, -1001000000043

_KEPT_REQUESTS = 500
_KEPT_MESSAGES = 500  # of each chat, as on the page
_KEPT_FILES = 200
_KEPT_TASKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Both servers and the screen."""

    telegram: FakeTelegram
    gateway: FakeGateway
    screen: Screen
    environment: dict[str, str]  # the bot's settings
    pace: float  # a factor for all times
    database: Path  # the bot's
    health_url: str  # of the bot's pages of health and metrics
    people: Mapping[int, tuple[int, ...]]  # by chat, who writes there; nobody: the channel itself

    def new_task(self, kind: str, *, seconds: float | None, fails: str | None = None) -> GatewayTask:
        """Submit a task to the gateway; seconds None: it moves only by gateway.advance()."""
        seconds, task_id = None if seconds is None else seconds * self.pace, new_id(kind, time.time())
        video = with_free_box(scene(kind), task_id.encode())
        return self.gateway.add(kind, task_id, seconds=seconds, fails=fails, video=video)

    def forget_old(self) -> None:
        """Forget what is no longer shown of a demo that runs for hours."""
        del self.telegram.requests[:-_KEPT_REQUESTS]
        self.telegram.state.forget(messages=_KEPT_MESSAGES, others=_KEPT_FILES)
        self.gateway.forget(requests=_KEPT_REQUESTS, tasks=_KEPT_TASKS)

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
    people = _populate(telegram)
    screen = Screen(telegram.state)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="reelwatch-demo-")))
        for server in (telegram, gateway):
            await server.start()
            stack.push_async_callback(server.stop)
        printing = asyncio.create_task(_print_all(telegram.subscribe(), screen))
        stack.callback(printing.cancel)
        database, health_port = folder / "reelwatch.db", _health_port()
        environment = {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_URL": telegram.url,
            "GATEWAY_BASE_URL": gateway.url,
            "GATEWAY_API_KEY": gateway.key,
            "ALLOWED_CHATS": f"{ANNA},{LIN},{GROUP},{CHANNEL}",
            "ADMINS": f"{ADMIN},{LIN}",
            "DATABASE_URL": f"sqlite:///{database}",
            "HEALTH_PORT": f"{health_port}",
            "DOWNLOAD_ALLOW_PRIVATE": "true",
            "LANGUAGE": "auto",
            "LOG_LEVEL": "WARNING",
        }
        yield Sandbox(
            telegram=telegram,
            gateway=gateway,
            screen=screen,
            environment=environment,
            pace=pace,
            database=database,
            health_url=f"http://127.0.0.1:{health_port}",
            people=people,
        )


def _health_port() -> int:
    """That of this process, as the image sets it for its probe, if nobody listens there; else another one."""
    given = os.environ.get("HEALTH_PORT", "")
    port = int(given) if re.fullmatch(r"[0-9]{1,5}", given) else 0
    return port if 0 < port < 1 << 16 and is_free(port) else free_port()


def _populate(telegram: FakeTelegram) -> Mapping[int, tuple[int, ...]]:
    """Make the chats; returns by chat who writes there."""
    telegram.private_chat(ANNA, first_name="Anna", language_code="en")
    telegram.private_chat(LIN, first_name="小林", language_code="zh-hans")
    telegram.forum(GROUP, title="影迷群 · Film club")
    for topic in ("Renders", "闲聊"):
        telegram.topic(GROUP, topic)
    telegram.channel(CHANNEL, title="Daily reels")
    telegram.private_chat(ADMIN, first_name="Sam (admin)", language_code="en")
    telegram.private_chat(NEWCOMER, first_name="Kim", language_code="en")
    telegram.private_chat(ZHOU, first_name="小周", language_code="zh-hans")
    telegram.promote(GROUP, LIN)
    return {
        ANNA: (ANNA,),
        LIN: (LIN,),
        GROUP: (LIN, ANNA),
        CHANNEL: (),
        ADMIN: (ADMIN,),
        NEWCOMER: (NEWCOMER,),
        ZHOU: (ZHOU,),
    }


async def _print_all(events: "asyncio.Queue[Event]", screen: Screen) -> None:
    while True:
        screen.show(await events.get())
