"""A rate limiter: once per key and period, and a number per minute overall."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

_MINUTE_S = 60.0


class OncePer:
    """Allows each key once per period; remembers a bounded number of keys."""

    def __init__(
        self,
        period_s: float,
        *,
        keys: int = 10_000,
        per_minute: int = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """keys: how many are remembered, the oldest evicted first; clock: monotonic, seconds."""
        self._period_s = period_s
        self._keys = keys
        self._per_minute = per_minute
        self._clock = clock
        self._allowed_at: OrderedDict[Hashable, float] = OrderedDict()
        self._recent: deque[float] = deque(maxlen=per_minute)
        self.suppressed = 0  # refusals since the last permission

    def allows(self, key: Hashable) -> bool:
        """Whether the key is allowed now; True counts as a use."""
        now = self._clock()
        last = self._allowed_at.get(key)
        is_full = len(self._recent) == self._per_minute and now - self._recent[0] < _MINUTE_S
        if is_full or (last is not None and now - last < self._period_s):
            self.suppressed += 1
            return False
        self._allowed_at[key] = now
        self._allowed_at.move_to_end(key)
        if len(self._allowed_at) > self._keys:
            self._allowed_at.popitem(last=False)
        self._recent.append(now)
        self.suppressed = 0
        return True
