"""The chats table, and the chat's watches when it is lost, found again or migrated."""

from datetime import datetime

from storage.models import Chat, DeliveryKind
from storage.sql import (
    access_requests,
    allowed_chats,
    batches,
    chat_settings,
    deliveries,
    resuming,
    rows,
    tasks,
)
from storage.sql.transaction import Transaction


async def get(tx: Transaction, chat_id: int) -> Chat | None:
    """The chat by its id, or None."""
    row = await tx.one("SELECT * FROM chats WHERE id = $1", (chat_id,))
    return None if row is None else rows.chat(row)


async def save(tx: Transaction, chat: Chat, *, at: datetime) -> None:
    """Insert a chat, or update its title and language."""
    await tx.run(
        """
        INSERT INTO chats (id, title, language, written_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET
            title = excluded.title, language = excluded.language, written_at = excluded.written_at
        """,
        (chat.id, chat.title, chat.language, at),
    )


async def lost(tx: Transaction, chat_id: int, reason: str, *, at: datetime) -> None:
    """Suspend the chat's active watches; an unknown chat without watches and deliveries is not stored."""
    await tx.run(
        """
        INSERT INTO chats (id, title, disabled_reason, written_at) SELECT :id, '', :reason, :at
        WHERE EXISTS (SELECT 1 FROM watches WHERE chat_id = :id)
            OR EXISTS (
                SELECT 1 FROM deliveries WHERE chat_id = :id AND (state = 'pending' OR state = 'sending')
            )
            OR EXISTS (SELECT 1 FROM chats WHERE id = :id)
        ON CONFLICT (id) DO UPDATE SET
            disabled_reason = excluded.disabled_reason, written_at = excluded.written_at
        """,
        {"id": chat_id, "reason": reason, "at": at},
    )
    suspended = await tx.all(
        """
        UPDATE watches SET state = 'suspended', ended_at = $1 WHERE chat_id = $2 AND state = 'active'
        RETURNING task_id
        """,
        (at, chat_id),
    )
    await tasks.stop_polling_unwatched(tx, [row["task_id"] for row in suspended])


async def throttle(tx: Transaction, chat_id: int, *, until: datetime) -> None:
    """Store until when a chat is throttled, if it has watches or deliveries."""
    await tx.run(
        """
        INSERT INTO chats (id, title, throttled_until, written_at) SELECT :id, '', :until, :until
        WHERE EXISTS (SELECT 1 FROM watches WHERE chat_id = :id)
            OR EXISTS (
                SELECT 1 FROM deliveries WHERE chat_id = :id AND (state = 'pending' OR state = 'sending')
            )
        ON CONFLICT (id) DO UPDATE SET
            throttled_until = excluded.throttled_until, written_at = excluded.written_at
        """,
        {"id": chat_id, "until": until},
    )


async def throttled(tx: Transaction, *, at: datetime) -> dict[int, datetime]:
    """The chats that are throttled after that moment, and until when."""
    waiting = await tx.all("SELECT id, throttled_until FROM chats WHERE throttled_until > $1", (at,))
    return {row["id"]: rows.time(row["throttled_until"]) for row in waiting}


async def found(tx: Transaction, chat_id: int, *, at: datetime) -> None:
    """Resume the chat's suspended watches; those whose task has ended get a RESULT."""
    was_lost = await tx.one(
        """
        SELECT 1 FROM chats WHERE id = $1 AND disabled_reason IS NOT NULL
        UNION ALL
        SELECT 1 FROM watches WHERE chat_id = $1 AND state = 'suspended'
        LIMIT 1
        """,
        (chat_id,),
    )
    if was_lost is None:
        return
    await tx.run("UPDATE chats SET disabled_reason = NULL WHERE id = $1", (chat_id,))
    resumed = await tx.all(
        """
        UPDATE watches SET state = 'active', ended_at = NULL WHERE chat_id = $1 AND state = 'suspended'
        RETURNING id, task_id
        """,
        (chat_id,),
    )
    if not resumed:
        return
    watch_ids = [row["id"] for row in resumed]
    await deliveries.enqueue_cards(tx, watch_ids, at=at)
    await deliveries.enqueue_results(tx, watch_ids, at=at)
    task_ids = [row["task_id"] for row in resumed]
    await resuming.resume_stalled(tx, task_ids, at=at)
    await tasks.make_due(tx, task_ids, at=at)


