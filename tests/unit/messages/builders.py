"""Watched tasks to render."""

from datetime import UTC, datetime, timedelta
from typing import Any

from storage.models import Cause, Media, PollFailure, Snapshot, Task, TaskError, TaskRef, TaskStatus
from storage.watches import Watch, WatchedTask, WatchState

NOW = datetime(2025, 10, 12, 11, 2, 0, tzinfo=UTC)
TASK_ID = "86ecf553-d340-4e21-af6e-a0c6a421c010"
LINK = "https://cdn.example/a.mp4?Expires=1&Signature=a%2Fb%3D"


def snapshot(status: TaskStatus, **fields) -> Snapshot:
    """A snapshot of a task that was submitted 113 seconds ago."""
    facts: dict[str, Any] = {"raw_status": str(status).upper(), "submitted_at": NOW - timedelta(seconds=113)}
    return Snapshot(status=status, **(facts | fields))


def watched(status: TaskStatus, *, language: str = "en", **fields) -> WatchedTask:
    """A watch of a task that was registered 80 seconds ago; fields are of the task, the watch or the ref."""
    ref = TaskRef(
        provider=fields.pop("provider", "alibailian"), external_id=fields.pop("external_id", TASK_ID)
    )
    watch = Watch(
        id=1,
        task_id=1,
        chat_id=42,
        thread_id=fields.pop("thread_id", None),
        request_message_id=7,
        user_id=42,
        language=language,
        created_at=NOW,
        state=fields.pop("state", WatchState.ACTIVE),
        result=fields.pop("result", None),
    )
    task = Task(id=1, ref=ref, status=status, registered_at=NOW - timedelta(seconds=80), **fields)
    return WatchedTask(watch=watch, task=task)


def succeeded(*, language: str = "en", media: Media | None = None, **facts) -> WatchedTask:
    """A task that took 113 seconds and whose link lives for 23 h 5 min."""
    link = media or Media(url=LINK, expires_at=NOW + timedelta(hours=23, minutes=5))
    found = snapshot(TaskStatus.SUCCEEDED, finished_at=NOW, media=link, **facts)
    return watched(TaskStatus.SUCCEEDED, language=language, snapshot=found)


def failed(cause: Cause, message: str = "", *, language: str = "en", code: str | None = None) -> WatchedTask:
    """A task that failed after 113 seconds."""
    error = TaskError(message=message, code=code, cause=cause)
    found = snapshot(TaskStatus.FAILED, finished_at=NOW, error=error)
    return watched(TaskStatus.FAILED, language=language, snapshot=found)


def failing(cause: Cause, message: str = "", *, language: str = "en") -> WatchedTask:
    """A running task that cannot be looked at."""
    trouble = PollFailure(cause=cause, message=message, since=NOW)
    return watched(
        TaskStatus.RUNNING,
        language=language,
        snapshot=snapshot(TaskStatus.RUNNING),
        poll_failure=trouble,
        last_poll_at=NOW - timedelta(seconds=5),
        next_poll_at=NOW + timedelta(seconds=10),
    )
