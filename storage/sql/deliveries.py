"""The deliveries table, the durable queue of messages and edits: what is enqueued and superseded."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from storage.models import Cause, DeliveryKind, DeliveryState, EventKind, Stall, Task, TaskEvent, TaskStatus
from storage.outbox import AdminReport, DeliveryPriority
from storage.sql import batches, rows
from storage.sql.transaction import Row, Transaction


async def enqueue_for_events(
    tx: Transaction, task: Task, events: Sequence[TaskEvent], watches: Sequence[Row]
) -> None:
    """Enqueue the deliveries of a task's events; watches: id and batch_id of its active ones."""
    at = events[0].at
    if any(event.kind is EventKind.RECOVERED for event in events):
        await allow_notices(tx, task.ref.provider, at=at)
    if not watches:
        return
    watch_ids = [watch["id"] for watch in watches]
    kinds = {kind for event in events for kind in event.kind.delivery_kinds}
    if DeliveryKind.CARD in kinds:
        if batch_ids := {watch["batch_id"] for watch in watches} - {None}:
            await batches.enqueue_cards(tx, batch_ids, at=at)
        await enqueue_own_cards(tx, watch_ids, at=at)
        if task.status.is_final:
            await drop_needless_cards(tx, watch_ids)
    if DeliveryKind.NOTICE in kinds:
        about = task.poll_failure.cause if task.poll_failure else task.stall
        await enqueue_notices(tx, task, watch_ids, at=at, about=about)
    if DeliveryKind.RESULT in kinds:
        await enqueue_results(tx, watch_ids, at=at)


async def enqueue_cards(
    tx: Transaction,
    watch_ids: Iterable[int],
    *,
    at: datetime,
    is_refresh: bool = False,
) -> int:
    """Insert a CARD for each watch that has none pending, or the BATCH that shows it; return how many CARDs.

    is_refresh: see enqueue_own_cards().
    """
    watch_ids = list(watch_ids)
    if not watch_ids:
        return 0
    if batch_ids := await batches.ids_of(tx, watch_ids):
        await batches.enqueue_cards(tx, batch_ids, at=at)
    return await enqueue_own_cards(tx, watch_ids, at=at, is_refresh=is_refresh)


async def enqueue_own_cards(
    tx: Transaction,
    watch_ids: Sequence[int],
    *,
    at: datetime,
    is_refresh: bool = False,
    hold_s: float = 0.0,
) -> int:
    """Insert a CARD for each watch that has none pending, and no batch; return how many.

    A pending one is rendered when it is sent, so it always shows the newest state.
    is_refresh: without news; a pending refresh is upgraded when a card with news is enqueued.
    hold_s: how long the card of a task that was never polled waits for the first poll.
    A task that has ended gets no card if none was sent before: its result contains all of it.
    """
    made = await tx.all(
        """
        INSERT INTO deliveries AS d
            (chat_id, thread_id, kind, subject, watch_id, priority, created_at, not_before)
        SELECT chat_id, thread_id, :kind, watch_id, watch_id,
            CASE
                WHEN is_final THEN CAST(:last AS integer)
                WHEN :is_refresh THEN CAST(:refresh AS integer)
                WHEN is_sent THEN CAST(:edit AS integer)
                ELSE CAST(:first AS integer)
            END,
            :at, CASE WHEN is_unpolled THEN CAST(:held_until AS timestamptz) END
        FROM cards
        WHERE watch_id = ANY(:watch_ids) AND NOT is_needless
        ORDER BY watch_id
        ON CONFLICT (chat_id, kind, subject, coalesce(thread_id, 0)) WHERE state = 'pending' DO UPDATE SET
            created_at = CASE d.priority WHEN :refresh THEN excluded.created_at ELSE d.created_at END,
            not_before = CASE WHEN d.attempts > 0 THEN d.not_before END,
            priority = excluded.priority
            WHERE excluded.priority <> :refresh
                AND (d.priority <> excluded.priority OR (d.attempts = 0 AND d.not_before IS NOT NULL))
        RETURNING id
        """,
        {
            "kind": DeliveryKind.CARD,
            "last": DeliveryPriority.LAST_CARD,
            "first": DeliveryPriority.FIRST_CARD,
            "edit": DeliveryPriority.EDIT,
            "refresh": DeliveryPriority.REFRESH,
            "is_refresh": is_refresh,
            "at": at,
            "held_until": rows.later(at, hold_s) if hold_s > 0 else None,
            "watch_ids": list(watch_ids),
        },
    )
    return len(made)


