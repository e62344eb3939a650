"""Updates claimed deliveries: notes their calls, settles them, or returns them to the queue."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from storage.models import DeliveryKind, DeliveryState, StoredFile
from storage.outbox import CopyRequest, DeliveryPriority, Settlement
from storage.sqlite import batches, copies, deliveries, lookups, rows
from storage.sqlite.connection import Transaction

_EDITED = {DeliveryKind.CARD, DeliveryKind.BATCH, DeliveryKind.LOOKUP}  # one message, edited again and again


async def note_message(tx: Transaction, delivery_id: int, message_id: int) -> None:
    """Store the message that a delivery has sent."""
    await tx.run("UPDATE deliveries SET message_id = ? WHERE id = ?", (message_id, delivery_id))


async def note_unconfirmed_call(tx: Transaction, delivery_id: int, *, at: datetime) -> None:
    """Record that a call which is not idempotent is about to be made."""
    await tx.run(
        "UPDATE deliveries SET unconfirmed_call_at = ? WHERE id = ?", (rows.seconds(at), delivery_id)
    )


async def settle(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    """Write the outcome of an attempt; a delivery superseded meanwhile stays DEAD."""
    row = await tx.one(
        "SELECT * FROM deliveries WHERE id = ? AND state = ?", (delivery_id, DeliveryState.SENDING)
    )
    if row is None:
        return
    if settlement.state is DeliveryState.PENDING:
        await _put_back(tx, delivery_id, settlement)
        return
    if row["kind"] in _EDITED and settlement.state is DeliveryState.SENT:
        # Keeping a row per edit would leave two million unused rows after a month of fifty tasks.
        await tx.run("DELETE FROM deliveries WHERE id = ?", (delivery_id,))
        await _store_message(tx, row, settlement)
        return
    await tx.run(
        """
        UPDATE deliveries SET state = ?, settled_at = ?, message_id = coalesce(?, message_id),
            blocks_repeat = ?, lease_until = NULL, lease_owner = NULL
        WHERE id = ?
        """,
        (
            settlement.state,
            rows.seconds(settlement.at),
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
        UPDATE deliveries SET lease_until = 0
        WHERE state = 'sending' AND lease_owner = coalesce(?, lease_owner)
        """,
        (owner,),
    )
    freed = await tx.all(
        "SELECT id FROM deliveries"
        " WHERE state = 'sending' AND lease_until = 0 AND unconfirmed_call_at IS NULL"
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
    """Return deliveries to the queue, replacing newer pending ones of the same address, kind and subject."""
    ids = rows.listed(delivery_ids)
    newer = await tx.all(
        """
        SELECT n.id, n.priority, d.id AS older_id FROM deliveries AS d
        JOIN deliveries AS n ON n.chat_id = d.chat_id AND n.kind = d.kind AND n.subject = d.subject
            AND coalesce(n.thread_id, 0) = coalesce(d.thread_id, 0) AND n.state = 'pending'
        WHERE d.id IN (SELECT value FROM json_each(?))
        """,
        (ids,),
    )
    for row in newer:
        if row["priority"] != DeliveryPriority.REFRESH:
            await tx.run(
                "UPDATE deliveries SET priority = ? WHERE id = ?", (row["priority"], row["older_id"])
            )
    await tx.run(
        "DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))",
        (rows.listed(row["id"] for row in newer),),
    )
    cards = await tx.all(
        """
        UPDATE deliveries SET state = ?, lease_until = NULL, lease_owner = NULL
        WHERE id IN (SELECT value FROM json_each(?))
        RETURNING iif(kind = ?, watch_id, NULL) AS watch_id
        """,
        (DeliveryState.PENDING, ids, DeliveryKind.CARD),
    )
    await deliveries.drop_needless_cards(tx, [row["watch_id"] for row in cards if row["watch_id"]])


async def _finish_watch(tx: Transaction, watch_id: int, settlement: Settlement) -> None:
    await tx.run(
        """
        UPDATE watches SET state = 'finished', ended_at = :at, result = :state,
            reported_status = CASE WHEN :is_reported THEN (
                SELECT iif(status = 'unknown', coalesce(snapshot ->> 'status', status), status)
                FROM tasks WHERE tasks.id = watches.task_id
            ) END
        WHERE id = :id
        """,
        {
            "id": watch_id,
            "at": rows.seconds(settlement.at),
            "state": settlement.state,
            "is_reported": settlement.state is not DeliveryState.DEAD,
        },
    )
    if settlement.state is not DeliveryState.SENT:
        await deliveries.enqueue_cards(tx, [watch_id], at=settlement.at)


async def _store_file(tx: Transaction, watch_id: int, file: StoredFile) -> None:
    await tx.run(
        """
        UPDATE tasks SET file = iif(:is_document, file, :file), document = iif(:is_document, :file, document)
        WHERE id = (SELECT task_id FROM watches WHERE id = :watch_id)
        """,
        {"is_document": file.is_playable_document, "file": rows.to_json(file), "watch_id": watch_id},
    )


async def _allow_next_report(tx: Transaction, recovery: sqlite3.Row) -> None:
    """Report the gateway's next failure again, as this admin got the report of its recovery."""
    await tx.run(
        "UPDATE deliveries SET blocks_repeat = 0"
        " WHERE kind = ? AND subject = ? AND chat_id = ? AND blocks_repeat",
        (recovery["kind"], recovery["subject"], recovery["chat_id"]),
    )


async def _store_message(tx: Transaction, sent: sqlite3.Row, settlement: Settlement) -> None:
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
                UPDATE watches SET card_message_id = coalesce(?, card_message_id), card_digest = ?,
                    card_sent_at = ?
                WHERE id = ?
                """,
                (message_id, settlement.card_digest, rows.seconds(settlement.at), sent["watch_id"]),
            )
