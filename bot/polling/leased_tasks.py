"""The tasks that this process has leased, and which of them to look at when; no I/O."""

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
    """A key: the providers that it opens, by name, and what it allows."""

    providers: Mapping[str, Provider]
    limiter: AdaptiveRateLimiter
    state: GatewayState | None = None  # None: there is no gateway


@dataclass(slots=True)
class LeasedTask:
    """A leased task."""

    task: Task
    prediction: EndPrediction
    is_in_flight: bool = False  # its gateway is being asked at this moment
    own_failures: int = 0  # polls in a row that failed while the gateway was there, as far as is known
    requested_at: datetime | None = (
        None  # when it was last heard that somebody waits for a look that is written
    )

    @property
    def last_polled(self) -> float:
        """When its gateway was last asked; 0: never."""
        return self.task.last_poll_at.timestamp() if self.task.last_poll_at else 0.0

    @property
    def probe_rank(self) -> tuple[bool, float]:
        """Least for the task to probe a gateway with: its last poll went well, and is long ago."""
        return self.task.failures > 0 or self.task.snapshot is None, self.last_polled

    def due_probe_rank(self, wall: float) -> tuple[bool, bool, float]:
        """The same among those that are due."""
        due_at = self.task.next_poll_at
        return due_at is None or due_at.timestamp() > wall, *self.probe_rank


