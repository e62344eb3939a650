"""One poll of one task.

1. Fetch the task from its gateway: a snapshot or a ProviderError.
2. Derive the task's new state and events (changes, ageing) and the next due time (forecast, cadence).
3. Store them in one transaction, if there are events, other facts to keep or a user's request to serve; else
   write nothing.
4. After a successful poll that was not lost, update the estimates.
5. Notify the delivery worker if there are events.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from bot.forecast.estimates import Estimates, last_alive_at
from bot.forecast.prediction import EndPrediction, predict
from bot.log_lines import spelled
from bot.logs import log_fields
from bot.providers.base import Provider, ProviderError
from bot.watching import changes
from bot.watching.ageing import Ageing
from bot.watching.cadence import Cadence
from bot.watching.changes import Change
from storage.models import EventKind, Snapshot, Stall, Task, TaskStatus
from storage.store import Store

log = logging.getLogger(__name__)

_ENDINGS = {
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "was cancelled",
    TaskStatus.EXPIRED: "expired",
    TaskStatus.NOT_FOUND: "is not known to its gateway",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """The outcome of a poll."""

    task: Task  # its state after the poll
    prediction: EndPrediction  # of when it may end
    error: ProviderError | None  # None: the poll returned a snapshot
    is_written: bool  # stored
    is_superseded: bool = False  # not stored: another process wrote the task meanwhile


class Poller:
    """Polls tasks, stores the results and notifies the delivery worker."""

    def __init__(
        self,
        store: Store,
        cadence: Cadence,
        estimates: Estimates,
        *,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
        ageing: Ageing,
    ) -> None:
        """notify: wakes the delivery worker."""
        self._store = store
        self._cadence = cadence
        self._estimates = estimates
        self._clock = clock
        self._notify = notify
        self._ageing = ageing

    def predict(self, task: Task) -> EndPrediction:
        """Predict when the task may end, from its present state."""
        return predict(task, task, self._estimates)

    async def poll(self, task: Task, provider: Provider, *, is_awaited: Callable[[], bool]) -> PollResult:
        """Poll once; StoreError.

        is_awaited: whether a user's request waits for this poll; called after the response.
        """
        change, error = await self._fetch(task, provider)
        at, prediction = self._clock(), predict(task, change.task, self._estimates)
        next_poll_at = (
            self._cadence.next_poll_after_success(change.task, prediction, at=at)
            if error is None
            else self._cadence.next_poll_after_failure(change.task, error, at=at)
        )
        after, events = replace(change.task, next_poll_at=next_poll_at), change.events
        is_watched = task.chat_active_watches > 0  # else it is a lookup's candidate, which is polled once
        is_written = bool(events) or _has_facts_to_keep(task, after) or not is_watched or is_awaited()
        if is_written:
            if not await self._store.apply(after, events):
                return PollResult(
                    task=after, prediction=prediction, error=error, is_written=False, is_superseded=True
                )
            after = replace(after, version=after.version + 1)
        if error is None:  # only after the write: a poll whose write failed is repeated, and must count once
            self._estimates.learn(task, after, at=last_alive_at(after))
            self._estimates.expect(after, prediction.remaining_s)
        if events and is_watched:
            _log_change(after, [event.kind for event in events], at=at)
        if events or not is_watched:
            self._notify()
        if not is_watched:
            after = replace(after, next_poll_at=None)
        return PollResult(task=after, prediction=prediction, error=error, is_written=is_written)

    async def _fetch(self, task: Task, provider: Provider) -> tuple[Change, ProviderError | None]:
        try:
            snapshot = await provider.fetch(task.ref.external_id, is_counted=True)  # by the scheduler
        except ProviderError as error:
            return changes.on_failure(task, error, at=self._clock()), error
        change = self._change(task, snapshot)
        # When a task becomes stuck, query the provider's other source once: the task may be final there.
        if task.stall is Stall.MOVING and change.task.stall is not Stall.MOVING:
            elsewhere = await provider.fetch_elsewhere(task.ref.external_id)
            if elsewhere is not None and elsewhere.status.is_final:
                change = self._change(task, elsewhere)
        return change, None

    def _change(self, task: Task, snapshot: Snapshot) -> Change:
        at = self._clock()
        return self._ageing.aged(task, changes.on_snapshot(task, snapshot, at=at), at=at)


def _log_change(task: Task, kinds: Collection[EventKind], *, at: datetime) -> None:
    """Log an end without a video, and a task that rests; the delivery of a video has a line of its own.

    Without the gateway's message: it may quote a prompt.
    """
    if EventKind.FINISHED in kinds and task.status is not TaskStatus.SUCCEEDED:
        error = task.snapshot.error if task.snapshot else None
        times = task.snapshot and (task.snapshot.submitted_at, task.snapshot.finished_at)
        submitted_at, finished_at = times or (None, None)
        after_s = max(0.0, ((finished_at or at) - (submitted_at or task.registered_at)).total_seconds())
        cause = error.cause if error else None
        log.info(
            "Task %s %s after %s%s%s",
            task.ref,
            _ENDINGS[task.status],
            spelled(after_s),
            f"; cause: {cause}" if cause else "",
            f" ({error.code})" if error and error.code else "",
            extra=log_fields(task, "failed", status=task.status, cause=cause, after_s=round(after_s, 1)),
        )
    elif EventKind.RESTS in kinds:
        log.info(
            "Task %s has not changed for days and is not polled any more; its card has a button to go on.",
            task.ref,
            extra=log_fields(task, "rests"),
        )
    else:
        cause = task.poll_failure.cause if task.poll_failure else None
        log.debug(
            "Polled %s: %s%s (%s)",
            task.ref,
            task.status,
            f", polls fail: {cause}" if cause else "",
            ", ".join(kinds),
            extra=log_fields(task, "task_changed", status=task.status, cause=cause),
        )


def _has_facts_to_keep(before: Task, after: Task) -> bool:
    """Whether facts changed that cause no event: the stall, or the gateway's clock skew."""
    if before.stall is not after.stall:
        return True
    old, new = before.snapshot, after.snapshot
    return old is not None and new is not None and old.clock_ahead_s != new.clock_ahead_s
