"""What one provider's key allows: how many requests now, how fast at most, and how long to pause."""

from collections.abc import Set

from bot.polling.circuit_breaker import CircuitBreaker, pause_s
from bot.providers.base import ProviderError, RateLimited
from bot.watching.cadence import requested_wait_s

_UNKNOWN_RPS = 5.0  # where to begin when nobody has published a limit
_SLOWEST_RPS = 0.05
_BURST_S = 0.2  # how many seconds' worth of requests may be sent at once
_CUT = 0.7  # of the rate, once per run of 429s
_SEARCH = 1.1  # a second, until the first 429 ever
_RECOVER = 1.02  # a second, from then on
_REFUSING_AFTER = 2  # 429s in a row, since one pause mends a rate that was too high
_FIRST_POLLS = 24  # of new tasks while the gateway is away: one of them may be answered
_OWN_REFUSALS = 3  # 429s in a row of one task while others were answered: they are not about the rate


class AdaptiveRateLimiter:
    """A token bucket whose rate adapts, a circuit breaker, and a bound on requests in flight.

    All times are seconds of one steady clock. Too many requests lower the rate; an outage does not, nor do
    429s that follow on one another, because then the rate is not the fault and learning it anew takes
    minutes.
    """

    def __init__(self, max_rps: float | None, *, in_flight: int = 64) -> None:
        """max_rps: the published rate, above 0; None: unknown. in_flight: most requests unanswered."""
        self._max_rps = max_rps
        self._rate = _UNKNOWN_RPS if max_rps is None else max_rps
        self._growth = _SEARCH
        self._tokens = 1.0
        self._filled_at = 0.0
        self._free_slots = in_flight
        self._requested_at = 0.0
        self._paused_until = 0.0
        self._paused_at = 0.0  # answers to older requests belong to what brought the pause
        self._refusals = 0  # 429s in a row
        self._breaker = CircuitBreaker()
        self._probe_at = 0.0
        self._probe: int | None = (
            None  # the task that is polled to find out whether the next will be answered
        )
        self._first_polls = 0  # of new tasks since the gateway is away

    @property
    def rate(self) -> float:
        """Requests per second at present."""
        return self._rate

    @property
    def is_away(self) -> bool:
        """Whether the gateway counts as away, so that a request is a probe."""
        return self._breaker.is_open

    @property
    def is_half_open(self) -> bool:
        """Whether one request at a time is sent to find out whether the next will be answered."""
        return self._breaker.is_open or self._refusals >= _REFUSING_AFTER

    @property
    def may_poll_first(self) -> bool:
        """Whether new tasks may be polled though the gateway is away."""
        return self._first_polls < _FIRST_POLLS

    def available(self, now: float) -> int:
        """How many requests may be sent now."""
        self._fill(now)
        if now < max(self._paused_until, self._probe_at):
            return 0
        slots = self._free_slots
        if self.is_half_open:
            slots = min(slots, 1 if self._probe is None else 0)
        return max(0, min(int(self._tokens), slots))

    def available_first_polls(self, now: float) -> int:
        """How many new tasks may be polled now beside the probes; their failure is no failed probe."""
        self._fill(now)
        if not self.is_away or now < self._paused_until:
            return 0
        return max(0, min(int(self._tokens), self._free_slots, _FIRST_POLLS - self._first_polls))

    def ready_at(self, now: float) -> float:
        """When a request may next be sent, answers aside."""
        return max(self._probe_at, self.first_poll_at(now))

    def first_poll_at(self, now: float) -> float:
        """When a new task may next be polled though the gateway is away."""
        self._fill(now)
        return max(self._paused_until, now + max(0.0, (1 - self._tokens) / self._rate))

    def on_request(self, now: float, task_id: int) -> None:
        """A request for the task was sent."""
        if self.is_half_open and self.available(now):
            self._probe = task_id
        elif self.is_away:
            self._first_polls += 1
        self._fill(now)
        if now - self._requested_at <= 2 / self._rate:  # a rate that is not used proves nothing
            self._grow()
        self._tokens -= 1
        self._free_slots -= 1
        self._requested_at = now

    def on_response(
        self, now: float, task_id: int, error: ProviderError | None, *, requested_at: float
    ) -> Set[int]:
        """A request was answered or failed; return the tasks that waited only for the gateway."""
        self._free_slots += 1
        is_news = requested_at >= self._paused_at
        is_probe = self._probe == task_id
        if is_probe:
            self._probe = None
        if error is None:
            self._on_alive()
            if is_news:
                self._refusals = 0
            return self._breaker.on_snapshot(task_id, now)
        self._breaker.on_failure(task_id, now)
        if isinstance(error, RateLimited):
            self._on_alive()
            self._breaker.on_reply(now)
            if self._breaker.failures_alone(task_id) < _OWN_REFUSALS:
                self._refused(now, error, is_news=is_news)
        elif error.is_gateway_reply:
            self._on_alive()
            self._breaker.on_reply(now)
            if is_news:
                self._refusals = 0
        elif (is_probe or not self.is_away) and self._breaker.on_silence(
            task_id, now, requested_at=requested_at
        ):
            self._paused_at = now
            self._probe_at = now + max(self._breaker.pause_s, requested_wait_s(error))
        return frozenset()

    def on_abandoned(self, task_id: int) -> None:
        """A request came to nothing for a reason of the bot's own."""
        self._free_slots += 1
        if self._probe == task_id:
            self._probe = None

    def forget(self, task_id: int) -> None:
        """The task is no longer polled here."""
        self._breaker.forget(task_id)

    def _on_alive(self) -> None:
        self._probe, self._probe_at, self._first_polls = None, 0.0, 0

    def _refused(self, now: float, error: ProviderError, *, is_news: bool) -> None:
        if is_news:
            if self._refusals == 0:
                self._rate = max(self._rate * _CUT, min(self._rate, _SLOWEST_RPS))
                self._growth = _RECOVER
            self._refusals += 1
        self._pause(now, requested_wait_s(error) or pause_s(max(1, self._refusals)))

    def _pause(self, now: float, for_s: float) -> None:
        self._paused_at = now
        self._paused_until = max(self._paused_until, now + for_s)
        self._tokens = 1.0
        self._filled_at = self._paused_until

    def _grow(self) -> None:
        """Grow the rate by the growth per second's worth of requests."""
        grown = self._rate * self._growth ** (1 / max(self._rate, _SLOWEST_RPS))
        self._rate = grown if self._max_rps is None else min(grown, self._max_rps)

    def _fill(self, now: float) -> None:
        size = max(1.0, self._rate * _BURST_S)
        self._tokens = min(size, self._tokens + max(0.0, now - self._filled_at) * self._rate)
        self._filled_at = max(now, self._filled_at)
