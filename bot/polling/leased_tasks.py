"""The tasks that this process has leased, and which of them to poll next; no I/O.

Tasks are kept by id, with one queue of due times per key. A task that is in flight is in no queue.

``next_polls`` picks the tasks of one key:

1. Gateway up: the due tasks, the most urgent first, as many as the rate limiter allows. Urgency is the
   expected delay (forecast/prediction.py); infinite after a user's request, reduced after failures.
2. Half open (several 429s in a row): one due task, with the least ``due_probe_rank``.
3. Circuit open (the gateway is away): one probe, due or not, with the least ``probe_rank``; between probes,
   a few tasks that were never polled, because the user who added them is waiting.
"""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from bot.forecast.prediction import EndPrediction
from bot.polling.due_queue import DueQueue
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import Provider
from bot.watching.gateway_state import GatewayState
from storage.models import Stall, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGroup:
    """The providers that share one API key, by name, with its rate limiter."""

    providers: Mapping[str, Provider]
    limiter: AdaptiveRateLimiter
    state: GatewayState | None = None  # None: the providers are not configured


@dataclass(slots=True)
class LeasedTask:
    """A leased task with what is known of it beyond the store."""

    task: Task
    prediction: EndPrediction
    is_in_flight: bool = False  # a poll is running
    own_failures: int = 0  # consecutive failed polls that no known outage explains
    requested_at: datetime | None = None  # when a user last requested a poll that is not stored yet

    @property
    def last_polled(self) -> float:
        """When it was last polled, in seconds since 1970; 0: never."""
        return self.task.last_poll_at.timestamp() if self.task.last_poll_at else 0.0

    @property
    def probe_rank(self) -> tuple[bool, float]:
        """Least for the best probe: the last poll succeeded, and is the longest ago."""
        return self.task.failures > 0 or self.task.snapshot is None, self.last_polled

    def due_probe_rank(self, wall: float) -> tuple[bool, bool, float]:
        """Least for the best probe among due tasks; tasks that are not due come last."""
        due_at = self.task.next_poll_at
        return due_at is None or due_at.timestamp() > wall, *self.probe_rank


