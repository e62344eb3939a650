"""The forecast from a gateway's progress figure, and its weight against the life table.

Progress figures may be right, constant, jumping or invented, so the forecast's weight is learned:

1. The life table of the provider and model is one forecast of when a task ends (life_table.py).
2. The figure is another: the remaining time is lognormal; its median extrapolates the progress linearly.
3. Each poll scores both by the probability that they gave, one poll before, to the outcome: still running, or
   ended. The logarithms of the likelihood ratio (figure to table) add up over polls and tasks: the
   prequential log score (Dawid, J. R. Stat. Soc. A 147, 1984, 278-292).
4. The sum is the log odds of the figure's forecast, so its weight is w = 1 / (1 + exp(-sum)); below one half
   it is set to 0, so that a figure that is more likely wrong has no effect. The sum starts below 0 and is
   bounded, so that the weight follows a change of the gateway within a few tasks.
5. The expected delay is the mixture w * figure's + (1 - w) * table's: Bayesian model averaging (Hoeting et
   al., Statistical Science 14, 1999, 382-417). As w < 1, the table bounds the wait: the next poll is no later
   than the table alone would have it at the price of price / (1 - w).
"""

import math

from bot.forecast.life_table import LifeTable

SPREAD = 0.3  # standard deviation of the logarithm of the remaining time
_MEAN_OVER_MEDIAN = math.exp(SPREAD**2 / 2)  # of that lognormal
_FIRST = -2.0  # the initial sum: exceeded after one or two good forecasts
_LOWEST = -8.0  # lower bound: some five good forecasts away from 0
_HIGHEST = 2.0  # upper bound: a weight of 88 %, lost after one or two bad forecasts
_TABLE_SHARE = 0.01  # the table's share in the figure's forecast: bounds a poll's loss at log(100)


class ProgressOdds:
    """The log odds of the progress forecast against the life table, for one provider and model."""

    __slots__ = ("log_odds",)

    def __init__(self, log_odds: float = _FIRST) -> None:
        if not math.isfinite(log_odds):
            raise ValueError("the log odds are not finite")
        self.log_odds = min(max(log_odds, _LOWEST), _HIGHEST)

    @property
    def weight(self) -> float:
        """The posterior probability of the figure's forecast; 0 if below one half."""
        return 1 / (1 + math.exp(-self.log_odds)) if self.log_odds > 0 else 0.0

    def score(
        self, remaining_s: float, table: LifeTable, since_s: float, until_s: float, *, ended: bool
    ) -> None:
        """Score the forecast remaining_s, made at age since_s, by the outcome of the poll at age until_s."""
        by_table, by_figure = table.death(since_s, until_s), death(remaining_s, until_s - since_s)
        if not ended:
            by_table, by_figure = 1 - by_table, 1 - by_figure
        if by_table <= 0:  # no ratio: the table held this outcome for impossible
            return
        ratio = (1 - _TABLE_SHARE) * by_figure / by_table + _TABLE_SHARE
        self.log_odds = min(max(self.log_odds + math.log(ratio), _LOWEST), _HIGHEST)


def death(remaining_s: float, gap_s: float) -> float:
    """P(R <= gap): the remaining time R is lognormal, with the median remaining_s."""
    return _normal(math.log(gap_s / remaining_s) / SPREAD) if gap_s > 0 else 0.0


def expected_delay_s(remaining_s: float, gap_s: float) -> float:
    """E[(gap - R)+]: the expected delay after gap_s."""
    if gap_s <= 0:
        return 0.0
    z = math.log(gap_s / remaining_s) / SPREAD
    return gap_s * _normal(z) - remaining_s * _MEAN_OVER_MEDIAN * _normal(z - SPREAD)


def _normal(z: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))
