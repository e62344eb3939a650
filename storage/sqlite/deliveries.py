"""The deliveries table: the durable queue of what is to be told."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from storage.models import Closed, Delivery, DeliveryKind, DeliveryState, Settlement, Task
from storage.sqlite import rows
from storage.sqlite.connection import Transaction

_HEAD = 100  # deliveries of the queue that one claim looks at; a chat that fills it is closed soon


async def enqueue(
    tx: Transaction,
    kind: DeliveryKind,
    watch_ids: Iterable[int],
    *,
    at: datetime,
    is_refresh: bool = False,
) -> int:
    """One delivery for each watch that has none waiting, which would say the newest anyway; how many.

    is_refresh: it has no news; a refresh that waits becomes news when there is some.
    """
    made = await tx.all(
        """
        INSERT INTO deliveries (watch_id, kind, created_at, is_edit, is_refresh)
        SELECT id, :kind, :at, :kind = 'card' AND card_message_id IS NOT NULL, :is_refresh FROM watches
        WHERE id IN (SELECT value FROM json_each(:watch_ids))
        ON CONFLICT (watch_id, kind) WHERE state = 'pending' DO UPDATE
            SET is_refresh = 0, created_at = excluded.created_at WHERE is_refresh > excluded.is_refresh
        ON CONFLICT DO NOTHING
        RETURNING id
        """,
        {
            "kind": kind,
            "at": rows.seconds(at),
            "is_refresh": is_refresh,
            "watch_ids": rows.listed(watch_ids),
        },
    )
    return len(made)


async def enqueue_results(tx: Transaction, watch_ids: Iterable[int], *, at: datetime) -> None:
    """A RESULT for each of these watches whose task is final."""
    ended = await tx.all(
        """
        SELECT w.id FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.id IN (SELECT value FROM json_each(?)) AND t.status NOT IN ('unknown', 'queued', 'running')
        """,
        (rows.listed(watch_ids),),
    )
    await enqueue(tx, DeliveryKind.RESULT, [row["id"] for row in ended], at=at)


async def enqueue_notices(tx: Transaction, task: Task, watch_ids: Iterable[int], *, at: datetime) -> None:
    """A NOTICE of the task's trouble for each of these watches whose chat and topic has not been told.

    What was told through a watch that waits no more does not count: no look of its would see the trouble end.
    """
    trouble = {"provider": task.ref.provider, "cause": task.trouble.cause if task.trouble else ""}
    await tx.run(
        """
        DELETE FROM notices WHERE provider = :provider AND cause = :cause AND NOT EXISTS (
            SELECT 1 FROM watches AS w WHERE w.id = notices.watch_id AND w.state = 'active'
        )
        """,
        trouble,
    )
    untold = await tx.all(
        """
        INSERT INTO notices (provider, cause, chat_id, thread_id, watch_id)
        SELECT :provider, :cause, chat_id, coalesce(thread_id, 0), id FROM watches
        WHERE id IN (SELECT value FROM json_each(:watch_ids))
        ON CONFLICT DO NOTHING
        RETURNING watch_id
        """,
        trouble | {"watch_ids": rows.listed(watch_ids)},
    )
    await enqueue(tx, DeliveryKind.NOTICE, [row["watch_id"] for row in untold], at=at)


async def forget_notices(tx: Transaction, provider: str, *, at: datetime) -> None:
    """The provider's trouble is over: who has not heard of it need not, and all are told of the next one."""
    told = await tx.all("DELETE FROM notices WHERE provider = ? RETURNING watch_id", (provider,))
    await overtake(tx, [row["watch_id"] for row in told], (DeliveryKind.NOTICE,), at=at)


async def overtake(
    tx: Transaction, watch_ids: Iterable[int], kinds: Iterable[DeliveryKind], *, at: datetime
) -> None:
    """Give up what was not sent to these watches; a notice that nobody got counts as not told."""
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


async def claim(
    tx: Transaction, limit: int, closed: Closed, *, owner: str, at: datetime, lease_s: float
) -> list[Delivery]:
    """Lease what may be sent now, one to a chat, most pressing first."""
    candidates = await tx.all(
        """
        SELECT id, chat_id FROM claimable_deliveries
        WHERE ready_at <= :at
            AND chat_id NOT IN (SELECT value FROM json_each(:to_all))
            AND NOT (is_edit AND chat_id IN (SELECT value FROM json_each(:to_edits)))
            AND NOT (is_refresh AND chat_id IN (SELECT value FROM json_each(:to_refreshes)))
        ORDER BY rank, created_at, id LIMIT :head
        """,
        _named(closed) | {"at": rows.seconds(at), "head": _HEAD},
    )
    first_of_chat = {row["chat_id"]: row["id"] for row in reversed(candidates)}
    chosen = [row["id"] for row in candidates if first_of_chat[row["chat_id"]] == row["id"]]
    found = await tx.all(
        """
        UPDATE deliveries SET state = 'sending', attempts = attempts + 1,
            lease_until = ? + ?, lease_owner = ?
        WHERE id IN (SELECT value FROM json_each(?))
        RETURNING *
        """,
        (rows.seconds(at), lease_s, owner, rows.listed(chosen[: max(0, limit)])),
    )
    found.sort(key=lambda row: (row["rank"], row["created_at"], row["id"]))
    return [rows.delivery(row) for row in found]


