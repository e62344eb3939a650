"""The least that any schedule can cost when the distribution of the durations is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from tests.bench.simulation.durations import AGES_S, GRID_S, Model

_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best schedule for one price of a poll."""

    ages_s: tuple[float, ...]  # when to poll
    delay_s: float  # mean
    polls: float  # mean


def optimum(model: Model, price_s: float) -> Optimum:
    """Minimise E[delay] + price · E[polls] by dynamic programming over the age of the last poll.

    With S the survival and A its integral, the cost W(a) from a last poll at a on is
    S(a)(price - a) + A(a) + min over b > a of b·S(a) + W(b) - A(b): a minimum of lines in S(a), whose
    slopes fall and whose argument rises as a goes down, so one pass over a convex hull solves it.
    """
    survival = model.survival
    areas_s = (GRID_S * (here + there) / 2 for here, there in pairwise(survival))
    lived_s = list(accumulate(areas_s, initial=0.0))
    following = [0] * len(AGES_S)
    hull: list[tuple[float, float, int]] = []  # slope, intercept, index; the oldest last
    first, cost = 0, 0.0
    for at in range(len(AGES_S) - 2, -1, -1):
        _add(hull, (AGES_S[at + 1], cost - lived_s[at + 1], at + 1), first)
        first = min(first, len(hull) - 1)
        x = survival[at]
        while first + 1 < len(hull) and _value(hull[first + 1], x) <= _value(hull[first], x):
            first += 1
        following[at] = hull[first][2]
        cost = x * (price_s - AGES_S[at]) + lived_s[at] + _value(hull[first], x)
    return _walk(survival, following, cost, price_s)


def capped_delay(models: Sequence[Model], *, in_flight: float, rate: float) -> float:
    """The mean delay of the Lagrangian relaxation: one price for all such that the mean rate is kept.

    The models share the arrivals evenly.
    """
    allowed = rate * sum(model.mean_s for model in models) / len(models) / in_flight
    low, high = 1e-3, 1e4
    for _ in range(_ROUNDS):
        price_s = (low * high) ** 0.5
        best = [optimum(model, price_s) for model in models]
        if sum(b.polls for b in best) / len(best) > allowed:
            low = price_s
        else:
            high = price_s
    return sum(b.delay_s for b in best) / len(best)


def _add(hull: list[tuple[float, float, int]], line: tuple[float, float, int], first: int) -> None:
    """Add the line of least slope, dropping lines that are nowhere the least any more."""
    while len(hull) > first + 1:
        (m1, c1, _), (m2, c2, _), (m3, c3, _) = hull[-2], hull[-1], line
        if (c3 - c1) * (m1 - m2) > (c2 - c1) * (m1 - m3):
            break
        hull.pop()
    hull.append(line)


def _value(line: tuple[float, float, int], x: float) -> float:
    return line[0] * x + line[1]


def _walk(survival: Sequence[float], following: Sequence[int], cost: float, price_s: float) -> Optimum:
    at, polls, ages_s = 0, 0.0, []
    while at < len(AGES_S) - 1 and survival[at] > 1e-9:
        polls += survival[at]
        at = following[at]
        ages_s.append(AGES_S[at])
    return Optimum(ages_s=tuple(ages_s), delay_s=cost - price_s * polls, polls=polls)
