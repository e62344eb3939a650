"""The deliveries table: the durable queue of messages and edits."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from storage.models import DeliveryKind, DeliveryState, Settlement, Task
from storage.sqlite import rows
from storage.sqlite.connection import Transaction


async def enqueue(
    tx: Transaction,
    kind: DeliveryKind,
    watch_ids: Iterable[int],
    *,
    at: datetime,
    is_refresh: bool = False,
    hold_s: float = 0.0,
) -> int:
    """Insert a delivery for each watch that has none pending of this kind; return how many.

    A pending one is rendered when it is sent, so it always shows the newest state.
    is_refresh: without news; a pending refresh is upgraded when a delivery with news is enqueued.
    hold_s: how long the card of a task that was never polled waits for the first poll.
    A task that has ended gets no card if none was sent before: its result contains all of it.
    """
    made = await tx.all(
        """
        INSERT INTO deliveries
            (watch_id, kind, created_at, not_before, is_failure, is_final, is_edit, is_refresh)
        SELECT watch_id, :kind, :at,
            CASE WHEN :hold_s > 0 AND is_unpolled THEN :at + :hold_s END,
            :kind = 'result' AND is_without_video,
            :kind = 'card' AND is_final,
            :kind = 'card' AND is_sent AND NOT is_final,
            :is_refresh
        FROM cards
        WHERE watch_id IN (SELECT value FROM json_each(:watch_ids)) AND NOT (:kind = 'card' AND is_needless)
        ON CONFLICT (watch_id, kind) WHERE state = 'pending' DO UPDATE SET
            created_at = iif(is_refresh > excluded.is_refresh, excluded.created_at, created_at),
            not_before = CASE WHEN attempts > 0 OR excluded.is_refresh THEN not_before END,
            is_refresh = min(is_refresh, excluded.is_refresh),
            is_final = excluded.is_final,
            is_edit = excluded.is_edit
            WHERE is_refresh > excluded.is_refresh OR is_final <> excluded.is_final
                OR (attempts = 0 AND not_before IS NOT NULL)
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        {
            "kind": kind,
            "at": rows.seconds(at),
            "hold_s": hold_s,
            "is_refresh": is_refresh,
            "watch_ids": rows.listed(watch_ids),
        },
    )
    return len(made)


async def drop_needless_cards(tx: Transaction, watch_ids: Iterable[int]) -> None:
    """Delete pending first cards of tasks that have ended."""
    await tx.run(
        """
        DELETE FROM deliveries WHERE kind = 'card' AND state = 'pending' AND watch_id IN (
            SELECT watch_id FROM cards WHERE watch_id IN (SELECT value FROM json_each(?)) AND is_needless
        )
        """,
        (rows.listed(watch_ids),),
    )


async def enqueue_results(tx: Transaction, watch_ids: Iterable[int], *, at: datetime) -> None:
    """Enqueue a RESULT for each of these watches whose task is final."""
    ended = await tx.all(
        """
        SELECT w.id FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.id IN (SELECT value FROM json_each(?)) AND t.status NOT IN ('unknown', 'queued', 'running')
        """,
        (rows.listed(watch_ids),),
    )
    await enqueue(tx, DeliveryKind.RESULT, [row["id"] for row in ended], at=at)


async def enqueue_notices(
    tx: Transaction, task: Task, watch_ids: Iterable[int], *, at: datetime, about: str
) -> None:
    """Enqueue a NOTICE for each of these watches whose chat and topic has none of this provider and cause.

    about: the failure's cause, or the task's stall. A notice of a watch that is no longer active does
    not count, as no poll of its task would detect the recovery.
    """
    key = {"provider": task.ref.provider, "cause": about}
    await tx.run(
        """
        DELETE FROM notices WHERE provider = :provider AND cause = :cause AND NOT EXISTS (
            SELECT 1 FROM watches AS w WHERE w.id = notices.watch_id AND w.state = 'active'
        )
        """,
        key,
    )
    inserted = await tx.all(
        """
        INSERT INTO notices (provider, cause, chat_id, thread_id, watch_id)
        SELECT :provider, :cause, chat_id, coalesce(thread_id, 0), id FROM watches
        WHERE id IN (SELECT value FROM json_each(:watch_ids))
        ON CONFLICT DO NOTHING
        RETURNING watch_id
        """,
        key | {"watch_ids": rows.listed(watch_ids)},
    )
    await enqueue(tx, DeliveryKind.NOTICE, [row["watch_id"] for row in inserted], at=at)


async def forget_notices(tx: Transaction, provider: str, *, at: datetime) -> None:
    """After a provider's recovery: supersede pending notices, so that the next failure is notified again."""
    forgotten = await tx.all("DELETE FROM notices WHERE provider = ? RETURNING watch_id", (provider,))
    await supersede(tx, [row["watch_id"] for row in forgotten], (DeliveryKind.NOTICE,), at=at)


async def supersede(
    tx: Transaction, watch_ids: Iterable[int], kinds: Iterable[DeliveryKind], *, at: datetime
) -> None:
    """Mark unsent deliveries of these watches as DEAD; an unsent notice may be enqueued again."""
    dead = await tx.all(
        """
        UPDATE deliveries SET state = 'dead', settled_at = ?, lease_until = NULL, lease_owner = NULL
        WHERE watch_id IN (SELECT value FROM json_each(?)) AND kind IN (SELECT value FROM json_each(?))
            AND state IN ('pending', 'sending')
        RETURNING watch_id, kind
        """,
        (rows.seconds(at), rows.listed(watch_ids), rows.listed(kinds)),
    )
    await tx.run(
        "DELETE FROM notices WHERE watch_id IN (SELECT value FROM json_each(?))",
        (rows.listed(row["watch_id"] for row in dead if row["kind"] == DeliveryKind.NOTICE),),
    )


