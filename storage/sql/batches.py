"""The batches table: watches that one message started, with one card for all of them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from storage.models import DeliveryKind
from storage.outbox import DeliveryPriority, Settlement
from storage.sql import rows
from storage.sql.transaction import Transaction
from storage.watches import Batch, WatchRequest

_PRIORITIES: dict[str, object] = {
    "last": DeliveryPriority.LAST_CARD,
    "first": DeliveryPriority.FIRST_CARD,
    "edit": DeliveryPriority.EDIT,
}


async def gather(
    tx: Transaction, request: WatchRequest, watch_ids: Sequence[int], *, at: datetime, hold_card_s: float
) -> int:
    """Make a batch of new watches, and return its id; its card replaces theirs, which are still pending."""
    made = await tx.all(
        """
        INSERT INTO batches (chat_id, thread_id, request_message_id, user_id, language, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
        """,
        (
            request.chat_id,
            request.thread_id,
            request.message_id,
            request.user_id,
            request.language,
            at,
        ),
    )
    await join(tx, made[0]["id"], watch_ids, at=at, hold_card_s=hold_card_s)
    return int(made[0]["id"])


async def join(
    tx: Transaction, batch_id: int, watch_ids: Iterable[int], *, at: datetime, hold_card_s: float = 0.0
) -> None:
    """Add watches to a batch, whose card replaces theirs; the batch counts as made now."""
    listed = list(watch_ids)
    await tx.run("UPDATE batches SET created_at = $1 WHERE id = $2", (at, batch_id))
    await tx.run("UPDATE watches SET batch_id = $1 WHERE id = ANY($2)", (batch_id, listed))
    await tx.run(
        "DELETE FROM deliveries WHERE kind = 'card' AND state = 'pending' AND watch_id = ANY($1)", (listed,)
    )
    await enqueue_cards(tx, [batch_id], at=at, hold_s=hold_card_s)


async def enqueue_cards(
    tx: Transaction, batch_ids: Iterable[int], *, at: datetime, hold_s: float = 0.0
) -> None:
    """Insert a BATCH for each batch that has none pending; a pending one that is now the last is due at once.

    hold_s: how long the first card waits for the first polls.
    """
    await tx.run(
        """
        INSERT INTO deliveries AS d
            (chat_id, thread_id, kind, subject, batch_id, priority, created_at, not_before)
        SELECT b.chat_id, b.thread_id, :kind, b.id, b.id,
            CASE
                WHEN b.is_final THEN CAST(:last AS integer)
                WHEN b.card_message_id IS NULL THEN CAST(:first AS integer)
                ELSE CAST(:edit AS integer)
            END,
            :at,
            CASE
                WHEN b.is_final THEN NULL
                WHEN b.card_message_id IS NOT NULL THEN b.next_edit_at
                ELSE CAST(:held_until AS timestamptz)
            END
        FROM (
            SELECT *, NOT EXISTS (
                SELECT 1 FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
                WHERE w.batch_id = batches.id AND NOT w.is_over AND NOT t.is_final
            ) AS is_final
            FROM batches WHERE id = ANY(:batch_ids)
                AND EXISTS (SELECT 1 FROM watches AS w WHERE w.batch_id = batches.id)
        ) AS b
        ORDER BY b.id
        ON CONFLICT (chat_id, kind, subject, coalesce(thread_id, 0)) WHERE state = 'pending' DO UPDATE SET
            not_before = CASE WHEN d.attempts > 0 OR excluded.priority <> :last THEN d.not_before END,
            priority = excluded.priority
            WHERE d.priority <> excluded.priority
        """,
        _PRIORITIES
        | {
            "kind": DeliveryKind.BATCH,
            "at": at,
            "held_until": rows.later(at, hold_s) if hold_s > 0 else None,
            "batch_ids": list(batch_ids),
        },
    )


async def ids_of(tx: Transaction, watch_ids: Iterable[int]) -> list[int]:
    """The batches of these watches."""
    found = await tx.all(
        """
        SELECT DISTINCT batch_id FROM watches
        WHERE id = ANY($1) AND batch_id IS NOT NULL
        """,
        (list(watch_ids),),
    )
    return [row["batch_id"] for row in found]


async def by_ids(tx: Transaction, batch_ids: Collection[int]) -> dict[int, Batch]:
    """The batches by their ids."""
    if not batch_ids:
        return {}
    found = await tx.all("SELECT * FROM batches WHERE id = ANY($1)", (list(batch_ids),))
    return {row["id"]: rows.batch(row) for row in found}


async def unsent_cards_to_all_but(tx: Transaction, allowed_ids: Iterable[int]) -> list[int]:
    """The unsent BATCH deliveries of other chats and users."""
    found = await tx.all(
        """
        SELECT d.id FROM deliveries AS d JOIN batches AS b ON b.id = d.batch_id
        WHERE d.is_unsent AND b.chat_id <> ALL(:allowed)
            AND coalesce(b.user_id <> ALL(:allowed), true)
        """,
        {"allowed": list(allowed_ids)},
    )
    return [row["id"] for row in found]


async def move(tx: Transaction, old_id: int, new_id: int, *, at: datetime) -> None:
    """Move a chat's batches to its new id, where message ids are different.

    Unsent cards are deleted and enqueued again: settling one that is being sent must not store the old
    chat's message id.
    """
    unsent = await tx.all(
        """
        DELETE FROM deliveries WHERE chat_id = $1 AND kind = $2 AND (state = 'pending' OR state = 'sending')
        RETURNING batch_id
        """,
        (old_id, DeliveryKind.BATCH),
    )
    await tx.run(
        """
        UPDATE batches SET chat_id = $1, request_message_id = NULL, card_message_id = NULL,
            card_digest = NULL, card_sent_at = NULL
        WHERE chat_id = $2
        """,
        (new_id, old_id),
    )
    await enqueue_cards(tx, {row["batch_id"] for row in unsent}, at=at)


async def store_card(tx: Transaction, batch_id: int, message_id: int | None, settlement: Settlement) -> None:
    """Store the card as sent; an edit that is pending already is due at its usual time after this one."""
    await tx.run(
        """
        UPDATE batches
        SET card_message_id = coalesce($1, card_message_id), card_digest = $2, card_sent_at = $3
        WHERE id = $4
        """,
        (message_id, settlement.card_digest, settlement.at, batch_id),
    )
    await tx.run(
        """
        UPDATE deliveries SET priority = :edit,
            not_before = (SELECT next_edit_at FROM batches AS b WHERE b.id = deliveries.batch_id)
        WHERE batch_id = :batch_id AND state = 'pending' AND priority <> :last AND attempts = 0
        """,
        _PRIORITIES | {"batch_id": batch_id},
    )
