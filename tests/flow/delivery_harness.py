"""Delivery as the bot builds it: store, worker and video delivery, with a fake Telegram and gateway."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from telegram.ext import ExtBot

from bot.bot_api.request import BotApiRequest
from bot.forecast.estimates import Estimates
from bot.media.cache import UPLOAD_LIMIT, VideoCache
from bot.media.download import Downloader
from bot.media.probe import Inspector
from bot.messages.callback_data import SendAgain
from bot.outbox.call_rate_limiter import CallRateLimiter
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.outbox.route import TelegramRoute
from bot.outbox.sender import Sender
from bot.outbox.text_delivery import TextDelivery
from bot.outbox.video_delivery import VideoDelivery
from bot.outbox.worker import LEASE_S, DeliveryWorker
from bot.private_hosts import PrivateHosts
from bot.providers.base import Provider, ProviderError
from bot.providers.gateway import Gateways, build_gateway
from bot.providers.registry import ProviderConfig
from bot.providers.transport import HttpTransport
from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.tasks import KINDS, GatewayTask
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server import Request
from bot.telemetry import Telemetry
from bot.watching import changes
from storage.factory import open_store
from storage.models import DeliveryState
from storage.store import Store
from storage.watches import WatchedTask, WatchRequest
from tests.fakes.clock import FrozenClock, SteadyClock
from tests.fakes.requests import watch_request

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading certificates takes its time

ANNA = 1001
BEN = 1002
GROUP = -100200
FORUM = -100300
CHANNEL = -100400
_TIMEOUT_S = 15.0


class DeliveryHarness:
    """The delivery of one bot. Time passes only in advance() and the waiting methods."""

    def __init__(self, folder: Path) -> None:
        self.clock = FrozenClock()
        self.steady = SteadyClock()
        self.telegram = FakeTelegram()
        self.gateway = FakeGateway(clock=lambda: self.clock().timestamp())
        self.telemetry = Telemetry()
        self.upload_limit = UPLOAD_LIMIT
        self.hold_card_s = 0.0
        self.action_after_s = 3600.0  # off: no transfer takes that long
        self.downloads = folder / "downloads"
        self.providers: dict[str, Provider] = {}
        self.problems: dict[str, str] = {}  # of gateways, by provider
        self._folder = folder
        self._ids = itertools.count(1)
        self._stack = AsyncExitStack()
        self._new_delivery = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self.store: Store
        self.worker: DeliveryWorker

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path) -> AsyncIterator[Self]:
        """Two users, a chat of each other type, a gateway and a running worker."""
        harness = cls(folder)
        for person, name in ((ANNA, "Anna"), (BEN, "Ben")):
            harness.telegram.private_chat(person, first_name=name)
        harness.telegram.group(GROUP)
        harness.telegram.forum(FORUM)
        harness.telegram.channel(CHANNEL)
        await harness.telegram.start()
        await harness.gateway.start()
        try:
            await harness.start()
            yield harness
        finally:
            await harness.stop()
            await harness.telegram.stop()
            await harness.gateway.stop()

    # the bot

    async def start(self) -> None:
        """Start as the program does."""
        self.store = await open_store(self._folder / "reelwatch.db")
        self._stack.push_async_callback(self.store.close)
        transport = await self._stack.enter_async_context(HttpTransport(tls=_NO_TLS))
        self.providers = Gateways()
        for kind in KINDS:
            config = ProviderConfig(name=kind, kind=kind, base_url=self.gateway.url, api_key=self.gateway.key)
            self.providers[kind] = build_gateway(config, transport)
        downloader = await self._stack.enter_async_context(
            Downloader(allowed=PrivateHosts(everything=True), sleep=self.clock.sleep)
        )
        request = BotApiRequest(httpx_kwargs={"verify": _NO_TLS})
        self.rate_limiter = ChatRateLimiter(clock=self.steady)
        bot = ExtBot(
            self.telegram.token,
            base_url=f"{self.telegram.url}/bot",
            request=request,
            rate_limiter=CallRateLimiter(self.rate_limiter),
        )
        await bot.initialize()
        self._stack.push_async_callback(bot.shutdown)
        sender = Sender(bot, self.rate_limiter, TelegramRoute(clock=self.steady))
        inspector = await self._stack.enter_async_context(Inspector())
        cache = VideoCache(
            self.downloads, downloader, self.providers, inspector=inspector, limit=self.upload_limit
        )
        self.video_delivery = VideoDelivery(
            self.store, sender, cache, clock=self.clock, action_after_s=self.action_after_s
        )
        self.worker = DeliveryWorker(
            self.store,
            TextDelivery(sender, Estimates(), clock=self.clock, problem_of=self.problems.get),
            self.video_delivery,
            new_delivery=self._new_delivery,
            clock=self.clock,
            telemetry=self.telemetry,
        )
        self._running = asyncio.create_task(self.worker.run())

    async def stop(self, *, timeout_s: float = 0.0) -> None:
        """Stop: cancel deliveries in progress, or wait for them up to timeout_s."""
        await self.stop_worker(timeout_s=timeout_s)
        await self._stack.aclose()

    async def stop_worker(self, *, timeout_s: float = 0.0) -> None:
        """Stop the worker; the store stays open."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            await self.worker.drain(timeout_s)
            self._running = None

    async def crash(self) -> None:
        """Cancel everything in progress, and restart."""
        await self.stop()
        await self.start()

    async def idle(self) -> None:
        """Wait until all due deliveries are settled; rate limits take no time."""
        await self._until(self._is_idle)

    async def advance(self, seconds: float) -> None:
        """Advance time, then wait until idle."""
        self.clock.advance(seconds)
        self.steady.advance(seconds)
        await self.idle()

    async def advance_a_second(self, is_met: Callable[[Self], Awaitable[bool]]) -> None:
        """Advance all clocks by a second and wait until the condition holds."""
        self.clock.advance(1)
        self.steady.advance(1)
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                self._new_delivery.set()
                await asyncio.sleep(0.005)
                if await is_met(self):
                    return

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition on the chats or requests while deliveries are in progress."""

        async def is_met() -> bool:
            return bool(condition())

        await self._until(is_met)

    async def _until(self, is_met: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                self.steady.advance(1.0)
                self._new_delivery.set()
                if await is_met():
                    return
                await asyncio.sleep(0.005)

    async def _is_idle(self) -> bool:
        before = await self.deliveries()
        due = await self.store.next_delivery_at()
        is_due = due is not None and due <= self.clock()
        return not is_due and before[DeliveryState.SENDING] == 0 and before == await self.deliveries()

    # users

    def task(self, kind: str = "alibailian", *, video: bytes = b"", fails: str | None = None) -> GatewayTask:
        """A finished task at the gateway."""
        return self.gateway.add(kind, f"task-{next(self._ids)}", seconds=0, video=video, fails=fails)

    def long_task(self, *, fails: str) -> GatewayTask:
        """A failed task with a very long id."""
        return self.gateway.add("alibailian", f"task-{next(self._ids)}-" + "x" * 380, seconds=0, fails=fails)

    async def watch(self, task: GatewayTask, chat: int = ANNA, *, thread: int | None = None) -> WatchedTask:
        """A user watches a task; it is not polled yet."""
        [watched] = await self.watch_together([task], chat, thread=thread)
        self._new_delivery.set()
        return watched

    async def watch_together(
        self, tasks: list[GatewayTask], chat: int, *, thread: int | None = None
    ) -> list[WatchedTask]:
        """A user watches tasks with a card each; the worker is not notified, so a poll may come first."""
        return [
            await self.store.add_watch(request, at=self.clock(), hold_card_s=self.hold_card_s)
            for request in self._requests(tasks, chat, thread)
        ]

    async def watch_batch(
        self, tasks: list[GatewayTask], chat: int = ANNA, *, thread: int | None = None
    ) -> None:
        """A user watches tasks with one message; the worker is not notified, so a poll may come first."""
        requests = self._requests(tasks, chat, thread)
        await self.store.add_watches(requests, at=self.clock(), hold_card_s=self.hold_card_s)

    def _requests(self, tasks: list[GatewayTask], chat: int, thread: int | None) -> list[WatchRequest]:
        user = None if chat == CHANNEL else ANNA
        text = f"/watch {tasks[0].kind} {' '.join(task.task_id for task in tasks)}"
        message_id = self.telegram.send(chat, text, user=user, thread=thread)
        return [
            watch_request(
                task.task_id,
                provider=task.kind,
                chat_id=chat,
                thread_id=thread,
                message_id=message_id,
                user_id=user,
            )
            for task in tasks
        ]

    async def poll(self) -> None:
        """Poll all due tasks once."""
        quota = dict.fromkeys(self.providers, 100)
        for task in await self.store.claim_due(quota, at=self.clock(), lease_s=LEASE_S):
            try:
                snapshot = await self.providers[task.ref.provider].fetch(task.ref.external_id)
            except ProviderError as error:
                change = changes.on_failure(task, error, at=self.clock())
            else:
                change = changes.on_snapshot(task, snapshot, at=self.clock())
            await self.store.apply(change.task, change.events)
        self._new_delivery.set()

    async def watch_and_poll(self, task: GatewayTask, chat: int = ANNA, *, thread: int | None = None) -> None:
        """A user watches a task, gets the card, and the task is polled."""
        await self.watch(task, chat, thread=thread)
        await self.idle()
        await self.poll()

    async def deliver(self, task: GatewayTask, chat: int = ANNA, *, thread: int | None = None) -> None:
        """Watch, poll and deliver."""
        await self.watch_and_poll(task, chat, thread=thread)
        await self.idle()

    async def press_again(self, card: Message) -> bool:
        """Press a card's only button; returns whether a delivery was started."""
        [button] = card.buttons
        data = SendAgain.parse(button["callback_data"])
        assert data is not None
        begun = await self.store.send_again(data.watch_id, card.chat_id, at=self.clock())
        await self.idle()
        return begun

    # observations

    def bot_messages(self, chat: int = ANNA) -> list[Message]:
        """The bot's messages in a chat."""
        return [message for message in self.telegram.messages(chat) if message.from_bot]

    def result(self, chat: int = ANNA) -> Message:
        """The message after the card; there is no other."""
        [_, result] = self.bot_messages(chat)
        return result

    def calls(self, *methods: str) -> list[Request]:
        """The bot's requests with these methods, in order."""
        return [request for request in self.telegram.requests if request.method in methods]

    async def deliveries(self) -> dict[str, int]:
        """Number of deliveries per state."""
        return (await self.store.stats()).deliveries
