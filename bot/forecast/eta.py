"""The remaining time shown to users, from past tasks that took longer than this one has so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

_RANKS_FROM = 9  # samples; with fewer, even minimum to maximum covers less than 80 %
_LOGNORMAL_FROM = 3  # samples
# Student's t, 90 % quantile, by degrees of freedom: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
_T90 = {2: 1.886, 3: 1.638, 4: 1.533, 5: 1.476, 6: 1.440, 7: 1.415}
_SHORTEST_S = 1.0  # shorter remaining times are noise of the polling interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """The remaining time of a task in seconds: an 80 % prediction interval and its median."""

    low_s: float
    middle_s: float
    high_s: float


def eta(durations_s: Sequence[float], age_s: float) -> Eta | None:
    """The interval for a task of this age; None if fewer than three past tasks took longer.

    1. From nine on by ranks (conformal prediction): the next sample is equally likely to fall between any two
       neighbouring ones. https://arxiv.org/abs/1604.04173
    2. From three on by a lognormal prediction interval, widened by Student's t for the small sample.
    """
    remaining_s = sorted(duration_s - age_s for duration_s in durations_s if duration_s > age_s)
    count = len(remaining_s)
    if count >= _RANKS_FROM:
        return Eta(
            low_s=remaining_s[math.floor(0.1 * (count + 1)) - 1],
            middle_s=median(remaining_s),
            high_s=remaining_s[math.ceil(0.9 * (count + 1)) - 1],
        )
    if count < _LOGNORMAL_FROM:
        return None
    logs = [math.log(max(each, _SHORTEST_S)) for each in remaining_s]
    centre = fmean(logs)
    width = _T90[count - 1] * stdev(logs) * math.sqrt(1 + 1 / count)
    return Eta(low_s=math.exp(centre - width), middle_s=math.exp(centre), high_s=math.exp(centre + width))


def is_longer_than_usual(durations_s: Sequence[float], age_s: float) -> bool:
    """Whether the age is above the upper bound predicted at submission."""
    expected = eta(durations_s, 0.0)
    return expected is not None and age_s > expected.high_s
