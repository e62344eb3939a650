"""The watches table: which chat follows which task."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from storage.errors import WatchLimitReached
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.sql import batches, chat_settings, chats, deliveries, resuming, rows, tasks
from storage.sql.transaction import Row, Transaction
from storage.watches import (
    SMALLEST_BATCH,
    Registration,
    Watch,
    WatchedTask,
    WatchLimits,
    WatchRequest,
    WatchState,
)

_UNDELIVERED = [state for state in DeliveryState if state.is_undelivered]


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
    row = await tx.one(
        """
        SELECT w.* FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE t.provider = $1 AND t.external_id = $2
            AND w.chat_id = $3 AND coalesce(w.thread_id, 0) = coalesce($4, 0)
        """,
        (request.ref.provider, request.ref.external_id, request.chat_id, request.thread_id),
    )
    is_repeated = row is not None and not is_restart and row["request_message_id"] == request.message_id
    is_new = row is None or not (_is_current(row) or is_repeated)
    if is_new:
        await check_limits(tx, chat_id=request.chat_id, user_id=request.user_id, limits=limits)
    task_id = await tasks.register(tx, request.ref, at=at)
    await resuming.resume_stalled(tx, [task_id], at=at)
    if row is None or is_new:
        row = await _start(tx, request, task_id, at=at, hold_card_s=hold_card_s)
    (watched,) = await with_tasks(tx, [row])
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


async def by_ids(tx: Transaction, watch_ids: Iterable[int]) -> dict[int, Watch]:
    """The watches by their ids."""
    found = await tx.all("SELECT * FROM watches WHERE id = ANY($1)", (list(watch_ids),))
    return {watch.id: watch for watch in await _read(tx, found)}


async def active_in(tx: Transaction, chat_id: int) -> list[WatchedTask]:
    """The chat's active watches, oldest first."""
    found = await tx.all(
        "SELECT * FROM watches WHERE chat_id = $1 AND state = 'active' ORDER BY created_at, id", (chat_id,)
    )
    return await with_tasks(tx, found)


async def of_task_in(tx: Transaction, chat_id: int, external_id: str) -> list[WatchedTask]:
    """The chat's watches of an id, newest first."""
    found = await tx.all(
        """
        SELECT w.* FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.chat_id = $1 AND t.external_id = $2
        ORDER BY w.created_at DESC, w.id DESC
        """,
        (chat_id, external_id),
    )
    return await with_tasks(tx, found)


async def of_batch(tx: Transaction, batch_id: int) -> list[WatchedTask]:
    """The watches of a batch, in the order of their ids."""
    found = await tx.all("SELECT * FROM watches WHERE batch_id = $1 ORDER BY id", (batch_id,))
    return await with_tasks(tx, found)


async def active_ids(tx: Transaction, task_id: int) -> list[int]:
    """The ids of a task's active watches."""
    found = await tx.all(
        "SELECT id FROM watches WHERE task_id = $1 AND state = 'active' ORDER BY id", (task_id,)
    )
    return [row["id"] for row in found]


async def of_chat(tx: Transaction, watch_id: int, chat_id: int) -> WatchedTask | None:
    """The watch by its id; None unless it is this chat's."""
    found = await tx.all("SELECT * FROM watches WHERE id = $1 AND chat_id = $2", (watch_id, chat_id))
    return next(iter(await with_tasks(tx, found)), None)


async def stop(tx: Transaction, watch_id: int, *, at: datetime, by: str | None) -> bool:
    """Stop an active watch; False if it was not active. by: the name of who stops it."""
    return await _stop(tx, [watch_id], at=at, by=by) > 0


