"""Keeps what a replica remembers of the database as it is there, where other replicas change it, too."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

from storage.errors import StoreError

# Those who lose access are refused by every replica after so long; at once, if it is notified.
RELOAD_S = 2.0
_LEAST_S = 0.1  # between two reloads, as anybody can send updates without access


class Reloader:
    """Reloads from time to time, when it is notified, and when somebody would be refused."""

    def __init__(
        self, load: Callable[[], Awaitable[None]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """load: may raise StoreError. monotonic: seconds."""
        self._load = load
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._begun_at = -math.inf  # the last reload that succeeded
        self._wakeup = asyncio.Event()

    def notify(self) -> None:
        """Reload at once: another replica has changed something."""
        self._wakeup.set()

    async def run(self) -> NoReturn:
        """Reload until cancelled; while the database can't be read, all stays as it is."""
        while True:
            self._wakeup.clear()
            with suppress(StoreError):
                await self.reload()
            with suppress(TimeoutError):
                async with asyncio.timeout(RELOAD_S):
                    await self._wakeup.wait()

    async def reload(self) -> None:
        """Have it as it is in the database now, or later; raises StoreError."""
        called_at = self._monotonic()
        async with self._lock:
            if self._begun_at >= called_at:
                return  # a reload for another call
            await asyncio.sleep(self._begun_at + _LEAST_S - called_at)
            begun_at = self._monotonic()
            await self._load()
            self._begun_at = begun_at