async def migrate(tx: Transaction, old_id: int, new_id: int, *, at: datetime) -> None:
    """Rewrite a chat's rows to its new id; of two watches of a task, the one without its result is kept."""
    await allowed_chats.move(tx, old_id, new_id)
    await access_requests.move(tx, old_id, new_id)
    await chat_settings.move(tx, old_id, new_id)
    await _drop_duplicates(tx, old_id, new_id)
    await tx.run(
        """
        UPDATE deliveries SET message_id = NULL, reply_to = NULL
        WHERE chat_id = $1 AND (state = 'pending' OR state = 'sending')
        """,
        (old_id,),
    )
    # A card that is being sent to the old chat is deleted and enqueued again: settling it must not store
    # the old chat's message id.
    being_sent = await tx.all(
        """
        DELETE FROM deliveries WHERE chat_id = $1 AND kind = $2 AND state = 'sending' RETURNING watch_id
        """,
        (old_id, DeliveryKind.CARD),
    )
    # Message ids are different in the supergroup. Active watches are suspended here, and resumed below.
    await tx.run(
        """
        UPDATE watches SET chat_id = $1, request_message_id = NULL, card_message_id = NULL,
            card_digest = NULL, card_sent_at = NULL,
            state = CASE state WHEN 'active' THEN 'suspended' ELSE state END
        WHERE chat_id = $2
        """,
        (new_id, old_id),
    )
    await deliveries.enqueue_cards(tx, [row["watch_id"] for row in being_sent], at=at)
    await batches.move(tx, old_id, new_id, at=at)
    await _move_deliveries(tx, old_id, new_id)
    await tx.run(
        """
        INSERT INTO chats (id, title, language, written_at)
        SELECT $1, title, language, written_at FROM chats WHERE id = $2
        ON CONFLICT DO NOTHING
        """,
        (new_id, old_id),
    )
    await tx.run("DELETE FROM chats WHERE id = $1", (old_id,))
    await found(tx, new_id, at=at)


async def _move_deliveries(tx: Transaction, old_id: int, new_id: int) -> None:
    """Address the old chat's deliveries to the new one; a notice that both have stays once."""
    twins = [
        f"""
            AND NOT (d.{condition} AND EXISTS (
                SELECT 1 FROM deliveries AS n
                WHERE n.chat_id = :new AND n.kind = d.kind AND n.subject = d.subject
                    AND coalesce(n.thread_id, 0) = coalesce(d.thread_id, 0) AND n.{condition}
            ))
        """  # noqa: S608 - a constant
        for condition in ("state = 'pending'", "state = 'sending'", "blocks_repeat")  # of the unique indexes
    ]
    await tx.run(
        f"""
        UPDATE deliveries AS d SET chat_id = :new
        WHERE d.chat_id <> :new
            AND (
                (d.chat_id = :old AND (d.state = 'pending' OR d.state = 'sending'))
                OR d.watch_id IN (SELECT id FROM watches WHERE chat_id = :new)
            )
            {"".join(twins)}
        """,  # noqa: S608 - a constant
        {"old": old_id, "new": new_id},
    )
    await tx.run(
        "DELETE FROM deliveries WHERE chat_id = $1 AND (state = 'pending' OR state = 'sending')", (old_id,)
    )


async def _drop_duplicates(tx: Transaction, old_id: int, new_id: int) -> None:
    """Of two watches of a task and topic, keep the new id's, unless only the old id's lacks its result."""
    await tx.run(
        """
        DELETE FROM watches WHERE chat_id = :old AND EXISTS (
            SELECT 1 FROM watches AS twin
            WHERE twin.task_id = watches.task_id AND twin.chat_id = :new
                AND coalesce(twin.thread_id, 0) = coalesce(watches.thread_id, 0)
                AND (
                    NOT twin.is_over
                    OR twin.reported_status = ANY(:permanent)
                    OR watches.is_over
                )
        )
        """,
        {"old": old_id, "new": new_id, "permanent": rows.PERMANENT},
    )
    await tx.run(
        """
        DELETE FROM watches WHERE chat_id = :new AND EXISTS (
            SELECT 1 FROM watches AS twin
            WHERE twin.task_id = watches.task_id AND twin.chat_id = :old
                AND coalesce(twin.thread_id, 0) = coalesce(watches.thread_id, 0)
        )
        """,
        {"old": old_id, "new": new_id},
    )
