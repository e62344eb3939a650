"""What a key allows."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.polling.budget import Budget
from bot.providers.base import AuthFailed, BadAnswer, ProviderError, RateLimited, TaskMissing, Unavailable
from storage.models import Cause

AWAY = Unavailable("", cause=Cause.UNREACHABLE)


def too_many(retry_after_s: float | None = None) -> RateLimited:
    return RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=retry_after_s)


def exchange(budget: Budget, now: float, error: ProviderError | None) -> None:
    """A question and its answer."""
    budget.asked(now)
    budget.answered(now, error)


def away(budget: Budget, *, at: float) -> None:
    """So many questions without an answer that the gateway counts as away."""
    for _ in range(5):
        exchange(budget, at, AWAY)


def test_the_first_question_is_free():
    assert Budget(10).allows(0.0)


def test_questions_keep_their_distance():
    budget = Budget(4)
    exchange(budget, 100.0, None)

    assert not budget.allows(100.2)
    assert budget.ready_at == 100.25
    assert budget.allows(100.25)


@settings(max_examples=100)
@given(
    max_rps=st.floats(0.05, 50),
    waits_s=st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_no_window_holds_more_questions_than_the_key_allows(max_rps: float, waits_s: list[float]):
    budget, now, asked = Budget(max_rps, in_flight=10_000), 0.0, []
    for wait_s in waits_s:
        now += wait_s
        while budget.allows(now):
            budget.asked(now)
            asked.append(now)

    for first, begin in enumerate(asked):
        for count, end in enumerate(asked[first:], start=1):
            assert count <= math.ceil((end - begin) * max_rps + 1e-6) + 1


@settings(max_examples=100)
@given(
    max_rps=st.floats(0.05, 1000),
    steps=st.lists(st.sampled_from([None, AWAY, too_many(), too_many(3.3)]), max_size=30),
)
def test_when_it_is_ready_it_allows_a_question(max_rps: float, steps: list[ProviderError | None]):
    budget, now = Budget(max_rps), 0.0
    for error in steps:
        now = max(now, budget.ready_at)
        assert budget.allows(now)
        exchange(budget, now, error)


def test_only_so_many_questions_are_in_flight():
    budget = Budget(1000, in_flight=2)
    budget.asked(0.0)
    budget.asked(1.0)

    assert not budget.has_place
    assert not budget.allows(99.0)
    budget.answered(99.0, None)
    assert budget.allows(99.0)


@pytest.mark.parametrize(("wish_s", "pause_s"), [(30.0, 30.0), (0.5, 0.5), (None, 1.0), (0.0, 1.0)])
def test_a_429_keeps_the_key_still_for_as_long_as_the_gateway_wishes(wish_s: float | None, pause_s: float):
    budget = Budget(1000)
    exchange(budget, 10.0, too_many(wish_s))

    assert budget.ready_at == 10.0 + pause_s
    assert not budget.allows(10.0 + pause_s - 0.01)
    assert budget.allows(10.0 + pause_s)


def test_an_answer_does_not_shorten_a_pause():
    budget = Budget(1000)
    budget.asked(0.0)
    exchange(budget, 1.0, too_many(30))
    budget.answered(2.0, None)

    assert budget.ready_at == 31.0


def test_a_few_questions_without_an_answer_change_nothing():
    budget = Budget(1000)
    for at in range(4):
        exchange(budget, at, AWAY)

    assert budget.allows(4.0)


def test_a_gateway_that_is_away_gets_one_probe_after_each_pause():
    budget, at, pauses = Budget(1000), 0.0, []
    away(budget, at=at)
    for _ in range(6):
        pauses.append(budget.ready_at - at)
        at = budget.ready_at
        budget.asked(at)
        assert not budget.allows(at + 0.5), "a second probe beside the first"
        budget.answered(at, AWAY)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_questions_that_fail_together_make_one_pause():
    budget = Budget(1000)
    for at in range(10):
        budget.asked(at)
    for _ in range(10):
        budget.answered(10.0, AWAY)

    assert budget.ready_at == 11.0


@pytest.mark.parametrize(
    "answer",
    [
        None,
        AuthFailed("", cause=Cause.KEY_INVALID),
        TaskMissing("", cause=Cause.TASK_MISSING),
        BadAnswer("", cause=Cause.ODD_ANSWER),
    ],
)
def test_any_answer_means_that_the_gateway_is_back(answer: ProviderError | None):
    budget = Budget(1000)
    away(budget, at=0.0)
    exchange(budget, 1.0, answer)
    budget.asked(2.0)

    assert budget.allows(3.0)
    budget.answered(3.0, None)
    away(budget, at=4.0)
    assert budget.ready_at == 5.0, "the next outage begins with the shortest pause"