async def drop_needless_cards(tx: Transaction, watch_ids: Iterable[int]) -> None:
    """Delete pending first cards of tasks that have ended."""
    await tx.run(
        """
        DELETE FROM deliveries WHERE kind = 'card' AND state = 'pending' AND watch_id IN (
            SELECT watch_id FROM cards WHERE watch_id = ANY($1) AND is_needless
        )
        """,
        (list(watch_ids),),
    )


async def enqueue_results(tx: Transaction, watch_ids: Iterable[int], *, at: datetime) -> None:
    """Enqueue a RESULT, unless one is unsent, for each of these watches whose task is final."""
    await tx.run(
        """
        INSERT INTO deliveries
            (chat_id, thread_id, kind, subject, watch_id, priority, blocks_repeat, created_at)
        SELECT w.chat_id, w.thread_id, :kind, w.id, w.id,
            CASE t.status WHEN :succeeded THEN CAST(:video AS integer) ELSE CAST(:failure AS integer) END,
            true, :at
        FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.id = ANY(:watch_ids) AND t.is_final
        ORDER BY w.id
        ON CONFLICT DO NOTHING
        """,
        {
            "kind": DeliveryKind.RESULT,
            "succeeded": TaskStatus.SUCCEEDED,
            "video": DeliveryPriority.VIDEO,
            "failure": DeliveryPriority.FAILURE,
            "at": at,
            "watch_ids": list(watch_ids),
        },
    )


async def enqueue_notices(
    tx: Transaction, task: Task, watch_ids: Iterable[int], *, at: datetime, about: Cause | Stall
) -> None:
    """Enqueue a NOTICE for each of these watches whose chat and topic has none of this provider and cause.

    A notice of a watch that is no longer active does not count, as no poll of its task would detect the
    recovery.
    """
    values = {
        "kind": DeliveryKind.NOTICE,
        "subject": _notice_subject(task.ref.provider, about),
        "watch_ids": list(watch_ids),
    }
    # CROSS JOIN makes SQLite keep the order of the tables: otherwise it reads the notices of all chats.
    orphaned = await tx.all(
        """
        SELECT d.id FROM watches AS w
        CROSS JOIN deliveries AS d
        WHERE d.kind = :kind AND d.subject = :subject AND d.chat_id = w.chat_id
            AND coalesce(d.thread_id, 0) = coalesce(w.thread_id, 0) AND d.blocks_repeat
            AND w.id = ANY(:watch_ids)
            AND NOT EXISTS (SELECT 1 FROM watches AS o WHERE o.id = d.watch_id AND o.state = 'active')
        """,
        values,
    )
    await supersede(tx, [row["id"] for row in orphaned], at=at)
    await tx.run(
        """
        INSERT INTO deliveries
            (chat_id, thread_id, kind, subject, watch_id, priority, blocks_repeat, created_at)
        SELECT chat_id, thread_id, :kind, :subject, id, :priority, true, :at FROM watches
        WHERE id = ANY(:watch_ids)
        ORDER BY id
        ON CONFLICT DO NOTHING
        """,
        values | {"priority": DeliveryPriority.NOTICE, "at": at},
    )


async def allow_notices(tx: Transaction, provider: str, *, at: datetime) -> None:
    """After a provider's recovery: supersede unsent notices; the next failure is notified again."""
    subjects = [_notice_subject(provider, about) for about in (*Cause, *Stall)]
    found = await tx.all(
        """
        SELECT id FROM deliveries
        WHERE kind = $1 AND subject = ANY($2) AND blocks_repeat
        """,
        (DeliveryKind.NOTICE, list(subjects)),
    )
    await supersede(tx, [row["id"] for row in found], at=at)


