"""Registers watches: adds new ones, restarts old ones, and refuses those beyond a limit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from storage.errors import WatchLimitReached
from storage.models import DeliveryKind, TaskStatus
from storage.sql import batches, chats, deliveries, resuming, tasks, watches
from storage.sql.transaction import Row, Transaction
from storage.watches import (
    SMALLEST_BATCH,
    UNLIMITED,
    Registration,
    WatchedTask,
    WatchLimits,
    WatchRequest,
    WatchState,
)


async def add(
    tx: Transaction,
    request: WatchRequest,
    *,
    at: datetime,
    limits: WatchLimits,
    hold_card_s: float,
    is_restart: bool = False,
) -> WatchedTask:
    """Register a watch, or return the chat and topic's existing one; raises WatchLimitReached.

    A watch that the same message has started is never new: Telegram repeats an unconfirmed update, maybe
    after the watch was stopped. is_restart: a button restarts the message's watches.
    """
    await chats.found(tx, request.chat_id, at=at)  # a command arrived from there, so it is not lost
    known = await tx.one(
        """
        SELECT t.id AS known_task_id, w.*
        FROM tasks AS t
        LEFT JOIN watches AS w ON w.task_id = t.id
            AND w.chat_id = $3 AND coalesce(w.thread_id, 0) = coalesce($4, 0)
        WHERE t.provider = $1 AND t.external_id = $2
        """,
        (request.ref.provider, request.ref.external_id, request.chat_id, request.thread_id),
    )
    row = None if known is None or known["id"] is None else known
    is_repeated = row is not None and not is_restart and row["request_message_id"] == request.message_id
    is_new = row is None or not (_is_current(row) or is_repeated)
    if is_new:
        await check_limits(tx, chat_id=request.chat_id, user_id=request.user_id, limits=limits)
    if known is not None:
        await resuming.resume_stalled(tx, [known["known_task_id"]], at=at)
    if known is None:
        task_id = await tasks.add(tx, request.ref, at=at, due_at=at)
        row = await _insert(tx, request, task_id, at=at)
        await deliveries.enqueue_own_cards(tx, [row["id"]], at=at, hold_s=hold_card_s)
    elif row is None or is_new:
        row = await _start(tx, request, known, at=at, hold_card_s=hold_card_s)
    (watched,) = await watches.with_tasks(tx, [row])
    if watched.watch.batch_id is not None:  # the card that shows it
        batch = (await batches.by_ids(tx, [watched.watch.batch_id]))[watched.watch.batch_id]
        watched = replace(watched, watch=replace(watched.watch, card_message_id=batch.card_message_id))
    return replace(watched, is_new=is_new)


async def add_all(
    tx: Transaction,
    requests: Sequence[WatchRequest],
    *,
    at: datetime,
    limits: WatchLimits,
    hold_card_s: float,
) -> Registration:
    """Register the watches of one message; from four requests on, the new ones become a batch."""
    watched: list[WatchedTask] = []
    limit: WatchLimitReached | None = None
    for request in requests:
        try:
            watched.append(await add(tx, request, at=at, limits=limits, hold_card_s=hold_card_s))
        except WatchLimitReached as error:
            limit = error
    new = [each.watch.id for each in watched if each.is_new]
    if len(requests) >= SMALLEST_BATCH and len(new) > 1:
        batch_id = await batches.gather(tx, requests[0], new, at=at, hold_card_s=hold_card_s)
        watched = [
            replace(each, watch=replace(each.watch, batch_id=batch_id)) if each.is_new else each
            for each in watched
        ]
    return Registration(watched=tuple(watched), refused=len(requests) - len(watched), limit=limit)


async def check_limits(
    tx: Transaction,
    *,
    chat_id: int,
    user_id: int | None,
    limits: WatchLimits,
    more: int = 1,
    with_lookups: bool = False,
) -> None:
    """Raise WatchLimitReached if so many more would exceed a limit; in the transaction that adds them.

    with_lookups: the ids of lookups count as well, until it is known who has them.
    """
    if limits == UNLIMITED:
        return
    found = await tx.all(
        """
        SELECT count(*) AS of_chat, count(*) FILTER (WHERE user_id = :user_id) AS of_person
        FROM (
            SELECT user_id FROM watches WHERE chat_id = :chat_id AND state = 'active'
            UNION ALL
            SELECT l.user_id
            FROM lookups AS l
            JOIN lookup_candidates AS c ON c.lookup_id = l.id
            JOIN tasks AS t ON t.id = c.task_id
            WHERE :with_lookups AND l.chat_id = :chat_id AND l.state IN ('polling', 'asking')
            GROUP BY l.id, t.external_id
        ) AS counted
        """,
        {"chat_id": chat_id, "user_id": user_id, "with_lookups": with_lookups},
    )
    is_shared = user_id is not None and user_id != chat_id
    if limits.per_chat is not None and found[0]["of_chat"] + more > limits.per_chat:
        raise WatchLimitReached(limits.per_chat, is_personal=False)
    if is_shared and limits.per_person is not None and found[0]["of_person"] + more > limits.per_person:
        raise WatchLimitReached(limits.per_person, is_personal=True)


def _is_current(row: Row) -> bool:
    return row["state"] == WatchState.ACTIVE or (
        row["state"] == WatchState.FINISHED
        and row["reported_status"] is not None
        and TaskStatus(row["reported_status"]).is_permanent
    )


async def _start(
    tx: Transaction, request: WatchRequest, known: Row, *, at: datetime, hold_card_s: float
) -> Row:
    """Insert or restart a watch of a known task, with its card or, if that has ended for good, its result.

    known: the task's id as known_task_id, and the watch, if there is one.
    """
    task_id = known["known_task_id"]
    await resuming.confirm(tx, task_id, at=at)
    if await resuming.restart(tx, task_id, at=at):
        # The pending results of the other watches are obsolete; they wait for the next end.
        others = [watch["id"] for watch in await watches.active_of(tx, task_id)]
        await deliveries.supersede_of_watches(tx, others, (DeliveryKind.RESULT,), at=at)
        await deliveries.enqueue_cards(tx, others, at=at)
    row = await _insert(tx, request, task_id, at=at)
    if known["id"] is not None:
        await deliveries.supersede_of_watches(tx, [row["id"]], tuple(DeliveryKind), at=at)
    await deliveries.enqueue_own_cards(tx, [row["id"]], at=at, hold_s=hold_card_s)
    await deliveries.enqueue_results(tx, [row["id"]], at=at)
    await tasks.make_due(tx, [task_id], at=at)
    return row


async def _insert(tx: Transaction, request: WatchRequest, task_id: int, *, at: datetime) -> Row:
    """Insert a watch, or reset the one that the chat and topic has."""
    [inserted] = await tx.all(
        """
        INSERT INTO watches
            (task_id, chat_id, thread_id, request_message_id, user_id, user_name, language, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (task_id, chat_id, coalesce(thread_id, 0)) DO UPDATE SET
            request_message_id = excluded.request_message_id, user_id = excluded.user_id,
            user_name = excluded.user_name, language = excluded.language, created_at = excluded.created_at,
            state = 'active',
            card_message_id = NULL, card_digest = NULL, card_sent_at = NULL, batch_id = NULL,
            ended_at = NULL, reported_status = NULL, result = NULL, stopped_by = NULL
        RETURNING *
        """,
        (
            task_id,
            request.chat_id,
            request.thread_id,
            request.message_id,
            request.user_id,
            request.user_name,
            request.language,
            at,
        ),
    )
    return inserted
