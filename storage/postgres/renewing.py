"""Extends the leases of tasks."""

from collections.abc import Sequence
from datetime import datetime

from storage.models import Task
from storage.sql import rows
from storage.sql.transaction import Transaction


async def renew(
    tx: Transaction, polled: Sequence[Task], *, owner: str, at: datetime, lease_s: float
) -> list[int]:
    """Extend the owner's leases and write the poll times; returns the ids of those that it still leases.

    A requested next_poll_at is kept.
    """
    # CASE hides the owner from PostgreSQL, which would expect none of its tasks by statistics from before the
    # leases, and compare each of them with each that was polled.
    renewed = await tx.all(
        """
        UPDATE tasks AS t SET lease_until = $1,
            snapshot_at = polled.snapshot_at, last_poll_at = polled.last_poll_at,
            next_poll_at = CASE WHEN t.poll_requested THEN t.next_poll_at ELSE polled.next_poll_at END,
            unchanged_since = CASE
                WHEN polled.unchanged_since > coalesce(t.unchanged_since, t.registered_at)
                THEN polled.unchanged_since
                ELSE t.unchanged_since
            END
        FROM unnest(
            $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[]
        ) AS polled (id, version, snapshot_at, last_poll_at, next_poll_at, unchanged_since)
        WHERE t.id = polled.id AND t.version = polled.version
            AND CASE t.lease_owner WHEN $2 THEN true ELSE false END
        RETURNING t.id
        """,
        (
            rows.later(at, lease_s),
            owner,
            [task.id for task in polled],
            [task.version for task in polled],
            [task.snapshot_at for task in polled],
            [task.last_poll_at for task in polled],
            [task.next_poll_at for task in polled],
            [task.unchanged_since for task in polled],
        ),
    )
    return [row["id"] for row in renewed]