async def enqueue_report(tx: Transaction, chat_id: int, report: AdminReport, *, at: datetime) -> bool:
    """Enqueue a REPORT if it is news to this admin; False if one of the gateway is being sent just now.

    The report of a failure blocks others until that of the recovery is sent. An unsent report of the opposite
    is superseded; this admin then needs neither. An unsent report of the same gets the new content.
    """
    values = {
        "kind": DeliveryKind.REPORT,
        "subject": report.gateway,
        "chat_id": chat_id,
        "content": rows.to_json(report),
    }
    # A UNION, as SQLite uses no index for the three conditions joined by OR.
    known = await tx.all(
        """
        SELECT id, state, blocks_repeat FROM deliveries
        WHERE chat_id = :chat_id AND kind = :kind AND subject = :subject
            AND (state = 'pending' OR state = 'sending')
        UNION
        SELECT id, state, blocks_repeat FROM deliveries
        WHERE kind = :kind AND subject = :subject AND chat_id = :chat_id AND blocks_repeat
        """,
        values,
    )
    if any(row["state"] == DeliveryState.SENDING for row in known):
        return False
    untrue = [
        row["id"]
        for row in known
        if row["state"] == DeliveryState.PENDING and bool(row["blocks_repeat"]) is report.is_recovery
    ]
    await supersede(tx, untrue, at=at)
    await tx.run(
        """
        UPDATE deliveries SET content = :content
        WHERE chat_id = :chat_id AND kind = :kind AND subject = :subject AND state = 'pending'
        """,
        values,
    )
    is_failure_known = any(row["blocks_repeat"] and row["id"] not in untrue for row in known)
    # News is the recovery from a failure that was reported, and a failure that was not.
    if is_failure_known is report.is_recovery:
        await tx.run(
            """
            INSERT INTO deliveries (chat_id, kind, subject, content, priority, blocks_repeat, created_at)
            VALUES (:chat_id, :kind, :subject, :content, :priority, :blocks_repeat, :at)
            ON CONFLICT DO NOTHING
            """,
            values
            | {
                "priority": DeliveryPriority.REPORT,
                "blocks_repeat": not report.is_recovery,
                "at": at,
            },
        )
    return True


async def supersede_of_watches(
    tx: Transaction, watch_ids: Iterable[int], kinds: Iterable[DeliveryKind], *, at: datetime
) -> None:
    """Supersede the unsent deliveries of these watches."""
    found = await tx.all(
        """
        SELECT id FROM deliveries
        WHERE watch_id = ANY($1) AND kind = ANY($2)
            AND is_unsent
        """,
        (list(watch_ids), list(kinds)),
    )
    await supersede(tx, [row["id"] for row in found], at=at)


async def supersede_reports_to_all_but(tx: Transaction, admin_ids: Iterable[int], *, at: datetime) -> None:
    """Supersede the reports and questions to users who are no longer admins."""
    found = await tx.all(
        """
        SELECT id FROM deliveries
        WHERE kind IN ($1, $2) AND (is_unsent OR blocks_repeat)
            AND chat_id <> ALL($3)
        """,
        (DeliveryKind.REPORT, DeliveryKind.QUESTION, list(admin_ids)),
    )
    await supersede(tx, [row["id"] for row in found], at=at)


async def supersede(tx: Transaction, delivery_ids: Collection[int], *, at: datetime) -> None:
    """Mark those that are unsent as DEAD; none of them blocks a repeat any more."""
    if not delivery_ids:
        return
    await tx.run(
        """
        UPDATE deliveries SET state = CASE WHEN is_unsent THEN :dead ELSE state END,
            settled_at = coalesce(settled_at, :at), blocks_repeat = false,
            lease_until = NULL, lease_owner = NULL
        WHERE id = ANY(:ids)
        """,
        {"dead": DeliveryState.DEAD, "at": at, "ids": list(delivery_ids)},
    )


def _notice_subject(provider: str, about: Cause | Stall) -> str:
    return f"{provider} {about}"
