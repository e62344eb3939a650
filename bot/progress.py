"""The progress of a long command, on standard error."""

import sys
import time
from collections.abc import Callable

_INTERVAL_S = 5.0


class ProgressLines:
    """Prints how much is done, at most one line each five seconds, so nothing for a short command."""

    def __init__(self, unit: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """unit: what is counted, in the plural."""
        self._unit = unit
        self._clock = clock
        self._printed_at = clock()

    def __call__(self, done: int, total: int) -> None:
        """Report that so many are done."""
        if self._clock() - self._printed_at >= _INTERVAL_S:
            self._printed_at = self._clock()
            print(f"{done:,} of {total:,} {self._unit} …", file=sys.stderr)
