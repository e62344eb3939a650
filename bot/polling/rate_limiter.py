"""The rate limit of one API key: an adaptive token bucket with a circuit breaker.

1. Tokens fill at the current rate, up to _BURST_S worth of them; a request takes one. Requests in flight are
   bounded, too.
2. While the rate is in use it grows by a factor per second: _SEARCH until the first 429, then _RECOVER.
3. The first 429 of a run cuts the rate to _CUT of it. Every 429 pauses all requests for the Retry-After that
   the gateway sent, or else with a growing backoff. A task that alone keeps getting 429s is ignored here.
4. After _REFUSING_AFTER 429s in a row the limiter is half open: one request in flight at a time.
5. While the circuit breaker is open (the gateway is away), one probe at a time, with a backoff; besides, up
   to _FIRST_POLLS polls of tasks that were never polled.
6. A request beside the polls, as for a fresh link, reserves the next token and waits; polls come after it.
"""

from collections.abc import Set
from dataclasses import replace
from random import Random

from bot.backoff import Backoff
from bot.polling.circuit_breaker import CircuitBreaker
from bot.providers.base import ProviderError, RateLimited
from bot.token_bucket import TokenBucket
from bot.watching.cadence import requested_wait_s
from storage.models import Cause

_UNKNOWN_RPS = 5.0  # the initial rate when no limit is configured
_SLOWEST_RPS = 0.05  # a 429 never cuts the rate below this
_BURST_S = 0.2  # how many seconds' worth of requests may be sent at once
_CUT = 0.7  # factor on the rate, once per run of 429s
_SEARCH = 1.1  # growth factor per second, until the first 429 ever
_RECOVER = 1.02  # growth factor per second, from then on
_REFUSING_AFTER = 2  # 429s in a row; if only the rate was too high, one pause suffices
_BACKOFF = Backoff(first_s=1.0, limit_s=15.0)  # between probes, and after 429s without a Retry-After
_FIRST_POLLS = 24  # polls of new tasks during an outage, since some may succeed
_LONGEST_WAIT_S = 60.0  # of a request beside the polls
_OWN_REFUSALS = 3  # 429s in a row of one task while others succeed: not caused by the rate


