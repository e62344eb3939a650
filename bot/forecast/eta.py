"""How much longer a task may take, told by how long past tasks took that outlived its age."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

_RANKS_FROM = 9  # with fewer, even the outermost ranks cover less than 80 %
_SHAPE_FROM = 3
# Student's t at 90 %, by degrees of freedom: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
_T90 = {2: 1.886, 3: 1.638, 4: 1.533, 5: 1.476, 6: 1.440, 7: 1.415}
_SHORTEST_S = 1.0  # below which remaining times are noise of the looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """The seconds that a task still takes: four times in five between low and high."""

    low_s: float
    middle_s: float
    high_s: float


def eta(durations_s: Sequence[float], age_s: float) -> Eta | None:
    """The range for a task of this age, from past durations; None when fewer than three outlived it."""
    left_s = sorted(duration_s - age_s for duration_s in durations_s if duration_s > age_s)
    if len(left_s) >= _RANKS_FROM:
        return _by_ranks(left_s)
    if len(left_s) >= _SHAPE_FROM:
        return _by_shape(left_s)
    return None


def is_longer_than_usual(durations_s: Sequence[float], age_s: float) -> bool:
    """Whether a task of this age is past the range that was expected when it was new."""
    expected = eta(durations_s, 0.0)
    return expected is not None and age_s > expected.high_s


def _by_ranks(left_s: Sequence[float]) -> Eta:
    """Split-conformal: the next task is as likely to fall between any two of the past ones.

    https://arxiv.org/abs/1604.04173
    """
    ranks = len(left_s) + 1
    return Eta(
        low_s=left_s[math.floor(0.1 * ranks) - 1],
        middle_s=median(left_s),
        high_s=left_s[math.ceil(0.9 * ranks) - 1],
    )


def _by_shape(left_s: Sequence[float]) -> Eta:
    """Lognormal, as wide as so few examples demand."""
    logs = [math.log(max(left, _SHORTEST_S)) for left in left_s]
    centre = fmean(logs)
    width = _T90[len(logs) - 1] * stdev(logs) * math.sqrt(1 + 1 / len(logs))
    return Eta(low_s=math.exp(centre - width), middle_s=math.exp(centre), high_s=math.exp(centre + width))
