"""When Telegram counts as away, and how it is tried again."""

import pytest

from bot.outbox.route import PROBE_S, TelegramRoute
from tests.fakes.clock import SteadyClock


@pytest.fixture
def seconds() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def route(seconds: SteadyClock) -> TelegramRoute:
    return TelegramRoute(clock=seconds)


def test_two_different_deliveries_without_an_answer_mean_that_telegram_is_away(route: TelegramRoute):
    assert not route.failed(1)
    assert route.failed(2)

    assert route.is_down


def test_a_delivery_that_always_fails_is_its_own_trouble(route: TelegramRoute):
    for _ in range(10):
        assert not route.failed(1)

    assert not route.is_down


def test_any_answer_between_two_failures_proves_that_telegram_is_there(route: TelegramRoute):
    route.failed(1)
    route.answered()
    route.failed(2)

    assert not route.is_down


def test_probes_come_after_growing_pauses_that_stay_short(route: TelegramRoute, seconds: SteadyClock):
    route.failed(1)
    route.failed(2)
    pauses_s = []
    for delivery_id in range(3, 9):
        pauses_s.append(route.next_probe_in_s())
        seconds.move(pauses_s[-1])
        assert route.next_probe_in_s() == 0
        assert not route.failed(delivery_id)

    assert pauses_s == [1, 2, 4, PROBE_S, PROBE_S, PROBE_S]


def test_the_first_answer_ends_the_outage_once(route: TelegramRoute):
    route.failed(1)
    route.failed(2)

    assert route.answered()
    assert not route.is_down
    assert not route.answered()
