"""One row of the table of goals, and its statistics."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measurement, its goal, and the values of other policies."""

    case: str
    measure: str
    ours: str
    goal: str = ""  # none: shown for comparison
    passed: bool = True
    peer: str = ""  # round robin, or what is named
    bound: str = ""  # the theoretical minimum


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * len(values))]
