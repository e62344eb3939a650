"""The tasks table: the durable queue of polls."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from storage.models import Cause, Task, TaskEvent, TaskRef
from storage.sql import rows
from storage.sql.transaction import Row, Transaction

EVENTS = 200  # kept per task; some gateways change the progress with every poll


async def register(tx: Transaction, ref: TaskRef, *, at: datetime) -> int:
    """Insert the task if it is new; return its id."""
    known = await tx.one(
        "SELECT id FROM tasks WHERE provider = $1 AND external_id = $2", (ref.provider, ref.external_id)
    )
    return await add(tx, ref, at=at, due_at=None) if known is None else int(known["id"])


async def add(tx: Transaction, ref: TaskRef, *, at: datetime, due_at: datetime | None) -> int:
    """Insert a new task; return its id."""
    [added] = await tx.all(
        """
        INSERT INTO tasks (provider, external_id, status, registered_at, next_poll_at)
        VALUES ($1, $2, 'unknown', $3, $4) RETURNING id
        """,
        (ref.provider, ref.external_id, at, due_at),
    )
    return int(added["id"])


async def by_ids(tx: Transaction, task_ids: Collection[int]) -> dict[int, Task]:
    """The tasks by their ids."""
    if not task_ids:
        return {}
    found = await tx.all("SELECT * FROM tasks WHERE id = ANY($1)", (list(task_ids),))
    return {row["id"]: rows.task(row) for row in found}


async def make_due(
    tx: Transaction, task_ids: Iterable[int], *, at: datetime, is_awaited: bool = False
) -> None:
    """Make tasks that are not final due; a poll in flight keeps its version and its lease.

    is_awaited: a user waits for the poll, so poll_requested is set even without a lease.
    """
    await tx.run(
        """
        UPDATE tasks SET next_poll_at = CASE WHEN next_poll_at < :at THEN next_poll_at ELSE :at END,
            poll_requested = poll_requested OR :is_awaited OR lease_until IS NOT NULL
        WHERE id = ANY(:ids) AND NOT is_final
        """,
        {"ids": list(task_ids), "at": at, "is_awaited": is_awaited},
    )


async def stop_polling_unwatched(tx: Transaction, task_ids: Iterable[int]) -> None:
    """Clear the next poll of those tasks that have no active watch.

    A task waiting for its confirming poll becomes SUCCEEDED again if no watch waits for it.
    """
    listed = list(task_ids)
    await tx.run(
        """
        UPDATE tasks SET next_poll_at = NULL, poll_requested = lease_until IS NOT NULL
        WHERE id = ANY($1)
            AND NOT EXISTS (SELECT 1 FROM watches AS w WHERE w.task_id = tasks.id AND w.state = 'active')
        """,
        (listed,),
    )
    await tx.run(
        """
        UPDATE tasks SET status = 'succeeded', poll_failure = NULL, failures = 0, version = version + 1
        WHERE id = ANY($1)
            AND status = 'unknown' AND snapshot ->> 'status' = 'succeeded'
            AND NOT EXISTS (
                SELECT 1 FROM watches AS w WHERE w.task_id = tasks.id AND NOT w.is_over
            )
        """,
        (listed,),
    )


async def providers_with_due_tasks(tx: Transaction) -> set[str]:
    """The providers of tasks that have a next poll."""
    found = await tx.all("SELECT DISTINCT provider FROM tasks WHERE claimable_at IS NOT NULL")
    return {row["provider"] for row in found}


async def make_due_again(tx: Transaction, causes: Iterable[Cause], *, at: datetime) -> None:
    """Make tasks due at once whose polls fail for one of these causes."""
    found = await tx.all(
        """
        SELECT id FROM tasks
        WHERE claimable_at IS NOT NULL AND poll_failure ->> 'cause' = ANY($1)
        """,
        (list(causes),),
    )
    await make_due(tx, [row["id"] for row in found], at=at)


# Of one provider; those of all are one statement, as each takes a round trip.
_DUE = """
    SELECT * FROM (
        SELECT id FROM tasks WHERE provider = :provider_{number} AND claimable_at <= :due_at
            AND (lease_until IS NULL OR lease_until <= :at)
        ORDER BY claimable_at LIMIT :limit_{number}
    ) AS due
