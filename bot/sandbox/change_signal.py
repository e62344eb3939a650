"""A condition variable: waiters re-evaluate their condition after every change."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class ChangeSignal:
    """Wakes its waiters after every change."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Wake all waiters."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float) -> T:
        """Return the first true value of the condition; raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not (value := condition()):
                await self._changed.wait()
        return value
