"""Which of the tasks in memory to look at now: all that are due, or the most urgent of them."""

import math
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush, nsmallest
from itertools import count

_RANKED_FOR_S = 5e-4  # for each due task, so that however many there are, ranking takes 1 % of one core


class DueQueue:
    """One key's tasks by the time of their next look; times are seconds of a clock that may be set back."""

    def __init__(self, urgency: Callable[[int, float], float]) -> None:
        """urgency: of a task's id at a time."""
        self._urgency = urgency
        self._entries: dict[int, int] = {}  # id → its valid entry
        self._numbers = count()
        self._waiting: list[tuple[float, int, int]] = []  # due, entry, id
        self._due: list[tuple[float, int, int]] = []  # minus urgency, entry, id
        self._ranked_at = -math.inf

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, task_id: int, due: float) -> None:
        """Look at a task from this time on, in place of any time before."""
        entry = next(self._numbers)
        self._entries[task_id] = entry
        heappush(self._waiting, (due, entry, task_id))

    def discard(self, task_id: int) -> None:
        """Forget a task."""
        self._entries.pop(task_id, None)

    def has_due(self, now: float) -> bool:
        """Whether a task is due."""
        self._move_due(now)
        return bool(self._due)

    def next_due_at(self) -> float | None:
        """When the first of the tasks that are not due yet will be; None: there is none."""
        while self._waiting and not self._is_current(*self._waiting[0][1:]):
            heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def pop_due(self, limit: int, *, now: float) -> list[int]:
        """Take out at most so many of the due tasks, the most urgent first."""
        self._move_due(now)
        if len(self._due) > limit > 0 and abs(now - self._ranked_at) >= _RANKED_FOR_S * len(self._due):
            self._rerank(now)
        taken: list[int] = []
        while self._due and len(taken) < limit:
            _, entry, task_id = heappop(self._due)
            if self._is_current(entry, task_id):
                del self._entries[task_id]
                taken.append(task_id)
        return taken

    def pop_least(self, limit: int, rank: Callable[[int], tuple[float, ...]]) -> list[int]:
        """Take out at most so many tasks, those of the least rank, due or not."""
        taken = nsmallest(limit, self._entries, key=rank)
        for task_id in taken:
            del self._entries[task_id]
        return taken

    def ids(self) -> Iterator[int]:
        """The tasks, due or not."""
        return iter(self._entries)

    def _move_due(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, entry, task_id = heappop(self._waiting)
            if self._is_current(entry, task_id):
                heappush(self._due, (-self._urgency(task_id, now), entry, task_id))

    def _rerank(self, now: float) -> None:
        """Compare all that are due anew: those whose end is near have become urgent faster than others."""
        self._due = [
            (-self._urgency(task_id, now), entry, task_id)
            for _, entry, task_id in self._due
            if self._is_current(entry, task_id)
        ]
        heapify(self._due)
        self._ranked_at = now

    def _is_current(self, entry: int, task_id: int) -> bool:
        return self._entries.get(task_id) == entry
