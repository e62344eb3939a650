"""The clock: lease what will be due, look at what is most worth a look, write only what is news.

Due times live in memory under leases that are renewed in batches, so a look that learns nothing costs no
write. After a crash the archive's own due times, at most one renewal old, are taken up by whoever is next.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.polling.alarm import TICK_S, Alarm
from bot.polling.book import Book, Line
from bot.telemetry import Telemetry
from bot.watching.refresh import Look, Refresher
from storage.errors import StoreError
from storage.models import Task
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 180.0  # renewed long before it ends, even if the longest look comes in between
RENEW_S = 40.0
AHEAD_S = 60.0  # tasks due within so long are leased
SWEEP_S = 5.0  # how often the archive is asked without a ring
_BATCH = 500  # tasks that one transaction leases or renews
_SURE = timedelta(seconds=LEASE_S - RENEW_S)  # from when leases should be renewed until the first ends
_ARCHIVE_PAUSE_S = 2.0
_BROKEN_PAUSE_S = 60.0


class Scheduler:
    """Looks at tasks within what each key allows; the archive's leases are its queue."""

    def __init__(
        self,
        store: Store,
        refresher: Refresher,
        lines: Sequence[Line],
        *,
        alarm: Alarm,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        """alarm: rung when people have changed what there is to look at."""
        self._store = store
        self._refresher = refresher
        self._names = [name for line in lines for name in line.providers]
        self._book = Book(lines, refresher.outlook)
        self._alarm = alarm
        self._clock = clock
        self._telemetry = telemetry
        self._sweep_at = 0.0
        self._swept_at = datetime.max.replace(tzinfo=UTC)  # the archive may know a clock that was ahead
        self._in_step = True  # False while the archive is being asked
        self._renew_at = clock() + timedelta(seconds=RENEW_S)

    def waiting(self, providers: Collection[str]) -> int:
        """How many tasks of these providers are polled here."""
        return sum(task.ref.provider in providers for task in self._book.leased())

    async def run(self) -> None:
        """Turn until cancelled."""
        try:
            async with asyncio.TaskGroup() as work:
                while True:
                    self._telemetry.beat("clock")
                    if self._wants_archive():
                        self._in_step = False
                        self._sweep_at = self._alarm.now() + SWEEP_S
                        work.create_task(self._keep_in_step(work))
                    self._begin_looks(work)
                    await self._alarm.rest(self._pause_s())
        finally:
            with contextlib.suppress(StoreError):
                await self._renew()

    def _wants_archive(self) -> bool:
        """Whether it is time to ask the archive, or people have rung, and nobody is asking it."""
        return self._in_step and (self._alarm.take_ring() or self._alarm.now() >= self._sweep_at)

    async def _keep_in_step(self, work: asyncio.TaskGroup) -> None:
        """Ask the archive, while looks go on; what it refuses is tried again soon."""
        try:
            if self._clock() >= self._renew_at:
                await self._renew()
            await self._sweep()
            await self._go_on()
        except StoreError as error:
            self._stand_still(error)
            self._sweep_at = self._alarm.now() + _ARCHIVE_PAUSE_S
        self._in_step = True
        self._begin_looks(work)
        self._alarm.wake()

    async def _sweep(self) -> None:
        """Lease what will be due, and hear what people want of what is leased.

        If the clock was set back, what was to be due soon is due late: everything is leased and put right.
        """
        now = self._clock()
        is_set_back = now < self._swept_at
        await self._claim(ahead_s=math.inf if is_set_back else AHEAD_S)
        if is_set_back:
            self._book.set_back(now)
            self._renew_at = min(self._renew_at, now + timedelta(seconds=RENEW_S))
        self._swept_at = now
        for task in await self._store.take_touched():
            self._book.touch(task, at=self._clock())

    async def _claim(self, *, ahead_s: float) -> None:
        full = self._names
        while full:
            quota = dict.fromkeys(full, _BATCH)
            claimed = await self._store.claim_due(quota, at=self._clock(), lease_s=LEASE_S, ahead_s=ahead_s)
            for task in claimed:
                self._book.take_in(task)
            full = [n for n in full if sum(task.ref.provider == n for task in claimed) == _BATCH]

    async def _renew(self) -> None:
        tasks = self._book.leased()
        for start in range(0, len(tasks), _BATCH):
            batch, now = tasks[start : start + _BATCH], self._clock()
            crowds = await self._store.renew_tasks(batch, at=now, lease_s=LEASE_S)
            self._book.renewed(batch, crowds, until=now + timedelta(seconds=LEASE_S))
        self._renew_at = self._clock() + timedelta(seconds=RENEW_S)

    def _begin_looks(self, work: asyncio.TaskGroup) -> None:
        """Look at what is due and still leased, within what each key allows."""
        if self._clock() >= self._renew_at + _SURE:
            return
        wall, now = self._clock().timestamp(), self._alarm.now()
        for line, agenda in self._book.agendas:
            for task_id in self._book.next_polls(line, agenda, now=now, wall=wall):
                line.limiter.on_request(now, task_id)
                work.create_task(self._look(self._book.begin(task_id), line))

    async def _look(self, task: Task, line: Line) -> None:
        look, asked_at = None, self._alarm.now()
        pause_s = _BROKEN_PAUSE_S
        try:
            look = await self._refresher.look(
                task, line.providers[task.ref.provider], is_owed=lambda: self._book.owes(task.id)
            )
        except StoreError as error:
            self._stand_still(error)
            pause_s = _ARCHIVE_PAUSE_S
        except Exception:  # one task must not stop the clock
            log.exception("The look at task %d failed", task.id)
        self._telemetry.count("polls_failed" if look is None or look.error else "polls")
        if look is None:
            line.limiter.on_abandoned(task.id)
            later = replace(task, next_look_at=self._clock() + timedelta(seconds=pause_s))
            self._book.end(later, self._refresher.outlook(later))
        else:
            now = self._alarm.now()
            if line.state:
                line.state.on_poll(task.id, look.error, at=self._clock())
            freed = line.limiter.on_response(now, task.id, look.error, requested_at=asked_at)
            self._close(look)
            self._book.free(freed, at=self._clock())
        self._alarm.wake()

    def _close(self, look: Look) -> None:
        """Hold the task on as the look left it, or let it go to whoever has written it meanwhile."""
        if look.is_overtaken:
            self._book.drop(look.task.id)
            self._alarm.ring()
            return
        if look.is_written:
            self._book.paid(look.task)
        owed = self._book.owes(look.task.id)
        self._book.end(replace(look.task, next_look_at=self._clock()) if owed else look.task, look.outlook)

    def _pause_s(self) -> float:
        """Until the next look may begin, a key may be asked again, or the archive is to be asked."""
        wall, now = self._clock().timestamp(), self._alarm.now()
        waits_s = [self._sweep_at - now]
        for line, agenda in self._book.agendas:
            waits_s.append(self._book.wait_s(line, agenda, now=now, wall=wall))
        return max(TICK_S, min(waits_s))

    def _stand_still(self, error: StoreError) -> None:
        if self._telemetry.trouble("clock", str(error)):
            log.error("The clock stands still: %s", error)

    async def _go_on(self) -> None:
        """Say so, once the archive takes writes again: a sweep that finds nothing writes nothing."""
        if "clock" in self._telemetry.troubles:
            await self._store.check()
            self._telemetry.trouble("clock", None)
            log.info("The clock goes on.")
