"""The rate limit of a key."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from storage.models import Cause
from tests.fakes.jitter import NO_JITTER
from tests.unit.polling.exchanges import AWAY, exchange, open_circuit

ODD = BadResponse("", cause=Cause.ODD_ANSWER)


def too_many(retry_after_s: float | None = None) -> RateLimited:
    return RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=retry_after_s)


def use_fully(limiter: AdaptiveRateLimiter, *, since: float, until: float) -> int:
    """Send as many requests as allowed, and return their number."""
    now, asked = since, 0
    while (now := max(now, limiter.ready_at(now))) < until:
        exchange(limiter, now)
        asked += 1
    return asked


def test_the_first_request_is_free():
    assert AdaptiveRateLimiter(10).available(0.0) == 1


def test_requests_are_spaced_by_the_rate():
    limiter = AdaptiveRateLimiter(4)
    exchange(limiter, 100.0)

    assert limiter.available(100.2) == 0
    assert limiter.ready_at(100.2) == pytest.approx(100.25)
    assert limiter.available(100.25) == 1


def test_the_burst_is_bounded_at_a_fifth_of_a_second():
    limiter = AdaptiveRateLimiter(50)
    exchange(limiter, 0.0)

    assert limiter.available(3600.0) == 10


@settings(max_examples=100)
@given(
    max_rps=st.floats(0.05, 50),
    waits_s=st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=60),
)
def test_no_window_holds_more_requests_than_the_key_allows(max_rps: float, waits_s: list[tuple[float, bool]]):
    limiter, now, asked = AdaptiveRateLimiter(max_rps, in_flight=10_000), 0.0, []
    for wait_s, has_fresh_link in waits_s:
        now += wait_s
        if has_fresh_link:
            with contextlib.suppress(RateLimited):
                asked.append(now + limiter.reserve(now))
        for _ in range(limiter.available(now)):
            limiter.on_request(now, 1)
            asked.append(now)
    asked.sort()

    burst = max(1.0, max_rps / 5)
    for first, begin in enumerate(asked):
        for count, end in enumerate(asked[first:], start=1):
            assert count <= (end - begin) * max_rps + burst + 1e-6


@settings(max_examples=100)
@given(
    max_rps=st.none() | st.floats(0.05, 1000),
    steps=st.lists(st.sampled_from([None, AWAY, ODD, too_many(), too_many(3.3)]), max_size=30),
)
def test_at_ready_at_a_request_is_allowed(max_rps: float | None, steps: list[ProviderError | None]):
    limiter, now = AdaptiveRateLimiter(max_rps), 0.0
    for error in steps:
        now = limiter.ready_at(now) + 1e-6  # floats
        assert limiter.available(now) >= 1
        exchange(limiter, now, error)


def test_requests_in_flight_are_bounded():
    limiter = AdaptiveRateLimiter(1000, in_flight=2)
    limiter.on_request(0.0, 1)
    limiter.on_request(1.0, 1)

    assert limiter.available(99.0) == 0
    limiter.on_response(99.0, 1, None, requested_at=0.0)
    assert limiter.available(99.0) == 1


@pytest.mark.parametrize(("wish_s", "pause_s"), [(3600.0, 3600.0), (0.5, 0.5), (None, 1.0), (0.0, 1.0)])
def test_a_429_pauses_the_key_for_the_retry_after(wish_s: float | None, pause_s: float):
    limiter = AdaptiveRateLimiter(1000, random=NO_JITTER)
    exchange(limiter, 10.0, too_many(wish_s))

    assert limiter.ready_at(10.0) == 10.0 + pause_s
    assert limiter.available(10.0 + pause_s - 0.01) == 0
    assert limiter.available(10.0 + pause_s) == 1


def test_a_response_does_not_shorten_a_pause():
    limiter = AdaptiveRateLimiter(1000)
    limiter.on_request(0.0, 1)
    exchange(limiter, 1.0, too_many(30))
    limiter.on_response(2.0, 1, None, requested_at=0.0)

    assert limiter.ready_at(2.0) == 31.0


def test_a_burst_of_429s_is_one_cut():
    limiter = AdaptiveRateLimiter(100)
    for at in (0.0, 0.1, 0.2):
        limiter.on_request(at, 1)
    for at in (0.0, 0.1, 0.2):
        limiter.on_response(0.5 + at, 1, too_many(), requested_at=at)
    assert limiter.rate == pytest.approx(70)

    exchange(limiter, 2.0)
    exchange(limiter, 2.0, too_many())
    assert limiter.rate == pytest.approx(49, rel=0.01)


def respond_429(limiter: AdaptiveRateLimiter, *, times: int, wish_s: float | None = None) -> list[float]:
    """Respond to each allowed request with a 429; return the pauses."""
    now, pauses = 0.0, []
    for _ in range(times):
        exchange(limiter, now, too_many(wish_s))
        pauses.append(limiter.ready_at(now) - now)
        now = limiter.ready_at(now)
    return pauses


def test_429s_in_a_row_are_one_cut_and_lengthen_the_pause():
    limiter = AdaptiveRateLimiter(20, random=NO_JITTER)

    assert respond_429(limiter, times=6) == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert limiter.rate == pytest.approx(14, rel=0.01)

    exchange(limiter, 100.0)
    exchange(limiter, 100.0, too_many())
    assert limiter.ready_at(100.0) == 101.0, "the next run begins with the shortest pause"


def test_retry_after_is_respected_however_many_429s():
    assert respond_429(AdaptiveRateLimiter(20), times=4, wish_s=3.0) == [3.0, 3.0, 3.0, 3.0]


def test_a_gateway_that_sends_429s_only_gets_one_probe_after_each_pause():
    limiter = AdaptiveRateLimiter(1000)
    exchange(limiter, 0.0, too_many())
    assert limiter.available(1.5) > 1
    exchange(limiter, 1.5, too_many())

    assert limiter.available(4.0) == 1
    limiter.on_request(4.0, 1)
    assert limiter.available(4.5) == 0
    limiter.on_response(4.5, 1, None, requested_at=4.0)
    assert limiter.available(4.7) > 1


def test_a_response_to_an_older_request_ends_no_run_of_429s():
    limiter = AdaptiveRateLimiter(1000, random=NO_JITTER)
    limiter.on_request(0.0, 1)
    exchange(limiter, 1.0, too_many())
    limiter.on_response(1.5, 1, None, requested_at=0.0)

    exchange(limiter, 2.0, too_many())

    assert limiter.rate == 700
    assert limiter.ready_at(2.0) == 4.0


def test_a_late_429_pauses_no_longer_than_the_first():
    limiter = AdaptiveRateLimiter(1000, random=NO_JITTER)
    limiter.on_request(0.0, 1)
    exchange(limiter, 1.0, too_many())
    exchange(limiter, 2.0)

    limiter.on_response(3.0, 1, too_many(), requested_at=0.0)

    assert limiter.ready_at(3.0) == 4.0


def test_an_unknown_rate_grows_fast_until_the_first_429():
    limiter = AdaptiveRateLimiter(None)
    assert limiter.rate == 5.0

    use_fully(limiter, since=0.0, until=10.0)
    found = limiter.rate
    assert found == pytest.approx(5 * 1.1**10, rel=0.05)

    exchange(limiter, 10.0, too_many())
    use_fully(limiter, since=11.0, until=21.0)
    assert limiter.rate == pytest.approx(found * 0.7 * 1.02**10, rel=0.05)


def test_a_configured_rate_is_never_exceeded():
    limiter = AdaptiveRateLimiter(8)
    exchange(limiter, 0.0, too_many())

    asked = use_fully(limiter, since=1.0, until=61.0)

    assert limiter.rate == 8
    assert asked <= 8 * 60 + 2


def test_a_rate_that_is_not_used_is_not_raised():
    limiter = AdaptiveRateLimiter(None)
    for at in range(1000, 1100):
        exchange(limiter, float(at))

    assert limiter.rate == 5.0


def test_no_number_of_429s_stops_a_key_for_long():
    limiter = AdaptiveRateLimiter(20)
    for at in range(200):
        exchange(limiter, 3.0 * at, None if at % 2 else too_many())
    assert limiter.ready_at(600.0) <= 600.0 + 1 / 0.03

    use_fully(limiter, since=600.0, until=840.0)
    assert limiter.rate > 1.0


@pytest.mark.parametrize("error", [AWAY, ODD])
def test_two_failed_requests_do_not_open_the_circuit(error: ProviderError):
    limiter = AdaptiveRateLimiter(1000)
    for at in (0.0, 1.0):
        exchange(limiter, at, error, task=int(at))
    assert limiter.available(1.1) > 1

    exchange(limiter, 1.1, error, task=2)
    assert limiter.available(1.2) == 0


def test_a_gateway_that_is_away_gets_one_probe_after_each_pause_and_keeps_its_rate():
    limiter, now, pauses = AdaptiveRateLimiter(1000, random=NO_JITTER), 0.0, []
    open_circuit(limiter, at=now)
    for _ in range(6):
        ready_at = limiter.ready_at(now)
        pauses.append(ready_at - now)
        now = ready_at
        assert limiter.available(now) == 1
        limiter.on_request(now, 1)
        assert limiter.available(now + 0.5) == 0, "a second probe beside the first"
        limiter.on_response(now, 1, AWAY, requested_at=now)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert limiter.rate == 1000


@pytest.mark.parametrize(("wish_s", "pause_s"), [(30.0, 30.0), (3600.0, 60.0)])
def test_retry_after_during_an_outage_counts_up_to_a_minute(wish_s: float, pause_s: float):
    limiter = AdaptiveRateLimiter(1000)
    for task in range(3):
        exchange(limiter, 0.0, Unavailable("", cause=Cause.UNREACHABLE, retry_after_s=wish_s), task=task)

    assert limiter.ready_at(0.0) == pause_s


def test_requests_that_fail_together_cause_one_pause():
    limiter = AdaptiveRateLimiter(1000, random=NO_JITTER)
    for at in range(10):
        limiter.on_request(float(at), at)
    for at in range(10):
        limiter.on_response(10.0, at, AWAY, requested_at=float(at))

    assert limiter.ready_at(10.0) == 11.0


@pytest.mark.parametrize(
    "answer",
    [None, AuthFailed("", cause=Cause.KEY_INVALID), TaskMissing("", cause=Cause.TASK_MISSING)],
    ids=["a snapshot", "a wrong key", "an unknown id"],
)
def test_any_response_of_the_gateway_closes_the_circuit(answer: ProviderError | None):
    limiter = AdaptiveRateLimiter(1000, random=NO_JITTER)
    open_circuit(limiter, at=0.0)
    exchange(limiter, 1.0, answer)
    assert limiter.available(2.0) > 1

    open_circuit(limiter, at=4.0)
    assert limiter.ready_at(4.0) == 5.0, "the next outage begins with the shortest pause"


def test_a_429_closes_the_circuit():
    limiter = AdaptiveRateLimiter(1000)
    open_circuit(limiter, at=0.0)
    exchange(limiter, 1.0, too_many(3.0))

    assert limiter.available(4.5) > 1


def test_a_request_beside_the_polls_takes_the_next_token_before_them():
    limiter = AdaptiveRateLimiter(2)
    exchange(limiter, 100.0)

    assert limiter.reserve(100.1) == pytest.approx(0.4)
    assert limiter.reserve(100.2) == pytest.approx(0.8)
    assert limiter.available(101.4) == 0
    assert limiter.ready_at(101.4) == pytest.approx(101.5)
    assert limiter.available(101.5) == 1


def test_a_request_beside_the_polls_is_sent_at_once_if_there_is_a_token():
    limiter = AdaptiveRateLimiter(2)

    assert limiter.reserve(100.0) == 0
    assert limiter.available(100.0) == 0


def test_a_request_beside_the_polls_waits_until_a_pause_ends():
    limiter = AdaptiveRateLimiter(2)
    exchange(limiter, 100.0, too_many(retry_after_s=30))

    assert limiter.reserve(110.0) == pytest.approx(20.0)
    assert limiter.reserve(110.0) == pytest.approx(20.0 + 1 / limiter.rate)
    assert limiter.available(130.0) == 0


def test_a_request_beside_the_polls_that_would_wait_for_over_a_minute_is_rejected_and_not_counted():
    limiter = AdaptiveRateLimiter(2)
    exchange(limiter, 100.0, too_many(retry_after_s=90))

    with pytest.raises(RateLimited) as rejected:
        limiter.reserve(100.0)

    assert rejected.value.retry_after_s == pytest.approx(90.0)
    assert limiter.available(190.0) == 1


def test_the_first_request_beside_the_polls_is_never_rejected_for_a_low_rate():
    limiter = AdaptiveRateLimiter(0.01)
    exchange(limiter, 100.0)

    assert limiter.reserve(100.0) == pytest.approx(100.0)
    with pytest.raises(RateLimited):
        limiter.reserve(100.0)
