"""The watches table: which chat follows which task."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from storage.chat_settings import ChatSettings
from storage.outbox import DeliveryPriority
from storage.sql import chat_settings, deliveries, resuming, rows, tasks
from storage.sql.transaction import Row, Transaction
from storage.watches import Watch, WatchedTask

_CARDS_OF_CHAT = 2  # enqueued at once: about as many as a chat allows until the next run


async def by_ids(
    tx: Transaction, watch_ids: Collection[int], settings_by_chat: Mapping[int, ChatSettings]
) -> dict[int, Watch]:
    """The watches by their ids; settings_by_chat: of a chat that it lacks, the defaults count."""
    if not watch_ids:
        return {}
    found = await tx.all("SELECT * FROM watches WHERE id = ANY($1)", (list(watch_ids),))
    languages = {chat_id: settings.language for chat_id, settings in settings_by_chat.items()}
    return {row["id"]: rows.watch(row, languages.get(row["chat_id"])) for row in found}


async def active_in(tx: Transaction, chat_id: int) -> list[WatchedTask]:
    """The chat's active watches, oldest first."""
    found = await tx.all(
        "SELECT * FROM watches WHERE chat_id = $1 AND state = 'active' ORDER BY created_at, id", (chat_id,)
    )
    return await with_tasks(tx, found)


async def of_task_in(tx: Transaction, chat_id: int, external_id: str) -> list[WatchedTask]:
    """The chat's watches of an id, newest first."""
    found = await tx.all(
        """
        SELECT w.* FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.chat_id = $1 AND t.external_id = $2
        ORDER BY w.created_at DESC, w.id DESC
        """,
        (chat_id, external_id),
    )
    return await with_tasks(tx, found)


async def of_batch(tx: Transaction, batch_id: int) -> list[WatchedTask]:
    """The watches of a batch, in the order of their ids."""
    found = await tx.all("SELECT * FROM watches WHERE batch_id = $1 ORDER BY id", (batch_id,))
    return await with_tasks(tx, found)


async def active_of(tx: Transaction, task_id: int) -> Sequence[Row]:
    """The id and batch_id of each active watch of a task."""
    return await tx.all(
        "SELECT id, batch_id FROM watches WHERE task_id = $1 AND state = 'active' ORDER BY id", (task_id,)
    )


async def of_chat(tx: Transaction, watch_id: int, chat_id: int) -> WatchedTask | None:
    """The watch by its id; None unless it is this chat's."""
    found = await tx.all("SELECT * FROM watches WHERE id = $1 AND chat_id = $2", (watch_id, chat_id))
    return next(iter(await with_tasks(tx, found)), None)


async def resume(tx: Transaction, watch_id: int, chat_id: int, *, at: datetime) -> bool:
    """Make the task of an active watch due, and resume it if it rests; False if there is no such watch."""
    found = await tx.one(
        "SELECT task_id FROM watches WHERE id = $1 AND chat_id = $2 AND state = 'active'", (watch_id, chat_id)
    )
    if found is None:
        return False
    await resuming.resume_stalled(tx, [found["task_id"]], at=at)
    await tasks.make_due(tx, [found["task_id"]], at=at, is_awaited=True)
    return True


async def refresh_cards(tx: Transaction, *, older_than: datetime, limit: int, at: datetime) -> int:
    """Enqueue the oldest CARD of each chat where none is pending or being sent; return how many."""
    stale = await tx.all(
        """
        SELECT id FROM (
            SELECT id, card_sent_at,
                row_number() OVER (PARTITION BY chat_id ORDER BY card_sent_at, id) AS place
            FROM watches
            WHERE state = 'active' AND card_sent_at < $1
                AND task_id NOT IN (SELECT id FROM tasks WHERE stall = 'resting')
                AND chat_id NOT IN (SELECT chat_id FROM deliveries WHERE kind = 'card' AND is_unsent)
        ) AS stale
        WHERE place = 1 ORDER BY card_sent_at LIMIT $2
        """,
        (older_than, limit),
    )
    return await deliveries.enqueue_cards(tx, [row["id"] for row in stale], at=at, is_refresh=True)


async def refresh_cards_of(
    tx: Transaction, providers: Collection[str], *, sent_before: datetime, limit: int, at: datetime
) -> bool:
    """Enqueue stale cards of these providers' tasks, as news; False if there is none, enqueued or not."""
    stale = await tx.all(
        """
        SELECT id, is_busy, row_number() OVER (PARTITION BY chat_id ORDER BY sent_at, id) AS place
        FROM (
            SELECT min(w.id) AS id, w.chat_id, min(coalesce(b.card_sent_at, w.card_sent_at)) AS sent_at,
                w.chat_id IN (
                    SELECT chat_id FROM deliveries WHERE kind = 'card' AND is_unsent AND priority <> :refresh
                ) AS is_busy
            FROM tasks AS t
            JOIN watches AS w ON w.task_id = t.id
            LEFT JOIN batches AS b ON b.id = w.batch_id
            WHERE t.provider = ANY(:providers) AND t.claimable_at IS NOT NULL
                AND w.state = 'active' AND coalesce(b.card_sent_at, w.card_sent_at) < :before
                AND NOT EXISTS (
                    SELECT 1 FROM deliveries AS d
                    WHERE d.batch_id = w.batch_id AND d.kind = 'batch' AND d.state = 'pending'
                )
            GROUP BY w.chat_id, coalesce(w.batch_id, -w.id)
        ) AS stale
        ORDER BY is_busy, place, sent_at LIMIT :limit
        """,
        {
            "providers": list(providers),
            "before": sent_before,
            "refresh": DeliveryPriority.REFRESH,
            "limit": limit,
        },
    )
    chosen = [row["id"] for row in stale if not row["is_busy"] and row["place"] <= _CARDS_OF_CHAT]
    await deliveries.enqueue_cards(tx, chosen, at=at)
    return bool(stale)


async def with_tasks(tx: Transaction, found: Sequence[Row]) -> list[WatchedTask]:
    """The watches of these rows with their tasks."""
    tasks_by_id = await tasks.by_ids(tx, {row["task_id"] for row in found})
    settings = await chat_settings.of_chats(tx, (row["chat_id"] for row in found))
    watches = [rows.watch(row, settings[row["chat_id"]].language) for row in found]
    return [
        WatchedTask(watch=watch, task=resuming.as_seen_by(watch, tasks_by_id[watch.task_id]))
        for watch in watches
    ]
