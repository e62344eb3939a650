"""What one provider's key allows: how many questions now, how fast at most, and how long to keep still."""

from bot.providers.base import BadAnswer, ProviderError, RateLimited, Unavailable
from bot.watching.cadence import wish_s

_UNKNOWN_RPS = 5.0  # where to begin when nobody has published an allowance
_SLOWEST_RPS = 0.05
_BURST_S = 0.2  # how many seconds' worth of questions may be asked at once
_CUT = 0.7  # of the rate, once per run of refusals
_SEARCH = 1.1  # a second, until the first refusal ever
_RECOVER = 1.02  # a second, from then on
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # while the gateway is shut, one probe after each
_AWAY_AFTER = 3  # questions in a row that the gateway did not answer, or answered with nonsense
_SHUT_AFTER = 2  # refusals in a row, since one pause mends a rate that was too high


class Budget:
    """A token bucket whose rate adapts, a pause, and a bound on questions in flight.

    All times are seconds of one steady clock. Too many questions lower the rate; an outage does not, nor do
    refusals that follow on one another, because then the rate is not the fault and learning it anew takes
    minutes.
    """

    def __init__(self, max_rps: float | None, *, in_flight: int = 64) -> None:
        """max_rps: the published rate, above 0; None: unknown. in_flight: most questions unanswered."""
        self._max_rps = max_rps
        self._rate = _UNKNOWN_RPS if max_rps is None else max_rps
        self._growth = _SEARCH
        self._tokens = 1.0
        self._filled_at = 0.0
        self._places = in_flight
        self._asked_at = 0.0
        self._still_until = 0.0
        self._still_since = 0.0  # answers to older questions belong to what brought the pause
        self._unanswered = 0
        self._refusals = 0  # in a row
        self._probing = False

    @property
    def rate(self) -> float:
        """Questions per second at present."""
        return self._rate

    def allowance(self, now: float) -> int:
        """How many questions may be asked now."""
        self._fill(now)
        if now < self._still_until:
            return 0
        places = min(self._places, 0 if self._probing else 1) if self._is_shut() else self._places
        return max(0, min(int(self._tokens), places))

    def ready_at(self, now: float) -> float:
        """When the allowance is next above zero, answers aside."""
        self._fill(now)
        return max(self._still_until, now + max(0.0, (1 - self._tokens) / self._rate))

    def asked(self, now: float) -> None:
        """A question was asked."""
        self._fill(now)
        if now - self._asked_at <= 2 / self._rate:  # a rate that is not used proves nothing
            self._grow()
        self._tokens -= 1
        self._places -= 1
        self._asked_at = now
        self._probing = self._is_shut()

    def answered(self, now: float, error: ProviderError | None, *, asked_at: float) -> None:
        """A question that was asked then was answered, or failed with the error."""
        self._places += 1
        is_news = asked_at >= self._still_since
        match error:
            case Unavailable() | BadAnswer():
                self._failed(now, error, is_news=is_news)
            case RateLimited():
                self._answers()
                self._refused(now, error, is_news=is_news)
            case _:
                self._answers()
                if is_news:
                    self._refusals = 0

    def _failed(self, now: float, error: ProviderError, *, is_news: bool) -> None:
        if not is_news:
            return
        self._probing = False
        self._unanswered += 1
        if self._unanswered >= _AWAY_AFTER:
            self._pause(now, max(_pause_s(self._unanswered - _AWAY_AFTER + 1), wish_s(error)))

    def _refused(self, now: float, error: ProviderError, *, is_news: bool) -> None:
        if is_news:
            if self._refusals == 0:
                self._rate = max(self._rate * _CUT, min(self._rate, _SLOWEST_RPS))
                self._growth = _RECOVER
            self._refusals += 1
        self._pause(now, wish_s(error) or _pause_s(max(1, self._refusals)))

    def _answers(self) -> None:
        self._unanswered = 0
        self._probing = False

    def _pause(self, now: float, pause_s: float) -> None:
        self._still_since = now
        self._still_until = max(self._still_until, now + pause_s)
        self._tokens = 1.0
        self._filled_at = self._still_until

    def _is_shut(self) -> bool:
        """Whether the gateway is away, or refuses whatever is asked."""
        return self._unanswered >= _AWAY_AFTER or self._refusals >= _SHUT_AFTER

    def _grow(self) -> None:
        """One question more is worth so much of a second."""
        grown = self._rate * self._growth ** (1 / max(self._rate, _SLOWEST_RPS))
        self._rate = grown if self._max_rps is None else min(grown, self._max_rps)

    def _fill(self, now: float) -> None:
        size = max(1.0, self._rate * _BURST_S)
        self._tokens = min(size, self._tokens + max(0.0, now - self._filled_at) * self._rate)
        self._filled_at = max(now, self._filled_at)


def _pause_s(times: int) -> float:
    """The pause after the first sign that the gateway is shut, the second, and so on."""
    return _PAUSES_S[min(times, len(_PAUSES_S)) - 1]
