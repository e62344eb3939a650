"""Limits how often the same event is logged: neither an outage nor a hostile user fills the log."""

import logging
import time
from collections.abc import Callable, Hashable

from bot.token_bucket import TokenBucket

PROBLEMS = 3  # lines of the same warning or error in a row, then one in PROBLEM_PERIOD_S
PROBLEM_PERIOD_S = 1200.0
FACTS = 1_000  # lines of the same fact in a row, then one in FACT_PERIOD_S
FACT_PERIOD_S = 30.0
# The ends of problems, limited like their beginnings: a gateway may come and go all day.
_RECOVERIES = frozenset({"delivery_resumed", "gateway_up", "polling_resumed", "telegram_up"})
_MOST_KEYS = 1_000


class RepeatLimit(logging.Filter):
    """A token bucket per event, gateway and kind of exception; a line bears the number left out before it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic, seconds."""
        super().__init__()
        self._clock = clock
        self._buckets: dict[Hashable, TokenBucket] = {}
        self._left_out: dict[Hashable, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO or hasattr(record, "is_sentence"):
            return True
        # Events are few; a library's words may be of any number, so that its name counts.
        event = getattr(record, "event", record.name)
        gateway = getattr(record, "provider", None) if event in {"gateway_up", "gateway_down"} else None
        error = record.exc_info[0] if record.exc_info else None
        key = event, record.levelno, gateway, error
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MOST_KEYS:
                oldest = next(iter(self._buckets))
                del self._buckets[oldest]
                self._left_out.pop(oldest, None)
            is_problem = record.levelno >= logging.WARNING or event in _RECOVERIES
            size, period_s = (PROBLEMS, PROBLEM_PERIOD_S) if is_problem else (FACTS, FACT_PERIOD_S)
            bucket = self._buckets[key] = TokenBucket(1 / period_s, size)
        now = self._clock()
        if bucket.level(now) < 1:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return False
        bucket.take(now)
        if left_out := self._left_out.pop(key, 0):
            record.left_out = left_out
        return True
