"""Limits how often the same event is logged: neither an outage nor a hostile user fills the log."""

import logging
import time
from collections.abc import Callable

from bot.token_bucket import TokenBucket

PROBLEMS = 6  # lines of the same warning or error in a row, then one in PROBLEM_PERIOD_S
PROBLEM_PERIOD_S = 600.0
FACTS = 1_000  # lines of the same fact in a row, then one in FACT_PERIOD_S
FACT_PERIOD_S = 30.0


class RepeatLimit(logging.Filter):
    """A token bucket per event and level; the next line that passes bears the number of those left out."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic, seconds."""
        super().__init__()
        self._clock = clock
        self._buckets: dict[tuple[str, int], TokenBucket] = {}
        self._left_out: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO or hasattr(record, "is_sentence"):
            return True
        # Events are few; a library's words may be of any number, so that its name counts.
        key = getattr(record, "event", record.name), record.levelno
        bucket = self._buckets.get(key)
        if bucket is None:
            is_problem = record.levelno >= logging.WARNING
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