class LeasedTasks:
    """Leased tasks by id, and each key's queue.

    `wall` is the wall clock in seconds since 1970, for due times; `now` the monotonic clock, for rate limits.
    """

    def __init__(self, groups: Sequence[KeyGroup], predict: Callable[[Task], EndPrediction]) -> None:
        self._predict = predict
        self._entries: dict[int, LeasedTask] = {}
        self._queues = [(group, DueQueue(self._urgency)) for group in groups]
        self._queue_of = {name: queue for group, queue in self._queues for name in group.providers}
        self._group_of = {name: group for group in groups for name in group.providers}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def queues(self) -> Sequence[tuple[KeyGroup, DueQueue]]:
        """Each key with the queue of its tasks."""
        return self._queues

    def tasks(self) -> list[Task]:
        """All tasks; one in flight is as it was before the poll."""
        return [entry.task for entry in self._entries.values()]

    def overdue_s(self, at: datetime) -> Mapping[str, Sequence[float]]:
        """For how long tasks have been due that are not in flight, by provider."""
        late_s: dict[str, list[float]] = {}
        for entry in self._entries.values():
            due_at = entry.task.next_poll_at
            if due_at is not None and due_at < at and not entry.is_in_flight:
                late_s.setdefault(entry.task.ref.provider, []).append((at - due_at).total_seconds())
        return late_s

    def add(self, task: Task) -> None:
        """Add a claimed task, or remove it if it has no next poll."""
        self._put(task, self._predict(task))

    def on_user_request(self, task: Task, *, at: datetime) -> None:
        """Apply a user's request: poll now, or stop polling if the task has no next poll.

        A task that was removed meanwhile is added again.
        """
        if task.next_poll_at is None:
            self.discard(task.id)
            return
        entry = self._entries.get(task.id)
        if entry is None or not entry.is_in_flight:
            known = entry.task if entry else task  # memory may be newer than the store
            stall, since = _latest_stall(known, task)
            self.add(replace(known, next_poll_at=at, stall=stall, unchanged_since=since))
        self._entries[task.id].requested_at = at

    def start(self, task_id: int) -> Task:
        """Mark a task that was taken from its queue as in flight, and return it."""
        entry = self._entries[task_id]
        entry.is_in_flight = True
        return entry.task

    def is_awaited(self, task_id: int) -> bool:
        """Whether a user's request for a poll is still unserved."""
        entry = self._entries.get(task_id)
        return entry is not None and entry.requested_at is not None

    def mark_served(self, task: Task) -> None:
        """A poll was stored: it serves the requests made before the gateway responded."""
        entry = self._entries.get(task.id)
        if entry and entry.requested_at and task.last_poll_at and entry.requested_at <= task.last_poll_at:
            entry.requested_at = None

    def finish(self, task: Task, prediction: EndPrediction) -> None:
        """The poll has ended: requeue the task, unless it was removed meanwhile."""
        if task.id in self._entries:
            self._put(task, prediction)
        else:
            self._forget_failures(task)

    def discard(self, task_id: int) -> None:
        """Remove a task; nothing happens if it is not here."""
        entry = self._entries.pop(task_id, None)
        if entry is not None:
            self._queue(entry.task).discard(task_id)
            self._forget_failures(entry.task)

    def next_polls(self, group: KeyGroup, queue: DueQueue, *, now: float, wall: float) -> list[int]:
        """Take the tasks to poll now from a key's queue; the rules are in the module's docstring."""
        available = group.limiter.available(now)
        if not group.limiter.is_away:
            if group.limiter.is_half_open and available and queue.has_due(wall):
                return queue.pop_least(1, lambda task_id: self._entries[task_id].due_probe_rank(wall))
            return queue.pop_due(available, now=wall)
        if available:
            return queue.pop_least(1, lambda task_id: self._entries[task_id].probe_rank)
        first = group.limiter.available_first_polls(now)
        if first:
            first = min(first, self._count_new(queue))
        return queue.pop_least(first, lambda task_id: (False, self._entries[task_id].last_polled))

    def wait_s(self, group: KeyGroup, queue: DueQueue, *, now: float, wall: float) -> float:
        """Seconds until next_polls() may return a task, if no response arrives before; inf: never."""
        if group.limiter.is_away and len(queue):
            is_first = group.limiter.may_poll_first and self._count_new(queue) > 0
            return (group.limiter.first_poll_at(now) if is_first else group.limiter.ready_at(now)) - now
        if queue.has_due(wall):
            return group.limiter.ready_at(now) - now
        due = queue.next_due_at()
        return math.inf if due is None else due - wall

    def make_due(self, task_ids: Set[int], *, at: datetime) -> None:
        """Make tasks due whose polls failed only because of an outage that is over; reset their failures."""
        for task_id in task_ids:
            entry = self._entries.get(task_id)
            if entry is not None and not entry.is_in_flight and entry.task.next_poll_at:
                due_at = min(entry.task.next_poll_at, at)
                entry.task, entry.own_failures = replace(entry.task, next_poll_at=due_at), 0
                self._queue(entry.task).push(task_id, due_at.timestamp())

    def on_clock_set_back(self, now: datetime) -> None:
        """The wall clock was set back to now: make tasks due that were registered or polled after it."""
        latest = now.timestamp()  # else their expected delay would be 0 until then
        for entry in list(self._entries.values()):
            entry.requested_at = entry.requested_at and min(entry.requested_at, now)
            task, prediction = entry.task, entry.prediction
            if not entry.is_in_flight and (task.last_poll_at or task.registered_at) > now:
                prediction = replace(
                    prediction,
                    submitted_at=min(prediction.submitted_at, latest),
                    last_alive_at=min(prediction.last_alive_at, latest),
                )
                self._put(replace(task, next_poll_at=now), prediction)

    def on_renewed(self, tasks: Sequence[Task], watch_counts: Mapping[int, int], until: datetime) -> None:
        """Update the leases and watch counts of tasks that were renewed; remove those whose lease was lost.

        watch_counts: for each task still leased, the active watches of its least busy chat.
        """
        for task in tasks:
            entry = self._entries.get(task.id)
            if entry is None or entry.task.version != task.version:
                continue  # stored by a poll meanwhile
            if task.id in watch_counts:
                entry.task = replace(entry.task, lease_until=until, chat_active_watches=watch_counts[task.id])
            elif not entry.is_in_flight:  # the poll in flight may just have changed its version
                self.discard(task.id)

    def _count_new(self, queue: DueQueue) -> int:
        """How many of the queued tasks have never been polled."""
        return sum(self._entries[task_id].task.last_poll_at is None for task_id in queue.ids())

    def _put(self, task: Task, prediction: EndPrediction) -> None:
        if task.next_poll_at is None:
            self.discard(task.id)
            return
        known = self._entries.get(task.id)
        self._entries[task.id] = LeasedTask(
            task,
            prediction,
            requested_at=known.requested_at if known else None,
            own_failures=task.failures,
        )
        self._queue(task).push(task.id, task.next_poll_at.timestamp())

    def _forget_failures(self, task: Task) -> None:
        group = self._group_of[task.ref.provider]
        group.limiter.forget(task.id)
        if group.state:
            group.state.forget(task.id)

    def _queue(self, task: Task) -> DueQueue:
        return self._queue_of[task.ref.provider]

    def _urgency(self, task_id: int, now: float) -> float:
        entry = self._entries[task_id]
        if entry.requested_at:
            return float("inf")
        if entry.own_failures == 0:
            return entry.prediction.urgency(now, chat_watches=entry.task.chat_active_watches)
        # Delay since the last attempt only: otherwise a task that keeps failing would outrank all others.
        since_poll = replace(
            entry.prediction,
            last_alive_at=max(entry.prediction.last_alive_at, entry.last_polled),
            remaining_s=None,
        )
        return since_poll.urgency(now, chat_watches=entry.task.chat_active_watches) / (1 + entry.own_failures)


def _latest_stall(known: Task, stored: Task) -> tuple[Stall, datetime | None]:
    """The newer of two stalls: this process's, or the store's, where a user may have resumed the task."""
    known_since, stored_since = (task.unchanged_since or task.registered_at for task in (known, stored))
    later = stored if stored_since > known_since else known
    return later.stall, later.unchanged_since
