"""The statistics learned from polls."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.forecast.estimates import FORECASTS, MODELS, Estimates, age_s, last_alive_at
from bot.watching import changes
from storage.models import Task, TaskStatus
from tests.fakes.clock import NOON
from tests.unit.watching.tasks import AWAY, ODD, snapshot, task


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def running(*, model: str = "m", since_s: float = 100, seen_s: float = 10) -> Task:
    """A task submitted so long before NOON, and last seen alive so long before."""
    shown = snapshot(model=model, submitted_at=ago(since_s))
    return task(snapshot=shown, registered_at=ago(since_s), last_poll_at=ago(seen_s))


def ended(before: Task, status: TaskStatus = TaskStatus.SUCCEEDED) -> Task:
    """The same task, seen to be over at NOON."""
    assert before.snapshot is not None
    return replace(before, status=status, snapshot=replace(before.snapshot, status=status))


def taught(*, model: str = "m", tasks: int = 20) -> Estimates:
    estimates = Estimates()
    for _ in range(tasks):
        before = running(model=model)
        estimates.learn(before, ended(before), at=NOON)
    return estimates


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED])
def test_the_end_of_a_task_is_learned(status: TaskStatus):
    estimates, before = Estimates(), running()
    unknown_s = estimates.table(before).due(90, 1.0)

    estimates.learn(before, ended(before, status), at=NOON)

    assert estimates.table(before).due(90, 1.0) < unknown_s


@pytest.mark.parametrize("status", [TaskStatus.CANCELLED, TaskStatus.EXPIRED, TaskStatus.NOT_FOUND])
def test_an_end_that_is_not_the_gateways_is_not_learned(status: TaskStatus):
    estimates, before = Estimates(), running()
    unknown = estimates.table(before).to_plain()

    estimates.learn(before, ended(before, status), at=NOON)

    assert estimates.table(before).to_plain() == unknown


def test_an_end_that_is_only_confirmed_is_not_learned():
    estimates, before = Estimates(), replace(ended(running()), status=TaskStatus.UNKNOWN)
    unknown = estimates.table(before).to_plain()

    estimates.learn(before, ended(before), at=NOON + timedelta(days=3))

    assert estimates.table(before).to_plain() == unknown
    assert estimates.eta(before, at=NOON) is None


def test_a_running_task_adds_time_at_risk():
    estimates, before = Estimates(), running()

    estimates.learn(before, replace(before, snapshot_at=NOON), at=NOON)

    assert sum(estimates.table(before).to_plain()["at_risk_s"]) == pytest.approx(10)


def test_a_task_that_had_ended_before_registration_is_not_learned():
    estimates, before = Estimates(), task(TaskStatus.UNKNOWN)

    estimates.learn(before, task(TaskStatus.SUCCEEDED), at=NOON)

    assert estimates.eta(task(), at=NOON) is None
    assert sum(estimates.table(task()).to_plain()["deaths"]) == 0


def test_models_are_learned_apart():
    estimates = taught(model="quick")

    assert estimates.eta(running(model="quick", since_s=1), at=NOON) is not None
    assert estimates.eta(running(model="slow", since_s=1), at=NOON) is None


def test_a_range_is_given_for_a_young_task_and_an_old_one_is_longer_than_usual():
    estimates = taught()
    young, old = running(since_s=30), running(since_s=200)

    found = estimates.eta(young, at=NOON)

    assert found is not None
    assert found.middle_s == pytest.approx(95 - 30)
    assert not estimates.is_longer_than_usual(young, at=NOON)
    assert estimates.is_longer_than_usual(old, at=NOON)


def test_what_was_learned_survives_a_restart():
    estimates, now = taught(), running(since_s=30)

    again = Estimates.from_json(estimates.to_json())

    assert again.eta(now, at=NOON) == estimates.eta(now, at=NOON)
    assert again.table(now).due(30, 1.0) == estimates.table(now).due(30, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "no json",
        "[" * 100_000,
        "5",
        "[5]",
        '{"provider": 1}',
        taught().to_json().replace('"deaths": [', '"deaths": [0, '),
        re.sub(r'"deaths": \[[^,]+', '"deaths": ["a"', taught().to_json()),
        re.sub(r'"at_risk_s": \[[^,]+', '"at_risk_s": [{}', taught().to_json()),
        re.sub(r'"durations_s": \[[^,\]]+', '"durations_s": ["a"', taught().to_json()),
        re.sub(r'"progress_odds": [^,]+', '"progress_odds": "a"', taught().to_json()),
    ],
)
def test_what_cannot_be_read_is_learned_anew(text: str | None):
    assert Estimates.from_json(text).eta(running(since_s=30), at=NOON) is None


def with_forecasts(*, left_s: float, tasks: int, status: TaskStatus = TaskStatus.SUCCEEDED) -> Estimates:
    """Statistics after so many tasks whose progress predicted left_s and that took ten seconds."""
    estimates = Estimates()
    for _ in range(tasks):
        before = running()
        estimates.expect(before, left_s)
        estimates.learn(before, ended(before, status), at=NOON)
    return estimates


def test_progress_that_predicted_ends_gains_weight_and_other_progress_does_not():
    assert with_forecasts(left_s=8, tasks=5).progress_odds(running()).weight > 0.5
    assert with_forecasts(left_s=500, tasks=5).progress_odds(running()).weight == 0


def test_failures_do_not_score_progress():
    failed = with_forecasts(left_s=500, tasks=5, status=TaskStatus.FAILED)

    assert failed.progress_odds(running()).log_odds == Estimates().progress_odds(running()).log_odds


def test_the_weight_of_progress_survives_a_restart():
    estimates = with_forecasts(left_s=8, tasks=5)

    again = Estimates.from_json(estimates.to_json())

    assert again.progress_odds(running()).log_odds == estimates.progress_odds(running()).log_odds


def test_what_an_older_version_wrote_is_not_read():
    plain = json.loads(with_forecasts(left_s=8, tasks=5).to_json())
    for record in plain:
        del record["progress_odds"]

    again = Estimates.from_json(json.dumps(plain))

    assert again.to_json() == Estimates().to_json()


def test_pending_forecasts_are_bounded():
    estimates = Estimates()
    for number in range(FORECASTS + 1):
        estimates.expect(replace(running(), id=number), 500)
    unproven = estimates.progress_odds(running()).log_odds

    oldest, newest = replace(running(), id=0), replace(running(), id=FORECASTS)
    estimates.learn(oldest, ended(oldest), at=NOON)
    assert estimates.progress_odds(running()).log_odds == unproven
    estimates.learn(newest, ended(newest), at=NOON)
    assert estimates.progress_odds(running()).log_odds < unproven


def test_only_the_models_last_used_are_kept_and_a_task_in_hand_uses_its_own():
    estimates = taught(model="used", tasks=5)
    forgotten = running(model="made-up-0")
    for number in range(2 * MODELS):
        before = running(model=f"made-up-{number}")
        estimates.learn(before, ended(before), at=NOON)
        estimates.table(running(model="used"))

    assert len(json.loads(estimates.to_json())) == MODELS
    assert estimates.eta(running(model="used", since_s=30), at=NOON) is not None
    assert sum(estimates.table(forgotten).to_plain()["deaths"]) == 0


def test_what_is_written_is_bounded_whatever_models_are_called():
    estimates = Estimates()
    for number in range(2 * MODELS):
        before = running(model=f"{number}" + "x" * 100_000)
        for _ in range(2):
            estimates.learn(before, ended(before), at=NOON)

    assert len(estimates.to_json()) < 2_000_000


def test_models_of_which_nothing_was_learned_are_not_written():
    estimates = Estimates()
    estimates.table(running())

    assert estimates.to_json() == "[]"


def test_age_counts_from_the_submission():
    told = task(age_s=10, snapshot=snapshot(submitted_at=ago(100)))

    assert age_s(told, NOON) == 100


def test_age_counts_from_registration_if_the_submission_is_unknown():
    assert age_s(task(age_s=10), NOON) == 10


def test_a_gateway_whose_clock_is_ahead_makes_no_task_younger_than_its_watch():
    ahead = task(age_s=10, snapshot=snapshot(submitted_at=NOON + timedelta(hours=8)))

    assert age_s(ahead, NOON) == 10
    assert age_s(ahead, ago(60)) == 0


def test_a_task_is_known_alive_by_its_last_successful_poll():
    assert last_alive_at(task(TaskStatus.UNKNOWN, age_s=10)) == ago(10)

    failing = running(seen_s=700)
    for number, error in enumerate([AWAY, AWAY, ODD, AWAY, ODD, ODD]):
        failing = changes.on_failure(failing, error, at=ago(600 - 100 * number)).task
        assert last_alive_at(failing) == ago(700)


def test_an_outage_adds_no_long_durations():
    estimates, before = Estimates(), running(since_s=760, seen_s=660)
    for at_s in (500, 300, 100):
        before = changes.on_failure(before, AWAY, at=ago(at_s)).task

    estimates.learn(
        before, changes.on_snapshot(before, snapshot(TaskStatus.SUCCEEDED), at=NOON).task, at=NOON
    )

    (learned,) = json.loads(estimates.to_json())
    assert learned["durations_s"] == [pytest.approx((100 + 760) / 2)]
