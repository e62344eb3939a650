"""One line of the table of goals, and the statistics that go into it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measure against its goal, and against what others reach."""

    case: str
    measure: str
    ours: str
    goal: str = ""  # none: shown for comparison
    passed: bool = True
    peer: str = ""  # round robin, or what is named
    bound: str = ""  # the least that is possible


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * len(values))]
