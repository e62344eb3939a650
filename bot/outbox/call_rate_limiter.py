"""Counts every call to a chat in the one budget, and lets answers to commands wait for results."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

from bot.outbox.rate_limiter import ChatRateLimiter, is_accounted

_LONGEST_WAIT_S = 60.0  # an answer that waits for longer goes out all the same
_LONGEST_TICK_S = 1.0


class CallRateLimiter(BaseRateLimiter[None]):
    """For ExtBot; the courier accounts for its own calls before it claims deliveries, all others are here."""

    def __init__(
        self, rate_limiter: ChatRateLimiter, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._rate_limiter = rate_limiter
        self._sleep = sleep

    async def initialize(self) -> None:
        """Nothing to do."""

    async def shutdown(self) -> None:
        """Nothing to do."""

    async def process_request(  # noqa: PLR0917 - the base class names them
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: None,
    ) -> Any:
        """Make the call when its chat bears it."""
        chat_id = data.get("chat_id")
        if not isinstance(chat_id, int) or is_accounted.get():
            return await callback(*args, **kwargs)
        await self._wait(chat_id)
        self._rate_limiter.spend([chat_id])
        try:
            return await callback(*args, **kwargs)
        except RetryAfter as error:
            wait = error.retry_after
            self._rate_limiter.pause(
                chat_id, wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
            )
            raise

    async def _wait(self, chat_id: int) -> None:
        left_s = _LONGEST_WAIT_S
        while left_s > 0 and (wait_s := self._rate_limiter.reply_wait_s(chat_id)) > 0:
            tick_s = min(wait_s, left_s, _LONGEST_TICK_S)
            await self._sleep(tick_s)
            left_s -= tick_s
