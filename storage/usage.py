"""What ended in a period, counted for /stats. No I/O."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """The tasks that ended on one day."""

    start: datetime
    succeeded: int
    failed: int  # with every other final status


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long a provider's tasks took that succeeded, from their submission to their end."""

    provider: str
    tasks: int
    median_s: float
    p90_s: float  # 90 % of them took no longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tasks that ended in a period; each counts once, on the day when it first reached its status."""

    days: tuple[DayCounts, ...]  # in order, days without tasks included
    waits: tuple[Waits, ...]  # most tasks first
    failures: dict[str, int]  # by Cause, or by TaskStatus other than FAILED; most frequent first
