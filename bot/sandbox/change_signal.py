"""Waiting for a condition without sleeping for luck: those who wait look again after every change."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class ChangeSignal:
    """Rung after every change; those who wait look again."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def notify(self) -> None:
        """Wake everybody who waits."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float) -> T:
        """Return the first true value of the condition, or raise TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not (value := condition()):
                await self._rung.wait()
        return value
