"""What happens to a task that does not change.

After STUCK the provider's other source is queried once; after UNCHANGED the chats are informed and the task
is polled hourly; after the configured time it is no longer polled until a user resumes it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.watching.changes import Change
from storage.models import EventKind, Snapshot, Stall, Task, TaskEvent

STUCK = timedelta(hours=1)
UNCHANGED = timedelta(days=1)
_OUTAGE = timedelta(hours=2)  # a longer gap between successful polls does not count as time without change


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """The rule. rest: REST_DAYS, the time without change after which polling stops."""

    rest: timedelta

    def aged(self, before: Task, change: Change, *, at: datetime) -> Change:
        """The change of a successful poll, with the stall that the time without change leads to."""
        task = change.task
        if task.status.is_final:
            return change
        old, new = before.snapshot, task.snapshot
        if old is None or new is None or _shown(old) != _shown(new):
            return Change(
                task=replace(task, stall=Stall.MOVING, unchanged_since=at),
                events=change.events or _stall_events(before.stall, Stall.MOVING, task, at),
            )
        since = before.unchanged_since or before.registered_at
        last_poll = max(before.snapshot_at or before.registered_at, since)
        if at - last_poll > _OUTAGE:
            since += at - last_poll
        stall = self._stall(before.stall, at - since)
        if stall is before.stall and since is before.unchanged_since:
            return change
        return Change(
            task=replace(task, stall=stall, unchanged_since=since),
            events=(*change.events, *_stall_events(before.stall, stall, task, at)),
        )

    def _stall(self, before: Stall, unchanged: timedelta) -> Stall:
        """The stall after so long without change; it never decreases without a change."""
        if unchanged >= self.rest or before is Stall.RESTING:
            return Stall.RESTING
        if unchanged >= UNCHANGED or before is Stall.UNCHANGED:
            return Stall.UNCHANGED
        return Stall.STUCK if unchanged >= STUCK or before is Stall.STUCK else Stall.MOVING


def _shown(snapshot: Snapshot) -> tuple[object, ...]:
    """What a change of counts as a change of the task."""
    return snapshot.status, snapshot.raw_status, snapshot.progress, snapshot.queue_position


def _stall_events(before: Stall, after: Stall, task: Task, at: datetime) -> tuple[TaskEvent, ...]:
    """The event that a change of the stall causes."""
    match before, after:
        case (Stall.UNCHANGED | Stall.RESTING, Stall.MOVING):
            kind = EventKind.PROGRESS
        case (Stall.MOVING | Stall.STUCK, Stall.UNCHANGED):
            kind = EventKind.UNCHANGED
        case (Stall.MOVING | Stall.STUCK | Stall.UNCHANGED, Stall.RESTING):
            kind = EventKind.RESTS
        case _:
            return ()
    return (TaskEvent(kind=kind, before=task.status, after=task.status, at=at),)
