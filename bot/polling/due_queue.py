"""A priority queue of due times: tasks by due time until they are due, then by urgency.

Two heaps: ``_waiting``, ordered by due time, and ``_due``, ordered by urgency, to which entries move when
they become due. An entry that was replaced or discarded stays in its heap until it is popped (lazy deletion).
Urgency grows at different rates, so ``_due`` is re-ranked now and then.
"""

import math
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush, nsmallest
from itertools import count

_RERANK_AFTER_S = 5e-4  # times the number of due tasks: re-ranking takes at most about 1 % of a core


class DueQueue:
    """One key's tasks by the time of their next poll; times are wall-clock seconds since 1970."""

    def __init__(self, urgency: Callable[[int, float], float]) -> None:
        """urgency: called with a task's id and a time; the largest is polled first."""
        self._urgency = urgency
        self._entries: dict[int, int] = {}  # task id → number of its current entry
        self._numbers = count()
        self._waiting: list[tuple[float, int, int]] = []  # due time, entry number, task id
        self._due: list[tuple[float, int, int]] = []  # negative urgency, entry number, task id
        self._ranked_at = -math.inf

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, task_id: int, due: float) -> None:
        """Add a task, or change its due time."""
        entry = next(self._numbers)
        self._entries[task_id] = entry
        heappush(self._waiting, (due, entry, task_id))

    def discard(self, task_id: int) -> None:
        """Remove a task; nothing happens if it is not queued."""
        self._entries.pop(task_id, None)

    def has_due(self, now: float) -> bool:
        """Whether a task is due."""
        self._move_due(now)
        while self._due and not self._is_current(*self._due[0][1:]):
            heappop(self._due)
        return bool(self._due)

    def next_due_at(self) -> float | None:
        """The earliest due time of the tasks not yet due; None: there are none."""
        while self._waiting and not self._is_current(*self._waiting[0][1:]):
            heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def pop_due(self, limit: int, *, now: float) -> list[int]:
        """Remove and return at most `limit` due tasks, the most urgent first."""
        self._move_due(now)
        if len(self._due) > limit > 0 and abs(now - self._ranked_at) >= _RERANK_AFTER_S * len(self._due):
            self._rerank(now)
        taken: list[int] = []
        while self._due and len(taken) < limit:
            _, entry, task_id = heappop(self._due)
            if self._is_current(entry, task_id):
                del self._entries[task_id]
                taken.append(task_id)
        return taken

    def pop_least(self, limit: int, rank: Callable[[int], tuple[float, ...]]) -> list[int]:
        """Remove and return the `limit` tasks of the least rank, due or not."""
        taken = nsmallest(limit, self._entries, key=rank)
        for task_id in taken:
            del self._entries[task_id]
        return taken

    def ids(self) -> Iterator[int]:
        """The ids of all queued tasks."""
        return iter(self._entries)

    def _move_due(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, entry, task_id = heappop(self._waiting)
            if self._is_current(entry, task_id):
                heappush(self._due, (-self._urgency(task_id, now), entry, task_id))

    def _rerank(self, now: float) -> None:
        """Recompute the urgency of all due tasks."""
        self._due = [
            (-self._urgency(task_id, now), entry, task_id)
            for _, entry, task_id in self._due
            if self._is_current(entry, task_id)
        ]
        heapify(self._due)
        self._ranked_at = now

    def _is_current(self, entry: int, task_id: int) -> bool:
        return self._entries.get(task_id) == entry
