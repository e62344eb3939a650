"""The polling loop's monotonic clock and its interruptible sleep."""

import asyncio
import contextlib
import time

TICK_S = 0.05  # wake-ups within this time are coalesced


class Wakeup:
    """A sleep that a notification ends early; one waiter only."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._is_notified = False
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def notify(self) -> None:
        """Wake the loop at once and request a sync: a command has changed which tasks to poll."""
        self._is_notified = True
        self._event.set()

    def notify_soon(self) -> None:
        """Wake the loop at the next tick, without a sync; calls are coalesced."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._set_event)

    def _set_event(self) -> None:
        self._timer = None
        self._event.set()

    def take_notification(self) -> bool:
        """Whether notify() was called since this method was last called."""
        is_notified, self._is_notified = self._is_notified, False
        return is_notified

    async def wait(self, pause_s: float) -> None:
        """Sleep for pause_s or until notified; a notification that came before ends the sleep at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._event.wait()
        self._event.clear()
