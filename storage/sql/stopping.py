"""Stops watches; a task without an active watch is no longer polled."""

from collections.abc import Iterable
from datetime import datetime

from storage.models import DeliveryKind
from storage.sql import batches, deliveries, tasks
from storage.sql.transaction import Transaction


async def stop(tx: Transaction, watch_id: int, *, at: datetime, by: str | None) -> bool:
    """Stop an active watch; False if it was not active. by: the name of who stops it."""
    return await _stop(tx, [watch_id], at=at, by=by) > 0


async def stop_unchanged(tx: Transaction, *, since_before: datetime, limit: int, at: datetime) -> int:
    """Stop old watches of tasks that have not changed since before then; return how many."""
    found = await tx.all(
        """
        SELECT w.id FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.state = 'active' AND w.created_at < :before AND NOT t.is_final
            AND coalesce(t.unchanged_since, t.registered_at) < :before
        LIMIT :limit
        """,
        {"before": since_before, "limit": limit},
    )
    return await _stop(tx, [row["id"] for row in found], at=at)


async def stop_all_but(tx: Transaction, allowed_ids: Iterable[int], *, at: datetime) -> int:
    """Stop the watches that belong to none of these chats and users, and supersede their deliveries."""
    allowed_ids = list(allowed_ids)
    values = {"allowed": list(allowed_ids), "at": at}
    revoked = await tx.all(
        """
        SELECT * FROM (
            SELECT w.id, w.task_id, w.is_over, EXISTS (
                SELECT 1 FROM deliveries AS d WHERE d.watch_id = w.id AND d.is_unsent
            ) AS has_deliveries
            FROM watches AS w
            WHERE w.chat_id <> ALL(:allowed) AND coalesce(w.user_id <> ALL(:allowed), true)
        ) AS revoked
        WHERE NOT is_over OR has_deliveries
        """,
        values,
    )
    unsent = [row["id"] for row in revoked if row["has_deliveries"]]
    await deliveries.supersede_of_watches(tx, unsent, tuple(DeliveryKind), at=at)
    batch_cards = await batches.unsent_cards_to_all_but(tx, allowed_ids)
    await deliveries.supersede(tx, batch_cards, at=at)
    # Includes a finished watch whose result is enqueued again.
    stopped = await tx.all(
        """
        UPDATE watches SET state = 'stopped', ended_at = :at
        WHERE id = ANY(:ids)
            AND (NOT is_over OR (state = 'finished' AND result IS NULL))
        RETURNING task_id
        """,
        {"at": values["at"], "ids": [row["id"] for row in revoked]},
    )
    await tasks.stop_polling_unwatched(tx, {row["task_id"] for row in stopped})
    return len(stopped)


async def _stop(tx: Transaction, watch_ids: Iterable[int], *, at: datetime, by: str | None = None) -> int:
    """Stop those of the watches that are active; returns how many."""
    stopped = await tx.all(
        """
        UPDATE watches SET state = 'stopped', ended_at = $1, stopped_by = $2
        WHERE id = ANY($3) AND state = 'active'
        RETURNING id, task_id
        """,
        (at, by, list(watch_ids)),
    )
    ids = [row["id"] for row in stopped]
    await deliveries.supersede_of_watches(tx, ids, (DeliveryKind.RESULT, DeliveryKind.NOTICE), at=at)
    await deliveries.enqueue_cards(tx, ids, at=at)
    await tasks.stop_polling_unwatched(tx, {row["task_id"] for row in stopped})
    return len(ids)
