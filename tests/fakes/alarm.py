"""An alarm that goes off when a test says so."""

from bot.polling.alarm import Alarm


class HandAlarm(Alarm):
    """Its sleeps end when a test has let so much time pass, or when woken as ever."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0
        self._until = self._now

    def now(self) -> float:
        return self._now

    def wake(self) -> None:
        self._awake.set()

    def move(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now += seconds
        if self._now >= self._until:
            self.wake()

    @property
    def is_resting(self) -> bool:
        """Whether nothing but time will end the sleep."""
        return self._now < self._until and not self._awake.is_set()

    async def rest(self, pause_s: float) -> None:
        self._until = self._now + pause_s
        await self._awake.wait()
        self._until = self._now
        self._awake.clear()
