"""The delivery worker with a real store, a fake Telegram and a scripted video delivery."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from telegram.ext import ExtBot

from bot.bot_api.request import BotApiRequest
from bot.forecast.estimates import Estimates
from bot.outbox.call_rate_limiter import CallRateLimiter
from bot.outbox.rate_limiter import ChatRateLimiter, current_permit
from bot.outbox.results import SendResult, Sent
from bot.outbox.route import TelegramRoute
from bot.outbox.sender import Sender
from bot.outbox.text_delivery import TextDelivery
from bot.outbox.video_delivery import VideoDelivery
from bot.outbox.worker import DeliveryWorker
from bot.sandbox.telegram import FakeTelegram
from bot.telemetry import Telemetry
from storage.errors import StoreUnavailable
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import NONE_THROTTLED, ClaimedDelivery, Settlement, ThrottledChats, WatchDelivery
from storage.sqlite.store import SqliteStore
from storage.watches import WatchState
from tests.contract.store.driver import Driver
from tests.fakes.clock import SteadyClock


class BrittleStore(SqliteStore):
    """A real store whose disk a test can fill."""

    is_full = False
    polls = 0  # calls of next_delivery_at()
    settled = 0  # successful settlements
    failed_settlements = 0  # failed settlements

    async def next_delivery_at(self, throttled: ThrottledChats = NONE_THROTTLED) -> datetime | None:
        self.polls += 1
        return await super().next_delivery_at(throttled)

    async def claim_deliveries(
        self, limit: int, throttled: ThrottledChats = NONE_THROTTLED, *, at: datetime, lease_s: float
    ) -> list[ClaimedDelivery]:
        self._check_room()
        return await super().claim_deliveries(limit, throttled, at=at, lease_s=lease_s)

    async def settle(self, delivery_id: int, settlement: Settlement) -> None:
        self.failed_settlements += self.is_full
        self._check_room()
        await super().settle(delivery_id, settlement)
        self.settled += 1

    async def check(self) -> None:
        self._check_room()
        await super().check()

    def _check_room(self) -> None:
        if self.is_full:
            raise StoreUnavailable("The disk is full.")


class ScriptedVideoDelivery(VideoDelivery):
    """Returns the next result of each chat, the last one repeatedly; waits while the gate is closed."""

    def __init__(self, rate_limiter: ChatRateLimiter) -> None:
        self.rate_limiter = rate_limiter
        self.results: dict[int, list[SendResult | Exception]] = {}
        self.started: list[int] = []  # chats
        self.gate = asyncio.Event()
        self.gate.set()

    async def announce(self, out: WatchDelivery) -> SendResult:
        self.rate_limiter.spend(out.watch.chat_id, current_permit.get())  # as the bot counts the call
        return Sent(1)

    async def deliver(self, out: WatchDelivery, message_id: int | None) -> SendResult:
        self.started.append(out.watch.chat_id)
        await self.gate.wait()
        script = self.results[out.watch.chat_id]
        result = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(result, Exception):
            raise result
        return result


class WorkerHarness:
    """The worker and all that it needs."""

    def __init__(self, store: BrittleStore, telegram: FakeTelegram) -> None:
        self.store = store
        self.driver = Driver(store)
        self.steady = SteadyClock()
        self.rate_limiter = ChatRateLimiter(clock=self.steady)
        self.bot: ExtBot[None] = ExtBot(
            telegram.token,
            base_url=f"{telegram.url}/bot",
            request=BotApiRequest(httpx_kwargs={"verify": False}),  # loading certificates takes its time
            rate_limiter=CallRateLimiter(self.rate_limiter),
        )
        self.video_delivery = ScriptedVideoDelivery(self.rate_limiter)
        self.new_delivery = asyncio.Event()
        self.telemetry = Telemetry()
        self.migrated: list[tuple[int, int]] = []
        texts = TextDelivery(
            Sender(
                self.bot, self.rate_limiter, TelegramRoute(clock=self.steady), migrated=self._note_migration
            ),
            Estimates(),
            clock=lambda: self.driver.now,
        )
        self.worker = DeliveryWorker(
            store,
            texts,
            self.video_delivery,
            new_delivery=self.new_delivery,
            clock=lambda: self.driver.now,
            telemetry=self.telemetry,
        )

    def _note_migration(self, old_id: int, new_id: int) -> None:
        self.migrated.append((old_id, new_id))

    async def watching(self, chat: int, name: str = "t1") -> int:
        """Let a chat watch a task and send its card; returns the task id."""
        watched = await self.driver.watch(name, chat_id=chat)
        card = await self.driver.claim_one(DeliveryKind.CARD)
        await self.driver.settle(card, message_id=1, digest="queued")
        self.store.settled = 0
        return watched.task.id

    async def finished(self, chat: int, *results: SendResult | Exception, name: str = "t1") -> None:
        """Let a chat watch a task that has succeeded; its first card is sent."""
        task_id = await self.watching(chat, name)
        await self.driver.poll(task_id, TaskStatus.SUCCEEDED)
        self.video_delivery.results[chat] = list(results)

    async def state(self, chat: int, name: str = "t1") -> WatchState | None:
        """The state of a chat's watch; None: it has none."""
        found = await self.store.watches_of(chat, name)
        return found[0].watch.state if found else None

    async def until_state(self, state: WatchState, chat: int, name: str = "t1") -> None:
        """Wait until a chat's watch has this state."""

        async def is_reached() -> bool:
            return await self.state(chat, name) is state

        await self.until(is_reached)

    async def until_polled(self, count: int = 1) -> None:
        """Wait until the worker has called next_delivery_at() so often."""

        async def is_reached() -> bool:
            return self.store.polls >= count

        await self.until(is_reached)

    async def until_first_settled(self) -> None:
        """Wait until one delivery is settled, others may be in progress."""

        async def is_reached() -> bool:
            return self.store.settled > 0

        await self.until(is_reached)

    async def until_settling_failed(self) -> None:
        """Wait until a settlement has failed."""

        async def is_reached() -> bool:
            return self.store.failed_settlements > 0

        await self.until(is_reached)

    async def until_started(self, count: int = 1) -> None:
        """Wait until so many video transfers have started."""

        async def is_reached() -> bool:
            return len(self.video_delivery.started) >= count

        await self.until(is_reached)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition on the store."""
        async with asyncio.timeout(30):
            while True:
                if await condition():
                    return
                await asyncio.sleep(0.005)

    async def until_settled(self, count: int) -> None:
        """Wait until so many deliveries are settled and none is in progress."""

        async def is_done() -> bool:
            deliveries = (await self.store.stats()).deliveries
            return self.store.settled >= count and deliveries[DeliveryState.SENDING] == 0

        await self.until(is_done)

    async def states(self) -> dict[str, int]:
        """Number of deliveries per state, without zeros."""
        return {state: count for state, count in (await self.store.stats()).deliveries.items() if count}


@contextlib.asynccontextmanager
async def running_worker(harness: WorkerHarness) -> AsyncIterator[None]:
    """The worker, running; cancelled at the end, with what it has begun."""
    loop = asyncio.create_task(harness.worker.run())
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await harness.worker.drain(0)
