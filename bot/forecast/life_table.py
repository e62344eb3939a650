"""How long tasks live: deaths and time at risk per bin of age, and the debt of not having looked."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Self

_FIRST_EDGE_S = 4.0
_LAST_EDGE_S = 3 * 3600.0
_WIDEN = 1.15
_HALF_LIFE = 100.0  # finished tasks in which a bin forgets half, counting those that reached it
_DOUBT = 5e-4  # how readily a death that was not foreseen makes the table forget
_PRIOR_AGE_S = 30.0  # before anything is known the hazard is 1 / (age + this): the same shape at every scale
_PRIOR_DEATHS = 0.01  # what the prior weighs in each bin
_BLUR = 0.15  # the share of each neighbour in a bin's hazard
_STRETCH = 0.1  # how much further than self-consistency ends are moved to where they are dense
_PATIENCE = 16  # looks that only add time at risk before the hazards are worked out anew
_EXACT_S = 1e-3


def _edges() -> tuple[float, ...]:
    steps = math.ceil(math.log(_LAST_EDGE_S / _FIRST_EDGE_S, _WIDEN))
    return (0.0, *(_FIRST_EDGE_S * _WIDEN**step for step in range(steps + 1)))


_EDGES_S = _edges()  # the last bin is open
_BINS = len(_EDGES_S)
_LAST = _BINS - 1
_WIDTHS_S = tuple(upper - lower for lower, upper in pairwise(_EDGES_S))
_MIDDLES_S = (*((lower + upper) / 2 for lower, upper in pairwise(_EDGES_S)), _EDGES_S[_LAST])
_PRIOR_AT_RISK_S = tuple(_PRIOR_DEATHS * (middle_s + _PRIOR_AGE_S) for middle_s in _MIDDLES_S)


class LifeTable:
    """Kaplan-Meier in bins, fading, pulled towards a scale-free prior; ages are seconds since submission.

    Within a bin the hazard is constant, so survival, mean remaining life and debt have closed forms.
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
        """Whether nothing was taken in yet."""
        return not any(self._at_risk_s)

    def survived(self, since_s: float, until_s: float) -> None:
        """A task was seen alive at both ages."""
        for at, start_s, end_s in _stretches(since_s, max(until_s, since_s)):
            self._at_risk_s[at] += end_s - start_s
        self._pending += 1
        if self._pending >= _PATIENCE:
            self._rebuild()

    def ended(self, since_s: float, until_s: float) -> None:
        """A task that was seen alive at the first age was over at the second.

        When in between it ended is spread as the table has it: a step of Turnbull's self-consistency
        (J. R. Stat. Soc. B 38, 1976, 290-295), lengthened, because looks that are far apart smear.
        """
        until_s = max(until_s, since_s + _EXACT_S)
        alive, parts = 1.0, []
        for at, start_s, end_s in _stretches(since_s, until_s):
            width_s = end_s - start_s
            dying = -alive * math.expm1(-self._hazards[at] * width_s)
            parts.append((at, width_s, dying * (dying / width_s) ** _STRETCH))
            alive -= dying
        self._fade(parts[-1][0], ((1 - alive) / _prior_death(since_s, until_s)) ** 2)
        whole, left = sum(part for _, _, part in parts), 1.0
        for at, width_s, part in parts:
            share = part / whole
            left -= share
            self._deaths[at] += share
            self._at_risk_s[at] += width_s * (left + share / 2)
        self._rebuild()

    def expected_delay_s(self, seen_s: float, age_s: float) -> float:
        """E[(age - T)+ | T > seen]: the seconds that a task last seen alive then has waited for us by now."""
        seen_toll, seen_life_s = self._at_age(seen_s)
        toll, life_s = self._at_age(age_s)
        return age_s - seen_s - seen_life_s + math.exp(seen_toll - toll) * life_s

    def death(self, seen_s: float, age_s: float) -> float:
        """P(T <= age | T > seen)."""
        return -math.expm1(self._at_age(seen_s)[0] - self._at_age(age_s)[0])

    def due(self, seen_s: float, price_s: float) -> float:
        """The age at which the debt of a task last seen alive then reaches the price, above 0."""
        at = _bin_of(seen_s)
        start_s, alive, owed_s = seen_s, 1.0, 0.0
        while at < _LAST:
            hazard, width_s = self._hazards[at], _EDGES_S[at + 1] - start_s
            left = alive * math.exp(-hazard * width_s)
            owed_after_s = owed_s + width_s - (alive - left) / hazard
            if owed_after_s >= price_s:
                break
            at, start_s, alive, owed_s = at + 1, _EDGES_S[at + 1], left, owed_after_s
        return start_s + _crossing(price_s - owed_s, alive, self._hazards[at])

    def to_plain(self) -> dict[str, list[float]]:
        """What from_plain() takes, fit for JSON."""
        return {"deaths": list(self._deaths), "at_risk_s": list(self._at_risk_s)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, list[float]]) -> Self:
        """The table that to_plain() wrote; ValueError when it has other bins."""
        table = cls()
        if {len(plain["deaths"]), len(plain["at_risk_s"])} != {_BINS}:
            raise ValueError(f"not a life table of {_BINS} bins")
        table._deaths = list(plain["deaths"])
        table._at_risk_s = list(plain["at_risk_s"])
        table._rebuild()
        return table

    def _fade(self, reached: int, odds: float) -> None:
        """Forget a little in the bins that the task has reached, and much everywhere after a surprise.

        odds: of the death having been foreseen by the table against by the prior, squared to make it sharp.
        """
        trust = odds / (odds + _DOUBT)
        fresh = trust * 2 ** (-1 / _HALF_LIFE)
        keeps = [fresh if at <= reached else trust for at in range(_BINS)]
        self._deaths = [deaths * keep for deaths, keep in zip(self._deaths, keeps, strict=True)]
        self._at_risk_s = [risk_s * keep for risk_s, keep in zip(self._at_risk_s, keeps, strict=True)]

    def _rebuild(self) -> None:
        """Work out the hazards, and at each edge the cumulative hazard and the mean remaining life."""
        self._pending = 0
        self._hazards = [
            (deaths + _PRIOR_DEATHS) / (at_risk_s + prior_at_risk_s)
            for deaths, at_risk_s, prior_at_risk_s in zip(
                _blurred(self._deaths), _blurred(self._at_risk_s), _PRIOR_AT_RISK_S, strict=True
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
        """The cumulative hazard and the mean remaining life at an age."""
        at = bisect_right(_EDGES_S, age_s) - 1
        hazard = self._hazards[at]
        toll = self._cumulative_hazard[at] + (age_s - _EDGES_S[at]) * hazard
        if at == _LAST:
            return toll, 1 / hazard
        left = math.exp(hazard * (age_s - _EDGES_S[at + 1]))
        return toll, (1 - left) / hazard + left * self._mean_residual_life_s[at + 1]


def _bin_of(age_s: float) -> int:
    return bisect_right(_EDGES_S, age_s) - 1


def _stretches(since_s: float, until_s: float) -> Iterator[tuple[int, float, float]]:
    """A stretch of life cut at the bins' edges: bin, from, to."""
    at = _bin_of(since_s)
    while at < _LAST and until_s > _EDGES_S[at + 1]:
        yield at, since_s, _EDGES_S[at + 1]
        at, since_s = at + 1, _EDGES_S[at + 1]
    yield at, since_s, until_s


def _prior_death(since_s: float, until_s: float) -> float:
    """P(T <= until | T > since) under the prior."""
    return (until_s - since_s) / (until_s + _PRIOR_AGE_S)


def _blurred(values: list[float]) -> list[float]:
    """Each value with a share of its neighbours."""
    befores, afters = (0.0, *values[:-1]), (*values[1:], 0.0)
    return [
        (1 - 2 * _BLUR) * value + _BLUR * (before + after)
        for before, value, after in zip(befores, values, afters, strict=True)
    ]


def _crossing(owed_s: float, alive: float, hazard: float) -> float:
    """The time y at which y - alive * (1 - exp(-hazard * y)) / hazard reaches what is owed.

    The function is convex and not yet there at 0; Newton's steps from the right never overshoot.
    """
    y = owed_s + math.sqrt(2 * owed_s / hazard)
    step = y
    while step > _EXACT_S:
        left = alive * math.exp(-hazard * y)
        step = (y - (alive - left) / hazard - owed_s) / (1 - left)
        y -= step
    return y
