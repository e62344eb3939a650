"""Clocks that tests advance."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


class FrozenClock:
    """A wall clock: callable like the program's, and fixed until advanced."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Replaces asyncio.sleep: advances the time without waiting."""
        self.advance(seconds)


class SteadyClock:
    """A monotonic clock, in place of time.monotonic, fixed until advanced."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
