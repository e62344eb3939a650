"""Requests and answers, as a rate limiter learns of them."""

from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import ProviderError, Unavailable
from storage.models import Cause

AWAY = Unavailable("", cause=Cause.UNREACHABLE)


def exchange(
    limiter: AdaptiveRateLimiter, now: float, error: ProviderError | None = None, *, task: int = 1
) -> None:
    """A request and its answer."""
    limiter.on_request(now, task)
    limiter.on_response(now, task, error, requested_at=now)


def go_away(limiter: AdaptiveRateLimiter, *, at: float) -> None:
    """So many questions without an answer that the gateway counts as away."""
    for task in range(3):
        exchange(limiter, at, AWAY, task=task)