async def note_message(tx: Transaction, delivery_id: int, message_id: int | None) -> None:
    """Store the message that a delivery has sent, or that it was deleted."""
    await tx.run("UPDATE deliveries SET message_id = ? WHERE id = ?", (message_id, delivery_id))


async def note_unconfirmed_call(tx: Transaction, delivery_id: int, *, at: datetime) -> None:
    """Record that a call which is not idempotent is about to be made."""
    await tx.run(
        "UPDATE deliveries SET unconfirmed_call_at = ? WHERE id = ?", (rows.seconds(at), delivery_id)
    )


async def settle(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    """Write the outcome of an attempt; a delivery superseded meanwhile stays DEAD."""
    row = await tx.one("SELECT * FROM deliveries WHERE id = ? AND state = 'sending'", (delivery_id,))
    if row is None:
        return
    if settlement.state is DeliveryState.PENDING:
        await _put_back(tx, delivery_id, settlement)
        return
    if row["kind"] == DeliveryKind.CARD and settlement.state is DeliveryState.SENT:
        await _store_card(tx, row, settlement)
        # Keeping a row per edit would leave two million unused rows after a month of fifty tasks.
        await tx.run("DELETE FROM deliveries WHERE id = ?", (delivery_id,))
        return
    await tx.run(
        """
        UPDATE deliveries SET state = ?, settled_at = ?, message_id = coalesce(?, message_id),
            lease_until = NULL, lease_owner = NULL
        WHERE id = ?
        """,
        (settlement.state, rows.seconds(settlement.at), settlement.message_id, delivery_id),
    )
    if row["kind"] == DeliveryKind.RESULT:
        await _finish_watch(tx, row["watch_id"], settlement)


async def release(tx: Transaction, *, owner: str | None) -> None:
    """Release an owner's leases, None: all; deliveries with an unconfirmed call stay SENDING for a worker."""
    await tx.run(
        """
        UPDATE deliveries SET lease_until = 0
        WHERE state = 'sending' AND lease_owner = coalesce(?, lease_owner)
        """,
        (owner,),
    )
    freed = await tx.all(
        """
        SELECT id FROM deliveries
        WHERE state = 'sending' AND lease_until = 0 AND unconfirmed_call_at IS NULL
        """
    )
    await _make_pending(tx, [row["id"] for row in freed])


async def _put_back(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    await _make_pending(tx, [delivery_id])
    await tx.run(
        """
        UPDATE deliveries SET not_before = ?, message_id = coalesce(?, message_id),
            unconfirmed_call_at = NULL, attempts = attempts - ?
        WHERE id = ?
        """,
        (
            rows.seconds(settlement.not_before),
            settlement.message_id,
            int(not settlement.is_attempt),
            delivery_id,
        ),
    )


async def _make_pending(tx: Transaction, delivery_ids: Iterable[int]) -> None:
    """Return deliveries to the queue, replacing newer pending ones of the same watch and kind."""
    ids = rows.listed(delivery_ids)
    await tx.run(
        """
        UPDATE deliveries AS d
        SET is_refresh = min(d.is_refresh, n.is_refresh), is_final = n.is_final, is_edit = n.is_edit
        FROM deliveries AS n
        WHERE d.id IN (SELECT value FROM json_each(?))
            AND n.watch_id = d.watch_id AND n.kind = d.kind AND n.state = 'pending' AND n.id <> d.id
        """,
        (ids,),
    )
    await tx.run(
        """
        DELETE FROM deliveries WHERE state = 'pending' AND (watch_id, kind) IN (
            SELECT watch_id, kind FROM deliveries WHERE id IN (SELECT value FROM json_each(?))
        )
        """,
        (ids,),
    )
    await tx.run(
        """
        UPDATE deliveries SET state = 'pending', lease_until = NULL, lease_owner = NULL
        WHERE id IN (SELECT value FROM json_each(?))
        """,
        (ids,),
    )
    cards = await tx.all(
        "SELECT watch_id FROM deliveries WHERE kind = 'card' AND id IN (SELECT value FROM json_each(?))",
        (ids,),
    )
    await drop_needless_cards(tx, [row["watch_id"] for row in cards])


async def _finish_watch(tx: Transaction, watch_id: int, settlement: Settlement) -> None:
    await tx.run(
        """
        UPDATE watches SET state = 'finished', ended_at = :at, result = :state,
            reported_status = CASE WHEN :state <> 'dead' THEN (
                SELECT iif(status = 'unknown', coalesce(snapshot ->> 'status', status), status)
                FROM tasks WHERE tasks.id = watches.task_id
            ) END
        WHERE id = :id
        """,
        {"id": watch_id, "at": rows.seconds(settlement.at), "state": settlement.state},
    )
    if settlement.state is not DeliveryState.SENT:
        await enqueue(tx, DeliveryKind.CARD, [watch_id], at=settlement.at)
    if settlement.file is not None:
        await tx.run(
            """
            UPDATE tasks SET file = ?
            WHERE id = (SELECT task_id FROM watches WHERE id = ?)
            """,
            (rows.to_json(settlement.file), watch_id),
        )


async def _store_card(tx: Transaction, sent: sqlite3.Row, settlement: Settlement) -> None:
    await tx.run(
        """
        UPDATE watches SET card_message_id = coalesce(?, card_message_id), card_digest = ?, card_sent_at = ?
        WHERE id = ?
        """,
        (
            settlement.message_id or sent["message_id"],
            settlement.card_digest,
            rows.seconds(settlement.at),
            sent["watch_id"],
        ),
    )
