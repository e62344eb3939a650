"""The circuit breaker for Telegram.

1. A call that failed to send, or whose response was lost, opens the breaker: no delivery is started.
2. While it is open, getMe is called as a probe: at once, then after pauses of at most five seconds. A
   delivery is not used as a probe, because each probe might send it while the response is lost.
3. The first response to any call closes the breaker, and all pending deliveries are sent.
4. A delivery that fails while Telegram responds to the probe has a problem of its own: it is retried with
   exponential backoff, and each failure delays the others by one getMe.

An outage therefore uses up no attempts: after it, deliveries are sent within seconds, however long it lasted.
The state is not persisted: a restart may have fixed the problem.
"""

import time
from collections.abc import Callable

from bot.backoff import Backoff

_PROBE_BACKOFF = Backoff(first_s=1.0, limit_s=5.0)
_RETRY_BACKOFF = Backoff(first_s=2.0, limit_s=300.0)
_MAX_BACKOFFS = 10_000  # deliveries that failed while Telegram responded


class TelegramRoute:
    """The state of the circuit breaker, and the retry delays of deliveries that failed to send."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic seconds."""
        self._clock = clock
        self._failed: set[int] = set()  # delivery ids, since the last response
        self._failed_alone: dict[int, int] = {}  # delivery id → failures while Telegram responded
        self._failed_probes = 0
        self._probe_at = 0.0
        self._down_since = 0.0
        self.outage_s = 0.0  # how long the last outage lasted

    @property
    def is_down(self) -> bool:
        """Whether the breaker is open: no delivery may be started."""
        return bool(self._failed)

    def next_probe_in_s(self) -> float:
        """Seconds until the next probe; 0: now."""
        return max(0.0, self._probe_at - self._clock())

    def retry_in_s(self, delivery_id: int) -> float:
        """The backoff of a delivery that failed to send, in seconds."""
        return _RETRY_BACKOFF.delay_s(self._failed_alone.get(delivery_id, 0) + 1)

    def failed(self, delivery_id: int) -> None:
        """Record that a call for the delivery got no response; opens the breaker."""
        if not self.is_down:
            self._probe_at = self._down_since = self._clock()
        self._failed.add(delivery_id)

    def probe_failed(self) -> bool:
        """Record a failed probe; returns whether it is the first of this outage."""
        self._failed_probes += 1
        self._probe_at = self._clock() + _PROBE_BACKOFF.delay_s(self._failed_probes)
        return self._failed_probes == 1

    def responded(self) -> bool:
        """Record a response; closes the breaker. Returns whether it ends an outage that a probe confirmed."""
        was_confirmed = self._failed_probes > 0
        if was_confirmed:
            self.outage_s = self._clock() - self._down_since
        else:
            for delivery_id in self._failed:
                self._failed_alone[delivery_id] = self._failed_alone.get(delivery_id, 0) + 1
        while len(self._failed_alone) > _MAX_BACKOFFS:
            del self._failed_alone[next(iter(self._failed_alone))]
        self._failed.clear()
        self._failed_probes = 0
        return was_confirmed

    def forget(self, delivery_id: int) -> None:
        """Drop the backoff of a delivery that was sent or failed permanently."""
        self._failed_alone.pop(delivery_id, None)
