"""Confirms an old success with a new poll before another chat gets the video."""

from dataclasses import replace
from datetime import datetime, timedelta

from storage.models import Task, TaskStatus, Watch, WatchState
from storage.sqlite import rows, tasks
from storage.sqlite.connection import Transaction

OLD = timedelta(days=1)  # since the last poll


async def begin(tx: Transaction, task_id: int, *, at: datetime) -> None:
    """Make a task due again that succeeded and was last polled long ago; its snapshot and file are kept."""
    task = (await tasks.by_ids(tx, [task_id]))[task_id]
    is_recent = task.last_poll_at is not None and at - task.last_poll_at <= OLD
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
            "at": rows.seconds(at),
            "snapshot": rows.to_json(replace(task.snapshot, finished_at=ended_at)),
        },
    )


def as_seen_by(watch: Watch, task: Task) -> Task:
    """The task as a watch sees it: still SUCCEEDED for a finished watch while it is being confirmed."""
    is_over = watch.state is WatchState.FINISHED
    if (
        is_over
        and task.status is TaskStatus.UNKNOWN
        and task.snapshot
        and task.snapshot.status is TaskStatus.SUCCEEDED
    ):
        return replace(task, status=TaskStatus.SUCCEEDED)
    return task
