"""What one provider's key allows: whether to ask now, and how long to keep still."""

from bot.providers.base import ProviderError, RateLimited, Unavailable

_AWAY_AFTER = 5  # unanswered questions in a row
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # while the gateway is away, one probe after each
_PLAIN_PAUSE_S = 1.0  # after a 429 that names no time


class Budget:
    """A gap between questions, a pause, and a bound on questions in flight; times are one steady clock's."""

    def __init__(self, max_rps: float, *, in_flight: int = 16) -> None:
        """max_rps: questions per second, above 0. in_flight: unanswered questions at the most."""
        self._gap_s = 1 / max_rps
        self._most_in_flight = in_flight
        self._in_flight = 0
        self._gap_until = 0.0
        self._still_until = 0.0
        self._unanswered = 0  # in a row
        self._pauses = 0  # since the gateway last answered

    @property
    def has_place(self) -> bool:
        """Whether one more question may be in flight; while the gateway is away, a probe goes alone."""
        return self._in_flight < (1 if self._unanswered >= _AWAY_AFTER else self._most_in_flight)

    @property
    def ready_at(self) -> float:
        """When the next question may be asked, if there is a place for it."""
        return max(self._gap_until, self._still_until)

    def allows(self, now: float) -> bool:
        """Whether a question may be asked now."""
        return self.has_place and now >= self.ready_at

    def asked(self, now: float) -> None:
        """A question was asked."""
        self._in_flight += 1
        self._gap_until = now + self._gap_s

    def answered(self, now: float, error: ProviderError | None) -> None:
        """It was answered, or failed with the error."""
        self._in_flight -= 1
        if isinstance(error, Unavailable):
            self._unanswered += 1
            if self._unanswered >= _AWAY_AFTER and now >= self._still_until:
                self._keep_still(now + _PAUSES_S[min(self._pauses, len(_PAUSES_S) - 1)])
                self._pauses += 1
            return
        self._unanswered = self._pauses = 0
        if isinstance(error, RateLimited):
            self._keep_still(now + (error.retry_after_s or _PLAIN_PAUSE_S))

    def _keep_still(self, until: float) -> None:
        self._still_until = max(self._still_until, until)
