"""What a poll changes: (task, snapshot or error) → the task's new state and its events; no I/O."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.providers.base import ProviderError, TaskMissing
from bot.providers.parsing.ids import created_at_from_id
from storage.models import Cause, EventKind, PollFailure, Snapshot, Task, TaskEvent, TaskStatus

GRACE = timedelta(minutes=1)  # an id may be unknown for this long after its registration: stored late
MISSING = timedelta(seconds=30)  # for this long an id must stay unknown, as one of several replicas may lag
NO_VIDEO = timedelta(seconds=25)  # a gateway may store the link this long after the status
FORGOTTEN = timedelta(hours=24)  # gateways delete a task after this time
_CLOCK_AHEAD = timedelta(minutes=1)  # a gateway's clock may be ahead by this much
REPORTED_FAILURES = 3  # consecutive failed polls that cause a POLL_FAILURE event
MISSES = 2  # the same for MISSING, if the last one reported an unknown id


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A task's state after a poll, and the events."""

    task: Task
    events: tuple[TaskEvent, ...]


def on_snapshot(task: Task, snapshot: Snapshot, *, at: datetime) -> Change:
    """The poll returned a snapshot."""
    snapshot = _with_plausible_times(task, _with_known_end(task, snapshot), at)
    unconfirmed = _unconfirmed_success(task, snapshot, at)
    if unconfirmed is not None:
        snapshot = replace(snapshot, status=TaskStatus.RUNNING, finished_at=None)
    events = []
    if _event_kind(task.poll_failure, task.failures) is not None:
        events.append(_event(EventKind.RECOVERED, task, snapshot.status, at))
    if snapshot.status is not task.status:
        kind = EventKind.FINISHED if snapshot.status.is_final else EventKind.STATUS
        events.append(_event(kind, task, snapshot.status, at))
    elif (
        task.snapshot is None
        or _shown_progress(task.snapshot) != _shown_progress(snapshot)
        or (unconfirmed is not None and unconfirmed != task.poll_failure)
    ):
        events.append(_event(EventKind.PROGRESS, task, snapshot.status, at))
    after = replace(
        task,
        status=snapshot.status,
        snapshot=snapshot,
        snapshot_at=at,
        poll_failure=unconfirmed,
        failures=0,
        last_poll_at=at,
    )
    return Change(task=after, events=tuple(events))


def on_failure(task: Task, error: ProviderError, *, at: datetime) -> Change:
    """The poll failed; only an id that stays unknown ends the task."""
    if isinstance(error, TaskMissing) and _is_gone(task, at):
        return _ended(task, at)
    failures = task.failures + 1
    poll_failure = _poll_failure(task, error, failures=failures, at=at)
    event_kind = _failure_event(task, poll_failure, failures)
    return Change(
        task=replace(task, poll_failure=poll_failure, failures=failures, last_poll_at=at),
        events=() if event_kind is None else (_event(event_kind, task, task.status, at),),
    )


def _with_known_end(task: Task, snapshot: Snapshot) -> Snapshot:
    """Keep the known end of a final task that is polled again, if the gateway sends none."""
    known = task.snapshot
    if known is None or known.status is not snapshot.status or not snapshot.status.is_final:
        return snapshot
    return replace(snapshot, finished_at=snapshot.finished_at or known.finished_at)


def _unconfirmed_success(task: Task, snapshot: Snapshot, at: datetime) -> PollFailure | None:
    """NO_VIDEO, if the task succeeded without a video link for less than NO_VIDEO: it counts as running."""
    if snapshot.status is not TaskStatus.SUCCEEDED or snapshot.media is not None:
        return None
    if task.snapshot is not None and task.snapshot.status is TaskStatus.SUCCEEDED:
        return None  # final already, and polled only to confirm it
    known = task.poll_failure
    is_unconfirmed = known is not None and known.cause is Cause.NO_VIDEO
    since = min(known.since, at) if known is not None and is_unconfirmed else at
    return None if at - since >= NO_VIDEO else PollFailure(cause=Cause.NO_VIDEO, message="", since=since)


