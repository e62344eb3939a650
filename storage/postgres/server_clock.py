"""The time by the server's clock, which all processes that share a database have in common."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EXACT_ENOUGH_S = 1.0  # a response that took longer says too little about the server's clock


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


def steady_s() -> float:
    """Seconds that no change of the clock's time disturbs; on Linux those in suspend are counted, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ServerClock:
    """This machine's clock, corrected by how far it was from the server's at the last measurement."""

    def __init__(self, own: Callable[[], datetime] = utc_now) -> None:
        """Before the first measurement it is this machine's clock."""
        self._own = own
        self._ahead: timedelta | None = None  # of this machine's clock

    def __call__(self) -> datetime:
        """The time now. No I/O."""
        return self._own() + (self._ahead or timedelta())

    def measure(self, server: datetime, *, round_trip_s: float) -> None:
        """Compare the clocks; server: its time in a response that took so long and has just come."""
        if self._ahead is None or round_trip_s <= _EXACT_ENOUGH_S:
            self._ahead = server + timedelta(seconds=round_trip_s / 2) - self._own()
