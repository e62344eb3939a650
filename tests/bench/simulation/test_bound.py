"""The lower bound of the schedule's cost."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from random import Random

import pytest

from tests.bench.simulation.bound import capped_delay, optimum
from tests.bench.simulation.durations import AGES_S, GRID_S, MODELS, Model


def cost(model: Model, polls: Sequence[int], price_s: float) -> float:
    """E[delay] + price · E[polls] of polls at these steps, computed term by term."""
    survival = model.survival
    areas_s = (GRID_S * (here + there) / 2 for here, there in pairwise(survival))
    lived_s = list(accumulate(areas_s, initial=0.0))
    return sum(
        survival[a] * (price_s + AGES_S[b] - AGES_S[a]) - (lived_s[b] - lived_s[a])
        for a, b in pairwise([0, *polls])
    )


@pytest.mark.parametrize("price_s", [0.2, 1.0, 6.0])
@pytest.mark.parametrize("model", MODELS, ids=[model.name for model in MODELS])
def test_no_change_improves_the_best_schedule(model: Model, price_s: float):
    best = optimum(model, price_s)
    polls = [round(age_s / GRID_S) for age_s in best.ages_s]
    least = cost(model, polls, price_s)
    rng = Random(1)

    assert least == pytest.approx(best.delay_s + price_s * best.polls, rel=1e-6)
    for _ in range(30):
        other = set(polls)
        moved = rng.choice(polls[:-1])
        other.discard(moved)
        if rng.random() < 0.8:
            other.add(max(1, moved + rng.randint(-20, 20)))
        assert cost(model, sorted(other), price_s) >= least - 1e-6


def test_the_bound_rises_with_the_load():
    light, heavy = (capped_delay(MODELS[:1], in_flight=n, rate=20) for n in (200, 1000))

    assert light < heavy