async def renew(tx: Transaction, delivery_ids: Iterable[int], *, at: datetime, lease_s: float) -> None:
    """Lengthen the leases of those still in hand."""
    await tx.run(
        """
        UPDATE deliveries SET lease_until = ? + ?
        WHERE id IN (SELECT value FROM json_each(?)) AND state = 'sending'
        """,
        (rows.seconds(at), lease_s, rows.listed(delivery_ids)),
    )


async def next_ready(tx: Transaction, closed: Closed) -> datetime | None:
    """When the next delivery outside closed chats can be claimed."""
    row = await tx.one(
        """
        SELECT ready_at FROM claimable_deliveries
        WHERE chat_id NOT IN (SELECT value FROM json_each(:to_all))
            AND NOT (is_edit AND chat_id IN (SELECT value FROM json_each(:to_edits)))
            AND NOT (is_refresh AND chat_id IN (SELECT value FROM json_each(:to_refreshes)))
        ORDER BY ready_at LIMIT 1
        """,
        _named(closed),
    )
    return None if row is None else rows.moment(row["ready_at"])


async def note_message(tx: Transaction, delivery_id: int, message_id: int | None) -> None:
    """Remember the message that a delivery has made, or that it is gone."""
    await tx.run("UPDATE deliveries SET message_id = ? WHERE id = ?", (message_id, delivery_id))


async def note_risk(tx: Transaction, delivery_id: int, *, at: datetime) -> None:
    """Remember that a call is begun which must not be repeated."""
    await tx.run("UPDATE deliveries SET risky_at = ? WHERE id = ?", (rows.seconds(at), delivery_id))


async def settle(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    """Write how an attempt ended; one that was overtaken meanwhile stays so."""
    row = await tx.one("SELECT * FROM deliveries WHERE id = ? AND state = 'sending'", (delivery_id,))
    if row is None:
        return
    if settlement.state is DeliveryState.PENDING:
        await _put_back(tx, delivery_id, settlement)
        return
    if row["kind"] == DeliveryKind.CARD and settlement.state is DeliveryState.SENT:
        await _name_card(tx, row, settlement)
        # With a row for each edit, a month of fifty tasks would leave two millions that nobody asks for.
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


async def hand_back(tx: Transaction, *, owner: str | None) -> None:
    """Free an owner's leases, None: everyone's; what is risky stays SENDING, for a courier to look into."""
    await tx.run(
        """
        UPDATE deliveries SET lease_until = 0
        WHERE state = 'sending' AND lease_owner = coalesce(?, lease_owner)
        """,
        (owner,),
    )
    freed = await tx.all(
        "SELECT id FROM deliveries WHERE state = 'sending' AND lease_until = 0 AND risky_at IS NULL"
    )
    await _make_pending(tx, [row["id"] for row in freed])


def _named(closed: Closed) -> dict[str, str]:
    """As parameters."""
    return {
        "to_all": rows.listed(closed.to_all),
        "to_edits": rows.listed(closed.to_edits),
        "to_refreshes": rows.listed(closed.to_refreshes),
    }


async def _put_back(tx: Transaction, delivery_id: int, settlement: Settlement) -> None:
    await _make_pending(tx, [delivery_id])
    await tx.run(
        """
        UPDATE deliveries SET not_before = ?, message_id = coalesce(?, message_id), risky_at = NULL,
            attempts = attempts - ?
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
    """Back into the queue, in the place, and with the news, of newer ones of the kind enqueued meanwhile."""
    ids = rows.listed(delivery_ids)
    await tx.run(
        """
        UPDATE deliveries AS d SET is_refresh = 0
        WHERE id IN (SELECT value FROM json_each(?)) AND EXISTS (
            SELECT 1 FROM deliveries AS n
            WHERE n.watch_id = d.watch_id AND n.kind = d.kind AND n.state = 'pending' AND NOT n.is_refresh
        )
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


async def _finish_watch(tx: Transaction, watch_id: int, settlement: Settlement) -> None:
    await tx.run(
        """
        UPDATE watches SET state = 'finished', ended_at = :at, result = :state,
            told_status = CASE WHEN :state <> 'dead' THEN (
                SELECT status FROM tasks WHERE tasks.id = watches.task_id
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


async def _name_card(tx: Transaction, sent: sqlite3.Row, settlement: Settlement) -> None:
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
