"""Counts what ended in a period."""

from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from storage.models import Cause, TaskStatus
from storage.sqlite import rows
from storage.sqlite.connection import Transaction
from storage.usage import DayCounts, Usage, Waits

LIMIT = 200_000  # ends that are counted, the newest; they take 1.5 s
_QUARTER_S = 900  # in every time zone a day begins at a multiple of it

# A task that is confirmed, or that ends a second time, has several of these events: the first with its
# present status counts.
_ENDED = """
    WITH ends AS MATERIALIZED (
        SELECT task_id, status_after, min(at) AS at
        FROM (
            SELECT task_id, status_after, at FROM events
            WHERE kind = 'finished' AND at >= :start AND at < :end
            ORDER BY at DESC LIMIT :limit
        )
        GROUP BY task_id, status_after
    )
"""

_COUNTS = f"""{_ENDED}
    SELECT
        CAST(e.at / {_QUARTER_S} AS INTEGER) AS quarter,
        t.status,
        CASE WHEN t.status = :failed THEN t.snapshot ->> '$.error.cause' END AS cause,
        count(*) AS tasks
    FROM ends AS e CROSS JOIN tasks AS t ON t.id = e.task_id AND t.status = e.status_after
    GROUP BY 1, 2, 3
"""  # noqa: S608 - no values in the text

# 2440587.5: the Julian day of the unix epoch.
_WAITS = f"""{_ENDED},
    waits AS (
        SELECT
            t.provider,
            coalesce((julianday(t.snapshot ->> 'finished_at') - 2440587.5) * 86400, e.at)
            - coalesce(
                (julianday(
                    coalesce(t.snapshot ->> 'submitted_at', t.snapshot ->> 'started_at')
                ) - 2440587.5) * 86400,
                t.registered_at
            ) AS wait_s
        FROM ends AS e CROSS JOIN tasks AS t ON t.id = e.task_id AND t.status = e.status_after
        WHERE t.status = :succeeded
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
        round(max(wait_s) FILTER (WHERE place * 2 <= tasks + 1), 3) AS median_s,
        round(max(wait_s) FILTER (WHERE place * 10 <= tasks * 9 + 9), 3) AS p90_s
    FROM ranked GROUP BY provider ORDER BY tasks DESC, provider
"""  # noqa: S608 - no values in the text


async def usage(tx: Transaction, starts: Sequence[datetime], *, end: datetime) -> Usage:
    """The tasks that ended from the first of the days' starts to the end."""
    values = {
        "start": rows.seconds(starts[0]),
        "end": rows.seconds(end),
        "limit": LIMIT,
        "succeeded": TaskStatus.SUCCEEDED,
        "failed": TaskStatus.FAILED,
    }
    first_quarters = [start.timestamp() / _QUARTER_S for start in starts]
    by_day: list[Counter[bool]] = [Counter() for _ in starts]
    failures: Counter[str] = Counter()
    for row in await tx.all(_COUNTS, values):
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
            Waits(provider=row[0], tasks=row[1], median_s=row[2], p90_s=row[3])
            for row in await tx.all(_WAITS, values)
        ),
        failures=dict(failures.most_common()),
    )
