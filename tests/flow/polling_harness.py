"""The polling loop with a real store, scripted gateways and time that tests advance."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.forecast.estimates import Estimates
from bot.metrics import Metrics
from bot.polling.leased_tasks import KeyGroup
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.polling.scheduler import Scheduler
from bot.telemetry import Telemetry
from bot.watching.ageing import Ageing
from bot.watching.cadence import Cadence
from bot.watching.gateway_state import GatewayStates
from bot.watching.poll import Poller
from storage.models import DeliveryKind, Task
from storage.store import Store
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.provider import Response, ScriptedProvider
from tests.fakes.requests import watch_request
from tests.fakes.store import BrittleStore
from tests.fakes.wakeup import ManualWakeup
from tests.metric_totals import total

FAST = 1000.0  # requests per second
_TIMEOUT_S = 30.0  # the timeout of a test's wait
_TICK_S = 0.003


def gateway(name: str = "wan", /, **responses: Sequence[Response]) -> ScriptedProvider:
    """A gateway with these responses, by task id."""
    return ScriptedProvider(responses, name=name)


def key(*gateways: ScriptedProvider, rps: float = FAST, in_flight: int = 64) -> KeyGroup:
    """A key that these gateways share."""
    return KeyGroup(
        providers={each.name: each for each in gateways},
        limiter=AdaptiveRateLimiter(rps, in_flight=in_flight),
    )


class PollingHarness:
    """One process's polling loop; it runs within running()."""

    def __init__(self, store: BrittleStore, groups: Sequence[KeyGroup], *, clock: FrozenClock) -> None:
        self.store = store
        self.clock = clock
        self.wakeup = ManualWakeup()
        metrics = Metrics([name for group in groups for name in group.providers])
        self.telemetry = Telemetry(metrics, clock=self.wakeup.now)
        self.news = asyncio.Event()  # set when the delivery worker is notified
        self._gateways = [
            each
            for group in groups
            for each in group.providers.values()
            if isinstance(each, ScriptedProvider)
        ]
        self._requests_before = self._requests()
        ageing = Ageing(rest=timedelta(days=3))
        poller = Poller(store, Cadence(), Estimates(), clock=clock, notify=self.news.set, ageing=ageing)
        self.states = GatewayStates(clock=clock)
        groups = [
            replace(group, state=self.states.add([*group.providers], "gateway.example")) for group in groups
        ]
        self.scheduler = Scheduler(
            store,
            poller,
            groups,
            wakeup=self.wakeup,
            clock=clock,
            telemetry=self.telemetry,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loop, and let it first do the work that is due."""
        loop = asyncio.create_task(self.scheduler.run())
        try:
            await self.settle()
            yield
            assert not loop.done(), "the loop has ended"
        finally:
            loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop

    async def advance(self, seconds: float) -> None:
        """Advance the time, and let the loop do the work that is due then."""
        self.clock.advance(seconds)
        self.wakeup.advance(seconds)
        await self.settle()

    async def advance_in_steps(self, seconds: float, *, step_s: float) -> None:
        """Advance the time in steps."""
        for _ in range(round(seconds / step_s)):
            await self.advance(step_s)

    async def notify(self) -> None:
        """Notify the loop as a command does, and let it do its work."""
        self.wakeup.notify()
        await self.settle()

    async def settle(self) -> None:
        """Wait until the loop is idle: only time, or a gate, makes it continue."""
        calm = 0
        async with asyncio.timeout(_TIMEOUT_S):
            while calm < 2:  # a poll that has just started is visible one iteration later
                await asyncio.sleep(_TICK_S)
                calm = calm + 1 if self._is_idle() else 0

    def _is_idle(self) -> bool:
        answered = total(self.telemetry.metrics, "polls")
        held_up = sum(each.waiting for each in self._gateways) + self.store.waiting
        return (
            self.wakeup.is_waiting
            and not self.store.calls_in_progress
            and self._requests_before + answered + held_up == self._requests()
        )

    def _requests(self) -> int:
        return sum(len(each.polled) for each in self._gateways)

    async def task(self, task_id: int = 1) -> Task:
        """A task as stored."""
        task = await self.store.task(task_id)
        assert task is not None
        return task

    async def to_send(self) -> list[DeliveryKind]:
        """The deliveries that the worker would claim."""
        found = await self.store.claim_deliveries(100, at=self.clock(), lease_s=60)
        return [outgoing.delivery.kind for outgoing in found]


class Processes:
    """The stores of several processes on one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: list[BrittleStore] = []

    async def begin(self) -> BrittleStore:
        """Open the store of another process."""
        self._opened.append(await BrittleStore.open(self._path))
        return self._opened[-1]

    async def end(self) -> None:
        """Close all stores."""
        for store in self._opened:
            await store.close()


async def watch(
    store: Store, *external_ids: str, provider: str = "wan", chat_id: int = 100, message_id: int = 7
) -> None:
    """Watch these tasks at NOON."""
    for external_id in external_ids or ("t1",):
        request = watch_request(external_id, provider=provider, chat_id=chat_id, message_id=message_id)
        await store.add_watch(request, at=NOON)