class LeasedTasks:
    """Leased tasks by id, and the agenda of every line. Times in floats are seconds since 1970."""

    def __init__(self, lines: Sequence[KeyGroup], outlook: Callable[[Task], EndPrediction]) -> None:
        self._predict = outlook
        self._entries: dict[int, LeasedTask] = {}
        self._queues = [(line, DueQueue(self._urgency)) for line in lines]
        self._queue_of = {name: queue for line, queue in self._queues for name in line.providers}
        self._group_of = {name: line for line in lines for name in line.providers}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def queues(self) -> Sequence[tuple[KeyGroup, DueQueue]]:
        """Each line with its tasks by the time of their next look."""
        return self._queues

    def tasks(self) -> list[Task]:
        """All tasks, as they were before the look that is under way."""
        return [entry.task for entry in self._entries.values()]

    def add(self, task: Task) -> None:
        """Hold a task that was leased; one without a next look is let go."""
        self._put(task, self._predict(task))

    def on_user_request(self, task: Task, *, at: datetime) -> None:
        """People want a look now, or none any more; whoever has let the task go holds it again."""
        if task.next_poll_at is None:
            self.discard(task.id)
            return
        entry = self._entries.get(task.id)
        if entry is None or not entry.is_in_flight:
            known = entry.task if entry else task  # what was seen since the last write counts
            stall, since = _latest_stall(known, task)
            self.add(replace(known, next_poll_at=at, stall=stall, unchanged_since=since))
        self._entries[task.id].requested_at = at

    def start(self, task_id: int) -> Task:
        """The gateway is about to be asked."""
        entry = self._entries[task_id]
        entry.is_in_flight = True
        return entry.task

    def is_awaited(self, task_id: int) -> bool:
        """Whether somebody waits for a look at the task."""
        entry = self._entries.get(task_id)
        return entry is not None and entry.requested_at is not None

    def mark_served(self, task: Task) -> None:
        """A look has been written; it is the answer for those who asked before the gateway gave it."""
        entry = self._entries.get(task.id)
        if entry and entry.requested_at and task.last_poll_at and entry.requested_at <= task.last_poll_at:
            entry.requested_at = None

    def finish(self, task: Task, outlook: EndPrediction) -> None:
        """The look is over; if the task was not let go meanwhile, it is held on."""
        if task.id in self._entries:
            self._put(task, outlook)
        else:
            self._forget_failures(task)

    def discard(self, task_id: int) -> None:
        """Let a task go."""
        entry = self._entries.pop(task_id, None)
        if entry is not None:
            self._queue(entry.task).discard(task_id)
            self._forget_failures(entry.task)

    def next_polls(self, line: KeyGroup, queue: DueQueue, *, now: float, wall: float) -> list[int]:
        """Take the tasks to poll now: those due, or a probe while the gateway is away."""
        available = line.limiter.available(now)
        if not line.limiter.is_away:
            if line.limiter.is_half_open and available and queue.has_due(wall):
                return queue.pop_least(1, lambda task_id: self._entries[task_id].due_probe_rank(wall))
            return queue.pop_due(available, now=wall)
        if available:
            return queue.pop_least(1, lambda task_id: self._entries[task_id].probe_rank)
        first = min(line.limiter.available_first_polls(now), self._count_new(queue))
        return queue.pop_least(first, lambda task_id: (False, self._entries[task_id].last_polled))

    def wait_s(self, line: KeyGroup, queue: DueQueue, *, now: float, wall: float) -> float:
        """For how long there is nothing to poll, answers aside."""
        if line.limiter.is_away and len(queue):
            is_first = line.limiter.may_poll_first and self._count_new(queue) > 0
            return (line.limiter.first_poll_at(now) if is_first else line.limiter.ready_at(now)) - now
        if queue.has_due(wall):
            return line.limiter.ready_at(now) - now
        due = queue.next_due_at()
        return math.inf if due is None else due - wall

    def _count_new(self, queue: DueQueue) -> int:
        """How many of the tasks have never been polled."""
        return sum(self._entries[task_id].task.last_poll_at is None for task_id in queue.ids())

    def make_due(self, task_ids: Set[int], *, at: datetime) -> None:
        """The gateway is back: what waited only for that is due, and as urgent as if it had not failed."""
        for task_id in task_ids:
            entry = self._entries.get(task_id)
            if entry is not None and not entry.is_in_flight and entry.task.next_poll_at:
                due_at = min(entry.task.next_poll_at, at)
                entry.task, entry.own_failures = replace(entry.task, next_poll_at=due_at), 0
                self._queue(entry.task).push(task_id, due_at.timestamp())

    def on_clock_set_back(self, now: datetime) -> None:
        """The clock was set back to now: what seems to be registered or looked at later is due."""
        latest = now.timestamp()  # else nothing would be owed until then
        for entry in list(self._entries.values()):
            entry.requested_at = entry.requested_at and min(entry.requested_at, now)
            task, ahead = entry.task, entry.prediction
            if not entry.is_in_flight and (task.last_poll_at or task.registered_at) > now:
                ahead = replace(
                    ahead,
                    submitted_at=min(ahead.submitted_at, latest),
                    last_alive_at=min(ahead.last_alive_at, latest),
                )
                self._put(replace(task, next_poll_at=now), ahead)

    def on_renewed(self, tasks: Sequence[Task], watch_counts: Mapping[int, int], until: datetime) -> None:
        """Note the new end of leases, and the crowds; tasks that another process has are let go."""
        for task in tasks:
            entry = self._entries.get(task.id)
            if entry is None or entry.task.version != task.version:
                continue  # looked at and written meanwhile
            if task.id in watch_counts:
                entry.task = replace(entry.task, lease_until=until, chat_active_watches=watch_counts[task.id])
            elif not entry.is_in_flight:  # what flies may have been written this moment
                self.discard(task.id)

    def _put(self, task: Task, outlook: EndPrediction) -> None:
        if task.next_poll_at is None:
            self.discard(task.id)
            return
        known = self._entries.get(task.id)
        asked_at = known.requested_at if known else None
        self._entries[task.id] = LeasedTask(task, outlook, requested_at=asked_at, own_failures=task.failures)
        self._queue(task).push(task.id, task.next_poll_at.timestamp())

    def _forget_failures(self, task: Task) -> None:
        line = self._group_of[task.ref.provider]
        line.limiter.forget(task.id)
        if line.state:
            line.state.forget(task.id)

    def _queue(self, task: Task) -> DueQueue:
        return self._queue_of[task.ref.provider]

    def _urgency(self, task_id: int, now: float) -> float:
        entry = self._entries[task_id]
        if entry.requested_at:
            return float("inf")
        if entry.own_failures == 0:
            return entry.prediction.urgency(now, in_flight=entry.task.chat_active_watches)
        # Counted from the last attempt: a debt that grew on would outrank all tasks that are answered.
        since_poll = replace(
            entry.prediction,
            last_alive_at=max(entry.prediction.last_alive_at, entry.last_polled),
            remaining_s=None,
        )
        return since_poll.urgency(now, in_flight=entry.task.chat_active_watches) / (1 + entry.own_failures)


def _latest_stall(known: Task, stored: Task) -> tuple[Stall, datetime | None]:
    """Whether the task changes, by who knows it later: the store, where it was taken up, or this process."""
    of_known, of_stored = (task.unchanged_since or task.registered_at for task in (known, stored))
    later = stored if of_stored > of_known else known
    return later.stall, later.unchanged_since
