"""Whether Telegram can be reached, judged by calls for different deliveries; a circuit breaker.

1. A call that did not arrive, or whose answer was lost, counts for its delivery.
2. Two different deliveries in a row open the breaker: one that always fails is its own trouble, and must not
   hold up the others.
3. While it is open, one delivery at a time is tried, after pauses of at most PROBE_S.
4. The first answer of any kind closes it, and all that waited goes out.

So an outage belongs to the way and not to the messages: however long it was, none of them waits for longer
than a probe once it is over. Nothing of it is kept on disk, as a start may have mended it.
"""

import time
from collections.abc import Callable

PROBE_S = 5.0  # the longest pause between two probes, and before a delivery that failed is tried again
_FIRST_S = 1.0
_OPEN_AFTER = 2  # different deliveries


class TelegramRoute:
    """Knows since when Telegram can't be reached, and when to try again."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock = clock
        self._failed: set[int] = set()  # deliveries, since the last answer
        self._probes = 0
        self._probe_at = 0.0

    @property
    def is_down(self) -> bool:
        """Whether nothing but a probe may be sent."""
        return len(self._failed) >= _OPEN_AFTER

    def next_probe_in_s(self) -> float:
        """How long until the next probe; 0: it may be sent now."""
        return max(0.0, self._probe_at - self._clock())

    def failed(self, delivery_id: int) -> bool:
        """A call for the delivery got no answer; whether that opens the breaker."""
        was_down = self.is_down
        if not was_down:
            self._failed.add(delivery_id)
        if self.is_down:
            self._probe_at = self._clock() + min(_FIRST_S * 2.0**self._probes, PROBE_S)
            self._probes = min(self._probes + 1, 10)
        return self.is_down and not was_down

    def answered(self) -> bool:
        """Telegram answered; whether that closes the breaker."""
        was_down = self.is_down
        self._failed.clear()
        self._probes = 0
        return was_down
