"""Counts what ended in a period."""

from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.models import Cause, TaskStatus
from storage.sql.transaction import Transaction
from storage.usage import DayCounts, Usage, Waits

LIMIT = 200_000  # ends that are counted, the newest; they take 1.5 s
QUARTER_S = 900  # in every time zone a day begins at a multiple of it


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDialect:
    """The expressions that engines have their own words for; {} is an argument."""

    quarter: str  # how many quarters of an hour after the unix epoch e.at is, without a fraction
    seconds: str  # from a column with a time to unix seconds
    seconds_of_field: str  # from a name to the unix seconds of that time in t.snapshot, or NULL
    cause: str  # the error's cause in t.snapshot, or NULL


# A task that is confirmed, or that ends a second time, has several of these events: the first with its
# present status counts.
_ENDED = """
    WITH ends AS MATERIALIZED (
        SELECT task_id, status_after, min(at) AS at
        FROM (
            SELECT task_id, status_after, at FROM events
            WHERE kind = 'finished' AND at >= :start AND at < :end
            ORDER BY at DESC LIMIT :limit
        ) AS newest
        GROUP BY task_id, status_after
    )
"""


def _counts(dialect: UsageDialect) -> str:
    return f"""{_ENDED}
        SELECT
            {dialect.quarter} AS quarter,
            t.status,
            CASE WHEN t.status = :failed THEN {dialect.cause} END AS cause,
            count(*) AS tasks
        FROM ends AS e CROSS JOIN tasks AS t
        WHERE t.id = e.task_id AND t.status = e.status_after
        GROUP BY 1, 2, 3
    """  # noqa: S608 - no values in the text


def _waits(dialect: UsageDialect) -> str:
    finished, submitted, started = (
        dialect.seconds_of_field.format(name) for name in ("finished_at", "submitted_at", "started_at")
    )
    ended, registered = (dialect.seconds.format(name) for name in ("e.at", "t.registered_at"))
    return f"""{_ENDED},
        waits AS (
            SELECT
                t.provider,
                coalesce({finished}, {ended}) - coalesce({submitted}, {started}, {registered}) AS wait_s
            FROM ends AS e CROSS JOIN tasks AS t
            WHERE t.id = e.task_id AND t.status = e.status_after AND t.status = :succeeded
        ),
        ranked AS (
            SELECT
                provider,
                wait_s,
                row_number() OVER (PARTITION BY provider ORDER BY wait_s) AS place,
                count(*) OVER (PARTITION BY provider) AS tasks
            FROM waits WHERE wait_s >= 0
        )
        SELECT
            provider,
            tasks,
            max(wait_s) FILTER (WHERE place * 2 <= tasks + 1) AS median_s,
            max(wait_s) FILTER (WHERE place * 10 <= tasks * 9 + 9) AS p90_s
        FROM ranked GROUP BY provider, tasks ORDER BY tasks DESC, provider
    """  # noqa: S608 - no values in the text


async def usage(
    tx: Transaction, starts: Sequence[datetime], *, end: datetime, dialect: UsageDialect
) -> Usage:
    """The tasks that ended from the first of the days' starts to the end."""
    values = {
        "start": starts[0],
        "end": end,
        "limit": LIMIT,
        "succeeded": TaskStatus.SUCCEEDED,
        "failed": TaskStatus.FAILED,
    }
    first_quarters = [start.timestamp() / QUARTER_S for start in starts]
    by_day: list[Counter[bool]] = [Counter() for _ in starts]
    failures: Counter[str] = Counter()
    for row in await tx.all(_counts(dialect), values):
        has_failed = row["status"] != TaskStatus.SUCCEEDED
        by_day[bisect(first_quarters, row["quarter"]) - 1][has_failed] += row["tasks"]
        if row["status"] == TaskStatus.FAILED:
            failures[row["cause"] or Cause.OTHER] += row["tasks"]
        elif has_failed:
            failures[row["status"]] += row["tasks"]
    return Usage(
        days=tuple(
            DayCounts(start=start, succeeded=counts[False], failed=counts[True])
            for start, counts in zip(starts, by_day, strict=True)
        ),
        waits=tuple(
            Waits(provider=row[0], tasks=row[1], median_s=round(row[2], 3), p90_s=round(row[3], 3))
            for row in await tx.all(_waits(dialect), values)
        ),
        failures=dict(failures.most_common()),
    )
