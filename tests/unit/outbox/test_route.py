"""The circuit breaker: when it opens, probes and closes."""

import pytest

from bot.outbox.route import TelegramRoute
from tests.fakes.clock import SteadyClock
from tests.fakes.jitter import are_jittered


@pytest.fixture
def seconds() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def route(seconds: SteadyClock) -> TelegramRoute:
    return TelegramRoute(clock=seconds)


def test_a_call_without_a_response_causes_a_probe_at_once(route: TelegramRoute):
    route.failed(1)

    assert route.is_down
    assert route.next_probe_in_s() == 0


def test_pauses_between_probes_grow_up_to_five_seconds(route: TelegramRoute, seconds: SteadyClock):
    route.failed(1)
    pauses_s = []
    for _ in range(6):
        route.probe_failed()
        route.failed(2)  # was in progress already
        pauses_s.append(route.next_probe_in_s())
        seconds.advance(pauses_s[-1])
        assert route.next_probe_in_s() == 0

    assert are_jittered(pauses_s, [1, 2, 4, 5, 5, 5])


def test_an_outage_has_one_beginning_and_one_end(route: TelegramRoute):
    route.failed(1)

    assert [route.probe_failed(), route.probe_failed()] == [True, False]
    assert [route.responded(), route.responded()] == [True, False]
    assert not route.is_down


def test_deliveries_that_failed_during_an_outage_are_retried_soon(route: TelegramRoute):
    for _ in range(100):
        route.failed(1)
        route.probe_failed()
    route.responded()

    assert are_jittered([route.retry_in_s(1)], [2])


def test_a_delivery_that_fails_while_telegram_responds_is_retried_with_backoff(route: TelegramRoute):
    waits_s = []
    for _ in range(10):
        route.failed(1)
        waits_s.append(route.retry_in_s(1))
        assert not route.responded()

    assert are_jittered(waits_s, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
    assert are_jittered([route.retry_in_s(2)], [2])
    route.forget(1)
    assert are_jittered([route.retry_in_s(1)], [2])


def test_the_number_of_kept_backoffs_is_bounded(route: TelegramRoute):
    for delivery_id in range(10_001):
        route.failed(delivery_id)
        route.responded()

    assert are_jittered([route.retry_in_s(0), route.retry_in_s(10_000)], [2, 4])
