"""The polling loop: lease tasks before they are due, poll the most urgent ones, store only what changed.

The tasks table is the queue of polls; a lease makes this process the only one that polls a task. Due times
are kept in memory and written when the leases are renewed, so a poll that finds nothing new costs no write.

Each iteration of ``Scheduler.run``:

1. Start a sync with the store in the background, every SYNC_S or when a user's command notified the loop.
   One runs at a time (``_sync_with_store``):

   a. every RENEW_S, renew all leases, and save due times and the times of the last polls;
   b. claim the tasks that are due within AHEAD_S, with a lease of LEASE_S;
   c. take the poll requests: leased tasks that users want polled now, or no longer;
   d. on StoreError retry with STORE_BACKOFF; polls go on as long as the leases last.

2. For each key, start a poll for as many due tasks as its rate limiter allows, the largest expected delay
   first (``LeasedTasks.next_polls``); while the gateway is away, a probe.
3. Each poll is an asyncio task (``_poll``): fetch, store what changed, update rate limiter and gateway state,
   requeue the task at its next due time. If another process wrote the task meanwhile, drop it.
4. Sleep until the next task is due, the next request is allowed or the next sync, whichever is first; a
   finished poll, a finished sync or a notification ends the sleep early.

When the loop is cancelled, due times are saved once more; the leases stay. After a crash the due times in the
store, at most RENEW_S old, apply again.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.backoff import STORE_BACKOFF
from bot.logs import log_fields
from bot.polling.leased_tasks import KeyGroup, LeasedTasks
from bot.polling.wakeup import TICK_S, Wakeup
from bot.telemetry import Telemetry
from bot.watching.poll import Poller, PollResult
from storage.errors import LeadershipLost, StoreError
from storage.models import Task
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 180.0  # long enough that the longest poll ends between a renewal and the end of the lease
RENEW_S = 40.0  # between two renewals
AHEAD_S = 60.0  # tasks due within this time are claimed
SYNC_S = 5.0  # between two syncs without a notification
_BATCH = 500  # tasks per transaction: of each provider when claiming, in all when renewing
_RENEWAL_MARGIN = timedelta(seconds=LEASE_S - RENEW_S)  # from a renewal's due time to the first lease's end
_BROKEN_PAUSE_S = 60.0  # before a retry after an unexpected exception


class Scheduler:
    """Polls leased tasks within each key's rate limit."""

    def __init__(
        self,
        store: Store,
        poller: Poller,
        key_groups: Sequence[KeyGroup],
        *,
        wakeup: Wakeup,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        """wakeup: notified when a user's command has changed which tasks to poll."""
        self._store = store
        self._poller = poller
        self._providers = [name for group in key_groups for name in group.providers]
        self._leased = LeasedTasks(key_groups, poller.predict)
        self._wakeup = wakeup
        self._clock = clock
        self._telemetry = telemetry
        self._metrics = {name: telemetry.metrics.polls_of(name) for name in self._providers}
        self._sync_at = 0.0
        # Before the first sync the wall clock counts as set back: due times in the store may be of a clock
        # that was ahead.
        self._synced_at = datetime.max.replace(tzinfo=UTC)
        self._is_syncing = False
        self._store_failures = 0  # since the last recovery
        self._renew_at = clock() + timedelta(seconds=RENEW_S)

    def waiting(self, providers: Collection[str]) -> int:
        """How many tasks of these providers are leased here."""
        return sum(task.ref.provider in providers for task in self._leased.tasks())

    def overdue_s(self) -> Mapping[str, Sequence[float]]:
        """For how long polls have been due, by provider."""
        return self._leased.overdue_s(self._clock())

    async def run(self) -> None:
        """Run until cancelled, or LeadershipLost; the steps are in the module's docstring."""
        try:
            async with asyncio.TaskGroup() as work:
                while True:
                    if not self._is_syncing:
                        self._telemetry.beat("polling")
                    # A notification during a sync is kept for the next one.
                    if not self._is_syncing and (
                        self._wakeup.take_notification() or self._wakeup.now() >= self._sync_at
                    ):
                        self._is_syncing = True
                        self._sync_at = self._wakeup.now() + SYNC_S
                        work.create_task(self._sync_with_store(work))
                    self._start_polls(work)
                    await self._wakeup.wait(self._pause_s())
        finally:
            with contextlib.suppress(StoreError):
                await self._renew()

    async def _sync_with_store(self, work: asyncio.TaskGroup) -> None:
        """Renew leases, claim tasks and take poll requests; on StoreError schedule a retry."""
        try:
            if self._clock() >= self._renew_at:
                await self._renew()
            await self._claim_due_and_requests()
            await self._report_recovery()
        except LeadershipLost:
            raise
        except StoreError as error:
            self._sync_at = self._wakeup.now() + self._report_outage(error)
        self._is_syncing = False
        self._start_polls(work)
        self._wakeup.notify_soon()

    async def _claim_due_and_requests(self) -> None:
        """Claim what is due soon and apply the poll requests.

        If the wall clock was set back, due times from before lie too far ahead: claim every task and make
        those with times after now due.
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
        """Claim in batches, until no provider fills its quota."""
        unfinished = self._providers
        while unfinished:
            self._telemetry.beat("polling")
            quota = dict.fromkeys(unfinished, _BATCH)
            claimed = await self._store.claim_due(quota, at=self._clock(), lease_s=LEASE_S, ahead_s=ahead_s)
            for task in claimed:
                self._leased.add(task)
            unfinished = [
                name for name in unfinished if sum(task.ref.provider == name for task in claimed) == _BATCH
            ]

    async def _renew(self) -> None:
        """Renew the leases in batches; this also writes each task's due time and last poll."""
        tasks = self._leased.tasks()
        for start in range(0, len(tasks), _BATCH):
            self._telemetry.beat("polling")
            batch, now = tasks[start : start + _BATCH], self._clock()
            watch_counts = await self._store.renew_tasks(batch, at=now, lease_s=LEASE_S)
            self._leased.on_renewed(batch, watch_counts, until=now + timedelta(seconds=LEASE_S))
        self._renew_at = self._clock() + timedelta(seconds=RENEW_S)

    def _start_polls(self, work: asyncio.TaskGroup) -> None:
        """Start the polls that the rate limiters allow; none once a lease may have expired."""
        if self._clock() >= self._renew_at + _RENEWAL_MARGIN:
            return
        wall, now = self._clock().timestamp(), self._wakeup.now()
        for group, queue in self._leased.queues:
            for task_id in self._leased.next_polls(group, queue, now=now, wall=wall):
                group.limiter.on_request(now, task_id)
                work.create_task(self._poll(self._leased.start(task_id), group))

    async def _poll(self, task: Task, group: KeyGroup) -> None:
        """Poll one task and requeue it; without a result, retry after a pause."""
        result, requested_at = None, self._wakeup.now()
        retry_s = _BROKEN_PAUSE_S
        metrics = self._metrics[task.ref.provider]
        metrics.started(task.next_poll_at, at=self._clock())
        try:
            result = await self._poller.poll(
                task, group.providers[task.ref.provider], is_awaited=lambda: self._leased.is_awaited(task.id)
            )
        except LeadershipLost:
            raise
        except StoreError as error:
            retry_s = self._report_outage(error)
        except Exception:  # one task must not stop the loop
            log.exception(
                "A bug kept task %s from being polled; it is tried again.",
                task.ref,
                extra=log_fields(task, "poll_error"),
            )
        if result is None:
            metrics.abandoned()
            group.limiter.on_abandoned(task.id)
            retried = replace(task, next_poll_at=self._clock() + timedelta(seconds=retry_s))
            self._leased.finish(retried, self._poller.predict(retried))
        else:
            metrics.ended(result.error.cause if result.error else None)
            now = self._wakeup.now()
            if group.state:
                group.state.on_poll(task.id, result.error, at=self._clock())
            freed = group.limiter.on_response(now, task.id, result.error, requested_at=requested_at)
            self._requeue(result)
            self._leased.make_due(freed, at=self._clock())
        self._wakeup.notify_soon()

    def _requeue(self, result: PollResult) -> None:
        """Requeue the polled task, or drop it if another process wrote it meanwhile (lost update).

        A request that came after the gateway was asked is still unserved: the task is due again at once.
        """
        if result.is_superseded:
            self._leased.discard(result.task.id)
            self._wakeup.notify()
            return
        if result.is_written:
            self._leased.mark_served(result.task)
        is_awaited = self._leased.is_awaited(result.task.id)
        self._leased.finish(
            replace(result.task, next_poll_at=self._clock()) if is_awaited else result.task, result.prediction
        )

    def _pause_s(self) -> float:
        """Seconds until a poll may start or the next sync is due, at least one tick."""
        wall, now = self._clock().timestamp(), self._wakeup.now()
        waits_s = [self._sync_at - now]
        for group, queue in self._leased.queues:
            waits_s.append(self._leased.wait_s(group, queue, now=now, wall=wall))
        return max(TICK_S, min(waits_s))

    def _report_outage(self, error: StoreError) -> float:
        """Log the first failure of an outage; returns the seconds until a retry."""
        if self._telemetry.set_problem("polling", str(error)):
            log.error(
                "Tasks are not polled because of the database: %s",
                error,
                extra=log_fields(None, "polling_paused", cause=str(error)),
            )
        self._store_failures += 1
        return STORE_BACKOFF.delay_s(self._store_failures)

    async def _report_recovery(self) -> None:
        """After an outage, check that the store accepts writes: a sync that claims nothing writes nothing."""
        if "polling" in self._telemetry.problems:
            await self._store.check()
            self._store_failures = 0
            self._telemetry.set_problem("polling", None)
            log.info("The database works again; tasks are polled.", extra=log_fields(None, "polling_resumed"))
