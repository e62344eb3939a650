"""An old video is another chat's only once the gateway has said again that there is one."""

from dataclasses import replace
from datetime import datetime, timedelta

from storage.models import Task, TaskStatus, Watch, WatchState
from storage.sqlite import rows, tasks
from storage.sqlite.connection import Transaction

OLD = timedelta(days=1)  # since the last poll


async def begin(tx: Transaction, task_id: int, *, at: datetime) -> None:
    """Have a task that succeeded, and was last polled long ago, polled again; what is known of it is kept."""
    task = (await tasks.by_ids(tx, [task_id]))[task_id]
    is_recent = task.last_poll_at is not None and at - task.last_poll_at <= OLD
    if task.status is not TaskStatus.SUCCEEDED or task.snapshot is None or is_recent:
        return
    ended_at = task.snapshot.finished_at or task.snapshot_at  # the later poll must not count as its end
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


def as_told(watch: Watch, task: Task) -> Task:
    """The task as a watch knows it; what has ended for it has not begun again."""
    is_over = watch.state is WatchState.FINISHED
    if (
        is_over
        and task.status is TaskStatus.UNKNOWN
        and task.snapshot
        and task.snapshot.status is TaskStatus.SUCCEEDED
    ):
        return replace(task, status=TaskStatus.SUCCEEDED)
    return task