async def _stop(tx: Transaction, watch_ids: Iterable[int], *, at: datetime, by: str | None = None) -> int:
    """Stop those of the watches that are active; returns how many."""
    stopped = await tx.all(
        """
        UPDATE watches SET state = 'stopped', ended_at = $1, stopped_by = $2
        WHERE id = ANY($3) AND state = 'active'
        RETURNING id, task_id
        """,
        (at, by, list(watch_ids)),
    )
    ids = [row["id"] for row in stopped]
    await deliveries.supersede_of_watches(tx, ids, (DeliveryKind.RESULT, DeliveryKind.NOTICE), at=at)
    await deliveries.enqueue_cards(tx, ids, at=at)
    await tasks.stop_polling_unwatched(tx, {row["task_id"] for row in stopped})
    return len(ids)


async def resume(tx: Transaction, watch_id: int, chat_id: int, *, at: datetime) -> bool:
    """Make the task of an active watch due, and resume it if it rests; False if there is no such watch."""
    found = await tx.one(
        "SELECT task_id FROM watches WHERE id = $1 AND chat_id = $2 AND state = 'active'", (watch_id, chat_id)
    )
    if found is None:
        return False
    await resuming.resume_stalled(tx, [found["task_id"]], at=at)
    await tasks.make_due(tx, [found["task_id"]], at=at, is_awaited=True)
    return True


async def stop_unchanged(tx: Transaction, *, since_before: datetime, limit: int, at: datetime) -> int:
    """Stop old watches of tasks that have not changed since before then; return how many."""
    found = await tx.all(
        """
        SELECT w.id FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.state = 'active' AND w.created_at < :before AND NOT t.is_final
            AND coalesce(t.unchanged_since, t.registered_at) < :before
        LIMIT :limit
        """,
        {"before": since_before, "limit": limit},
    )
    return await _stop(tx, [row["id"] for row in found], at=at)


async def stop_all_but(tx: Transaction, allowed_ids: Iterable[int], *, at: datetime) -> int:
    """Stop the watches that belong to none of these chats and users, and supersede their deliveries."""
    allowed_ids = list(allowed_ids)
    values = {"allowed": list(allowed_ids), "at": at}
    revoked = await tx.all(
        """
        SELECT * FROM (
            SELECT w.id, w.task_id, w.is_over, EXISTS (
                SELECT 1 FROM deliveries AS d WHERE d.watch_id = w.id AND d.is_unsent
            ) AS has_deliveries
            FROM watches AS w
            WHERE w.chat_id <> ALL(:allowed) AND coalesce(w.user_id <> ALL(:allowed), true)
        ) AS revoked
        WHERE NOT is_over OR has_deliveries
        """,
        values,
    )
    unsent = [row["id"] for row in revoked if row["has_deliveries"]]
    await deliveries.supersede_of_watches(tx, unsent, tuple(DeliveryKind), at=at)
    batch_cards = await batches.unsent_cards_to_all_but(tx, allowed_ids)
    await deliveries.supersede(tx, batch_cards, at=at)
    # Includes a finished watch whose result is enqueued again.
    stopped = await tx.all(
        """
        UPDATE watches SET state = 'stopped', ended_at = :at
        WHERE id = ANY(:ids)
            AND (NOT is_over OR (state = 'finished' AND result IS NULL))
        RETURNING task_id
        """,
        {"at": values["at"], "ids": [row["id"] for row in revoked]},
    )
    await tasks.stop_polling_unwatched(tx, {row["task_id"] for row in stopped})
    return len(stopped)


async def send_again(tx: Transaction, watch_id: int, chat_id: int, *, at: datetime) -> bool:
    """Enqueue the result again if its delivery ended as UNKNOWN or DEAD; False if it did not."""
    found = await tx.one(
        """
        UPDATE watches SET result = NULL
        WHERE id = $1 AND chat_id = $2 AND state = 'finished' AND result = ANY($3)
            AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = task_id AND t.is_final)
        RETURNING id
        """,
        (watch_id, chat_id, _UNDELIVERED),
    )
    if found is None:
        return False
    await deliveries.enqueue_results(tx, [watch_id], at=at)
    await deliveries.enqueue_cards(tx, [watch_id], at=at)
    return True


