"""Whether a gateway is away, judged by what came back, and for which tasks.

An answer of the gateway's own proves that it is there, whatever it says of a task. Silence, a web page
and an answer that breaks off say that it is away, once they come for different tasks in a row. A task that
keeps failing while others are answered is in trouble of its own, and says nothing about the gateway.
"""

from collections.abc import Set

_OPEN_AFTER = 3  # different tasks in a row without an answer of the gateway's own
_OWN_AFTER = 2  # failures of a task that were each followed by a snapshot of another one
_OUTAGE_S = 5.0  # an outage shorter than this has put no task off
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # while the circuit is open, one probe after each


class CircuitBreaker:
    """Open while the gateway is away; times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._unanswered: set[int] = set()  # tasks without an answer since the gateway last gave one
        self._failing_since: dict[int, float] = {}
        self._unconfirmed: set[int] = set()  # failed since the last snapshot of any task
        self._failed_alone: dict[int, int] = {}  # failures that were followed by a snapshot of another task
        self._alive_at = 0.0
        self._opened_at: float | None = None
        self._failed_probes = 0

    @property
    def is_open(self) -> bool:
        """Whether the gateway counts as away."""
        return self._opened_at is not None

    @property
    def pause_s(self) -> float:
        """How long to wait before the next probe."""
        return pause_s(self._failed_probes + 1)

    def failures_alone(self, task_id: int) -> int:
        """How often in a row the task failed while others were answered."""
        return self._failed_alone.get(task_id, 0)

    def on_snapshot(self, task_id: int, now: float) -> Set[int]:
        """A task was answered; return the tasks that waited only for the gateway to come back."""
        if not self._failing_since and self._opened_at is None:
            self._alive_at = now
            return frozenset()  # as nearly always
        began = min(
            self._failing_since.get(task_id, now), now if self._opened_at is None else self._opened_at
        )
        self.on_reply(now)
        self.forget(task_id)
        freed = self._failing_since.keys() if now - began >= _OUTAGE_S else set[int]()
        waiting = {each for each in freed if self.failures_alone(each) < _OWN_AFTER}
        for each in self._unconfirmed:
            self._failed_alone[each] = self.failures_alone(each) + 1
        self._unconfirmed.clear()
        return waiting

    def on_reply(self, now: float) -> None:
        """The gateway gave an answer of its own, for whichever task and whatever it says."""
        self._alive_at = now
        self._unanswered.clear()
        self._opened_at = None
        self._failed_probes = 0

    def on_failure(self, task_id: int, now: float) -> None:
        """A poll brought no snapshot, for whatever reason."""
        self._failing_since.setdefault(task_id, now)
        self._unconfirmed.add(task_id)

    def on_silence(self, task_id: int, now: float, *, requested_at: float) -> bool:
        """A poll brought nothing of the gateway's own; return whether the circuit is open."""
        if requested_at < self._alive_at:
            return self.is_open  # others have been answered since it was requested
        if self.is_open:
            self._failed_probes += 1
        elif self.failures_alone(task_id) < _OWN_AFTER:
            self._unanswered.add(task_id)
            if len(self._unanswered) >= _OPEN_AFTER:
                self._opened_at = now
        return self.is_open

    def forget(self, task_id: int) -> None:
        """The task is answered, over or no longer polled here."""
        self._failing_since.pop(task_id, None)
        self._failed_alone.pop(task_id, None)
        self._unconfirmed.discard(task_id)
        self._unanswered.discard(task_id)


def pause_s(times: int) -> float:
    """The pause after the first failed probe, the second, and so on."""
    return _PAUSES_S[min(times, len(_PAUSES_S)) - 1]
