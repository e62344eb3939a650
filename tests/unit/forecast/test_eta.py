"""The remaining time shown to users."""

import math
from random import Random

import pytest

from bot.forecast.eta import Eta, eta, is_longer_than_usual


def test_there_is_no_eta_while_fewer_than_three_tasks_outlived_the_age():
    assert eta([10, 20, 30, 40], 25) is None
    assert eta([10, 20, 30, 40, 50], 25) is not None


def test_from_nine_on_the_range_is_made_of_past_tasks():
    durations_s = [100.0 + 10 * number for number in range(1, 10)]

    assert eta(durations_s, 100) == Eta(low_s=10, middle_s=50, high_s=90)


def test_with_nineteen_the_outermost_ranks_are_left_out():
    durations_s = [float(number) for number in range(1, 20)]

    assert eta(durations_s, 0) == Eta(low_s=2, middle_s=10, high_s=18)


def test_tasks_that_ended_before_this_age_do_not_count():
    durations_s = [100.0 + 10 * number for number in range(1, 10)]

    assert eta([*durations_s, 5, 50, 99], 100) == eta(durations_s, 100)


def test_a_few_tasks_give_a_range_that_is_wider_than_they_are():
    found = eta([50.0, 60.0, 70.0], 0)

    assert found is not None
    assert found.low_s < 50
    assert found.middle_s == pytest.approx((50 * 60 * 70) ** (1 / 3))
    assert found.high_s > 70


@pytest.mark.parametrize("past", [5, 8, 9, 20, 60])
def test_four_in_five_tasks_end_within_their_range(past: int):
    rng, held = Random(past), 0
    for _ in range(2000):
        *durations_s, duration_s = (math.exp(rng.gauss(5, 0.5)) for _ in range(past + 1))
        found = eta(durations_s, 0)
        assert found is not None
        held += found.low_s <= duration_s <= found.high_s

    assert 0.77 <= held / 2000 <= 0.87


def test_a_task_past_the_range_of_a_new_one_is_longer_than_usual():
    durations_s = [100.0 + 10 * number for number in range(1, 10)]

    assert not is_longer_than_usual(durations_s, 190)
    assert is_longer_than_usual(durations_s, 191)


def test_nothing_is_longer_than_usual_while_the_usual_is_unknown():
    assert not is_longer_than_usual([10.0, 20.0], 5000)
