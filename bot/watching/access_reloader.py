"""Keeps the access list of a replica the same as the database's, which other replicas change, too."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from bot.watching.access import Access
from storage.errors import StoreError

# Those who lose access are refused by every replica after so long, at once if it is notified.
RELOAD_S = 2.0
_LEAST_S = 0.1  # between two reloads, as anybody can send updates without access


class AccessReloader:
    """Reloads an access list from time to time, and before somebody is refused."""

    def __init__(self, access: Access, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """monotonic: seconds."""
        self._access = access
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._begun_at = -math.inf  # the last reload that succeeded
        self._wakeup = asyncio.Event()

    def notify(self) -> None:
        """Reload at once: another replica has changed the list."""
        self._wakeup.set()

    async def run(self) -> NoReturn:
        """Reload until cancelled; while the database can't be read, the list stays as it is."""
        while True:
            self._wakeup.clear()
            with suppress(StoreError):
                await self.reload()
            with suppress(TimeoutError):
                async with asyncio.timeout(RELOAD_S):
                    await self._wakeup.wait()

    async def reload(self) -> None:
        """Have the list as it is in the database now, or later; StoreError."""
        called_at = self._monotonic()
        async with self._turn:
            if self._begun_at >= called_at:
                return  # a reload for another call
            await asyncio.sleep(self._begun_at + _LEAST_S - called_at)
            begun_at = self._monotonic()
            await self._access.reload()
            self._begun_at = begun_at
