"""Updates claimed deliveries: notes their calls, settles them, or returns them to the queue."""

from collections.abc import Iterable
from datetime import UTC, datetime

from storage.models import DeliveryKind, DeliveryState, StoredFile
from storage.outbox import CopyRequest, DeliveryPriority, Settlement
from storage.sql import batches, copies, deliveries, lookups, rows
from storage.sql.transaction import Row, Transaction

_LONG_AGO = datetime.fromtimestamp(0, UTC)  # the end of a lease that was released
_EDITED = {DeliveryKind.CARD, DeliveryKind.BATCH, DeliveryKind.LOOKUP}  # one message, edited again and again


async def note_message(tx: Transaction, delivery_id: int, message_id: int) -> None:
    """Store the message that a delivery has sent."""
    await tx.run("UPDATE deliveries SET message_id = $1 WHERE id = $2", (message_id, delivery_id))


async def note_unconfirmed_call(tx: Transaction, delivery_id: int, *, at: datetime) -> None:
    """Record that a call which is not idempotent is about to be made."""
    await tx.run("UPDATE deliveries SET unconfirmed_call_at = $1 WHERE id = $2", (at, delivery_id))


async def settle(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    """Write the outcome of an attempt; a delivery superseded meanwhile stays DEAD."""
    row = await tx.one("SELECT * FROM deliveries WHERE id = $1 AND state = 'sending'", (delivery_id,))
    if row is None:
        return
    if settlement.state is DeliveryState.PENDING:
        await _put_back(tx, delivery_id, settlement)
        return
    if row["kind"] in _EDITED and settlement.state is DeliveryState.SENT:
        # Keeping a row per edit would leave two million unused rows after a month of fifty tasks.
        await tx.run("DELETE FROM deliveries WHERE id = $1", (delivery_id,))
        await _store_message(tx, row, settlement)
        return
    await tx.run(
        """
        UPDATE deliveries SET state = $1, settled_at = $2, message_id = coalesce($3, message_id),
            blocks_repeat = $4, lease_until = NULL, lease_owner = NULL
        WHERE id = $5
        """,
        (
            settlement.state,
            settlement.at,
            settlement.message_id,
            row["blocks_repeat"] and row["kind"] != DeliveryKind.RESULT,
            delivery_id,
        ),
    )
    if row["kind"] == DeliveryKind.RESULT:
        await _finish_watch(tx, row["watch_id"], settlement)
    elif row["kind"] == DeliveryKind.REPORT and not row["blocks_repeat"]:
        await _allow_next_report(tx, row)
    if settlement.file is not None:
        await _store_file(tx, row["watch_id"], settlement.file)
    if settlement.wants_document:
        wanted = CopyRequest(
            watch_id=row["watch_id"],
            chat_id=row["chat_id"],
            kind=DeliveryKind.DOCUMENT,
            reply_to=settlement.message_id,
        )
        await copies.enqueue(tx, wanted, at=settlement.at)


async def release(tx: Transaction, *, owner: str | None) -> None:
    """Release an owner's leases, None: all; deliveries with an unconfirmed call stay SENDING for a worker."""
    await tx.run(
        """
        UPDATE deliveries SET lease_until = $2
        WHERE state = 'sending' AND lease_owner = coalesce($1, lease_owner)
        """,
        (owner, _LONG_AGO),
    )
    freed = await tx.all(
        "SELECT id FROM deliveries"
        " WHERE state = 'sending' AND lease_until = $1 AND unconfirmed_call_at IS NULL",
        (_LONG_AGO,),
    )
    await _make_pending(tx, [row["id"] for row in freed])


async def _put_back(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    await _make_pending(tx, [delivery_id])
    await tx.run(
        """
        UPDATE deliveries SET not_before = $1, message_id = coalesce($2, message_id),
            unconfirmed_call_at = NULL, attempts = attempts - $3
        WHERE id = $4
        """,
        (
            settlement.not_before,
            settlement.message_id,
            int(not settlement.is_attempt),
            delivery_id,
        ),
    )


async def _make_pending(tx: Transaction, delivery_ids: Iterable[int]) -> None:
    """Return deliveries to the queue, replacing newer pending ones of the same address, kind and subject."""
    ids = list(delivery_ids)
    if not ids:
        return
    newer = await tx.all(
        """
        SELECT n.id, n.priority, d.id AS older_id FROM deliveries AS d
        JOIN deliveries AS n ON n.chat_id = d.chat_id AND n.kind = d.kind AND n.subject = d.subject
            AND coalesce(n.thread_id, 0) = coalesce(d.thread_id, 0) AND n.state = 'pending'
        WHERE d.id = ANY($1)
        """,
        (ids,),
    )
    for row in newer:
        if row["priority"] != DeliveryPriority.REFRESH:
            await tx.run(
                "UPDATE deliveries SET priority = $1 WHERE id = $2", (row["priority"], row["older_id"])
            )
    if newer:
        await tx.run("DELETE FROM deliveries WHERE id = ANY($1)", ([row["id"] for row in newer],))
    cards = await tx.all(
        """
        UPDATE deliveries SET state = 'pending', lease_until = NULL, lease_owner = NULL
        WHERE id = ANY($1)
        RETURNING CASE kind WHEN 'card' THEN watch_id END AS watch_id
        """,
        (ids,),
    )
    await deliveries.drop_needless_cards(tx, [row["watch_id"] for row in cards if row["watch_id"]])


async def _finish_watch(tx: Transaction, watch_id: int, settlement: Settlement) -> None:
    await tx.run(
        """
        UPDATE watches SET state = 'finished', ended_at = :at, result = :state,
            reported_status = CASE WHEN :is_reported THEN (
                SELECT CASE status WHEN 'unknown' THEN coalesce(snapshot ->> 'status', status) ELSE status END
                FROM tasks WHERE tasks.id = watches.task_id
            ) END
        WHERE id = :id
        """,
        {
            "id": watch_id,
            "at": settlement.at,
            "state": settlement.state,
            "is_reported": settlement.state is not DeliveryState.DEAD,
        },
    )
    if settlement.state is not DeliveryState.SENT:
        await deliveries.enqueue_cards(tx, [watch_id], at=settlement.at)


async def _store_file(tx: Transaction, watch_id: int, file: StoredFile) -> None:
    await tx.run(
        """
        UPDATE tasks SET file = CASE WHEN :is_document THEN file ELSE :file END,
            document = CASE WHEN :is_document THEN :file ELSE document END
        WHERE id = (SELECT task_id FROM watches WHERE id = :watch_id)
        """,
        {"is_document": file.is_playable_document, "file": rows.to_json(file), "watch_id": watch_id},
    )


async def _allow_next_report(tx: Transaction, recovery: Row) -> None:
    """Report the gateway's next failure again, as this admin got the report of its recovery."""
    await tx.run(
        "UPDATE deliveries SET blocks_repeat = false"
        " WHERE kind = $1 AND subject = $2 AND chat_id = $3 AND blocks_repeat",
        (recovery["kind"], recovery["subject"], recovery["chat_id"]),
    )


async def _store_message(tx: Transaction, sent: Row, settlement: Settlement) -> None:
    """Store the message of a card or question, which is edited from now on."""
    message_id = settlement.message_id or sent["message_id"]
    match sent["kind"]:
        case DeliveryKind.BATCH:
            await batches.store_card(tx, sent["batch_id"], message_id, settlement)
        case DeliveryKind.LOOKUP:
            await lookups.store_question(tx, sent["lookup_id"], message_id, at=settlement.at)
        case DeliveryKind.CARD:
            await tx.run(
                """
                UPDATE watches SET card_message_id = coalesce($1, card_message_id), card_digest = $2,
                    card_sent_at = $3
                WHERE id = $4
                """,
                (message_id, settlement.card_digest, settlement.at, sent["watch_id"]),
            )
