"""Metrics, heartbeats of loops and problems of components: what the health pages and /metrics report."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from bot.metrics import Metrics

HUNG_S = 55.0  # a loop without a heartbeat for so long hangs: so it is noticed within a minute
_BEAT_S = 20.0  # between two heartbeats of a loop that sleeps
STANDING_BY = "leadership"  # the loop of a process that stands by


class Telemetry:
    """The metrics of the process, the heartbeats of its loops, and the problems of its components."""

    def __init__(
        self,
        metrics: Metrics | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """metrics: None: without providers. clock: seconds that never go back."""
        self._clock = clock
        self._sleep = sleep
        self._started_s = clock()
        self.metrics = metrics or Metrics()
        self._beats: dict[str, float] = {}
        self._problems: dict[str, tuple[str, float]] = {}  # what is wrong, and when that began

    def beat(self, loop: str) -> None:
        """Record that a loop makes progress; between two of its steps at most _BEAT_S of sleep may pass."""
        self._beats[loop] = self._clock()

    def end(self, loop: str) -> None:
        """Record that a loop has come to its end, as the start does: no more heartbeats are due."""
        self._beats.pop(loop, None)

    def forget(self) -> None:
        """Forget the loops and the problems: what had them has ended."""
        self._beats.clear()
        self._problems.clear()

    async def sleep(self, loop: str, seconds: float) -> None:
        """Sleep, however long, without counting as hung."""
        self.beat(loop)
        while seconds > _BEAT_S:
            await self._sleep(_BEAT_S)
            seconds -= _BEAT_S
            self.beat(loop)
        await self._sleep(seconds)
        self.beat(loop)

    async def wait(self, loop: str, event: asyncio.Event) -> None:
        """Wait for an event, however long, without counting as hung."""
        while not event.is_set():
            self.beat(loop)
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await event.wait()
        self.beat(loop)

    def set_problem(self, component: str, what: str | None) -> bool:
        """Record what is wrong with a component, or None; return whether a problem has begun or ended."""
        known = self._problems.get(component)
        if what is None:
            self._problems.pop(component, None)
        else:
            self._problems[component] = what, known[1] if known else self._clock()
        return (known is None) != (what is None)

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began."""
        return self._clock() - self._started_s

    @property
    def silences_s(self) -> Mapping[str, float]:
        """Seconds since the last heartbeat of each loop that has begun to run."""
        now = self._clock()
        return {loop: now - beat for loop, beat in self._beats.items()}

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong at present, by component."""
        return {component: what for component, (what, _) in self._problems.items()}

    @property
    def problem_ages_s(self) -> Mapping[str, float]:
        """For how many seconds each component with a problem has had one."""
        now = self._clock()
        return {component: now - began for component, (_, began) in self._problems.items()}
