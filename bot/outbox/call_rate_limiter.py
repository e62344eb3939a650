"""The rate limiter on the bot: the one place where calls of the Bot API are counted, also for /metrics.

Deliveries do not wait here: their worker asks the limits before it claims one. All other calls to a chat, as
replies to commands and reports to admins, wait until the chat allows a reply.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.ext import BaseRateLimiter

from bot.bot_api.request import flood_wait_s, is_not_modified
from bot.metrics import CallOutcome, Metrics
from bot.outbox.rate_limiter import ChatRateLimiter, current_permit

_LONGEST_WAIT_S = 60.0  # then the call is made anyway
_LONGEST_TICK_S = 1.0
# Also allowed once the term is over: it removes a message whose id the next leader does not know.
_ALWAYS_ALLOWED = "deleteMessage"


class CallRateLimiter(BaseRateLimiter[None]):
    """Counts every call of a bot but getUpdates, which python-telegram-bot keeps from rate limiters."""

    def __init__(
        self,
        rate_limiter: ChatRateLimiter,
        metrics: Metrics | None = None,
        *,
        ensure_leads: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """ensure_leads: raises LeadershipLost if no call may be made."""
        self._rate_limiter = rate_limiter
        self._ensure_leads = ensure_leads
        self._calls = (metrics or Metrics()).telegram_calls
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
        """Count the call and make it, a reply once its chat allows it; a flood wait pauses the chat."""
        # A question about a chat's members is no message: it neither counts for the chat nor waits.
        chat_id = None if endpoint.startswith("get") else data.get("chat_id")
        permit = current_permit.get()
        if not isinstance(chat_id, int):
            chat_id = permit = None
        elif permit is None:
            await self._wait(chat_id)
        if endpoint != _ALWAYS_ALLOWED:
            self._ensure_leads()
        self._rate_limiter.spend(chat_id, permit)
        try:
            result = await callback(*args, **kwargs)
        except TelegramError as error:
            self._calls.labels(_outcome(error)).inc()
            if isinstance(error, RetryAfter) and chat_id is not None:
                self._rate_limiter.pause(chat_id, flood_wait_s(error))
            raise
        self._calls.labels(CallOutcome.SUCCESS).inc()
        return result

    async def _wait(self, chat_id: int) -> None:
        left_s = _LONGEST_WAIT_S
        while left_s > 0 and (wait_s := self._rate_limiter.reply_wait_s(chat_id)) > 0:
            tick_s = min(wait_s, left_s, _LONGEST_TICK_S)
            await self._sleep(tick_s)
            left_s -= tick_s


def _outcome(error: TelegramError) -> CallOutcome:
    match error:
        case RetryAfter():
            return CallOutcome.FLOOD_WAIT
        case BadRequest() if is_not_modified(error):
            return CallOutcome.SUCCESS
        case BadRequest() | Forbidden() | InvalidToken() | ChatMigrated():
            return CallOutcome.REFUSED
        case _:
            return CallOutcome.FAILED
