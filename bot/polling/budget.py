"""What one provider's key allows: how many questions now, and how long to keep still."""

from bot.providers.base import ProviderError, RateLimited, Unavailable

_BURST_S = 1.0  # how many seconds' worth of questions may be asked at once
_PAUSE_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # while the gateway is away, one probe after each
_AWAY_AFTER = 5  # unanswered questions in a row


class Budget:
    """A token bucket, a pause, and a bound on questions in flight. Times are seconds of one steady clock."""

    def __init__(self, max_rps: float, *, in_flight: int = 16) -> None:
        """max_rps: questions per second, above 0. in_flight: unanswered questions at the most."""
        self._max_rps = max_rps
        self._size = max(1.0, max_rps * _BURST_S)
        self._tokens = self._size
        self._filled_at = 0.0
        self._still_until = 0.0
        self._places = in_flight
        self._unanswered = 0

    def allowance(self, now: float) -> int:
        """How many questions may be asked now."""
        self._fill(now)
        if now < self._still_until:
            return 0
        places = min(self._places, 1) if self._unanswered >= _AWAY_AFTER else self._places
        return min(int(self._tokens), places)

    def ready_at(self, now: float) -> float:
        """When the allowance is next above zero, answers aside."""
        self._fill(now)
        return max(self._still_until, now + max(0.0, (1 - self._tokens) / self._max_rps))

    def asked(self, now: float) -> None:
        """A question was asked."""
        self._fill(now)
        self._tokens -= 1
        self._places -= 1

    def answered(self, now: float, error: ProviderError | None) -> None:
        """It was answered, or failed with the error."""
        self._places += 1
        if isinstance(error, Unavailable):
            self._unanswered += 1
            over = self._unanswered - _AWAY_AFTER
            if over >= 0:
                self._still_until = max(self._still_until, now + _PAUSE_S[min(over, len(_PAUSE_S) - 1)])
            return
        self._unanswered = 0
        if isinstance(error, RateLimited):
            self._still_until = max(self._still_until, now + (error.retry_after_s or 1.0))

    def _fill(self, now: float) -> None:
        self._tokens = min(self._size, self._tokens + max(0.0, now - self._filled_at) * self._max_rps)
        self._filled_at = max(now, self._filled_at)
