"""Resumes the polling of tasks that are unchanged, ended without a video, or succeeded long ago."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from storage.models import Stall, Task, TaskStatus
from storage.sql import deliveries, rows, tasks
from storage.sql.transaction import Transaction
from storage.watches import Watch, WatchState

_CONFIRMED_FOR = timedelta(days=1)  # a success counts for so long after the last poll
_REPORTED = [stall for stall in Stall if stall.is_reported]


async def resume_stalled(tx: Transaction, task_ids: Iterable[int], *, at: datetime) -> None:
    """Restart the stall period of unchanged tasks; resting ones become MOVING and due, with new cards."""
    stalled = await tx.all(
        """
        SELECT id, stall FROM tasks
        WHERE id = ANY($1) AND stall = ANY($2)
            AND NOT is_final
        """,
        (list(task_ids), _REPORTED),
    )
    if not stalled:
        return
    await tx.run(
        """
        UPDATE tasks SET unchanged_since = $1, stall = CASE stall WHEN 'resting' THEN 'moving' ELSE stall END
        WHERE id = ANY($2)
        """,
        (at, [row["id"] for row in stalled]),
    )
    resumed = [row["id"] for row in stalled if row["stall"] == Stall.RESTING]
    await tasks.make_due(tx, resumed, at=at)
    active = await tx.all(
        "SELECT id FROM watches WHERE task_id = ANY($1) AND state = 'active'",
        (list(resumed),),
    )
    await deliveries.enqueue_cards(tx, [row["id"] for row in active], at=at)


async def restart(tx: Transaction, task_id: int, *, at: datetime) -> bool:
    """Reset a task whose status is final, but not permanent, to UNKNOWN and due; False if it is another."""
    restarted = await tx.one(
        """
        UPDATE tasks SET status = 'unknown', registered_at = :at, snapshot = NULL, snapshot_at = NULL,
            poll_failure = NULL, last_poll_at = NULL, next_poll_at = :at,
            lease_until = NULL, lease_owner = NULL, failures = 0,
            stall = 'moving', unchanged_since = NULL, version = version + 1
        WHERE id = :id AND is_final AND status <> ALL(:permanent)
        RETURNING id
        """,
        {"id": task_id, "at": at, "permanent": rows.PERMANENT},
    )
    return restarted is not None


async def confirm(tx: Transaction, task_id: int, *, at: datetime) -> None:
    """Make a task due again that succeeded and was last polled long ago; its snapshot and file are kept."""
    task = (await tasks.by_ids(tx, [task_id]))[task_id]
    is_recent = task.last_poll_at is not None and at - task.last_poll_at <= _CONFIRMED_FOR
    if task.status is not TaskStatus.SUCCEEDED or task.snapshot is None or is_recent:
        return
    ended_at = task.snapshot.finished_at or task.snapshot_at  # not the time of the new poll
    await tx.run(
        """
        UPDATE tasks SET status = 'unknown', snapshot = :snapshot, snapshot_at = :at, last_poll_at = NULL,
            next_poll_at = :at, lease_until = NULL, lease_owner = NULL, poll_failure = NULL, failures = 0,
            stall = 'moving', unchanged_since = :at, version = version + 1
        WHERE id = :id
        """,
        {
            "id": task_id,
            "at": at,
            "snapshot": rows.to_json(replace(task.snapshot, finished_at=ended_at)),
        },
    )


def as_seen_by(watch: Watch, task: Task) -> Task:
    """The task as a watch sees it: still SUCCEEDED for a finished watch while it is being confirmed."""
    if (
        watch.state is WatchState.FINISHED
        and task.status is TaskStatus.UNKNOWN
        and task.snapshot
        and task.snapshot.status is TaskStatus.SUCCEEDED
    ):
        return replace(task, status=TaskStatus.SUCCEEDED)
    return task