class AdaptiveRateLimiter:
    """An adaptive token bucket, a circuit breaker and a bound on requests in flight.

    All times are seconds of the monotonic clock. Only the first 429 of a run cuts the rate: further ones, and
    outages, are not caused by it, and finding the rate again takes minutes.
    """

    def __init__(self, max_rps: float | None, *, in_flight: int = 64, random: Random | None = None) -> None:
        """max_rps: the configured limit, above 0; None: unknown. in_flight: the most concurrent requests.

        random: of the backoff's jitter.
        """
        self._max_rps = max_rps
        rate = _UNKNOWN_RPS if max_rps is None else max_rps
        self._bucket = TokenBucket(rate, max(1.0, rate * _BURST_S), tokens=1.0)
        self._growth = _SEARCH
        self._slots = self._free_slots = in_flight
        self.requests = 0  # so far, those beside the polls included
        self._requested_at = 0.0
        self._paused_at = 0.0  # responses to older requests belong to the same incident
        self._refusals = 0  # 429s in a row
        self._breaker = CircuitBreaker()
        self._backoff = replace(_BACKOFF, random=random) if random else _BACKOFF
        self._probe_at = 0.0
        self._probe: int | None = None  # the task whose poll is the probe in flight
        self._first_polls = 0  # polls of new tasks since the circuit opened

    @property
    def rate(self) -> float:
        """The current rate, in requests per second."""
        return self._bucket.rate

    @property
    def in_flight(self) -> int:
        """How many polls have no response yet."""
        return self._slots - self._free_slots

    def tokens(self, now: float) -> float:
        """How many requests the rate allows at once; 0 during a pause, negative: more were sent."""
        return self._bucket.level(now)

    @property
    def is_away(self) -> bool:
        """Whether the circuit is open: the gateway is away, and requests are probes."""
        return self._breaker.is_open

    @property
    def is_half_open(self) -> bool:
        """Whether only one probe at a time may be in flight."""
        return self._breaker.is_open or self._refusals >= _REFUSING_AFTER

    @property
    def may_poll_first(self) -> bool:
        """Whether new tasks may still be polled during the outage."""
        return self._first_polls < _FIRST_POLLS

    def available(self, now: float) -> int:
        """How many requests may be sent now, probes included."""
        if now < self._probe_at:
            return 0
        slots = self._free_slots
        if self.is_half_open:
            slots = min(slots, 1 if self._probe is None else 0)
        return max(0, min(int(self._bucket.level(now)), slots))

    def available_first_polls(self, now: float) -> int:
        """How many new tasks may be polled now during an outage; failures do not lengthen the backoff."""
        if not self.is_away:
            return 0
        tokens = int(self._bucket.level(now))
        return max(0, min(tokens, self._free_slots, _FIRST_POLLS - self._first_polls))

    def ready_at(self, now: float) -> float:
        """When the next request may be sent, if no response arrives before."""
        return max(self._probe_at, self.first_poll_at(now))

    def first_poll_at(self, now: float) -> float:
        """When a new task may next be polled during an outage."""
        return now + self._bucket.wait_s(1.0, now)

    def on_request(self, now: float, task_id: int) -> None:
        """A request for the task is about to be sent."""
        if self.is_half_open and self.available(now):
            self._probe = task_id
        elif self.is_away:
            self._first_polls += 1
        self._bucket.take(now)
        self.requests += 1
        if now - self._requested_at <= 2 / self.rate:  # grow only a rate that is in use
            # By _growth in all, once a second's worth of requests is sent.
            grown = self.rate * self._growth ** (1 / max(self.rate, _SLOWEST_RPS))
            self._set_rate(grown if self._max_rps is None else min(grown, self._max_rps))
        self._free_slots -= 1
        self._requested_at = now

    def reserve(self, now: float) -> float:
        """Count a request beside the polls; return the seconds until it may be sent.

        Its token is taken at once: polls and later requests wait for the next one. Raises RateLimited if the
        wait would be longer than _LONGEST_WAIT_S, and longer than one request takes at this rate.
        """
        wait_s = self._bucket.wait_s(1.0, now)
        if wait_s > max(_LONGEST_WAIT_S, 1 / self.rate):
            raise RateLimited(
                "the key's rate limit is used up", cause=Cause.RATE_LIMITED, retry_after_s=wait_s
            )
        self._bucket.take(now)
        self.requests += 1
        return wait_s

    def on_response(
        self, now: float, task_id: int, error: ProviderError | None, *, requested_at: float
    ) -> Set[int]:
        """A request ended; return the tasks that failed only because of an outage that is over now."""
        self._free_slots += 1
        is_current = requested_at >= self._paused_at
        is_probe = self._probe == task_id
        if is_probe:
            self._probe = None
        if error is None:
            self._on_alive()
            if is_current:
                self._refusals = 0
            return self._breaker.on_snapshot(task_id, now)
        self._breaker.on_failure(task_id, now)
        if isinstance(error, RateLimited):
            self._on_alive()
            self._breaker.on_reply(now)
            if self._breaker.failures_alone(task_id) < _OWN_REFUSALS:
                self._on_429(now, error, is_current=is_current)
        elif error.is_gateway_reply:
            self._on_alive()
            self._breaker.on_reply(now)
            if is_current:
                self._refusals = 0
        elif (is_probe or not self.is_away) and self._breaker.on_silence(
            task_id, now, requested_at=requested_at
        ):
            self._paused_at = now
            self._probe_at = now + max(
                self._backoff.delay_s(self._breaker.failed_probes + 1), requested_wait_s(error)
            )
        return frozenset()

    def on_abandoned(self, task_id: int) -> None:
        """A request was not completed, for a reason of the bot's own: no evidence about the gateway."""
        self._free_slots += 1
        if self._probe == task_id:
            self._probe = None

    def forget(self, task_id: int) -> None:
        """Drop a task that is no longer polled here."""
        self._breaker.forget(task_id)

    def _on_alive(self) -> None:
        self._probe, self._probe_at, self._first_polls = None, 0.0, 0

    def _on_429(self, now: float, error: ProviderError, *, is_current: bool) -> None:
        if is_current:
            if self._refusals == 0:
                self._set_rate(max(self.rate * _CUT, min(self.rate, _SLOWEST_RPS)))
                self._growth = _RECOVER
            self._refusals += 1
        wait_s = requested_wait_s(error) or self._backoff.delay_s(max(1, self._refusals))
        self._paused_at = now
        self._bucket.pause(now + wait_s, tokens=1.0)

    def _set_rate(self, rate: float) -> None:
        self._bucket.rate, self._bucket.size = rate, max(1.0, rate * _BURST_S)
