"""Whether Telegram can be reached; a circuit breaker, which is tried with a call that changes nothing.

1. A call that did not arrive, or whose answer was lost, opens the breaker: no delivery is begun.
2. At once, and then after pauses of at most five seconds, getMe is asked in its place. A delivery as a probe
   might arrive each time while its answer is lost.
3. The first answer to any call closes the breaker, and all that waited goes out.
4. A delivery that failed while Telegram answered is in trouble of its own: it waits longer each time, and
   holds up the others for one getMe.

So an outage belongs to the route and not to the messages: however long it was, they go out within seconds
after it. Nothing of it is kept on disk, as a start may have mended it.
"""

import time
from collections.abc import Callable

_PAUSES_S = (1.0, 2.0, 4.0, 5.0)  # after each failed probe
_FIRST_RETRY_S = 2.0
_LONGEST_RETRY_S = 300.0
_MOST_REMEMBERED = 10_000  # deliveries that failed by themselves


class TelegramRoute:
    """Knows since when Telegram can't be reached, and when to try again."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock = clock
        self._failed: set[int] = set()  # deliveries, since the last answer
        self._failed_alone: dict[int, int] = {}  # how often while Telegram answered
        self._failed_probes = 0
        self._probe_at = 0.0

    @property
    def is_down(self) -> bool:
        """Whether no delivery may be begun."""
        return bool(self._failed)

    def next_probe_in_s(self) -> float:
        """How long until the next probe; 0: now."""
        return max(0.0, self._probe_at - self._clock())

    def retry_in_s(self, delivery_id: int) -> float:
        """How long a delivery waits that did not get through."""
        return min(_FIRST_RETRY_S * 2.0 ** self._failed_alone.get(delivery_id, 0), _LONGEST_RETRY_S)

    def failed(self, delivery_id: int) -> None:
        """A call for the delivery got no answer."""
        if not self.is_down:
            self._probe_at = self._clock()
        self._failed.add(delivery_id)

    def probe_failed(self) -> bool:
        """getMe got no answer either; whether that is the first time in this outage."""
        self._probe_at = self._clock() + _PAUSES_S[min(self._failed_probes, len(_PAUSES_S) - 1)]
        self._failed_probes += 1
        return self._failed_probes == 1

    def answered(self) -> bool:
        """Telegram answered; whether that ends an outage that a probe had confirmed."""
        was_confirmed = self._failed_probes > 0
        if not was_confirmed:
            for delivery_id in self._failed:
                self._failed_alone[delivery_id] = min(self._failed_alone.get(delivery_id, 0) + 1, 20)
        while len(self._failed_alone) > _MOST_REMEMBERED:
            del self._failed_alone[next(iter(self._failed_alone))]
        self._failed.clear()
        self._failed_probes = 0
        return was_confirmed

    def forget(self, delivery_id: int) -> None:
        """The delivery got through, or is given up."""
        self._failed_alone.pop(delivery_id, None)
