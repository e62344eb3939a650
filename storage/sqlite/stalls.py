"""Resumes tasks that do not change, when a user requests them."""

from collections.abc import Iterable
from datetime import datetime

from storage.models import Stall
from storage.sqlite import deliveries, rows, tasks
from storage.sqlite.connection import Transaction

_REPORTED = rows.listed(stall for stall in Stall if stall.is_reported)


async def resume(tx: Transaction, task_ids: Iterable[int], *, at: datetime) -> None:
    """Restart the stall period of unchanged tasks; resting ones become MOVING and due, with new cards."""
    stalled = await tx.all(
        """
        SELECT id, stall FROM tasks
        WHERE id IN (SELECT value FROM json_each(?)) AND stall IN (SELECT value FROM json_each(?))
            AND NOT is_final
        """,
        (rows.listed(task_ids), _REPORTED),
    )
    if not stalled:
        return
    await tx.run(
        """
        UPDATE tasks SET unchanged_since = ?, stall = iif(stall = 'resting', 'moving', stall)
        WHERE id IN (SELECT value FROM json_each(?))
        """,
        (rows.seconds(at), rows.listed(row["id"] for row in stalled)),
    )
    resumed = [row["id"] for row in stalled if row["stall"] == Stall.RESTING]
    await tasks.make_due(tx, resumed, at=at)
    active = await tx.all(
        "SELECT id FROM watches WHERE task_id IN (SELECT value FROM json_each(?)) AND state = 'active'",
        (rows.listed(resumed),),
    )
    await deliveries.enqueue_cards(tx, [row["id"] for row in active], at=at)
