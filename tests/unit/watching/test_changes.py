"""What a poll changes, and which events it produces."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.providers.base import ProviderError
from bot.watching.changes import GRACE, REPORTED_FAILURES, Change, on_failure, on_snapshot
from storage.models import EventKind, Snapshot, Task, TaskEvent, TaskStatus
from tests.fakes.clock import NOON
from tests.unit.watching.tasks import (
    AWAY,
    BAD_KEY,
    MISSING,
    NO_CREDIT,
    NO_ROUTE,
    ODD,
    OLD_ID,
    TOO_MANY,
    failing,
    snapshot,
    task,
)

UNKNOWN, QUEUED, RUNNING = TaskStatus.UNKNOWN, TaskStatus.QUEUED, TaskStatus.RUNNING
EXPIRED, NOT_FOUND = TaskStatus.EXPIRED, TaskStatus.NOT_FOUND


def kinds(change: Change) -> list[EventKind]:
    return [event.kind for event in change.events]


def after_polls(before: Task, *answers: Snapshot | ProviderError) -> tuple[Task, list[list[EventKind]]]:
    """The task after polls 20 seconds apart, and the events of each."""
    events = []
    for number, answer in enumerate(answers):
        at = NOON + timedelta(seconds=20 * number)
        change = (
            on_failure(before, answer, at=at)
            if isinstance(answer, ProviderError)
            else on_snapshot(before, answer, at=at)
        )
        before = change.task
        events.append(kinds(change))
    return before, events


def test_another_status_is_reported_with_the_one_before():
    change = on_snapshot(task(QUEUED), snapshot(RUNNING), at=NOON)

    assert change.events == (TaskEvent(kind=EventKind.STATUS, before=QUEUED, after=RUNNING, at=NOON),)
    assert (change.task.status, change.task.snapshot) == (RUNNING, snapshot(RUNNING))
    assert (change.task.snapshot_at, change.task.last_poll_at) == (NOON, NOON)


def test_the_first_snapshot_is_reported():
    assert kinds(on_snapshot(task(UNKNOWN), snapshot(QUEUED), at=NOON)) == [EventKind.STATUS]


@pytest.mark.parametrize(
    "status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED]
)
def test_a_final_status_is_reported_as_the_end(status: TaskStatus):
    change = on_snapshot(task(), snapshot(status), at=NOON)

    assert change.events == (TaskEvent(kind=EventKind.FINISHED, before=RUNNING, after=status, at=NOON),)


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (snapshot(progress=10.2), snapshot(progress=11.0), [EventKind.PROGRESS]),
        (snapshot(progress=10.2), snapshot(progress=10.9), []),
        (snapshot(), snapshot(progress=0.0), [EventKind.PROGRESS]),
        (snapshot(queue_position=7), snapshot(queue_position=6), [EventKind.PROGRESS]),
        (snapshot(progress=10.0), snapshot(progress=10.0, model="wan2.2"), []),
    ],
    ids=["further", "within one percent", "first figure", "queue", "the same"],
)
def test_progress_is_reported_when_the_card_would_show_something_else(
    before: Snapshot, after: Snapshot, events: list[EventKind]
):
    change = on_snapshot(task(snapshot=before), after, at=NOON)

    assert kinds(change) == events
    assert change.task.snapshot == after


def test_blips_are_silent_until_the_third():
    after, events = after_polls(task(), AWAY, ODD, AWAY)

    assert REPORTED_FAILURES == 3
    assert events == [[], [], [EventKind.POLL_FAILURE]]
    assert (after.status, after.failures, after.last_poll_at) == (RUNNING, 3, NOON + timedelta(seconds=40))


def test_an_outage_is_reported_once_whatever_its_errors():
    _, events = after_polls(failing(AWAY, failures=REPORTED_FAILURES), AWAY, ODD, TOO_MANY, AWAY)

    assert events == [[], [], [], []]


def test_a_good_poll_between_two_blips_begins_the_count_anew():
    after, events = after_polls(task(), AWAY, AWAY, snapshot(), AWAY, AWAY)

    assert events == [[], [], [], [], []]
    assert after.failures == 2


def test_recovery_from_an_unreported_failure_is_silent():
    change = on_snapshot(failing(AWAY, failures=REPORTED_FAILURES - 1), snapshot(), at=NOON)

    assert change.events == ()
    assert (change.task.poll_failure, change.task.failures) == (None, 0)


def test_recovery_from_a_reported_failure_is_reported():
    change = on_snapshot(failing(AWAY, failures=REPORTED_FAILURES), snapshot(), at=NOON)

    assert kinds(change) == [EventKind.RECOVERED]
    assert (change.task.poll_failure, change.task.failures) == (None, 0)


def test_recovery_and_the_end_may_come_together():
    change = on_snapshot(failing(BAD_KEY, failures=1), snapshot(TaskStatus.SUCCEEDED), at=NOON)

    assert kinds(change) == [EventKind.RECOVERED, EventKind.FINISHED]


@pytest.mark.parametrize("error", [BAD_KEY, NO_CREDIT])
def test_a_key_failure_is_reported_at_once_and_once(error: ProviderError):
    after, events = after_polls(task(), error, error, error, error)

    assert events == [[EventKind.KEY_FAILURE], [], [], []]
    assert after.poll_failure is not None
    assert (after.poll_failure.cause, after.poll_failure.since) == (error.cause, NOON)


def test_another_key_problem_is_reported_as_well():
    after, events = after_polls(task(), BAD_KEY, NO_CREDIT, NO_CREDIT)

    assert events == [[EventKind.KEY_FAILURE], [EventKind.KEY_FAILURE], []]
    assert after.poll_failure is not None
    assert after.poll_failure.since == NOON + timedelta(seconds=20)


def test_a_gateway_without_the_route_is_reported_at_once():
    _, events = after_polls(task(), NO_ROUTE, NO_ROUTE)

    assert events == [[EventKind.POLL_FAILURE], []]


def test_a_blip_does_not_replace_a_reported_failure():
    after_blip, events = after_polls(task(), BAD_KEY, AWAY)
    after, told_then = after_polls(after_blip, snapshot())

    assert events == [[EventKind.KEY_FAILURE], []]
    assert after_blip.poll_failure is not None
    assert (after_blip.poll_failure.cause, after_blip.failures) == (BAD_KEY.cause, 2)
    assert (told_then, after.poll_failure) == ([[EventKind.RECOVERED]], None)


def test_a_gateway_that_goes_away_for_long_replaces_a_key_failure():
    after, events = after_polls(task(), BAD_KEY, AWAY, AWAY)

    assert events == [[EventKind.KEY_FAILURE], [], [EventKind.POLL_FAILURE]]
    assert after.poll_failure is not None
    assert after.poll_failure.cause is AWAY.cause


def test_an_unknown_id_means_that_the_key_is_accepted():
    after, events = after_polls(task(age_s=0), BAD_KEY, MISSING, MISSING)

    assert events == [[EventKind.KEY_FAILURE], [EventKind.RECOVERED], []]
    assert after.poll_failure is not None
    assert after.poll_failure.cause is MISSING.cause


def test_a_missing_task_is_not_there_yet_for_a_minute():
    before = task(UNKNOWN, age_s=0)
    polls_in_grace = [MISSING] * 3  # the last 40 s after it was registered

    after, events = after_polls(before, *polls_in_grace)

    assert timedelta(minutes=1) == GRACE
    assert events == [[], [EventKind.MISSING], []]
    assert after.status is UNKNOWN
    assert kinds(on_failure(after, MISSING, at=NOON + GRACE)) == [EventKind.FINISHED]


def test_a_task_that_appears_in_the_end_is_followed():
    after, events = after_polls(task(UNKNOWN, age_s=0), MISSING, MISSING, snapshot(QUEUED))

    assert events == [[], [EventKind.MISSING], [EventKind.RECOVERED, EventKind.STATUS]]
    assert (after.status, after.poll_failure) == (QUEUED, None)


@pytest.mark.parametrize("age_s", [GRACE.total_seconds(), 864000])
def test_a_task_that_was_never_seen_and_stays_missing_was_not_found(age_s: float):
    after, events = after_polls(task(UNKNOWN, age_s=age_s), MISSING, MISSING, MISSING)

    assert events == [[], [EventKind.MISSING], [EventKind.FINISHED]]
    assert (after.status, after.poll_failure) == (NOT_FOUND, None)


def test_a_task_that_was_seen_alive_and_stays_missing_has_expired():
    after, events = after_polls(task(RUNNING), MISSING, MISSING, MISSING)

    assert events == [[], [EventKind.MISSING], [EventKind.FINISHED]]
    assert after.status is EXPIRED


def test_missing_answers_must_go_on_for_half_a_minute():
    """However many there are: one replica of several may lag behind the others."""
    before = on_failure(task(RUNNING), MISSING, at=NOON).task
    for at_s in range(1, 30):
        change = on_failure(before, MISSING, at=NOON + timedelta(seconds=at_s))
        assert EventKind.FINISHED not in kinds(change)
        before = change.task

    assert kinds(on_failure(before, MISSING, at=NOON + timedelta(seconds=30))) == [EventKind.FINISHED]


@pytest.mark.parametrize(("hours", "status"), [(24, NOT_FOUND), (25, EXPIRED)], ids=["one day old", "older"])
def test_a_missing_task_whose_id_is_older_than_a_day_has_expired(hours: int, status: TaskStatus):
    born = NOON - timedelta(hours=hours - 8)  # such ids hold Beijing's time
    before = task(
        UNKNOWN,
        external_id=f"cgt-{born:%Y%m%d%H%M%S}-abcde",
        poll_failure=failing(MISSING, failures=1).poll_failure,
    )

    change = on_failure(before, MISSING, at=NOON)

    assert change.events == (TaskEvent(kind=EventKind.FINISHED, before=UNKNOWN, after=status, at=NOON),)


def test_an_old_id_has_its_minute_as_well():
    after, _ = after_polls(task(UNKNOWN, age_s=0, external_id=OLD_ID), MISSING, MISSING, MISSING)

    assert after.status is UNKNOWN


STALE = NOON - timedelta(hours=25)


@pytest.mark.parametrize("dates", [{"submitted_at": STALE}, {"started_at": STALE}])
@pytest.mark.parametrize("status", [RUNNING, TaskStatus.SUCCEEDED])
def test_dates_that_would_make_a_live_task_older_than_gateways_remember_are_dropped(
    status: TaskStatus, dates: dict[str, datetime]
):
    after = on_snapshot(task(age_s=0), snapshot(status, **dates), at=NOON).task

    assert after.snapshot == snapshot(status)


@pytest.mark.parametrize("field", ["submitted_at", "started_at", "finished_at"])
def test_dates_in_the_future_are_dropped(field: str):
    status = TaskStatus.SUCCEEDED if field == "finished_at" else RUNNING
    near, far = NOON + timedelta(seconds=59), NOON + timedelta(seconds=61)

    assert on_snapshot(task(), snapshot(status, **{field: far}), at=NOON).task.snapshot == snapshot(status)
    kept = snapshot(status, **{field: near})
    assert on_snapshot(task(), kept, at=NOON).task.snapshot == kept


def test_an_id_of_last_year_does_not_make_a_task_that_ends_today_a_year_old():
    ended = snapshot(TaskStatus.SUCCEEDED, submitted_at=NOON - timedelta(days=365), finished_at=NOON)

    assert on_snapshot(task(), ended, at=NOON).task.snapshot == replace(ended, submitted_at=None)


def test_a_task_that_took_more_than_a_day_keeps_its_dates_where_it_was_watched_all_the_time():
    ended = snapshot(TaskStatus.SUCCEEDED, submitted_at=NOON - timedelta(hours=30), finished_at=NOON)

    assert on_snapshot(task(age_s=30 * 3600), ended, at=NOON).task.snapshot == ended


def test_dates_of_a_task_that_ended_long_ago_are_kept():
    ended = snapshot(TaskStatus.SUCCEEDED, submitted_at=STALE, finished_at=STALE + timedelta(minutes=2))

    assert on_snapshot(task(UNKNOWN, age_s=0), ended, at=NOON).task.snapshot == ended


@pytest.mark.parametrize("between", [snapshot(), AWAY, BAD_KEY], ids=["alive", "away", "key"])
def test_missing_answers_with_another_between_do_not_end_a_live_task(between: Snapshot | ProviderError):
    after, events = after_polls(task(RUNNING), MISSING, MISSING, between, MISSING, MISSING)

    assert after.status is RUNNING
    assert EventKind.FINISHED not in [kind for each in events for kind in each]


@pytest.mark.parametrize("error", [AWAY, ODD, NO_ROUTE, TOO_MANY, BAD_KEY, NO_CREDIT])
def test_no_number_of_other_failures_ends_a_task(error: ProviderError):
    after, _ = after_polls(task(RUNNING), *[error] * 200)

    assert (after.status, after.failures) == (RUNNING, 200)
    assert after.snapshot == snapshot(RUNNING)


NO_VIDEO = snapshot(TaskStatus.SUCCEEDED, media=None, finished_at=NOON)


@pytest.mark.parametrize("status", [UNKNOWN, QUEUED, RUNNING])
def test_a_finished_task_without_a_video_runs_until_confirmed_half_a_minute_later(
    status: TaskStatus,
):
    first = on_snapshot(task(status), NO_VIDEO, at=NOON)
    assert (first.task.status, len(first.events)) == (RUNNING, 1)
    assert first.task.snapshot is not None
    assert (first.task.snapshot.status, first.task.snapshot.finished_at) == (RUNNING, None)

    asked_sooner = on_snapshot(first.task, NO_VIDEO, at=NOON + timedelta(seconds=5))
    assert (asked_sooner.task.status, asked_sooner.events) == (RUNNING, ())

    confirmed = on_snapshot(asked_sooner.task, NO_VIDEO, at=NOON + timedelta(seconds=30))
    assert kinds(confirmed) == [EventKind.FINISHED]
    assert (confirmed.task.status, confirmed.task.poll_failure) == (TaskStatus.SUCCEEDED, None)


def test_a_video_that_comes_late_is_the_end():
    doubted = on_snapshot(task(), NO_VIDEO, at=NOON).task

    change = on_snapshot(doubted, snapshot(TaskStatus.SUCCEEDED), at=NOON + timedelta(seconds=30))

    assert kinds(change) == [EventKind.FINISHED]
    assert change.task.snapshot == snapshot(TaskStatus.SUCCEEDED)


def test_a_task_that_runs_again_restarts_the_confirmation():
    doubted = on_snapshot(task(), NO_VIDEO, at=NOON).task
    running = on_snapshot(doubted, snapshot(), at=NOON + timedelta(seconds=30)).task
    assert running.poll_failure is None

    again = on_snapshot(running, NO_VIDEO, at=NOON + timedelta(seconds=60))

    assert again.task.status is RUNNING


def test_a_failed_poll_does_not_restart_the_confirmation():
    doubted = on_snapshot(task(), NO_VIDEO, at=NOON).task
    failing = on_failure(doubted, AWAY, at=NOON + timedelta(seconds=20)).task

    change = on_snapshot(failing, NO_VIDEO, at=NOON + timedelta(seconds=30))

    assert kinds(change) == [EventKind.FINISHED]


def test_a_clock_that_is_set_back_prolongs_no_confirmation():
    doubted = on_snapshot(task(), NO_VIDEO, at=NOON + timedelta(hours=2)).task

    later = on_snapshot(doubted, NO_VIDEO, at=NOON).task
    change = on_snapshot(later, NO_VIDEO, at=NOON + timedelta(seconds=30))

    assert kinds(change) == [EventKind.FINISHED]


def test_a_confirmed_success_is_reported_and_keeps_its_end():
    ended_at = NOON - timedelta(days=2)
    known = snapshot(TaskStatus.SUCCEEDED, finished_at=ended_at)

    change = on_snapshot(task(UNKNOWN, snapshot=known), snapshot(TaskStatus.SUCCEEDED), at=NOON)

    assert kinds(change) == [EventKind.FINISHED]
    assert change.task.snapshot is not None
    assert change.task.snapshot.finished_at == ended_at


def test_a_task_that_is_seen_to_end_gets_no_end_from_before():
    known = snapshot(RUNNING, finished_at=NOON)
    change = on_snapshot(task(RUNNING, snapshot=known), snapshot(TaskStatus.SUCCEEDED), at=NOON)
    assert change.task.snapshot is not None
    assert change.task.snapshot.finished_at is None


def test_a_success_is_confirmed_though_the_link_to_the_video_is_gone():
    change = on_snapshot(task(UNKNOWN, snapshot=snapshot(TaskStatus.SUCCEEDED)), NO_VIDEO, at=NOON)
    assert (change.task.status, kinds(change)) == (TaskStatus.SUCCEEDED, [EventKind.FINISHED])
