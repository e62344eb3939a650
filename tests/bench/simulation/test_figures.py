"""The effect of progress values, true and made up, on the schedule; shorter than in the simulation."""

from functools import cache

import pytest

from tests.bench.simulation.figure_cases import Measured, mean_delay_s, mean_polls, measured
from tests.bench.simulation.figures import HIDDEN, PATTERNS, TRUE

_SEEDS = range(4)
_TASKS = 130


@cache
def hidden() -> Measured:
    return measured(HIDDEN, _SEEDS, tasks=_TASKS)


@pytest.mark.parametrize("name", PATTERNS)
def test_no_published_rate_delays_detection_much_or_costs_polls(name: str):
    shown = measured(PATTERNS[name], _SEEDS, tasks=_TASKS)

    for ours, plain in zip(shown.stretches, hidden().stretches, strict=True):
        assert mean_delay_s(ours) <= 1.3 * mean_delay_s(plain)
        assert mean_polls(ours) <= 1.05 * mean_polls(plain)


def test_true_published_rates_halve_the_delay_with_fewer_polls():
    shown = measured(TRUE["true, linear"], _SEEDS, tasks=_TASKS)

    assert mean_delay_s(shown.learned) <= 0.5 * mean_delay_s(hidden().learned)
    assert mean_polls(shown.learned) <= 0.8 * mean_polls(hidden().learned)