"""


async def claim_due(
    tx: Transaction,
    quota: Mapping[str, int],
    *,
    owner: str,
    at: datetime,
    lease_s: float,
    ahead_s: float,
) -> list[Task]:
    """Lease due tasks, longest overdue first; the version rises, so that no earlier poll can be applied."""
    values: dict[str, object] = {"at": at, "due_at": rows.later(at, ahead_s)}
    parts = []
    for number, (provider, limit) in enumerate(quota.items()):
        values |= {f"provider_{number}": provider, f"limit_{number}": max(0, limit)}
        parts.append(_DUE.format(number=number))
    due = await tx.all(" UNION ALL ".join(parts), values) if parts else []
    if not due:
        return []
    found = await tx.all(
        """
        UPDATE tasks SET lease_until = :until, lease_owner = :owner, version = version + 1
        WHERE id = ANY(:ids)
        RETURNING *
        """,
        {"ids": [row["id"] for row in due], "owner": owner, "until": rows.later(at, lease_s)},
    )
    claimed = [rows.task(row) for row in found]
    watch_counts = await active_watches(tx, [task.id for task in claimed])
    claimed = [replace(task, chat_active_watches=watch_counts[task.id]) for task in claimed]
    return sorted(claimed, key=lambda task: (task.next_poll_at or at, task.id))


async def active_watches(tx: Transaction, task_ids: Sequence[int]) -> dict[int, int]:
    """For each task, the lowest number of active watches of a watching chat; 0 if there is none."""
    if not task_ids:
        return {}
    # Not joined here: PostgreSQL plans for ten tasks, and would count a chat's watches again for each of 500.
    found = await tx.all(
        """
        WITH waiting AS MATERIALIZED (
            SELECT task_id, chat_id FROM watches
            WHERE state = 'active' AND task_id = ANY($1)
        )
        SELECT task_id, chat_id, 0 AS watches FROM waiting
        UNION ALL
        SELECT NULL, chat_id, count(*) FROM watches
        WHERE state = 'active' AND chat_id IN (SELECT chat_id FROM waiting) GROUP BY chat_id
        """,
        (list(task_ids),),
    )
    of_chats = {chat_id: watches for task_id, chat_id, watches in found if task_id is None}
    lowest: dict[int, int] = {}
    for task_id, chat_id, _ in found:
        if task_id is not None:
            lowest[task_id] = min(of_chats[chat_id], lowest.get(task_id, of_chats[chat_id]))
    return dict.fromkeys(task_ids, 0) | lowest


async def take_poll_requests(tx: Transaction, *, owner: str) -> list[Task]:
    """Return the owner's tasks with poll_requested set, and clear it."""
    found = await tx.all(
        "UPDATE tasks SET poll_requested = false WHERE lease_owner = $1 AND poll_requested RETURNING *",
        (owner,),
    )
    return [rows.task(row) for row in found]


async def apply_poll(tx: Transaction, task: Task) -> Row | None:
    """Write a polled task if its version is unchanged; one that was resumed meanwhile does not rest.

    Returns None if nothing was written, else whether it is a candidate of a lookup that waits for it.
    """
    # The next poll is computed once, as the lease depends on it.
    return await tx.one(
        """
        UPDATE tasks SET status = :status, snapshot = :snapshot, snapshot_at = :snapshot_at,
            poll_failure = :poll_failure, last_poll_at = :last_poll_at, failures = :failures,
            next_poll_at = polled.poll_at,
            lease_until = CASE WHEN polled.poll_at IS NOT NULL THEN CAST(:until AS timestamptz) END,
            lease_owner = CASE
                WHEN polled.poll_at IS NOT NULL AND CAST(:until AS timestamptz) IS NOT NULL
                THEN lease_owner
            END,
            stall = CASE WHEN unchanged_since > :since THEN stall ELSE :stall END,
            unchanged_since = CASE
                WHEN unchanged_since > :unchanged_since THEN unchanged_since
                ELSE coalesce(:unchanged_since, unchanged_since)
            END,
            version = version + 1
        FROM (
            SELECT id AS task_id, CASE
                WHEN NOT EXISTS (SELECT 1 FROM watches AS w WHERE w.task_id = tasks.id AND w.state = 'active')
                THEN NULL
                WHEN :stall = 'resting' AND unchanged_since > :since THEN next_poll_at
                ELSE :next_poll_at
            END AS poll_at
            FROM tasks WHERE id = :id
        ) AS polled
        WHERE id = polled.task_id AND version = :version
        RETURNING EXISTS (
            SELECT 1 FROM lookup_candidates AS c WHERE c.task_id = tasks.id AND c.knows IS NULL
        ) AS is_looked_up
        """,
        {
            "id": task.id,
            "version": task.version,
            "status": task.status,
            "snapshot": rows.to_json(task.snapshot),
            "snapshot_at": task.snapshot_at,
            "poll_failure": rows.to_json(task.poll_failure),
            "last_poll_at": task.last_poll_at,
            "next_poll_at": None if task.status.is_final else task.next_poll_at,
            "failures": task.failures,
            "stall": task.stall,
            "since": task.unchanged_since or task.registered_at,
            "unchanged_since": task.unchanged_since,
            "until": task.lease_until,
        },
    )


async def release_stale_poll(tx: Transaction, task: Task, *, owner: str) -> None:
    """Release this owner's lease of a task whose poll was out of date, and make the task due again."""
    await tx.run(
        """
        UPDATE tasks
        SET next_poll_at = CASE WHEN next_poll_at > :polled_at THEN :polled_at ELSE next_poll_at END,
            lease_until = NULL, lease_owner = NULL
        WHERE id = :id AND lease_owner = :owner
        """,
        {"id": task.id, "owner": owner, "polled_at": task.last_poll_at},
    )


async def record(tx: Transaction, task_id: int, events: Sequence[TaskEvent]) -> None:
    """Insert a task's events, of which the last EVENTS are kept."""
    for event in events:
        await tx.run(
            "INSERT INTO events (task_id, kind, status_before, status_after, at) VALUES ($1, $2, $3, $4, $5)",
            (task_id, event.kind, event.before, event.after, event.at),
        )
    await tx.run(
        """
        DELETE FROM events WHERE task_id = :task AND id <= (
            SELECT id FROM events WHERE task_id = :task ORDER BY id DESC LIMIT 1 OFFSET :kept
        )
        """,
        {"task": task_id, "kept": EVENTS},
    )


async def free_leases(tx: Transaction, *, owner: str | None) -> None:
    """Release an owner's leases; None: all."""
    await tx.run(
        """
        UPDATE tasks SET lease_until = NULL, lease_owner = NULL
        WHERE lease_owner = coalesce($1, lease_owner)
        """,
        (owner,),
    )
