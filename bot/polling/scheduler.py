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

from bot.polling.leased_tasks import KeyGroup, LeasedTasks
from bot.polling.wakeup import TICK_S, Wakeup
from bot.telemetry import Telemetry
from bot.watching.poll import Poller, PollResult
from storage.errors import StoreError
from storage.models import Task
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 180.0  # renewed long before it ends, even if the longest look comes in between
RENEW_S = 40.0
AHEAD_S = 60.0  # tasks due within so long are leased
SYNC_S = 5.0  # how often the archive is asked without a ring
_BATCH = 500  # tasks that one transaction leases or renews
_RENEWAL_MARGIN = timedelta(
    seconds=LEASE_S - RENEW_S
)  # from when leases should be renewed until the first ends
_STORE_PAUSE_S = 2.0
_BROKEN_PAUSE_S = 60.0


class Scheduler:
    """Looks at tasks within what each key allows; the archive's leases are its queue."""

    def __init__(
        self,
        store: Store,
        poller: Poller,
        lines: Sequence[KeyGroup],
        *,
        wakeup: Wakeup,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        """alarm: rung when people have changed what there is to look at."""
        self._store = store
        self._poller = poller
        self._names = [name for line in lines for name in line.providers]
        self._leased = LeasedTasks(lines, poller.predict)
        self._wakeup = wakeup
        self._clock = clock
        self._telemetry = telemetry
        self._sync_at = 0.0
        self._synced_at = datetime.max.replace(tzinfo=UTC)  # the archive may know a clock that was ahead
        self._may_sync = True  # False while the archive is being asked
        self._renew_at = clock() + timedelta(seconds=RENEW_S)

    def waiting(self, providers: Collection[str]) -> int:
        """How many tasks of these providers are polled here."""
        return sum(task.ref.provider in providers for task in self._leased.tasks())

    async def run(self) -> None:
        """Turn until cancelled."""
        try:
            async with asyncio.TaskGroup() as work:
                while True:
                    self._telemetry.beat("polling")
                    if self._should_sync():
                        self._may_sync = False
                        self._sync_at = self._wakeup.now() + SYNC_S
                        work.create_task(self._sync_with_store(work))
                    self._start_polls(work)
                    await self._wakeup.wait(self._pause_s())
        finally:
            with contextlib.suppress(StoreError):
                await self._renew()

    def _should_sync(self) -> bool:
        """Whether it is time to ask the archive, or people have rung, and nobody is asking it."""
        return self._may_sync and (self._wakeup.take_notification() or self._wakeup.now() >= self._sync_at)

    async def _sync_with_store(self, work: asyncio.TaskGroup) -> None:
        """Ask the archive, while looks go on; what it refuses is tried again soon."""
        try:
            if self._clock() >= self._renew_at:
                await self._renew()
            await self._claim_due_and_requests()
            await self._report_recovery()
        except StoreError as error:
            self._report_outage(error)
            self._sync_at = self._wakeup.now() + _STORE_PAUSE_S
        self._may_sync = True
        self._start_polls(work)
        self._wakeup.notify_soon()

    async def _claim_due_and_requests(self) -> None:
        """Lease what will be due, and hear what people want of what is leased.

        If the clock was set back, what was to be due soon is due late: everything is leased and put right.
        """
        now = self._clock()
        is_set_back = now < self._synced_at
        await self._claim(ahead_s=math.inf if is_set_back else AHEAD_S)
        if is_set_back:
            self._leased.on_clock_set_back(now)
            self._renew_at = min(self._renew_at, now + timedelta(seconds=RENEW_S))
        self._synced_at = now
        for task in await self._store.take_poll_requests():
            self._leased.on_user_request(task, at=self._clock())

    async def _claim(self, *, ahead_s: float) -> None:
        full = self._names
        while full:
            quota = dict.fromkeys(full, _BATCH)
            claimed = await self._store.claim_due(quota, at=self._clock(), lease_s=LEASE_S, ahead_s=ahead_s)
            for task in claimed:
                self._leased.add(task)
            full = [n for n in full if sum(task.ref.provider == n for task in claimed) == _BATCH]

    async def _renew(self) -> None:
        tasks = self._leased.tasks()
        for start in range(0, len(tasks), _BATCH):
            batch, now = tasks[start : start + _BATCH], self._clock()
            watch_counts = await self._store.renew_tasks(batch, at=now, lease_s=LEASE_S)
            self._leased.on_renewed(batch, watch_counts, until=now + timedelta(seconds=LEASE_S))
        self._renew_at = self._clock() + timedelta(seconds=RENEW_S)

    def _start_polls(self, work: asyncio.TaskGroup) -> None:
        """Look at what is due and still leased, within what each key allows."""
        if self._clock() >= self._renew_at + _RENEWAL_MARGIN:
            return
        wall, now = self._clock().timestamp(), self._wakeup.now()
        for line, queue in self._leased.queues:
            for task_id in self._leased.next_polls(line, queue, now=now, wall=wall):
                line.limiter.on_request(now, task_id)
                work.create_task(self._poll(self._leased.start(task_id), line))

    async def _poll(self, task: Task, line: KeyGroup) -> None:
        look, asked_at = None, self._wakeup.now()
        pause_s = _BROKEN_PAUSE_S
        try:
            look = await self._poller.poll(
                task, line.providers[task.ref.provider], is_owed=lambda: self._leased.is_awaited(task.id)
            )
        except StoreError as error:
            self._report_outage(error)
            pause_s = _STORE_PAUSE_S
        except Exception:  # one task must not stop the clock
            log.exception("The look at task %d failed", task.id)
        self._telemetry.count("polls_failed" if look is None or look.error else "polls")
        if look is None:
            line.limiter.on_abandoned(task.id)
            later = replace(task, next_poll_at=self._clock() + timedelta(seconds=pause_s))
            self._leased.finish(later, self._poller.predict(later))
        else:
            now = self._wakeup.now()
            if line.state:
                line.state.on_poll(task.id, look.error, at=self._clock())
            freed = line.limiter.on_response(now, task.id, look.error, requested_at=asked_at)
            self._requeue(look)
            self._leased.make_due(freed, at=self._clock())
        self._wakeup.notify_soon()

    def _requeue(self, look: PollResult) -> None:
        """Hold the task on as the look left it, or let it go to whoever has written it meanwhile."""
        if look.is_superseded:
            self._leased.discard(look.task.id)
            self._wakeup.notify()
            return
        if look.is_written:
            self._leased.mark_served(look.task)
        owed = self._leased.is_awaited(look.task.id)
        self._leased.finish(
            replace(look.task, next_poll_at=self._clock()) if owed else look.task, look.prediction
        )

    def _pause_s(self) -> float:
        """Until the next look may begin, a key may be asked again, or the archive is to be asked."""
        wall, now = self._clock().timestamp(), self._wakeup.now()
        waits_s = [self._sync_at - now]
        for line, queue in self._leased.queues:
            waits_s.append(self._leased.wait_s(line, queue, now=now, wall=wall))
        return max(TICK_S, min(waits_s))

    def _report_outage(self, error: StoreError) -> None:
        if self._telemetry.set_problem("polling", str(error)):
            log.error("Polling is paused: %s", error)

    async def _report_recovery(self) -> None:
        """Say so, once the archive takes writes again: a sweep that finds nothing writes nothing."""
        if "polling" in self._telemetry.problems:
            await self._store.check()
            self._telemetry.set_problem("polling", None)
            log.info("Polling is running again.")
