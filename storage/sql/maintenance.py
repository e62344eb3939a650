"""Counts, the write check, pruning and the saved texts."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from storage.access import AccessState
from storage.figures import Figures, Stats, Workload
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import DeliveryPriority
from storage.sql import rows
from storage.sql.transaction import Row, Transaction
from storage.watches import WatchState


async def stats(tx: Transaction) -> Stats:
    """Counts by status and state, with 0 for those without a row."""
    tasks = await tx.all(
        """
        SELECT status, count(*) FROM tasks
        WHERE status NOT IN ('unknown', 'queued', 'running') GROUP BY status
        UNION ALL
        SELECT status, count(*) FROM tasks
        WHERE status IN ('unknown', 'queued', 'running') GROUP BY status
        """
    )
    watches = await tx.all(
        """
        SELECT state, count(*) FROM watches WHERE state <> 'active' GROUP BY state
        UNION ALL
        SELECT 'active', count(*) FROM watches INDEXED BY watches_card_age WHERE state = 'active'
        """
    )
    deliveries = await tx.all(
        """
        SELECT state, count(*) FROM deliveries WHERE state NOT IN ('pending', 'sending') GROUP BY state
        UNION ALL SELECT 'pending', count(*) FROM deliveries WHERE state = 'pending'
        UNION ALL SELECT 'sending', count(*) FROM deliveries WHERE state = 'sending'
        """
    )
    return Stats(
        tasks=_counts(TaskStatus, tasks),
        watches=_counts(WatchState, watches),
        deliveries=_counts(DeliveryState, deliveries),
    )


# One statement, as each takes a round trip; a LIMIT of its own lets each part read one entry of an index.
_OLDEST = " UNION ALL ".join(
    f"""
    SELECT * FROM (
        SELECT priority, created_at FROM claimable_deliveries
        WHERE priority = {priority:d} ORDER BY created_at, id LIMIT 1
    ) AS oldest
    """  # noqa: S608 - a number
    for priority in DeliveryPriority
)


async def figures(tx: Transaction, *, size: int) -> Figures:
    """What /metrics shows; size: of the database."""
    waiting_since = {
        DeliveryPriority(row["priority"]): rows.time(row["created_at"]) for row in await tx.all(_OLDEST)
    }
    [lookups] = await tx.all("SELECT count(*) FROM lookups WHERE state IN ('polling', 'asking')")
    return Figures(stats=await stats(tx), waiting_since=waiting_since, open_lookups=lookups[0], bytes=size)


# A result that is due later waits for its next attempt; any other delivery is meant to be sent later.
_WAITING = """
    SELECT count(*) AS deliveries,
        min(CASE d.kind WHEN :result THEN d.created_at ELSE d.ready_at END) AS since
    FROM claimable_deliveries AS c
    JOIN deliveries AS d USING (id)
    WHERE d.state = 'pending' AND (d.ready_at <= :at OR d.kind = :result)
"""


async def workload(tx: Transaction, *, at: datetime, size: int) -> Workload:
    """The polled tasks, the chats that watch, and the deliveries that wait; size: of the database."""
    polled = await tx.all(
        "SELECT provider, count(*) FROM tasks WHERE claimable_at IS NOT NULL GROUP BY provider"
    )
    [watching] = await tx.all("SELECT count(DISTINCT chat_id) AS chats FROM watches WHERE state = 'active'")
    [waiting] = await tx.all(_WAITING, {"at": at, "result": DeliveryKind.RESULT})
    return Workload(
        polled_tasks={provider: count for provider, count in polled},
        watching_chats=watching["chats"],
        waiting_deliveries=waiting["deliveries"],
        waiting_since=rows.moment(waiting["since"]),
        database_bytes=size,
    )


_PRUNE = (
    """
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries WHERE settled_at < :before AND NOT blocks_repeat LIMIT :limit
    )
    RETURNING id
    """,
    """
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries
        WHERE is_unsent AND kind IN (:question, :greeting) AND created_at < :before
        LIMIT :limit
    )
    RETURNING id
    """,
    """
    DELETE FROM access_requests WHERE id IN (
        SELECT id FROM access_requests
        WHERE state IN (:requested, :removed) AND asked_at < :before LIMIT :limit
    )
    RETURNING id
    """,
    """
    DELETE FROM watches WHERE id IN (
        SELECT w.id FROM watches AS w
        WHERE w.ended_at < :before AND (NOT w.is_over OR NOT EXISTS (
            SELECT 1 FROM deliveries AS d
            WHERE d.watch_id = w.id AND d.is_unsent AND d.created_at >= :before
        ))
        LIMIT :limit
    )
    RETURNING id
    """,
    """
    DELETE FROM batches WHERE id IN (
        SELECT b.id FROM batches AS b
        WHERE b.created_at < :before AND NOT EXISTS (SELECT 1 FROM watches AS w WHERE w.batch_id = b.id)
        LIMIT :limit
    )
    RETURNING id
    """,
    """
    DELETE FROM lookups WHERE id IN (SELECT id FROM lookups WHERE created_at < :before LIMIT :limit)
    RETURNING id
    """,
    """
    DELETE FROM tasks WHERE id IN (
        SELECT t.id FROM tasks AS t
        WHERE coalesce(t.last_poll_at, t.registered_at) < :before
            AND NOT EXISTS (SELECT 1 FROM watches AS w WHERE w.task_id = t.id)
        LIMIT :limit
    )
    RETURNING id
    """,
    """
    DELETE FROM chats WHERE id IN (
        SELECT c.id FROM chats AS c
        WHERE c.written_at < :before
            AND NOT EXISTS (SELECT 1 FROM watches AS w WHERE w.chat_id = c.id)
            AND NOT EXISTS (
                SELECT 1 FROM deliveries AS d
                WHERE d.chat_id = c.id AND (d.state = 'pending' OR d.state = 'sending')
            )
            AND NOT EXISTS (SELECT 1 FROM allowed_chats AS a WHERE a.chat_id = c.id)
        LIMIT :limit
    )
    RETURNING id
    """,
)


async def prune(tx: Transaction, *, older_than: datetime, limit: int) -> int:
    """Delete what ended before then and has nothing left to send, limit rows per table; return how many."""
    values = {
        "before": older_than,
        "limit": limit,
        "question": DeliveryKind.QUESTION,
        "greeting": DeliveryKind.GREETING,
        "requested": AccessState.REQUESTED,
        "removed": AccessState.REMOVED,
    }
    return sum([len(await tx.all(sql, values)) for sql in _PRUNE])


def _counts(names: Iterable[StrEnum], found: Iterable[Row]) -> dict[str, int]:
    return {str(name): 0 for name in names} | {name: count for name, count in found}


async def load_estimates(tx: Transaction) -> str | None:
    """The estimates as saved, or None."""
    row = await tx.one("SELECT data FROM estimates")
    return None if row is None else str(row["data"])


async def save_estimates(tx: Transaction, estimates: str) -> None:
    """Replace the saved estimates."""
    await tx.run(
        "INSERT INTO estimates VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
        (estimates,),
    )
