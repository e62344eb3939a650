"""Claims deliveries for a worker, and computes when the next one can be claimed."""

from collections.abc import Iterable
from datetime import datetime

from storage.models import Delivery, ThrottledChats
from storage.sqlite import rows
from storage.sqlite.connection import Transaction

_HEAD = 100  # deliveries that one claim reads from the queue; a chat that fills it is throttled soon
_COMPANIONS = 50  # failures in one message


async def claim(
    tx: Transaction, limit: int, throttled: ThrottledChats, *, owner: str, at: datetime, lease_s: float
) -> list[Delivery]:
    """Lease deliveries that can be sent now, one per chat, in the order of their rank."""
    candidates = await tx.all(
        """
        SELECT id, chat_id FROM claimable_deliveries
        WHERE ready_at <= :at
            AND chat_id NOT IN (SELECT value FROM json_each(:to_all))
            AND NOT (is_edit AND chat_id IN (SELECT value FROM json_each(:to_edits)))
            AND NOT (is_refresh AND chat_id IN (SELECT value FROM json_each(:to_refreshes)))
        ORDER BY rank, created_at, id LIMIT :head
        """,
        _parameters(throttled) | {"at": rows.seconds(at), "head": _HEAD},
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


async def claim_companions(
    tx: Transaction, failure: Delivery, *, owner: str, at: datetime, lease_s: float
) -> list[Delivery]:
    """Lease the other pending failures of the same request, so that they are sent in one message."""
    found = await tx.all(
        """
        UPDATE deliveries SET state = 'sending', attempts = attempts + 1,
            lease_until = :at + :lease_s, lease_owner = :owner
        WHERE id IN (
            SELECT d.id FROM watches AS mine
            JOIN watches AS w ON w.chat_id = mine.chat_id AND w.state = 'active'
                AND w.thread_id IS mine.thread_id AND w.request_message_id = mine.request_message_id
            JOIN deliveries AS d ON d.watch_id = w.id AND d.kind = 'result'
            WHERE mine.id = :watch_id AND d.state = 'pending' AND d.is_failure AND d.ready_at <= :at
            ORDER BY d.created_at, d.id LIMIT :most
        )
        RETURNING *
        """,
        {
            "watch_id": failure.watch_id,
            "at": rows.seconds(at),
            "lease_s": lease_s,
            "owner": owner,
            "most": _COMPANIONS - 1,
        },
    )
    found.sort(key=lambda row: (row["created_at"], row["id"]))
    return [rows.delivery(row) for row in found]


async def renew(tx: Transaction, delivery_ids: Iterable[int], *, at: datetime, lease_s: float) -> None:
    """Extend the leases of those that are still being sent."""
    await tx.run(
        """
        UPDATE deliveries SET lease_until = ? + ?
        WHERE id IN (SELECT value FROM json_each(?)) AND state = 'sending'
        """,
        (rows.seconds(at), lease_s, rows.listed(delivery_ids)),
    )


async def next_ready(tx: Transaction, throttled: ThrottledChats) -> datetime | None:
    """When the next delivery outside throttled chats can be claimed."""
    row = await tx.one(
        """
        SELECT ready_at FROM claimable_deliveries
        WHERE chat_id NOT IN (SELECT value FROM json_each(:to_all))
            AND NOT (is_edit AND chat_id IN (SELECT value FROM json_each(:to_edits)))
            AND NOT (is_refresh AND chat_id IN (SELECT value FROM json_each(:to_refreshes)))
        ORDER BY ready_at LIMIT 1
        """,
        _parameters(throttled),
    )
    return None if row is None else rows.moment(row["ready_at"])


def _parameters(throttled: ThrottledChats) -> dict[str, str]:
    """The chats as SQL parameters."""
    return {
        "to_all": rows.listed(throttled.to_all),
        "to_edits": rows.listed(throttled.to_edits),
        "to_refreshes": rows.listed(throttled.to_refreshes),
    }
