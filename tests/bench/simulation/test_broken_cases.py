"""Healthy tasks that share a key with tasks that fail whenever they are polled."""

import pytest

from tests.bench.simulation.broken_cases import LATEST_S, LONGEST_GAP, against_alone


@pytest.mark.parametrize("fault", ["500 in JSON", "a web page", "no answer"])
@pytest.mark.parametrize("first", [True, False], ids=["watched before", "watched after"])
def test_broken_tasks_do_not_slow_down_the_polling_of_a_healthy_one(fault: str, first: bool):
    later_s, ratios = against_alone(fault, first=first, numbers=(3, 20))

    assert max(later_s) <= LATEST_S
    assert max(ratios) <= LONGEST_GAP
