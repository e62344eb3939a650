"""Claims deliveries for a worker, and computes when the next one can be claimed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from storage.access import AccessQuestion, Greeting
from storage.chat_settings import ChatSettings
from storage.lookups import Lookup
from storage.models import DeliveryKind
from storage.outbox import (
    AccessDelivery,
    AdminReport,
    BatchDelivery,
    ClaimedDelivery,
    DeliveryPriority,
    LookupDelivery,
    ReportDelivery,
    ThrottledChats,
    WatchDelivery,
)
from storage.sql import batches, chat_settings, lookups, resuming, rows, tasks, watches
from storage.sql.transaction import Row, Transaction
from storage.watches import Batch

_Content = TypeVar("_Content", AccessQuestion, AdminReport, Batch, Greeting, Lookup)

_HEAD = 100  # deliveries that one claim reads from the queue; a chat that fills it is throttled soon
_COMPANIONS = 50  # failures in one message
# The condition for chats and priorities that the rate limiter allows; parameters: _parameters().
_UNTHROTTLED = """
    chat_id <> ALL(:to_all)
    AND NOT (priority >= :edit AND chat_id = ANY(:to_edits))
    AND NOT (priority = :refresh AND chat_id = ANY(:to_refreshes))
"""


async def claim(
    tx: Transaction, limit: int, throttled: ThrottledChats, *, owner: str, at: datetime, lease_s: float
) -> list[ClaimedDelivery]:
    """Lease deliveries that can be sent now, one per chat, in the order of their priority."""
    candidates = await tx.all(
        f"""
        SELECT id, chat_id FROM claimable_deliveries
        WHERE ready_at <= :at AND {_UNTHROTTLED}
        ORDER BY priority, created_at, id LIMIT :head
        """,  # noqa: S608 - a constant
        _parameters(throttled) | {"at": at, "head": _HEAD},
    )
    first_of_chat = {row["chat_id"]: row["id"] for row in reversed(candidates)}
    chosen = [row["id"] for row in candidates if first_of_chat[row["chat_id"]] == row["id"]]
    lease = {"owner": owner, "at": at, "until": rows.later(at, lease_s)}
    found = await _lease(tx, chosen[: max(0, limit)], lease)
    claimed = await _with_content(tx, found, at=at)
    for index, out in enumerate(claimed):
        if isinstance(out, WatchDelivery) and out.is_failure:
            claimed[index] = replace(out, companions=await claim_companions(tx, out, lease))
    return claimed


async def renew(tx: Transaction, delivery_ids: Iterable[int], *, at: datetime, lease_s: float) -> None:
    """Extend the leases of those that are still being sent."""
    await tx.run(
        """
        UPDATE deliveries SET lease_until = $1
        WHERE id = ANY($2) AND state = 'sending'
        """,
        (rows.later(at, lease_s), list(delivery_ids)),
    )


async def next_ready(tx: Transaction, throttled: ThrottledChats) -> datetime | None:
    """When the next delivery outside throttled chats can be claimed."""
    row = await tx.one(
        f"""
        SELECT ready_at FROM claimable_deliveries
        WHERE {_UNTHROTTLED}
        ORDER BY ready_at LIMIT 1
        """,  # noqa: S608 - a constant
        _parameters(throttled),
    )
    return None if row is None else rows.moment(row["ready_at"])


async def _lease(tx: Transaction, delivery_ids: Sequence[int], lease: Mapping[str, object]) -> list[Row]:
    """Lease these deliveries; returns their rows in the order of their priority."""
    if not delivery_ids:
        return []
    found = await tx.all(
        """
        UPDATE deliveries SET state = 'sending', attempts = attempts + 1,
            lease_until = :until, lease_owner = :owner
        WHERE id = ANY(:ids)
        RETURNING *
        """,
        {**lease, "ids": list(delivery_ids)},
    )
    return sorted(found, key=lambda row: (row["priority"], row["created_at"], row["id"]))


async def claim_companions(
    tx: Transaction, failure: WatchDelivery, lease: Mapping[str, object]
) -> tuple[WatchDelivery, ...]:
    """Lease the other pending failures of the same request, so that they are sent in one message."""
    address = failure.delivery.address
    # Without the hint, SQLite reads the pending failures of all chats.
    found = await tx.all(
        """
        SELECT d.id FROM deliveries AS d INDEXED BY deliveries_one_pending
        JOIN watches AS w ON w.id = d.watch_id
        WHERE d.chat_id = :chat_id AND coalesce(d.thread_id, 0) = coalesce(:thread_id, 0) AND d.kind = :kind
            AND d.state = 'pending' AND d.priority = :failure AND d.ready_at <= :at
            AND w.request_message_id = :request AND w.state = 'active'
        ORDER BY d.created_at, d.id LIMIT :most
        """,
        {
            "chat_id": address.chat_id,
            "thread_id": address.thread_id,
            "kind": DeliveryKind.RESULT,
            "failure": DeliveryPriority.FAILURE,
            "at": lease["at"],
            "request": failure.watch.request_message_id,
            "most": _COMPANIONS - 1,
        },
    )
    companions = await _lease(tx, [row["id"] for row in found], lease)
    return tuple(await _with_watches(tx, companions, {address.chat_id: failure.settings}))


async def _with_content(tx: Transaction, found: Sequence[Row], *, at: datetime) -> list[ClaimedDelivery]:
    """Claimed deliveries with their watch and task, their batch, lookup, or content."""
    batches_by_id = await batches.by_ids(tx, {row["batch_id"] for row in found} - {None})
    settings_by_chat = await chat_settings.of_chats(tx, (row["chat_id"] for row in found))
    of_watches = {each.delivery.id: each for each in await _with_watches(tx, found, settings_by_chat)}
    claimed: list[ClaimedDelivery] = []
    for row in found:
        delivery, content = rows.delivery(row), row["content"]
        settings = settings_by_chat[row["chat_id"]]
        match delivery.kind:
            case DeliveryKind.REPORT:
                report = _in_language(rows.report(content), settings)
                claimed.append(ReportDelivery(delivery=delivery, report=report, settings=settings))
            case DeliveryKind.QUESTION:
                question = _in_language(rows.question(content), settings)
                claimed.append(AccessDelivery(delivery=delivery, content=question, settings=settings))
            case DeliveryKind.GREETING:
                greeting = _in_language(rows.greeting(content), settings)
                claimed.append(AccessDelivery(delivery=delivery, content=greeting, settings=settings))
            case DeliveryKind.BATCH:
                batch = _in_language(batches_by_id[row["batch_id"]], settings)
                shown = tuple(await watches.of_batch(tx, batch.id))
                claimed.append(
                    BatchDelivery(delivery=delivery, batch=batch, watched=shown, settings=settings)
                )
            case DeliveryKind.LOOKUP:
                lookup = _in_language(await lookups.advance(tx, row["lookup_id"], at=at), settings)
                claimed.append(LookupDelivery(delivery=delivery, lookup=lookup, settings=settings))
            case _:
                claimed.append(of_watches[row["id"]])
    return claimed


def _in_language(content: _Content, settings: ChatSettings) -> _Content:
    """The content in the language that the chat has chosen, if it has."""
    return replace(content, language=settings.language or content.language)


async def _with_watches(
    tx: Transaction, found: Sequence[Row], settings_by_chat: Mapping[int, ChatSettings]
) -> list[WatchDelivery]:
    """Those of the claimed deliveries that show a watch's task."""
    watches_by_id = await watches.by_ids(tx, {row["watch_id"] for row in found} - {None}, settings_by_chat)
    tasks_by_id = await tasks.by_ids(tx, {watch.task_id for watch in watches_by_id.values()})
    claimed = []
    for row in found:
        if (watch := watches_by_id.get(row["watch_id"])) is not None:
            task = resuming.as_seen_by(watch, tasks_by_id[watch.task_id])
            settings = settings_by_chat[row["chat_id"]]
            claimed.append(
                WatchDelivery(delivery=rows.delivery(row), watch=watch, task=task, settings=settings)
            )
    return claimed


def _parameters(throttled: ThrottledChats) -> dict[str, object]:
    """The throttled chats as SQL parameters."""
    return {
        "edit": DeliveryPriority.EDIT,
        "refresh": DeliveryPriority.REFRESH,
        "to_all": list(throttled.to_all),
        "to_edits": list(throttled.to_edits),
        "to_refreshes": list(throttled.to_refreshes),
    }
