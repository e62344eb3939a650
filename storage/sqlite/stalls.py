"""What becomes of tasks that do not change: somebody asks for them again."""

from collections.abc import Iterable
from datetime import datetime

from storage.models import DeliveryKind, Stall
from storage.sqlite import deliveries, rows, tasks
from storage.sqlite.connection import Transaction


async def take_up(tx: Transaction, task_ids: Iterable[int], *, at: datetime) -> None:
    """Somebody asks for tasks that do not change: they rest later, or no more, which their cards show."""
    stalled = await tx.all(
        """
        SELECT id, stall FROM tasks
        WHERE id IN (SELECT value FROM json_each(?)) AND stall IN ('unchanged', 'resting')
            AND status IN ('unknown', 'queued', 'running')
        """,
        (rows.listed(task_ids),),
    )
    await tx.run(
        """
        UPDATE tasks SET unchanged_since = ?, stall = iif(stall = 'resting', 'moving', stall)
        WHERE id IN (SELECT value FROM json_each(?))
        """,
        (rows.seconds(at), rows.listed(row["id"] for row in stalled)),
    )
    rested = [row["id"] for row in stalled if row["stall"] == Stall.RESTING]
    await tasks.make_due(tx, rested, at=at)
    waiting = await tx.all(
        "SELECT id FROM watches WHERE task_id IN (SELECT value FROM json_each(?)) AND state = 'active'",
        (rows.listed(rested),),
    )
    await deliveries.enqueue(tx, DeliveryKind.CARD, [row["id"] for row in waiting], at=at)
