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
    renewed = await tx.all(
        """
        UPDATE tasks SET lease_until = :until,
            snapshot_at = polled.value ->> 2, last_poll_at = polled.value ->> 3,
            next_poll_at = CASE WHEN poll_requested THEN next_poll_at ELSE polled.value ->> 4 END,
            unchanged_since = CASE WHEN polled.value ->> 5 > coalesce(unchanged_since, registered_at)
                THEN polled.value ->> 5 ELSE unchanged_since END
        FROM json_each(:polled) AS polled
        WHERE tasks.id = polled.value ->> 0 AND version = polled.value ->> 1 AND lease_owner = :owner
        RETURNING tasks.id
        """,
        {
            "until": rows.later(at, lease_s),
            "owner": owner,
            "polled": [
                (
                    task.id,
                    task.version,
                    task.snapshot_at,
                    task.last_poll_at,
                    task.next_poll_at,
                    task.unchanged_since,
                )
                for task in polled
            ],
        },
    )
    return [row["id"] for row in renewed]
