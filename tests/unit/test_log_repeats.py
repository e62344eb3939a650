"""The same event is written a bounded number of times."""

import logging

import pytest

from bot.log_repeats import FACTS, PROBLEM_PERIOD_S, PROBLEMS, RepeatLimit
from tests.fakes.clock import SteadyClock


def record(event: str | None, level: int = logging.WARNING, logger: str = "bot.x") -> logging.LogRecord:
    made = logging.LogRecord(logger, level, "", 0, "something", None, None)
    if event is not None:
        made.event = event
    return made


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def limit(clock: SteadyClock) -> RepeatLimit:
    return RepeatLimit(clock=clock)


def test_a_problem_that_lasts_is_written_a_few_times_an_hour(limit: RepeatLimit, clock: SteadyClock):
    written = 0
    for _ in range(3600):
        written += limit.filter(record("reply_failed"))
        clock.advance(1)

    assert written == PROBLEMS + 3600 / PROBLEM_PERIOD_S - 1


def test_the_next_line_bears_the_number_of_those_left_out(limit: RepeatLimit, clock: SteadyClock):
    for _ in range(PROBLEMS + 7):
        limit.filter(record("bug"))
    clock.advance(PROBLEM_PERIOD_S)

    after = record("bug")
    assert limit.filter(after)
    assert vars(after)["left_out"] == 7
    clock.advance(PROBLEM_PERIOD_S)
    again = record("bug")
    assert limit.filter(again)
    assert not hasattr(again, "left_out")


def test_other_events_and_levels_are_limited_on_their_own(limit: RepeatLimit):
    while limit.filter(record("bug")):
        pass

    assert limit.filter(record("delivered"))
    assert limit.filter(record("bug", logging.ERROR))


def test_a_librarys_lines_are_limited_by_its_name(limit: RepeatLimit):
    while limit.filter(record(None, logger="aiohttp.server")):
        pass

    assert limit.filter(record(None, logger="asyncio"))


def test_no_more_than_a_thousand_kinds_are_remembered_with_what_was_left_out_of_them(limit: RepeatLimit):
    while limit.filter(record(None, logger="library")):
        pass
    for number in range(1000):
        assert limit.filter(record(None, logger=f"library.{number}"))

    forgotten = record(None, logger="library")
    assert limit.filter(forgotten)
    assert not hasattr(forgotten, "left_out")


def test_facts_have_a_wide_limit_and_debug_lines_none(limit: RepeatLimit):
    facts = sum(limit.filter(record("delivered", logging.INFO)) for _ in range(2 * FACTS))

    assert facts == FACTS
    assert all(limit.filter(record(None, logging.DEBUG)) for _ in range(2 * FACTS))


def test_sentences_about_the_end_are_not_limited(limit: RepeatLimit):
    for _ in range(2 * PROBLEMS):
        sentence = record("settings_mistake", logging.ERROR)
        sentence.is_sentence = True
        assert limit.filter(sentence)
