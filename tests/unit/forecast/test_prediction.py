"""When a task may end, as known after a poll."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forecast.estimates import Estimates
from bot.forecast.life_table import LifeTable
from bot.forecast.prediction import EndPrediction, predict
from storage.models import Task, TaskStatus
from tests.fakes.clock import NOON
from tests.unit.watching.tasks import snapshot, task

NOW = NOON.timestamp()


def at(progress: float, *, age_s: float, seen_s: float = 0, measured: bool = True) -> Task:
    """A task of this age at NOON, with the progress that was seen so long before."""
    shown = snapshot(progress=progress, progress_measured=measured)
    return task(age_s=age_s, snapshot=shown, last_poll_at=NOON - timedelta(seconds=seen_s))


def believing() -> Estimates:
    """Estimates with an empty table, and the largest weight for progress."""
    record = {
        "provider": "wan",
        "model": "",
        "table": LifeTable().to_plain(),
        "progress_odds": 1000.0,
        "durations_s": [],
    }
    return Estimates.from_json(json.dumps([record]))


def gap_s(before: Task, after: Task, estimates: Estimates | None = None) -> float:
    return predict(before, after, estimates or believing()).due(1.0) - NOW


lefts_s = st.none() | st.just(0.0) | st.floats(1, 10_000)
weights = st.just(0.0) | st.floats(0.5, 0.99)


@settings(max_examples=200)
@given(left_s=lefts_s, weight=weights, price_s=st.floats(0.05, 100))
def test_a_poll_is_due_when_the_expected_delay_reaches_the_price(
    left_s: float | None, weight: float, price_s: float
):
    ahead = EndPrediction(
        table=LifeTable(), submitted_at=NOW - 50, last_alive_at=NOW, remaining_s=left_s, weight=weight
    )

    assert ahead.expected_delay_s(ahead.due(price_s)) == pytest.approx(price_s, rel=0.01, abs=0.002)


@settings(max_examples=200)
@given(progress=st.floats(0, 100), age_s=st.floats(0, 10_000), price_s=st.floats(0.05, 10))
def test_no_progress_figure_outweighs_the_table_without_bound(progress: float, age_s: float, price_s: float):
    plain, shown = task(age_s=age_s, last_poll_at=NOON), at(progress, age_s=age_s)

    latest = predict(plain, plain, believing()).due(10 * price_s)

    assert predict(shown, shown, believing()).due(price_s) <= latest + 0.01


@pytest.mark.parametrize("progress", [10, 30, 50, 80, 99, 100])
def test_a_figure_without_weight_changes_nothing(progress: float):
    plain, shown = task(age_s=200, last_poll_at=NOON), at(progress, age_s=200)

    assert gap_s(shown, shown, Estimates()) == gap_s(plain, plain, Estimates())


def test_a_task_at_half_progress_is_polled_later_than_by_the_table():
    after, plain = at(50, age_s=200), task(age_s=200, last_poll_at=NOON)

    assert 2 * gap_s(plain, plain) < gap_s(after, after) < 200


def test_a_task_that_is_nearly_done_is_polled_soon():
    after = at(98, age_s=200)

    assert gap_s(after, after) < 14


@pytest.mark.parametrize("age_s", [500, 8 * 3600])
def test_a_queued_task_is_extrapolated_from_its_last_step(age_s: float):
    before, after = at(10, age_s=age_s, seen_s=20), at(50, age_s=age_s)

    assert gap_s(before, after) < 25
    assert gap_s(after, after) > 50


def test_progress_is_measured_from_the_last_poll_that_had_some():
    before, after = at(10, age_s=500, seen_s=100), at(50, age_s=500)
    failed = replace(before, last_poll_at=NOON - timedelta(seconds=1))

    assert gap_s(failed, after) == gap_s(before, after)


def test_time_in_the_queue_does_not_count_if_the_start_is_known():
    after = at(50, age_s=500)
    assert after.snapshot is not None
    told = replace(after, snapshot=replace(after.snapshot, started_at=NOON - timedelta(seconds=20)))

    assert gap_s(told, told) < 20


def test_a_start_that_is_still_to_come_is_a_clock_that_is_ahead():
    after = at(50, age_s=200)
    assert after.snapshot is not None
    told = replace(after, snapshot=replace(after.snapshot, started_at=NOON + timedelta(hours=1)))

    assert gap_s(told, told) == gap_s(after, after)


def test_constant_progress_near_the_end_is_not_polled_every_second():
    stuck = at(100, age_s=600)

    assert gap_s(stuck, stuck) > 10


def test_too_little_progress_leaves_the_table_alone():
    early, plain = at(9, age_s=200), task(age_s=200, last_poll_at=NOON)

    assert gap_s(early, early) == gap_s(plain, plain)


def test_a_figure_is_scored_by_its_forecasts_only():
    measured, other = at(50, age_s=200), at(50, age_s=200, measured=False)

    assert gap_s(other, other) == gap_s(measured, measured)


def test_the_expected_delay_of_a_task_never_polled_is_its_whole_age():
    new = task(TaskStatus.UNKNOWN, age_s=3)

    assert predict(new, new, Estimates()).expected_delay_s(NOW) == pytest.approx(3)


def test_the_expected_delay_right_after_a_poll_is_zero():
    after = task(age_s=200, last_poll_at=NOON)

    assert predict(after, after, Estimates()).expected_delay_s(NOW) == 0
    assert predict(after, after, Estimates()).expected_delay_s(NOW - 5) == 0


def test_one_chat_with_many_tasks_does_not_starve_a_chat_with_one():
    ahead = predict(task(age_s=200), task(age_s=200), Estimates())

    assert ahead.urgency(NOW + 60, chat_watches=5000) < ahead.urgency(NOW + 10, chat_watches=1)


def test_a_task_without_a_watch_is_as_urgent_as_one_with_a_single_watch():
    ahead = predict(task(), task(), Estimates())
    assert ahead.urgency(NOW + 60, chat_watches=0) == ahead.urgency(NOW + 60, chat_watches=1)
