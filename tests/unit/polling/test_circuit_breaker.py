"""The circuit breaker, and failures of single tasks."""

import pytest

from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from storage.models import Cause
from tests.fakes.jitter import NO_JITTER
from tests.unit.polling.exchanges import AWAY, exchange, open_circuit

TOO_MANY = RateLimited("", cause=Cause.RATE_LIMITED)


def from_gateway(error: ProviderError) -> ProviderError:
    """The same error in a response of the gateway itself (JSON)."""
    error.is_gateway_reply = True
    return error


@pytest.mark.parametrize(
    "error",
    [
        from_gateway(Unavailable("", cause=Cause.UNREACHABLE)),
        from_gateway(BadResponse("", cause=Cause.ODD_ANSWER)),
        AuthFailed("", cause=Cause.KEY_INVALID),
        TaskMissing("", cause=Cause.TASK_MISSING),
    ],
    ids=["a 5xx in JSON", "JSON without a status", "a refused key", "an unknown id"],
)
def test_error_responses_of_the_gateway_itself_never_open_the_circuit(error: ProviderError):
    limiter = AdaptiveRateLimiter(1000)
    for task in range(50):
        exchange(limiter, 1.0 + task, error, task=task)

    assert not limiter.is_away
    assert limiter.available(100.0) > 1


def test_one_task_that_always_fails_opens_no_circuit():
    limiter = AdaptiveRateLimiter(1000)
    for at in range(50):
        exchange(limiter, float(at), AWAY, task=7)

    assert not limiter.is_away


def test_a_timeout_does_not_count_if_others_succeeded_since_the_request():
    limiter = AdaptiveRateLimiter(1000)
    for task in range(5):
        limiter.on_request(0.0, task)
    exchange(limiter, 10.0, task=99)
    for task in range(5):
        limiter.on_response(20.0, task, AWAY, requested_at=0.0)

    assert not limiter.is_away


def test_tasks_that_keep_failing_while_another_succeeds_open_no_circuit():
    limiter = AdaptiveRateLimiter(1000)
    opened = []
    for at in range(1, 20):
        for task in range(5):
            exchange(limiter, float(at), AWAY, task=task)
        opened.append(limiter.is_away)
        exchange(limiter, at + 0.9, task=99)

    assert opened == [True] * 2 + [False] * 17


def test_new_tasks_are_polled_beside_the_probes_but_only_so_many_while_the_gateway_is_away():
    limiter, now, polled = AdaptiveRateLimiter(1000, random=NO_JITTER), 0.0, 0
    open_circuit(limiter, at=now)
    while now < 0.9:
        now += 0.01
        if limiter.available_first_polls(now):
            exchange(limiter, now, AWAY, task=100 + polled)
            polled += 1

    assert polled == 24
    assert limiter.ready_at(now) == pytest.approx(1.0), "their failures put off the probe"


def test_after_an_outage_the_tasks_that_failed_because_of_it_are_returned():
    limiter = AdaptiveRateLimiter(1000)
    open_circuit(limiter, at=0.0)
    limiter.on_request(7.0, 99)

    assert limiter.on_response(7.0, 99, None, requested_at=7.0) == {0, 1, 2}


def test_a_short_outage_frees_no_task_from_its_backoff():
    limiter = AdaptiveRateLimiter(1000)
    open_circuit(limiter, at=0.0)
    limiter.on_request(1.0, 99)

    assert not limiter.on_response(1.0, 99, None, requested_at=1.0)


def test_a_task_that_succeeds_after_errors_frees_those_with_the_same_errors():
    limiter, busy = AdaptiveRateLimiter(1000), from_gateway(Unavailable("", cause=Cause.UNREACHABLE))
    for at in (0.0, 10.0):
        for task in range(2):
            exchange(limiter, at, busy, task=task)
    limiter.on_request(20.0, 0)

    assert limiter.on_response(20.0, 0, None, requested_at=20.0) == {1}


def test_429s_of_one_task_only_do_not_slow_down_the_others():
    limiter = AdaptiveRateLimiter(20)
    for at in range(0, 400, 4):
        exchange(limiter, float(at), TOO_MANY, task=7)
        exchange(limiter, at + 2.0, task=99)

    assert limiter.rate > 5


def test_of_forgotten_tasks_nothing_is_kept():
    limiter = AdaptiveRateLimiter(1000)
    open_circuit(limiter, at=0.0)
    for task in range(3):
        limiter.forget(task)
    limiter.on_request(9.0, 99)

    assert not limiter.on_response(9.0, 99, None, requested_at=9.0)


def test_a_request_that_was_abandoned_gives_its_slot_and_the_probe_back():
    limiter = AdaptiveRateLimiter(1000)
    open_circuit(limiter, at=0.0)
    limiter.on_request(1.0, 5)
    limiter.on_abandoned(5)

    assert limiter.available(1.1) == 1
