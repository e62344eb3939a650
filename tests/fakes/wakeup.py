"""A Wakeup whose timeouts tests control."""

from bot.polling.wakeup import Wakeup


class ManualWakeup(Wakeup):
    """A Wakeup whose waits end when a test has advanced the time, or when notified."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        self._until = self._now

    def now(self) -> float:
        return self._now

    def notify_soon(self) -> None:
        self._event.set()

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now += seconds
        if self._now >= self._until:
            self.notify_soon()

    @property
    def is_waiting(self) -> bool:
        """Whether the wait can end only by its timeout."""
        return self._now < self._until and not self._event.is_set()

    async def wait(self, pause_s: float) -> None:
        self._until = self._now + pause_s
        await self._event.wait()
        self._until = self._now
        self._event.clear()