def _with_plausible_times(task: Task, snapshot: Snapshot, at: datetime) -> Snapshot:
    """Drop times in the future, and times that make the task older than gateways keep one."""
    sent = (snapshot.submitted_at, snapshot.started_at, snapshot.finished_at)
    submitted, started, finished = (
        None if moment and moment - at > _CLOCK_AHEAD else moment for moment in sent
    )
    begun = min((moment for moment in (submitted, started) if moment), default=None)
    if begun and task.registered_at - begun > FORGOTTEN and (finished or at) - begun > FORGOTTEN:
        submitted = started = None
    if (submitted, started, finished) == sent:
        return snapshot
    return replace(snapshot, submitted_at=submitted, started_at=started, finished_at=finished)


def _is_gone(task: Task, at: datetime) -> bool:
    """Whether the id has been unknown for MISSING and the task registered for GRACE."""
    if task.poll_failure is None or task.poll_failure.cause is not Cause.TASK_MISSING:
        return False
    return at - task.poll_failure.since >= MISSING and at - task.registered_at >= GRACE


def _ended(task: Task, at: datetime) -> Change:
    created_at = created_at_from_id(task.ref.external_id)
    existed = task.snapshot is not None or (created_at is not None and at - created_at > FORGOTTEN)
    status = TaskStatus.EXPIRED if existed else TaskStatus.NOT_FOUND
    after = replace(task, status=status, poll_failure=None, last_poll_at=at)
    return Change(task=after, events=(_event(EventKind.FINISHED, task, status, at),))


def _poll_failure(task: Task, error: ProviderError, *, failures: int, at: datetime) -> PollFailure:
    """The poll failure to store; one that causes no event does not replace one that did."""
    known = task.poll_failure
    since = known.since if known is not None and known.cause is error.cause else at
    poll_failure = PollFailure(cause=error.cause, message=error.message, since=since)
    is_silent = _event_kind(poll_failure, failures) is None and not isinstance(error, TaskMissing)
    if known is None or not is_silent:
        return poll_failure
    if known.cause is Cause.NO_VIDEO or _event_kind(known, task.failures) is not None:
        return known
    return poll_failure


def _failure_event(task: Task, poll_failure: PollFailure, failures: int) -> EventKind | None:
    """The event that the failure causes, given the one that the previous failure caused."""
    before, kind = _event_kind(task.poll_failure, task.failures), _event_kind(poll_failure, failures)
    if poll_failure.cause is Cause.TASK_MISSING and before not in {None, EventKind.MISSING}:
        return EventKind.RECOVERED  # the gateway responds again, though the id is unknown
    same_cause = task.poll_failure is not None and task.poll_failure.cause is poll_failure.cause
    if kind is before and (same_cause or kind is not EventKind.KEY_FAILURE):
        return None
    return kind


def _event_kind(poll_failure: PollFailure | None, failures: int) -> EventKind | None:
    """The event that so many consecutive failures produce; None: none yet."""
    if poll_failure is None:
        return None
    if poll_failure.cause is Cause.TASK_MISSING:
        return EventKind.MISSING if failures >= MISSES else None
    if poll_failure.cause.needs_admin:
        return EventKind.KEY_FAILURE
    if poll_failure.cause is Cause.ROUTE_MISSING or failures >= REPORTED_FAILURES:
        return EventKind.POLL_FAILURE
    return None


def _shown_progress(snapshot: Snapshot) -> tuple[int | None, int | None]:
    """The progress as a card shows it: whole percent, and the position in the queue."""
    return None if snapshot.progress is None else int(snapshot.progress), snapshot.queue_position


def _event(kind: EventKind, task: Task, after: TaskStatus, at: datetime) -> TaskEvent:
    return TaskEvent(kind=kind, before=task.status, after=after, at=at)
