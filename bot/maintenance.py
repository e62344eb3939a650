"""Periodic maintenance: save the estimates, prune old rows."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.forecast.estimates import Estimates
from bot.logs import log_fields
from bot.telemetry import Telemetry
from storage.errors import LeadershipLost, StoreError
from storage.store import Store

log = logging.getLogger(__name__)

_SAVE_INTERVAL_S = 60.0
_PRUNE_INTERVAL_S = 3600.0
_PRUNE_ROWS = 500  # of each table per transaction, which blocks all other writes
_PRUNE_PAUSE_S = 0.1
# An unchanged task is watched for at least this long, even if KEEP_DAYS is shorter.
_MIN_UNCHANGED = timedelta(days=7)


class Housekeeper:
    """Two periodic jobs; a failed run is logged, and the next one does its work, too."""

    def __init__(
        self,
        store: Store,
        estimates: Estimates,
        *,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
        kept: timedelta,
        telemetry: Telemetry,
    ) -> None:
        """notify: wakes the delivery worker. kept: how long rows of finished tasks are kept."""
        self._store = store
        self._estimates = estimates
        self._clock = clock
        self._notify = notify
        self._kept = kept
        self._telemetry = telemetry
        self._failing: set[str] = set()  # jobs whose last run failed

    async def run(self) -> None:
        """Run the jobs until cancelled, or LeadershipLost; the estimates are saved at the end."""
        try:
            async with asyncio.TaskGroup() as jobs:
                jobs.create_task(self._every("estimates", _SAVE_INTERVAL_S, self._save_estimates))
                jobs.create_task(self._every("pruning", _PRUNE_INTERVAL_S, self._prune))
        finally:
            await self._save_estimates()

    async def _every(self, name: str, interval_s: float, job: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._telemetry.sleep(name, interval_s)
            await job()

    async def _save_estimates(self) -> None:
        try:
            await self._store.save_estimates(self._estimates.to_json())
        except StoreError as error:
            self._log_failure("estimates", error)
        else:
            self._failing.discard("estimates")

    async def _prune(self) -> None:
        now, deleted, stopped = self._clock(), 0, 0
        before, unchanged_before = now - self._kept, now - max(self._kept, _MIN_UNCHANGED)
        try:
            while more := await self._store.stop_unchanged(
                since_before=unchanged_before, limit=_PRUNE_ROWS, at=now
            ):
                stopped += more
                self._notify()
                await self._telemetry.sleep("pruning", _PRUNE_PAUSE_S)
            while pruned := await self._store.prune(older_than=before, limit=_PRUNE_ROWS):
                deleted += pruned
                await self._telemetry.sleep("pruning", _PRUNE_PAUSE_S)
        except StoreError as error:
            self._log_failure("pruning", error)
        else:
            self._failing.discard("pruning")
        if stopped:
            log.info(
                "Stopped %d watches whose tasks had not changed for too long.",
                stopped,
                extra=log_fields(None, "watches_expired", count=stopped),
            )
        if deleted:
            log.info(
                "Deleted %d rows about tasks that ended long ago (KEEP_DAYS).",
                deleted,
                extra=log_fields(None, "pruned", count=deleted),
            )

    def _log_failure(self, job: str, error: StoreError) -> None:
        """Log the first failure of an outage.

        Raises LeadershipLost, of which the whole term ends.
        """
        if isinstance(error, LeadershipLost):
            raise error
        log.log(
            logging.DEBUG if self._failing else logging.WARNING,
            "Maintenance (%s) failed and is tried again: %s",
            job,
            error,
            extra=log_fields(None, "maintenance_failed", cause=str(error)),
        )
        self._failing.add(job)
