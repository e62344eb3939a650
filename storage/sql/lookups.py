"""The lookups: which provider knows an id, found by polling each candidate once, else asked in the chat."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from storage.lookups import Lookup, LookupRequest, LookupState
from storage.models import DeliveryKind, DeliveryState, Snapshot, Task, TaskRef, TaskStatus
from storage.outbox import DeliveryPriority
from storage.sql import registering, resuming, rows, tasks
from storage.sql.transaction import Row, Transaction
from storage.watches import SMALLEST_BATCH, UNLIMITED, WatchLimits, WatchRequest

_PATIENCE_S = 10.0  # until the question is asked, though a candidate was not polled
_ANSWER_S = 3600.0  # until a question ends by itself


async def add(tx: Transaction, request: LookupRequest, *, at: datetime, limits: WatchLimits) -> None:
    """Register a lookup with its candidates; raises WatchLimitReached."""
    row = await tx.one(
        """
        INSERT INTO lookups (chat_id, thread_id, message_id, user_id, user_name, language, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (chat_id, message_id) DO UPDATE SET language = excluded.language WHERE lookups.state = $8
        RETURNING *
        """,
        (
            request.chat_id,
            request.thread_id,
            request.message_id,
            request.user_id,
            request.user_name,
            request.language,
            at,
            LookupState.POLLING,
        ),
    )
    if row is None:
        return
    await _add_candidates(tx, row["id"], request.candidates, at=at)
    # After the candidates, which count: a redelivered message adds none.
    await registering.check_limits(
        tx,
        chat_id=request.chat_id,
        user_id=request.user_id,
        limits=limits,
        more=0,
        with_lookups=True,
    )
    await _enqueue(tx, row, at=at, after_s=_PATIENCE_S)
    await _resolve_and_ask(tx, row["id"], at=at)


async def on_polled(tx: Transaction, task: Task, *, at: datetime) -> None:
    """Note whether the provider of a polled candidate knows it, and resolve its lookups."""
    found = await tx.all(
        """
        UPDATE lookup_candidates SET knows = $1 WHERE task_id = $2 AND knows IS NULL
        RETURNING lookup_id
        """,
        (_is_known(task.snapshot), task.id),
    )
    for row in found:
        await _resolve_and_ask(tx, row["lookup_id"], at=at)


async def advance(tx: Transaction, lookup_id: int, *, at: datetime) -> Lookup:
    """End the time for polling, or that for an answer, as the LOOKUP is claimed; return the lookup."""
    await tx.run(
        "UPDATE lookup_candidates SET knows = false WHERE lookup_id = $1 AND knows IS NULL", (lookup_id,)
    )
    await _resolve(tx, lookup_id, at=at)
    (row,) = await tx.all(
        """
        UPDATE lookups SET state = CASE
            WHEN state = :polling THEN :asking
            WHEN state = :asking AND question_message_id IS NOT NULL THEN :unanswered
            ELSE state END
        WHERE id = :id
        RETURNING *
        """,
        {
            "id": lookup_id,
            "polling": LookupState.POLLING,
            "asking": LookupState.ASKING,
            "unanswered": LookupState.UNANSWERED,
        },
    )
    return await _with_ids(tx, row)


async def store_question(tx: Transaction, lookup_id: int, message_id: int | None, *, at: datetime) -> None:
    """Store the message with the question as sent; an hour later, it ends unless it is answered."""
    (row,) = await tx.all(
        """
        UPDATE lookups SET question_message_id = coalesce($1, question_message_id) WHERE id = $2
        RETURNING *
        """,
        (message_id, lookup_id),
    )
    if row["state"] == LookupState.ASKING:
        await _enqueue(tx, row, at=at, after_s=_ANSWER_S)


async def answer(
    tx: Transaction, lookup_id: int, chat_id: int, provider: str, *, at: datetime, limits: WatchLimits
) -> bool:
    """Watch the ids that are asked for with this provider; raises WatchLimitReached."""
    asked = await get(tx, lookup_id, chat_id)
    if asked is None or provider not in asked.providers:
        return False
    row = await tx.one(
        """
        UPDATE lookups SET state = :answered, answer = :provider
        WHERE id = :id AND chat_id = :chat_id AND state = :asking
        RETURNING *
        """,
        {
            "id": lookup_id,
            "chat_id": chat_id,
            "provider": provider,
            "asking": LookupState.ASKING,
            "answered": LookupState.ANSWERED,
        },
    )
    if row is None:
        return False
    ids = asked.external_ids
    await registering.check_limits(tx, chat_id=chat_id, user_id=asked.user_id, limits=limits, more=len(ids))
    refs = [TaskRef(provider=provider, external_id=external_id) for external_id in ids]
    await _watch(tx, row, refs, at=at)
    await _enqueue(tx, row, at=at)
    return True


async def get(tx: Transaction, lookup_id: int, chat_id: int) -> Lookup | None:
    """The lookup; None unless it is this chat's."""
    row = await tx.one("SELECT * FROM lookups WHERE id = $1 AND chat_id = $2", (lookup_id, chat_id))
    return None if row is None else await _with_ids(tx, row)


async def drop_all_but(tx: Transaction, allowed_ids: Iterable[int]) -> None:
    """Delete the lookups that belong to none of these chats and users, with what they would send."""
    await tx.run(
        """
        DELETE FROM lookups
        WHERE chat_id <> ALL(:allowed)
            AND coalesce(user_id <> ALL(:allowed), true)
        """,
        {"allowed": list(allowed_ids)},
    )


async def move(tx: Transaction, old_id: int, new_id: int, *, at: datetime) -> None:
    """Rewrite a chat's lookups to its new id, where message ids are different.

    A LOOKUP that is being sent is deleted and enqueued again: settling it must not store the old chat's
    message id.
    """
    moved = await tx.all(
        """
        UPDATE lookups SET chat_id = $1, message_id = NULL, question_message_id = NULL WHERE chat_id = $2
        RETURNING *
        """,
        (new_id, old_id),
    )
    being_sent = await tx.all(
        """
        DELETE FROM deliveries WHERE lookup_id = ANY($1) AND state = $2
        RETURNING lookup_id
        """,
        ([row["id"] for row in moved], DeliveryState.SENDING),
    )
    unsent_ids = {row["lookup_id"] for row in being_sent}
    for row in moved:
        if row["id"] in unsent_ids:
            await _enqueue(tx, row, at=at)


async def _with_ids(tx: Transaction, row: Row) -> Lookup:
    """The lookup of this row, with the ids whose provider is not known."""
    candidates = await _candidates(tx, row["id"])
    return Lookup(
        id=row["id"],
        state=LookupState(row["state"]),
        chat_id=row["chat_id"],
        message_id=row["message_id"],
        user_id=row["user_id"],
        language=row["language"],
        external_ids=tuple(dict.fromkeys(each["external_id"] for each in candidates)),
        providers=tuple(json.loads(row["providers"])),
        answer=row["answer"],
        question_message_id=row["question_message_id"],
    )


async def _add_candidates(
    tx: Transaction, lookup_id: int, candidates: Mapping[str, tuple[str, ...]], *, at: datetime
) -> None:
    """Register the candidate tasks; those that are not known yet are due for a poll."""
    is_only = {
        await tasks.register(tx, TaskRef(provider=provider, external_id=external_id), at=at): len(names) == 1
        for external_id, names in candidates.items()
        for provider in names
    }
    found = await tasks.by_ids(tx, is_only)
    known = [id_ for id_, task in found.items() if is_only[id_] or _is_known(task.snapshot)]
    await tx.run(
        """
        INSERT INTO lookup_candidates (lookup_id, task_id, knows)
        SELECT $1, id, CASE WHEN id = ANY($3) THEN true END FROM tasks WHERE id = ANY($2)
        ON CONFLICT DO NOTHING
        """,
        (lookup_id, list(found), known),
    )
    to_poll = [task_id for task_id in found if task_id not in known]
    for task_id in to_poll:
        await resuming.restart(tx, task_id, at=at)
    await tasks.make_due(tx, to_poll, at=at, is_awaited=True)


async def _resolve_and_ask(tx: Transaction, lookup_id: int, *, at: datetime) -> None:
    """As _resolve(); the LOOKUP is due once all candidates were polled, and not needed if nothing is left."""
    row = await _resolve(tx, lookup_id, at=at)
    if row is None:
        return
    if row["state"] == LookupState.FOUND:
        await tx.run(
            "DELETE FROM deliveries WHERE lookup_id = $1 AND state = $2", (lookup_id, DeliveryState.PENDING)
        )
    elif row["is_polled"]:
        await _enqueue(tx, row, at=at)


async def _resolve(tx: Transaction, lookup_id: int, *, at: datetime) -> Row | None:
    """Watch each id that exactly one candidate knows; None: none can be watched now.

    The row that is returned has is_polled: whether all candidates were.
    """
    row = await tx.one("SELECT * FROM lookups WHERE id = $1 AND state = $2", (lookup_id, LookupState.POLLING))
    if row is None:
        return None
    by_id: dict[str, list[Row]] = {}
    for each in await _candidates(tx, lookup_id):
        by_id.setdefault(each["external_id"], []).append(each)
    is_polled = all(each["knows"] is not None for found in by_id.values() for each in found)
    if len(by_id) >= SMALLEST_BATCH and not is_polled:
        return None  # the watches of many ids begin together, as a batch
    providers: dict[str, None] = {}  # to choose from for what is left: those that know it, else all
    refs: list[TaskRef] = []
    resolved: list[int] = []
    for external_id, candidates in by_id.items():
        known = [each for each in candidates if each["knows"]]
        if len(known) == 1 and all(each["knows"] is not None for each in candidates):
            refs.append(TaskRef(provider=known[0]["provider"], external_id=external_id))
            resolved += [each["task_id"] for each in candidates]
        else:
            providers |= dict.fromkeys(each["provider"] for each in known or candidates)
    await _watch(tx, row, refs, at=at)
    await tx.run(
        "DELETE FROM lookup_candidates WHERE lookup_id = $1 AND task_id = ANY($2)",
        (lookup_id, list(resolved)),
    )
    return await tx.one(
        "UPDATE lookups SET providers = $1, state = $2 WHERE id = $3"
        " RETURNING *, CAST($4 AS boolean) AS is_polled",
        (
            json.dumps(list(providers)),
            LookupState.POLLING if providers else LookupState.FOUND,
            lookup_id,
            is_polled,
        ),
    )


async def _candidates(tx: Transaction, lookup_id: int) -> Sequence[Row]:
    """The tasks that are asked for, in the order of their registration, and whether they are known."""
    return await tx.all(
        """
        SELECT c.task_id, c.knows, t.provider, t.external_id
        FROM lookup_candidates AS c JOIN tasks AS t ON t.id = c.task_id
        WHERE c.lookup_id = $1 ORDER BY t.id
        """,
        (lookup_id,),
    )


async def _watch(tx: Transaction, row: Row, refs: Sequence[TaskRef], *, at: datetime) -> None:
    """Register the watches; add() and answer() have checked the limits."""
    requests = [
        WatchRequest(
            ref=ref,
            chat_id=row["chat_id"],
            thread_id=row["thread_id"],
            message_id=row["message_id"],
            user_id=row["user_id"],
            user_name=row["user_name"],
            language=row["language"],
        )
        for ref in refs
    ]
    await registering.add_all(tx, requests, at=at, limits=UNLIMITED, hold_card_s=0.0)


async def _enqueue(tx: Transaction, row: Row, *, at: datetime, after_s: float = 0.0) -> None:
    """Enqueue the LOOKUP, or change when the pending one is due."""
    await tx.run(
        """
        INSERT INTO deliveries AS d
            (chat_id, thread_id, kind, subject, lookup_id, priority, created_at, not_before)
        VALUES (:chat_id, :thread_id, :kind, :subject, :id, :priority, :at, :not_before)
        ON CONFLICT (chat_id, kind, subject, coalesce(thread_id, 0)) WHERE state = 'pending'
            DO UPDATE SET not_before = CASE
                WHEN d.not_before < excluded.not_before THEN d.not_before ELSE excluded.not_before
            END
        """,
        {
            "chat_id": row["chat_id"],
            "thread_id": row["thread_id"],
            "kind": DeliveryKind.LOOKUP,
            "subject": str(row["id"]),
            "id": row["id"],
            "priority": DeliveryPriority.FIRST_CARD,
            "at": at,
            "not_before": rows.later(at, after_s),
        },
    )


def _is_known(snapshot: Snapshot | None) -> bool:
    return snapshot is not None and snapshot.status is not TaskStatus.NOT_FOUND
