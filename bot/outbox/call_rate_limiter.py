"""Applies the chat rate limits to all other calls of the bot, such as replies to commands."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

from bot.bot_api.request import flood_wait_s
from bot.outbox.rate_limiter import ChatRateLimiter, is_accounted

_LONGEST_WAIT_S = 60.0  # then the reply is sent anyway
_LONGEST_TICK_S = 1.0


class CallRateLimiter(BaseRateLimiter[None]):
    """The rate limiter of ExtBot; the delivery worker charges its own calls itself, before it claims."""

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
        """Make the call once its chat allows it."""
        chat_id = data.get("chat_id")
        if not isinstance(chat_id, int) or is_accounted.get():
            return await callback(*args, **kwargs)
        await self._wait(chat_id)
        self._rate_limiter.spend([chat_id])
        try:
            return await callback(*args, **kwargs)
        except RetryAfter as error:
            self._rate_limiter.pause(chat_id, flood_wait_s(error))
            raise

    async def _wait(self, chat_id: int) -> None:
        left_s = _LONGEST_WAIT_S
        while left_s > 0 and (wait_s := self._rate_limiter.reply_wait_s(chat_id)) > 0:
            tick_s = min(wait_s, left_s, _LONGEST_TICK_S)
            await self._sleep(tick_s)
            left_s -= tick_s
