"""The clock's loop with all that it turns: a real archive, scripted gateways, time that tests move."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from bot.polling.budget import Budget
from bot.polling.scheduler import Line, Scheduler
from bot.providers.base import Provider
from bot.telemetry import Telemetry
from bot.watching.cadence import Cadence
from bot.watching.refresh import Refresher
from storage.models import DeliveryKind, Task
from storage.store import Store
from tests.fakes.clock import FrozenClock

CADENCE = Cadence(pace_s=15.0, pace_by_kind_s={})
PATIENCE_S = 5.0  # of a test that waits for what must come
_TICK_S = 0.005


class Clockwork:
    """A running scheduler."""

    def __init__(
        self, store: Store, providers: Mapping[str, tuple[Provider, Budget]], *, clock: FrozenClock
    ) -> None:
        self.store = store
        self.clock = clock
        self.telemetry = Telemetry()
        self.bell = asyncio.Event()
        self.news = asyncio.Event()  # set when the courier is rung for
        refresher = Refresher(store, CADENCE, clock=clock, ring=self.news.set)
        lines = {
            name: Line(provider=provider, budget=budget) for name, (provider, budget) in providers.items()
        }
        self._scheduler = Scheduler(
            store, refresher, lines, bell=self.bell, clock=clock, telemetry=self.telemetry
        )

    @contextlib.asynccontextmanager
    async def turning(self) -> AsyncIterator[None]:
        """The loop turns for as long as this lasts, and no longer."""
        loop = asyncio.create_task(self._scheduler.run())
        try:
            yield
            assert not loop.done(), "the loop has ended"
        finally:
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and wake the loop, which would sleep through it for real."""
        self.clock.move(seconds)
        self.bell.set()

    async def task(self, task_id: int = 1) -> Task:
        """A task as the archive knows it."""
        task = await self.store.task(task_id)
        assert task is not None
        return task

    async def until(self, condition: Callable[[Task], bool], task_id: int = 1) -> Task:
        """The task, once the condition holds for it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                task = await self.task(task_id)
                if condition(task):
                    return task
                await asyncio.sleep(_TICK_S)

    async def to_send(self) -> list[DeliveryKind]:
        """What the courier would find."""
        found = await self.store.claim_deliveries(100, at=self.clock(), lease_s=60)
        return [outgoing.delivery.kind for outgoing in found]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(_TICK_S)
