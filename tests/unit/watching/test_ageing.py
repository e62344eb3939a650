"""What happens to a task that does not change."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.watching import changes
from bot.watching.ageing import Ageing
from bot.watching.changes import Change
from storage.models import EventKind, Snapshot, Stall, Task, TaskStatus
from tests.fakes.clock import NOON
from tests.unit.watching.tasks import snapshot, task

HOUR, DAY = 3600.0, 86400.0
MOVING, STUCK, UNCHANGED, RESTING = Stall


def unchanged(
    for_s: float, *, stall: Stall = MOVING, seen_s: float = 60, response: Snapshot | None = None
) -> Task:
    """A running task that has not changed for so long at NOON, and was last seen seen_s before."""
    return task(
        age_s=for_s + 10,
        stall=stall,
        unchanged_since=NOON - timedelta(seconds=for_s),
        snapshot=response or snapshot(),
        snapshot_at=NOON - timedelta(seconds=seen_s),
    )


def aged(before: Task, response: Snapshot | None = None, *, rest_days: float = 3) -> Change:
    ageing = Ageing(rest=timedelta(days=rest_days))
    return ageing.aged(before, changes.on_snapshot(before, response or snapshot(), at=NOON), at=NOON)


@pytest.mark.parametrize(
    ("for_s", "stall", "events"),
    [
        (HOUR - 1, MOVING, []),
        (HOUR, STUCK, []),
        (20 * HOUR, STUCK, []),
        (DAY, UNCHANGED, [EventKind.UNCHANGED]),
        (3 * DAY - 1, UNCHANGED, [EventKind.UNCHANGED]),
        (3 * DAY, RESTING, [EventKind.RESTS]),
    ],
)
def test_the_stall_depends_on_the_time_without_change(for_s: float, stall: Stall, events: list[EventKind]):
    change = aged(unchanged(for_s))

    assert (change.task.stall, [event.kind for event in change.events]) == (stall, events)


@pytest.mark.parametrize("stall", [UNCHANGED, RESTING])
def test_an_event_is_not_repeated(stall: Stall):
    assert aged(unchanged(2 * DAY, stall=stall)).events == ()


def test_the_days_until_polling_stops_can_be_set():
    assert aged(unchanged(0.5 * DAY), rest_days=0.5).task.stall is RESTING
    assert aged(unchanged(9 * DAY), rest_days=10).task.stall is UNCHANGED


@pytest.mark.parametrize(
    "response",
    [
        snapshot(progress=40.01),
        snapshot(queue_position=2),
        snapshot(TaskStatus.QUEUED),
        replace(snapshot(), raw_status="RENDERING"),
    ],
    ids=["progress", "queue", "status", "word"],
)
@pytest.mark.parametrize("stall", list(Stall))
def test_any_progress_is_a_change(response: Snapshot, stall: Stall):
    before = unchanged(2 * DAY, stall=stall, response=snapshot(progress=40.0, queue_position=3))

    change = aged(before, response)

    assert (change.task.stall, change.task.unchanged_since) == (MOVING, NOON)
    assert not {event.kind for event in change.events} & {EventKind.UNCHANGED, EventKind.RESTS}
    assert change.events or stall in {MOVING, STUCK}, "the card shows that it was unchanged"


def test_the_first_snapshot_is_a_change():
    before = task(TaskStatus.UNKNOWN, age_s=9 * DAY)

    assert aged(before).task.stall is MOVING


def test_the_time_of_an_outage_does_not_count():
    before = unchanged(4 * DAY, seen_s=3.5 * DAY)

    after = aged(before).task

    assert after.stall is STUCK
    assert after.unchanged_since == NOON - timedelta(days=0.5)


def test_a_final_task_has_no_stall_event():
    change = aged(unchanged(9 * DAY, stall=UNCHANGED), snapshot(TaskStatus.SUCCEEDED))

    assert [event.kind for event in change.events] == [EventKind.FINISHED]
