"""The clock: claim what is due, look at it, sleep until the next due time or a ring."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.polling.budget import Budget
from bot.providers.base import Provider
from bot.telemetry import Telemetry
from bot.watching.refresh import Refresher
from storage.errors import StoreError
from storage.models import Task
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 90.0  # longer than any look takes
_LONGEST_SLEEP_S = 20.0  # so that a wall clock that was set does not strand anybody
_STORE_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A provider and what its key allows."""

    provider: Provider
    budget: Budget


class Scheduler:
    """Looks at due tasks with bounded concurrency; the archive's leases are its queue."""

    def __init__(
        self,
        store: Store,
        refresher: Refresher,
        lines: Mapping[str, Line],
        *,
        bell: asyncio.Event,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        """lines: by provider name. bell: set when something may be due."""
        self._store = store
        self._refresher = refresher
        self._lines = lines
        self._clock = clock
        self._telemetry = telemetry
        self._bell = bell

    async def run(self) -> None:
        """Turn until cancelled."""
        async with asyncio.TaskGroup() as looks:
            while True:
                self._bell.clear()
                self._telemetry.beat("clock")
                try:
                    for task in await self._claim():
                        looks.create_task(self._look(task))
                    pause_s = await self._pause_s()
                except StoreError as error:
                    self._stand_still(error)
                    pause_s = _STORE_PAUSE_S
                else:
                    if self._telemetry.trouble("clock", None):
                        log.info("The clock goes on.")
                await self._sleep(pause_s)

    async def _claim(self) -> list[Task]:
        now = time.monotonic()
        quota = {name: 1 for name, line in self._lines.items() if line.budget.allows(now)}
        tasks = await self._store.claim_due(quota, at=self._clock(), lease_s=LEASE_S) if quota else []
        for task in tasks:
            self._lines[task.ref.provider].budget.asked(now)
        return tasks

    async def _look(self, task: Task) -> None:
        line = self._lines[task.ref.provider]
        error = None
        try:
            error = await self._refresher.look(task, line.provider)
        except StoreError as trouble:
            self._stand_still(trouble)
        except Exception:  # one task must not stop the clock; its lease runs out and it is looked at again
            log.exception("The look at task %d failed", task.id)
        finally:
            line.budget.answered(time.monotonic(), error)
            self._telemetry.count("polls_failed" if error else "polls")
            self._bell.set()

    async def _pause_s(self) -> float:
        now = time.monotonic()
        free = {name: line.budget for name, line in self._lines.items() if line.budget.has_place}
        ready = [name for name, budget in free.items() if budget.ready_at <= now]
        waits_s = [budget.ready_at - now for budget in free.values() if budget.ready_at > now]
        due = await self._store.next_due(ready, at=self._clock()) if ready else None
        if due is not None:
            waits_s.append((due - self._clock()).total_seconds())
        return max(0.0, min(waits_s, default=_LONGEST_SLEEP_S))

    def _stand_still(self, error: StoreError) -> None:
        if self._telemetry.trouble("clock", str(error)):
            log.error("The clock stands still: %s", error)

    async def _sleep(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(min(pause_s, _LONGEST_SLEEP_S)):
                await self._bell.wait()
        except TimeoutError:
            pass