async def send_batch_again(
    tx: Transaction, batch_id: int, chat_id: int, *, at: datetime, limits: WatchLimits
) -> int:
    """Enqueue undelivered results again, and restart tasks that were not found; returns how many."""
    batch = (await batches.by_ids(tx, [batch_id])).get(batch_id)
    if batch is None or batch.chat_id != chat_id:
        return 0
    sent, restarted = 0, []
    for each in await of_batch(tx, batch_id):
        watch, status = each.watch, each.task.status
        if watch.state is not WatchState.FINISHED:
            continue
        if status.is_permanent or not status.is_final:
            sent += await send_again(tx, watch.id, chat_id, at=at)
            continue
        request = WatchRequest(
            ref=each.task.ref,
            chat_id=chat_id,
            thread_id=watch.thread_id,
            message_id=watch.request_message_id,
            user_id=watch.user_id,
            user_name=watch.user_name,
            language=batch.language,  # of who asked; watch.language may be the chat's
        )
        with suppress(WatchLimitReached):
            added = await add(tx, request, at=at, limits=limits, hold_card_s=0.0, is_restart=True)
            restarted.append(added.watch.id)
    if restarted:
        await batches.join(tx, batch_id, restarted, at=at)
    return sent + len(restarted)


async def refresh_cards(tx: Transaction, *, older_than: datetime, limit: int, at: datetime) -> int:
    """Enqueue the oldest CARD of each chat where none is pending or being sent; return how many."""
    stale = await tx.all(
        """
        SELECT id FROM (
            SELECT id, card_sent_at,
                row_number() OVER (PARTITION BY chat_id ORDER BY card_sent_at, id) AS place
            FROM watches
            WHERE state = 'active' AND card_sent_at < $1
                AND task_id NOT IN (SELECT id FROM tasks WHERE stall = 'resting')
                AND chat_id NOT IN (SELECT chat_id FROM deliveries WHERE kind = 'card' AND is_unsent)
        ) AS stale
        WHERE place = 1 ORDER BY card_sent_at LIMIT $2
        """,
        (older_than, limit),
    )
    return await deliveries.enqueue_cards(tx, [row["id"] for row in stale], at=at, is_refresh=True)


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
    tx: Transaction, request: WatchRequest, task_id: int, *, at: datetime, hold_card_s: float
) -> Row:
    """Insert or restart a watch, with its card or, if the task has ended for good, its result."""
    await resuming.confirm(tx, task_id, at=at)
    if await resuming.restart(tx, task_id, at=at):
        # The pending results of the other watches are obsolete; they wait for the next end.
        others = await active_ids(tx, task_id)
        await deliveries.supersede_of_watches(tx, others, (DeliveryKind.RESULT,), at=at)
        await deliveries.enqueue_cards(tx, others, at=at)
    started = await tx.all(
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
    watch_id = started[0]["id"]
    await deliveries.supersede_of_watches(tx, [watch_id], tuple(DeliveryKind), at=at)
    await deliveries.enqueue_cards(tx, [watch_id], at=at, hold_s=hold_card_s)
    await deliveries.enqueue_results(tx, [watch_id], at=at)
    await tasks.make_due(tx, [task_id], at=at)
    return started[0]


async def with_tasks(tx: Transaction, found: Sequence[Row]) -> list[WatchedTask]:
    """The watches of these rows with their tasks."""
    tasks_by_id = await tasks.by_ids(tx, {row["task_id"] for row in found})
    return [
        WatchedTask(watch=watch, task=resuming.as_seen_by(watch, tasks_by_id[watch.task_id]))
        for watch in await _read(tx, found)
    ]


async def _read(tx: Transaction, found: Sequence[Row]) -> list[Watch]:
    settings = await chat_settings.of_chats(tx, (row["chat_id"] for row in found))
    return [rows.watch(row, settings[row["chat_id"]].language) for row in found]
