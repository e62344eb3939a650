"""A simulated gateway with a rate limit and outages."""

import math
from dataclasses import dataclass, field

from bot.providers.base import ProviderError, RateLimited, Unavailable
from storage.models import Cause
from tests.bench.simulation.simulated_bot import Job

_RETRY_AFTER_S = 1.0


@dataclass(slots=True, kw_only=True)
class Gateway:
    """A token bucket with a capacity of one second, full at first; rejected requests cost nothing."""

    rate: float
    outage: tuple[float, float] = (0.0, 0.0)  # from, until
    requests: int = 0
    refused_at: list[float] = field(default_factory=list)
    failed_at: list[float] = field(default_factory=list)
    _tokens: float = 0.0
    _filled_at: float = -math.inf

    def request(self, now: float, job: Job) -> ProviderError | None:
        """Respond to a request at a time; None: success."""
        self.requests += 1
        if self.outage[0] <= now < self.outage[1]:
            self.failed_at.append(now)
            return Unavailable("503", cause=Cause.UNREACHABLE)
        self._tokens = min(self.rate, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            self.refused_at.append(now)
            return RateLimited("429", cause=Cause.RATE_LIMITED, retry_after_s=_RETRY_AFTER_S)
        self._tokens -= 1
        return None
