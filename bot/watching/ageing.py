"""What becomes of a task that does not change: after a day it is polled less, after days no longer."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.watching.changes import Change
from storage.models import EventKind, Snapshot, Stall, Task, TaskEvent

STUCK = timedelta(hours=1)
UNCHANGED = timedelta(days=1)
REST = timedelta(days=3)
_UNSEEN = timedelta(
    hours=2
)  # between polls that went well; a longer gap is an outage, not a task without change


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """After how long without any change what is done; the days until a task rests are a setting."""

    rest: timedelta = REST

    def aged(self, before: Task, change: Change, *, at: datetime) -> Change:
        """A change after a poll that went well, with what its task's age comes to."""
        task = change.task
        if task.status.is_final:
            return change
        if _has_changed(before, task):
            return Change(
                task=replace(task, stall=Stall.MOVING, unchanged_since=at),
                events=change.events or _told(before.stall, Stall.MOVING, task, at),
            )
        since = _unchanged_since(before, at)
        stall = self._stall(before.stall, at - since)
        if stall is before.stall and since is before.unchanged_since:
            return change
        return Change(
            task=replace(task, stall=stall, unchanged_since=since),
            events=(*change.events, *_told(before.stall, stall, task, at)),
        )

    def _stall(self, before: Stall, unchanged: timedelta) -> Stall:
        """How far it goes by now; only a change brings it back."""
        if unchanged >= self.rest or before is Stall.RESTING:
            return Stall.RESTING
        if unchanged >= UNCHANGED or before is Stall.UNCHANGED:
            return Stall.UNCHANGED
        return Stall.STUCK if unchanged >= STUCK or before is Stall.STUCK else Stall.MOVING


def _unchanged_since(before: Task, at: datetime) -> datetime:
    """Without the time for which nobody could see whether the task changed."""
    since = before.unchanged_since or before.registered_at
    seen = max(before.snapshot_at or before.registered_at, since)
    return since + (at - seen) if at - seen > _UNSEEN else since


def _has_changed(before: Task, after: Task) -> bool:
    old, new = before.snapshot, after.snapshot
    if old is new and old is not None:
        return False  # what was read before, as the answer says the same
    return old is None or new is None or _shown(old) != _shown(new)


def _shown(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.status, snapshot.raw_status, snapshot.progress, snapshot.queue_position


def _told(before: Stall, after: Stall, task: Task, at: datetime) -> tuple[TaskEvent, ...]:
    """What the chats hear of it."""
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


AGEING = Ageing()
