"""Healthy tasks that share a key with tasks that fail whenever they are polled."""

import pytest

from tests.bench.simulation.broken_cases import LATEST_S, LONGEST_GAP, against_alone


@pytest.mark.parametrize("fault", ["500 in JSON", "a web page", "no answer"])
@pytest.mark.parametrize("first", [True, False], ids=["watched before", "watched after"])
def test_a_healthy_task_is_polled_as_often_and_found_as_soon_beside_broken_ones(fault: str, first: bool):
    later_s, ratios = against_alone(fault, first=first)

    assert max(later_s) <= LATEST_S
    assert max(ratios) <= LONGEST_GAP
