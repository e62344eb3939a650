"""What the clock sleeps by."""

import asyncio
import contextlib
import time

TICK_S = 0.05  # what falls due within so long is done together


class Wakeup:
    """Seconds that never go back, and a sleep that ends early when people ring or a look has ended."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._is_notified = False
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The steady clock's seconds."""
        return time.monotonic()

    def notify(self) -> None:
        """People have changed what there is to look at."""
        self._is_notified = True
        self._event.set()

    def notify_soon(self) -> None:
        """There may be something to do before the sleep was to end; many such words are one."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._set_event)

    def _set_event(self) -> None:
        self._timer = None
        self._event.set()

    def take_notification(self) -> bool:
        """Whether somebody has rung since this was last asked."""
        rung, self._is_notified = self._is_notified, False
        return rung

    async def wait(self, pause_s: float) -> None:
        """Sleep so long, or until woken."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._event.wait()
        self._event.clear()
