"""What has ended in a chat."""

from dataclasses import replace

from storage.models import TaskStatus
from storage.sql import watches
from storage.sql.transaction import Transaction
from storage.watches import Ending, WatchedTask, WatchState


async def page(
    tx: Transaction, chat_id: int, *, ending: Ending | None, provider: str | None, offset: int, limit: int
) -> list[WatchedTask]:
    """The chat's watches that are over, newest first, with the task as it was reported."""
    # CROSS JOIN makes SQLite keep the order of the tables: that of watches_ended.
    found = await tx.all(
        """
        SELECT w.* FROM watches AS w CROSS JOIN tasks AS t
        WHERE t.id = w.task_id AND w.chat_id = :chat_id AND w.is_over
            AND (CAST(:provider AS text) IS NULL OR t.provider = :provider)
            AND (CAST(:ending AS text) IS NULL OR :ending = CASE
                WHEN w.state = :stopped_watch THEN :stopped
                WHEN coalesce(w.reported_status, t.status) = :succeeded THEN :done
                ELSE :failed
            END)
        ORDER BY w.ended_at DESC, w.id DESC LIMIT :limit OFFSET :offset
        """,
        {
            "chat_id": chat_id,
            "provider": provider,
            "ending": ending,
            "stopped_watch": WatchState.STOPPED,
            "succeeded": TaskStatus.SUCCEEDED,
            "stopped": Ending.STOPPED,
            "done": Ending.DONE,
            "failed": Ending.FAILED,
            "limit": limit,
            "offset": offset,
        },
    )
    reported = {row["id"]: row["reported_status"] for row in found}
    return [
        replace(each, task=replace(each.task, status=TaskStatus(status)))
        if (status := reported[each.watch.id])
        else each
        for each in await watches.with_tasks(tx, found)
    ]
