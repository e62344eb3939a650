"""A limit on what is said: once per key and period, so often in a minute overall."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

_MINUTE_S = 60.0


class OncePer:
    """Remembers the keys of the last period, a bounded number of them."""

    def __init__(
        self,
        period_s: float,
        *,
        keys: int = 10_000,
        per_minute: int = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """keys: how many are remembered, the oldest forgotten first; clock: seconds that never go back."""
        self._period_s = period_s
        self._keys = keys
        self._per_minute = per_minute
        self._clock = clock
        self._allowed_at: OrderedDict[Hashable, float] = OrderedDict()
        self._recent: deque[float] = deque(maxlen=per_minute)
        self.suppressed = 0  # how often the answer was no since it was last yes

    def allows(self, key: Hashable) -> bool:
        """Whether it is time for this key; a yes counts as used."""
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
