"""What the clock sleeps by."""

import asyncio
import contextlib
import time

TICK_S = 0.05  # what falls due within so long is done together


class Alarm:
    """Seconds that never go back, and a sleep that ends early when people ring or a look has ended."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self._is_rung = False
        self._waking: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The steady clock's seconds."""
        return time.monotonic()

    def ring(self) -> None:
        """People have changed what there is to look at."""
        self._is_rung = True
        self._awake.set()

    def wake(self) -> None:
        """There may be something to do before the sleep was to end; many such words are one."""
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(TICK_S, self._wake_now)

    def _wake_now(self) -> None:
        self._waking = None
        self._awake.set()

    def take_ring(self) -> bool:
        """Whether somebody has rung since this was last asked."""
        rung, self._is_rung = self._is_rung, False
        return rung

    async def rest(self, pause_s: float) -> None:
        """Sleep so long, or until woken."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._awake.wait()
        self._awake.clear()
