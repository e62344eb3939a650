"""What a gateway's progress figure foretells, and how much that counts beside the life table.

Figures may be true, stand still, jump or be made up, so a figure is evidence that has to earn its weight:

1. The life table of the provider and model is one forecast of when a task ends (lifetable.py).
2. The figure is another: the remaining time is lognormal around what the progress so far extrapolates to.
3. Each poll tests both. A forecast is worth the probability that it gave, one poll before, to what the poll
   found: that the task still ran, or that it had ended. The quotient of the two is the likelihood ratio, and
   its logarithms add up over polls and tasks (Dawid's prequential score, J. R. Stat. Soc. A 147, 1984, 278).
4. The figure's weight is the posterior probability that the sum gives it, w = 1 / (1 + exp(-sum)); below one
   half it is 0: a figure that is more likely wrong than right neither puts a poll off nor costs one. The sum
   begins below 0 and is held within bounds, so that a gateway which changes is found out within a few tasks.
5. The expected delay is the mixture w * figure's + (1 - w) * table's: Bayesian model averaging (Hoeting et
   al., Statistical Science 14, 1999, 382-417). As w stays below 1, the table always calls for a poll in the
   end: no later than it would by itself at the price of price / (1 - w).
"""

import math

from bot.forecast.life_table import LifeTable

SPREAD = 0.3  # of the logarithm of the remaining time that progress foretells
_FIRST = -2.0  # the sum before anything is known: a task or two have to be foretold well
_LOWEST = -8.0  # from where a figure that has become true is believed after some five tasks
_HIGHEST = 2.0  # a weight of 88 %, lost by the first or second task that was foretold badly
_DOUBT = 0.01  # the table's share in the figure's forecast: one poll costs it no more than log(100)


class Credit:
    """How well the figures of one provider and model foretold ends, against the life table alone."""

    __slots__ = ("_log_odds",)

    def __init__(self, log_odds: float = _FIRST) -> None:
        if not math.isfinite(log_odds):
            raise ValueError("the log odds are not finite")
        self._log_odds = min(max(log_odds, _LOWEST), _HIGHEST)

    @property
    def log_odds(self) -> float:
        """The sum of the logarithms of the likelihood ratios."""
        return self._log_odds

    @property
    def weight(self) -> float:
        """The probability that the figure's forecast is the right one; 0 where that is below one half."""
        return 1 / (1 + math.exp(-self._log_odds)) if self._log_odds > 0 else 0.0

    def tested(self, left_s: float, table: LifeTable, since_s: float, until_s: float, *, ended: bool) -> None:
        """A poll at the second age found the task ended or not; at the first, left_s was foretold."""
        by_table, by_figure = table.death(since_s, until_s), death(left_s, until_s - since_s)
        if not ended:
            by_table, by_figure = 1 - by_table, 1 - by_figure
        if by_table <= 0:
            return
        ratio = (1 - _DOUBT) * by_figure / by_table + _DOUBT
        self._log_odds = min(max(self._log_odds + math.log(ratio), _LOWEST), _HIGHEST)


def death(left_s: float, gap_s: float) -> float:
    """P(R <= gap) for the remaining time R that was foretold."""
    return _normal(math.log(gap_s / left_s) / SPREAD) if gap_s > 0 else 0.0


def expected_delay_s(left_s: float, gap_s: float) -> float:
    """E[(gap - R)+]."""
    if gap_s <= 0:
        return 0.0
    z = math.log(gap_s / left_s) / SPREAD
    return gap_s * _normal(z) - left_s * _LIFT * _normal(z - SPREAD)


_LIFT = math.exp(SPREAD**2 / 2)  # the mean of a lognormal over its median


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
