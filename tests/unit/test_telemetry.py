"""Heartbeats and problems."""

from bot.telemetry import Telemetry
from tests.fakes.clock import SteadyClock


def test_silence_lasts_from_a_loops_last_turn():
    clock = SteadyClock()
    telemetry = Telemetry(clock=clock)
    clock.advance(10)
    telemetry.beat("updates")
    telemetry.beat("polling")
    clock.advance(5)
    telemetry.beat("polling")
    clock.advance(2)

    assert telemetry.silences_s == {"updates": 7.0, "polling": 2.0}
    assert telemetry.uptime_s == 17.0


def test_a_trouble_is_news_when_it_begins_and_when_it_ends():
    telemetry = Telemetry()

    assert telemetry.set_problem("telegram", None) is False
    assert telemetry.set_problem("telegram", "no answer") is True
    assert telemetry.set_problem("telegram", "still no answer") is False
    assert telemetry.problems == {"telegram": "still no answer"}
    assert telemetry.set_problem("telegram", None) is True
    assert telemetry.set_problem("telegram", None) is False
    assert telemetry.problems == {}


def test_troubles_in_two_places_are_apart():
    telemetry = Telemetry()
    telemetry.set_problem("telegram", "no answer")

    assert telemetry.set_problem("polling", "no disk") is True
    assert telemetry.set_problem("telegram", None) is True
    assert telemetry.problems == {"polling": "no disk"}
