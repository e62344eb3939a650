"""What a look changes: (Task, what the gateway said) → the task as it is now, and the events to tell."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.providers.base import ProviderError, TaskMissing
from bot.providers.parsing.ids import created_at_from_id
from storage.models import Cause, EventKind, PollFailure, Snapshot, Task, TaskEvent, TaskStatus

GRACE = timedelta(minutes=1)  # after registering, an unknown id may be one that the gateway writes late
MISSING = timedelta(seconds=30)  # without a break: one gateway out of several may lag behind
_AHEAD = timedelta(minutes=1)  # a gateway's clock may be, unnoticed
NO_VIDEO = timedelta(seconds=25)  # a gateway may write the link after the status
FORGOTTEN = timedelta(hours=24)  # after which gateways forget a task
BLIPS = 3  # failed looks in a row before the chat hears of it
MISSES = 2  # the same, where the last said that there is no such task
_FOR_PEOPLE = frozenset({Cause.KEY_INVALID, Cause.KEY_EXHAUSTED, Cause.NOT_ALLOWED, Cause.NOT_CONFIGURED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A task after a look, and what there is to tell."""

    task: Task
    events: tuple[TaskEvent, ...]


def on_snapshot(task: Task, snapshot: Snapshot, *, at: datetime) -> Change:
    """The gateway told how the task stands."""
    snapshot = _with_plausible_times(task, _with_known_end(task, snapshot), at)
    doubt = _doubt(task, snapshot, at)
    if doubt is not None:
        snapshot = replace(snapshot, status=TaskStatus.RUNNING, finished_at=None)
    events = []
    if _voice(task.poll_failure, task.failures) is not None:
        events.append(_event(EventKind.RECOVERED, task, snapshot.status, at))
    if snapshot.status is not task.status:
        kind = EventKind.FINISHED if snapshot.status.is_final else EventKind.STATUS
        events.append(_event(kind, task, snapshot.status, at))
    elif _moved(task.snapshot, snapshot) or (doubt is not None and doubt != task.poll_failure):
        events.append(_event(EventKind.PROGRESS, task, snapshot.status, at))
    after = replace(
        task,
        status=snapshot.status,
        snapshot=snapshot,
        snapshot_at=at,
        poll_failure=doubt,
        failures=0,
        last_poll_at=at,
    )
    return Change(task=after, events=tuple(events))


def on_failure(task: Task, error: ProviderError, *, at: datetime) -> Change:
    """The look brought no snapshot; only an id that stays unknown ever ends a task."""
    if isinstance(error, TaskMissing) and _is_gone(task, at):
        return _ended(task, at)
    failures = task.failures + 1
    trouble = _trouble(task, error, failures=failures, at=at)
    news = _news(task, trouble, failures)
    return Change(
        task=replace(task, poll_failure=trouble, failures=failures, last_poll_at=at),
        events=() if news is None else (_event(news, task, task.status, at),),
    )


def _with_known_end(task: Task, snapshot: Snapshot) -> Snapshot:
    """With the end that a task had which is only confirmed, where the gateway tells none."""
    known = task.snapshot
    if known is None or known.status is not snapshot.status or not snapshot.status.is_final:
        return snapshot
    return replace(snapshot, finished_at=snapshot.finished_at or known.finished_at)


def _doubt(task: Task, snapshot: Snapshot, at: datetime) -> PollFailure | None:
    """Why a task that is said to be finished counts as running: it names no video, and that is new."""
    if snapshot.status is not TaskStatus.SUCCEEDED or snapshot.media is not None:
        return None
    if task.snapshot is not None and task.snapshot.status is TaskStatus.SUCCEEDED:
        return None  # it named one when it ended, and is only confirmed
    known = task.poll_failure
    is_doubted = known is not None and known.cause is Cause.NO_VIDEO
    since = min(known.since, at) if known is not None and is_doubted else at
    return None if at - since >= NO_VIDEO else PollFailure(cause=Cause.NO_VIDEO, message="", since=since)


def _with_plausible_times(task: Task, snapshot: Snapshot, at: datetime) -> Snapshot:
    """Without dates in the future, and those that would make the task older than gateways let one become."""
    told = (snapshot.submitted_at, snapshot.started_at, snapshot.finished_at)
    submitted, started, finished = (None if moment and moment - at > _AHEAD else moment for moment in told)
    begun = min((moment for moment in (submitted, started) if moment), default=None)
    if begun and task.registered_at - begun > FORGOTTEN and (finished or at) - begun > FORGOTTEN:
        submitted = started = None
    if (submitted, started, finished) == told:
        return snapshot
    return replace(snapshot, submitted_at=submitted, started_at=started, finished_at=finished)


def _is_gone(task: Task, at: datetime) -> bool:
    """Missing for some time, and long enough after it was registered."""
    if task.poll_failure is None or task.poll_failure.cause is not Cause.TASK_MISSING:
        return False
    return at - task.poll_failure.since >= MISSING and at - task.registered_at >= GRACE


def _ended(task: Task, at: datetime) -> Change:
    born = created_at_from_id(task.ref.external_id)
    existed = task.snapshot is not None or (born is not None and at - born > FORGOTTEN)
    status = TaskStatus.EXPIRED if existed else TaskStatus.NOT_FOUND
    after = replace(task, status=status, poll_failure=None, last_poll_at=at)
    return Change(task=after, events=(_event(EventKind.FINISHED, task, status, at),))


def _trouble(task: Task, error: ProviderError, *, failures: int, at: datetime) -> PollFailure:
    """What stands in the way; a blip does not cover up what the chat was told."""
    known = task.poll_failure
    since = known.since if known is not None and known.cause is error.cause else at
    trouble = PollFailure(cause=error.cause, message=error.message, since=since)
    is_blip = _voice(trouble, failures) is None and not isinstance(error, TaskMissing)
    if known is None or not is_blip:
        return trouble
    if known.cause is Cause.NO_VIDEO or _voice(known, task.failures) is not None:
        return known
    return trouble


def _news(task: Task, trouble: PollFailure, failures: int) -> EventKind | None:
    """What the chat has to hear of a trouble after what it was told before."""
    told, voice = _voice(task.poll_failure, task.failures), _voice(trouble, failures)
    if trouble.cause is Cause.TASK_MISSING and told not in {None, EventKind.MISSING}:
        return EventKind.RECOVERED  # an id that is unknown, too, is an answer
    same_cause = task.poll_failure is not None and task.poll_failure.cause is trouble.cause
    if voice is told and (same_cause or voice is not EventKind.KEY_TROUBLE):
        return None
    return voice


def _voice(trouble: PollFailure | None, failures: int) -> EventKind | None:
    """How the chat hears of a trouble after so many failed looks; None: it doesn't, or not yet."""
    if trouble is None:
        return None
    if trouble.cause is Cause.TASK_MISSING:
        return EventKind.MISSING if failures >= MISSES else None
    if trouble.cause in _FOR_PEOPLE:
        return EventKind.KEY_TROUBLE
    if trouble.cause is Cause.ROUTE_MISSING or failures >= BLIPS:
        return EventKind.TROUBLE
    return None


def _moved(before: Snapshot | None, after: Snapshot) -> bool:
    """Whether the card would show something else, to the whole percent."""
    if before is None:
        return True
    return (_percent(before), before.queue_position) != (_percent(after), after.queue_position)


def _percent(snapshot: Snapshot) -> int | None:
    return None if snapshot.progress is None else int(snapshot.progress)


def _event(kind: EventKind, task: Task, after: TaskStatus, at: datetime) -> TaskEvent:
    return TaskEvent(kind=kind, before=task.status, after=after, at=at)
