"""Tasks, snapshots and errors for tests of polls."""

from datetime import timedelta
from typing import Any

from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from storage.models import Cause, Media, PollFailure, Snapshot, Task, TaskRef, TaskStatus
from tests.fakes.clock import NOON

OLD_ID = "cgt-20250530120000-abcde"  # made 48 hours and more before NOON

AWAY = Unavailable("no answer", cause=Cause.UNREACHABLE)
ODD = BadResponse("<html>", cause=Cause.ODD_ANSWER)
NO_ROUTE = BadResponse("Invalid URL", cause=Cause.ROUTE_MISSING)
TOO_MANY = RateLimited("slow down", cause=Cause.RATE_LIMITED)
IN_FIVE_MINUTES = RateLimited("slow down", cause=Cause.RATE_LIMITED, retry_after_s=300.0)
BAD_KEY = AuthFailed("invalid key", cause=Cause.KEY_INVALID)
NO_CREDIT = AuthFailed("no credit", cause=Cause.KEY_EXHAUSTED)
MISSING = TaskMissing("no such task", cause=Cause.TASK_MISSING)


def snapshot(status: TaskStatus = TaskStatus.RUNNING, **fields: Any) -> Snapshot:
    """A snapshot; with a video if the task has succeeded."""
    if status is TaskStatus.SUCCEEDED:
        fields.setdefault("media", Media(url="https://cdn.example/a.mp4"))
    return Snapshot(status=status, raw_status=status.upper(), **fields)


def task(status: TaskStatus = TaskStatus.RUNNING, *, age_s: float = 3600, **fields: Any) -> Task:
    """A task that was registered so long before NOON, seen alive by its last poll unless it is UNKNOWN."""
    facts: dict[str, Any] = {
        "id": 1,
        "ref": TaskRef(provider="wan", external_id=fields.pop("external_id", "t1")),
        "registered_at": NOON - timedelta(seconds=age_s),
        "snapshot": None if status is TaskStatus.UNKNOWN else snapshot(status),
        "snapshot_at": None if status is TaskStatus.UNKNOWN else fields.get("last_poll_at"),
    }
    return Task(status=status, **(facts | fields))


def failing(error: ProviderError, *, failures: int, **fields: Any) -> Task:
    """A running task whose last polls failed, the last of them with the error."""
    since = NOON - timedelta(minutes=5)
    failure = PollFailure(cause=error.cause, message=error.message, since=since)
    return task(poll_failure=failure, failures=failures, **fields)
