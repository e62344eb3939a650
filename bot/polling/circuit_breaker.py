"""A circuit breaker per gateway: open while the gateway is away.

1. Any response in the gateway's format, even an error, closes the circuit: the gateway is up.
2. No response, a web page or a truncated response counts against the gateway. Such failures of _OPEN_AFTER
   different tasks, with no response of the gateway in between, open the circuit.
3. While it is open, single probes are sent, with a backoff that depends on the number of failed_probes.
4. A task that fails while others succeed (_OWN_AFTER times) has a problem of its own and no longer counts
   against the gateway.
5. When an outage of at least _OUTAGE_S ends, the tasks that failed because of it are returned, to be polled
   without waiting for their own backoff.
"""

from collections.abc import Set

_OPEN_AFTER = 3  # different tasks that failed without any response of the gateway in between
_OWN_AFTER = 2  # failures of one task, each followed by a snapshot of another task
_OUTAGE_S = 5.0  # a shorter outage has delayed no task


class CircuitBreaker:
    """Open while the gateway is away; times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._silent: set[int] = set()  # tasks that failed without a response since the gateway's last one
        self._failing_since: dict[int, float] = {}
        self._failed_since_snapshot: set[int] = set()  # failed since the last snapshot of any task
        self._failed_alone: dict[int, int] = {}  # failures that a snapshot of another task followed
        self._alive_at = 0.0
        self._opened_at: float | None = None
        self.failed_probes = 0  # in a row, since the circuit opened

    @property
    def is_open(self) -> bool:
        """Whether the gateway is considered away."""
        return self._opened_at is not None

    def failures_alone(self, task_id: int) -> int:
        """How many times in a row the task failed while other tasks succeeded."""
        return self._failed_alone.get(task_id, 0)

    def on_snapshot(self, task_id: int, now: float) -> Set[int]:
        """A poll returned a snapshot; return the tasks that failed only because of the outage it ends."""
        if not self._failing_since and self._opened_at is None:
            self._alive_at = now
            return frozenset()  # the common case: nothing has failed
        began = min(
            self._failing_since.get(task_id, now), now if self._opened_at is None else self._opened_at
        )
        self.on_reply(now)
        self.forget(task_id)
        freed = self._failing_since.keys() if now - began >= _OUTAGE_S else set[int]()
        waiting = {each for each in freed if self.failures_alone(each) < _OWN_AFTER}
        for each in self._failed_since_snapshot:
            self._failed_alone[each] = self.failures_alone(each) + 1
        self._failed_since_snapshot.clear()
        return waiting

    def on_reply(self, now: float) -> None:
        """The gateway responded in its own format, to any request; close the circuit."""
        self._alive_at = now
        self._silent.clear()
        self._opened_at = None
        self.failed_probes = 0

    def on_failure(self, task_id: int, now: float) -> None:
        """A poll returned no snapshot, for any reason."""
        self._failing_since.setdefault(task_id, now)
        self._failed_since_snapshot.add(task_id)

    def on_silence(self, task_id: int, now: float, *, requested_at: float) -> bool:
        """A poll failed without a response of the gateway itself; return whether the circuit is open."""
        if requested_at < self._alive_at:
            return self.is_open  # the gateway has responded since this request was sent
        if self.is_open:
            self.failed_probes += 1
        elif self.failures_alone(task_id) < _OWN_AFTER:
            self._silent.add(task_id)
            if len(self._silent) >= _OPEN_AFTER:
                self._opened_at = now
        return self.is_open

    def forget(self, task_id: int) -> None:
        """Drop a task's failures: it succeeded, ended or is no longer polled here."""
        self._failing_since.pop(task_id, None)
        self._failed_alone.pop(task_id, None)
        self._failed_since_snapshot.discard(task_id)
        self._silent.discard(task_id)
