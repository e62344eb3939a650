"""A bound on a whole call of the Bot API, whatever the timeouts of its parts add up to."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from telegram.error import TimedOut

T = TypeVar("T")

# Of the calls that a loop waits for: less than telemetry.HUNG_S, as then Telegram is away and no loop hangs.
CALL_S = 45.0


async def within(limit_s: float, call: Awaitable[T]) -> T:
    """The call's result; raises TimedOut after limit_s, also if a byte arrives now and then."""
    try:
        async with asyncio.timeout(limit_s):
            return await call
    except TimeoutError:
        raise TimedOut from None
