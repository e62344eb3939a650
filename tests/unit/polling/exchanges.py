"""Requests and responses, as reported to a rate limiter."""

from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import ProviderError, Unavailable
from storage.models import Cause

AWAY = Unavailable("", cause=Cause.UNREACHABLE)


def exchange(
    limiter: AdaptiveRateLimiter, now: float, error: ProviderError | None = None, *, task: int = 1
) -> None:
    """A request and its response."""
    limiter.on_request(now, task)
    limiter.on_response(now, task, error, requested_at=now)


def open_circuit(limiter: AdaptiveRateLimiter, *, at: float) -> None:
    """Open the circuit by failures of different tasks."""
    for task in range(3):
        exchange(limiter, at, AWAY, task=task)
