"""A survival model of how long tasks take: a life table, and the expected delay of noticing an end.

T is a task's age when it ends (its *survival time*), in seconds since submission; an end is a *death*.

1. **Data.** Per bin of age (piecewise exponential model: Friedman, Ann. Stat. 10, 1982, 101-113), the table
   keeps the number of deaths and the *time at risk* (exposure), the seconds that tasks were alive in the bin.
   A task seen alive is *right-censored* and adds time at risk only (``survived``). The end of a task is
   *interval-censored*: it lies between the last poll that saw the task alive and the one that saw it ended.
   ``ended`` spreads this death over the interval by the table's own hazards: one step of Turnbull's
   self-consistency algorithm (J. R. Stat. Soc. B 38, 1976, 290-295).
2. **Prior.** A gamma prior per bin adds _PRIOR_DEATHS pseudo-deaths and the time at risk that gives the
   hazard 1 / (age + _PRIOR_AGE_S): a Lomax distribution of shape 1, which favours no time scale.
3. **Forgetting.** Each finished task discounts old data (half-life _HALF_LIFE tasks); a death that the prior
   predicted far better than the table discounts all bins strongly, so that a gateway that has become faster
   or slower is learned anew.
4. **Estimates** (``_rebuild``), from deaths and time at risk smoothed over neighbouring bins:

   - hazard h = (deaths + prior deaths) / (time at risk + prior time at risk), constant within a bin;
   - cumulative hazard H(t), the integral of h; the survival function is S(t) = exp(-H(t));
   - mean residual life m(t) = E[T - t | T > t].

5. **Use.** ``expected_delay_s`` is E[(t - T)+ | T > s]: how long a task last seen alive at age s is expected
   to have been over at age t. ``due`` inverts it: the age at which that delay reaches the price of a poll.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Self

_FIRST_EDGE_S = 4.0
_LAST_EDGE_S = 3 * 3600.0
_WIDEN = 1.15  # factor between two edges
_HALF_LIFE = 100.0  # of old data, in finished tasks that reached the bin
_SURPRISE = 5e-4  # the likelihood ratio (squared) of table to prior at which half the data is discarded
_PRIOR_AGE_S = 30.0  # the prior hazard is 1 / (age + this)
_PRIOR_DEATHS = 0.01  # pseudo-deaths per bin: the prior's weight
_SMOOTHING = 0.15  # weight of each neighbouring bin
_SHARPENING = 0.1  # exponent beyond self-consistency that moves deaths to where the density is high
_REBUILD_EVERY = 16  # calls of survived() between two recalculations of the hazards
_EXACT_S = 1e-3  # tolerance, and the shortest interval of a death


_STEPS = math.ceil(math.log(_LAST_EDGE_S / _FIRST_EDGE_S, _WIDEN))
_EDGES_S = (0.0, *(_FIRST_EDGE_S * _WIDEN**step for step in range(_STEPS + 1)))  # the last bin is open
_BINS = len(_EDGES_S)
_LAST = _BINS - 1
_WIDTHS_S = tuple(upper - lower for lower, upper in pairwise(_EDGES_S))
_MIDDLES_S = (*((lower + upper) / 2 for lower, upper in pairwise(_EDGES_S)), _EDGES_S[_LAST])
_PRIOR_AT_RISK_S = tuple(_PRIOR_DEATHS * (middle_s + _PRIOR_AGE_S) for middle_s in _MIDDLES_S)


class LifeTable:
    """Deaths and time at risk per bin, with the estimates from them; ages are seconds since submission.

    The hazard is constant within a bin, so survival, mean residual life and expected delay have closed forms.
    """

    __slots__ = (
        "_at_risk_s",
        "_cumulative_hazard",
        "_deaths",
        "_hazards",
        "_mean_residual_life_s",
        "_pending",
    )

    def __init__(self) -> None:
        self._deaths = [0.0] * _BINS
        self._at_risk_s = [0.0] * _BINS
        self._rebuild()

    @property
    def is_empty(self) -> bool:
        """Whether the table has no data yet."""
        return not any(self._at_risk_s)

    def survived(self, since_s: float, until_s: float) -> None:
        """Record a task that was alive at both ages (right-censored)."""
        for at, start_s, end_s in _split_at_edges(since_s, max(until_s, since_s)):
            self._at_risk_s[at] += end_s - start_s
        self._pending += 1
        if self._pending >= _REBUILD_EVERY:
            self._rebuild()

    def ended(self, since_s: float, until_s: float) -> None:
        """Record a death between the two ages (interval-censored).

        The death is spread over the bins of the interval by Turnbull's self-consistency, sharpened by
        _SHARPENING, because long intervals between polls would smear the distribution.
        """
        until_s = max(until_s, since_s + _EXACT_S)
        alive, parts = 1.0, []
        for at, start_s, end_s in _split_at_edges(since_s, until_s):
            width_s = end_s - start_s
            dying = -alive * math.expm1(-self._hazards[at] * width_s)
            parts.append((at, width_s, dying * (dying / width_s) ** _SHARPENING))
            alive -= dying
        by_prior = (until_s - since_s) / (until_s + _PRIOR_AGE_S)  # P(T <= until | T > since), of the Lomax
        self._forget(parts[-1][0], ((1 - alive) / by_prior) ** 2)
        whole, left = sum(part for _, _, part in parts), 1.0
        for at, width_s, part in parts:
            share = part / whole
            left -= share
            self._deaths[at] += share
            self._at_risk_s[at] += width_s * (left + share / 2)
        self._rebuild()

    def expected_delay_s(self, last_alive_s: float, age_s: float) -> float:
        """E[(age - T)+ | T > last_alive]: for how many seconds the task is expected to have been over.

        The integral of 1 - S(t) / S(last_alive) over that time: the gap - m(last_alive)
        + S(age) / S(last_alive) * m(age).
        """
        first_hazard, first_life_s = self._at_age(last_alive_s)
        cumulative_hazard, life_s = self._at_age(age_s)
        return age_s - last_alive_s - first_life_s + math.exp(first_hazard - cumulative_hazard) * life_s

    def death(self, last_alive_s: float, age_s: float) -> float:
        """P(T <= age | T > last_alive): the probability that the task has ended since."""
        return -math.expm1(self._at_age(last_alive_s)[0] - self._at_age(age_s)[0])

    def due(self, last_alive_s: float, price_s: float) -> float:
        """The age at which the expected delay of a task reaches price_s, above 0.

        1. Add up the expected delay bin by bin, until one more whole bin would exceed the price.
        2. Solve for the time within that bin.
        """
        at = bisect_right(_EDGES_S, last_alive_s) - 1
        start_s, alive, delay_s = last_alive_s, 1.0, 0.0
        while at < _LAST:
            hazard, width_s = self._hazards[at], _EDGES_S[at + 1] - start_s
            left = alive * math.exp(-hazard * width_s)
            next_delay_s = delay_s + width_s - (alive - left) / hazard
            if next_delay_s >= price_s:
                break
            at, start_s, alive, delay_s = at + 1, _EDGES_S[at + 1], left, next_delay_s
        return start_s + _solve_delay(price_s - delay_s, alive, self._hazards[at])

    def to_plain(self) -> dict[str, list[float]]:
        """The data as JSON-compatible values, for from_plain()."""
        return {"deaths": list(self._deaths), "at_risk_s": list(self._at_risk_s)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, list[float]]) -> Self:
        """The table that to_plain() returned; ValueError if its bins differ."""
        table = cls()
        if {len(plain["deaths"]), len(plain["at_risk_s"])} != {_BINS}:
            raise ValueError(f"not a life table of {_BINS} bins")
        table._deaths = list(plain["deaths"])
        table._at_risk_s = list(plain["at_risk_s"])
        table._rebuild()
        return table

    def _forget(self, reached: int, odds: float) -> None:
        """Discount old data: a little in the bins that the task reached, much in all bins after a surprise.

        odds: likelihood ratio of the death, table against prior, squared to sharpen the decision.
        """
        kept = odds / (odds + _SURPRISE)
        fresh = kept * 2 ** (-1 / _HALF_LIFE)
        keeps = [fresh if at <= reached else kept for at in range(_BINS)]
        self._deaths = [deaths * keep for deaths, keep in zip(self._deaths, keeps, strict=True)]
        self._at_risk_s = [risk_s * keep for risk_s, keep in zip(self._at_risk_s, keeps, strict=True)]

    def _rebuild(self) -> None:
        """Recalculate the hazards, and the cumulative hazard and mean residual life at each edge."""
        self._pending = 0
        self._hazards = [
            (deaths + _PRIOR_DEATHS) / (at_risk_s + prior_at_risk_s)
            for deaths, at_risk_s, prior_at_risk_s in zip(
                _smoothed(self._deaths), _smoothed(self._at_risk_s), _PRIOR_AT_RISK_S, strict=True
            )
        ]
        steps = [hazard * width_s for hazard, width_s in zip(self._hazards, _WIDTHS_S, strict=False)]
        self._cumulative_hazard = list(accumulate(steps, initial=0.0))
        life_s = 1 / self._hazards[_LAST]
        lives_s = [life_s]
        for hazard, step in zip(reversed(self._hazards[:_LAST]), reversed(steps), strict=True):
            left = math.exp(-step)
            life_s = (1 - left) / hazard + left * life_s
            lives_s.append(life_s)
        self._mean_residual_life_s = lives_s[::-1]

    def _at_age(self, age_s: float) -> tuple[float, float]:
        """The cumulative hazard and the mean residual life at an age."""
        at = bisect_right(_EDGES_S, age_s) - 1
        hazard = self._hazards[at]
        cumulative_hazard = self._cumulative_hazard[at] + (age_s - _EDGES_S[at]) * hazard
        if at == _LAST:
            return cumulative_hazard, 1 / hazard
        left = math.exp(hazard * (age_s - _EDGES_S[at + 1]))
        return cumulative_hazard, (1 - left) / hazard + left * self._mean_residual_life_s[at + 1]


def _split_at_edges(since_s: float, until_s: float) -> Iterator[tuple[int, float, float]]:
    """Split an age interval at the bin edges: bin, from, to."""
    at = bisect_right(_EDGES_S, since_s) - 1
    while at < _LAST and until_s > _EDGES_S[at + 1]:
        yield at, since_s, _EDGES_S[at + 1]
        at, since_s = at + 1, _EDGES_S[at + 1]
    yield at, since_s, until_s


def _smoothed(values: list[float]) -> list[float]:
    """Smooth with the kernel (_SMOOTHING, 1 - 2 * _SMOOTHING, _SMOOTHING)."""
    befores, afters = (0.0, *values[:-1]), (*values[1:], 0.0)
    return [
        (1 - 2 * _SMOOTHING) * value + _SMOOTHING * (before + after)
        for before, value, after in zip(befores, values, afters, strict=True)
    ]


def _solve_delay(delay_s: float, alive: float, hazard: float) -> float:
    """The time y at which y - alive * (1 - exp(-hazard * y)) / hazard equals delay_s, within _EXACT_S.

    Newton's method: the function is convex and increasing, so steps from the right never overshoot.
    """
    y = delay_s + math.sqrt(2 * delay_s / hazard)
    step = y
    while step > _EXACT_S:
        left = alive * math.exp(-hazard * y)
        step = (y - (alive - left) / hazard - delay_s) / (1 - left)
        y -= step
    return y
