"""Time that passes when a test says so."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


class FrozenClock:
    """Call it for the time, as the program does; it stands still until moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Stand in for asyncio.sleep: the time passes, the waiting does not."""
        self.advance(seconds)


class SteadyClock:
    """Seconds that never go back, for what takes time.monotonic; they stand still until moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
