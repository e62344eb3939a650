"""Heartbeats and problems."""

import asyncio

from bot.telemetry import HUNG_S, Telemetry
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


async def test_a_loop_that_sleeps_for_an_hour_has_heartbeats_meanwhile():
    clock, silences_s = SteadyClock(), []

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        silences_s.append(telemetry.silences_s["pruning"])

    telemetry = Telemetry(clock=clock, sleep=sleep)
    await telemetry.sleep("pruning", 3605)

    assert sum(silences_s) == 3605
    assert max(silences_s) < HUNG_S / 2
    assert telemetry.silences_s["pruning"] == 0


def test_the_age_of_a_problem_counts_from_its_begin():
    clock = SteadyClock()
    telemetry = Telemetry(clock=clock)
    telemetry.set_problem("telegram", "no answer")
    clock.advance(30)
    telemetry.set_problem("telegram", "still no answer")
    clock.advance(30)

    assert telemetry.problem_ages_s == {"telegram": 60.0}
    telemetry.set_problem("telegram", None)
    assert telemetry.problem_ages_s == {}


async def test_a_loop_that_waits_for_an_event_has_a_heartbeat_when_it_comes():
    clock, event = SteadyClock(), asyncio.Event()
    telemetry = Telemetry(clock=clock)
    waiting = asyncio.create_task(telemetry.wait("delivery", event))
    await asyncio.sleep(0)
    clock.advance(60)
    event.set()
    await waiting

    assert telemetry.silences_s == {"delivery": 0.0}


def test_a_loop_that_has_come_to_its_end_has_no_heartbeats_due():
    telemetry = Telemetry()
    telemetry.beat("start")
    telemetry.end("start")
    telemetry.end("start")

    assert telemetry.silences_s == {}


def test_loops_and_problems_of_a_term_that_is_over_are_forgotten():
    telemetry = Telemetry()
    telemetry.beat("polling")
    telemetry.set_problem("telegram", "no response")

    telemetry.forget()

    assert telemetry.silences_s == {}
    assert telemetry.problems == {}
    assert telemetry.set_problem("telegram", "no response")
