"""When to look next."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forecast.estimates import Estimates
from bot.forecast.prediction import predict
from bot.providers.base import AuthFailed, BadAnswer, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.watching.cadence import POLL_PRICE_S, SPARE_POLL_PRICE_S, Cadence
from storage.models import Cause, PollFailure, Stall, Task, TaskStatus
from tests.fakes.clock import NOON
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, NO_ROUTE, ODD, TOO_MANY, snapshot, task


def seconds(next_poll_at: datetime | None) -> float:
    assert next_poll_at is not None
    return (next_poll_at - NOON).total_seconds()


def seen(*, age_s: float, progress: float | None = None) -> Task:
    """A running task of that age that was seen at NOON."""
    shown = snapshot(progress=progress, progress_measured=progress is not None)
    return task(age_s=age_s, snapshot=shown, last_poll_at=NOON)


def after_look(after: Task, cadence: Cadence | None = None, estimates: Estimates | None = None) -> float:
    found = (cadence or Cadence()).next_poll_after_success(
        after, predict(after, after, estimates or Estimates()), at=NOON
    )
    return seconds(found)


def after_failure(error: ProviderError, *, failures: int = 1) -> float:
    return seconds(Cadence().next_poll_after_failure(task(failures=failures), error, at=NOON))


def taught(duration_s: float, *, tasks: int = 20) -> Estimates:
    """What is learned of tasks that were seen alive until a second before they were found finished."""
    estimates = Estimates()
    for _ in range(tasks):
        new = replace(seen(age_s=duration_s), snapshot_at=NOON - timedelta(seconds=duration_s))
        almost = NOON - timedelta(seconds=1)
        old = replace(new, snapshot_at=almost)
        estimates.learn(new, old, at=almost)
        estimates.learn(old, task(TaskStatus.SUCCEEDED, age_s=duration_s), at=NOON)
    return estimates


def test_the_next_look_is_when_not_looking_has_cost_as_much_as_a_look():
    after = seen(age_s=60)
    expected = predict(after, after, Estimates())

    wait_s = after_look(after)

    assert expected.expected_delay_s(NOON.timestamp() + wait_s) == pytest.approx(POLL_PRICE_S, abs=0.01)


def test_where_looks_are_cheaper_they_are_nearer():
    hurried = Cadence(price_by_provider_s={"wan": SPARE_POLL_PRICE_S})

    assert after_look(seen(age_s=60), hurried) < after_look(seen(age_s=60)) / 2
    assert after_look(replace(seen(age_s=60), ref=replace(seen(age_s=60).ref, provider="veo")), hurried) == (
        after_look(seen(age_s=60))
    )


def test_what_past_tasks_took_decides_when_to_look():
    estimates = taught(300.0)

    assert after_look(seen(age_s=10), estimates=estimates) > 60
    assert after_look(seen(age_s=298), estimates=estimates) < 10


def test_progress_that_has_proven_true_decides_when_to_look():
    estimates = Estimates()
    for _ in range(5):
        nearly = seen(age_s=100, progress=95.0)
        estimates.expect(nearly, predict(nearly, nearly, estimates).remaining_s)
        at = NOON + timedelta(seconds=8)
        over = replace(nearly, status=TaskStatus.SUCCEEDED, snapshot_at=at)
        estimates.learn(nearly, over, at=at)
    late, early = seen(age_s=90, progress=90.0), seen(age_s=90, progress=50.0)

    assert after_look(late, estimates=estimates) < after_look(early, estimates=estimates)


def test_a_task_that_may_fail_out_of_turn_is_not_left_alone_for_long():
    estimates = taught(3600.0)

    assert after_look(seen(age_s=10), estimates=estimates) == 120.0
    assert after_look(seen(age_s=10), Cadence(longest_s=7.0), estimates) == 7.0


@pytest.mark.parametrize("status", [status for status in TaskStatus if status.is_final])
def test_a_final_task_is_never_looked_at_again(status: TaskStatus):
    assert (
        Cadence().next_poll_after_success(task(status), predict(task(), task(), Estimates()), at=NOON) is None
    )
    assert Cadence().next_poll_after_failure(task(status), MISSING, at=NOON) is None


@pytest.mark.parametrize(
    ("errors", "longest_s"),
    [([MISSING], 15), ([AWAY, ODD, TOO_MANY], 120), ([BAD_KEY, NO_ROUTE], 300)],
    ids=["not there yet", "in trouble", "for people to mend"],
)
def test_waits_double_while_looks_fail_since_the_first_may_be_a_blip(
    errors: list[ProviderError], longest_s: float
):
    for error in errors:
        waits_s = [after_failure(error, failures=n) for n in (1, 2, 3, 4, 5, 6, 7, 10_000)]
        assert waits_s == [min(wait_s, longest_s) for wait_s in (5, 10, 20, 40, 80, 160, 320, 320)]


@pytest.mark.parametrize("failures", [1, 5])
def test_the_gateways_wish_is_followed_to_the_second(failures: int):
    error = RateLimited("slow down", cause=Cause.RATE_LIMITED, retry_after_s=3600.0)

    assert after_failure(error, failures=failures) == 3600.0


def test_a_wish_that_is_shorter_than_the_wait_does_not_hurry():
    assert after_failure(RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=0.5)) == 5.0


@pytest.mark.parametrize(("wish_s", "wait_s"), [(30.0, 30.0), (3600.0, 60.0)])
def test_a_gateway_that_is_away_may_wish_for_a_longer_wait_up_to_a_minute(wish_s: float, wait_s: float):
    assert after_failure(Unavailable("", cause=Cause.UNREACHABLE, retry_after_s=wish_s)) == wait_s


def test_the_waits_can_be_chosen():
    hurried = Cadence(recheck_s=1.5, again_s=1.0)

    assert seconds(hurried.next_poll_after_failure(task(failures=2), MISSING, at=NOON)) == 1.5
    assert seconds(hurried.next_poll_after_failure(task(failures=2), AWAY, at=NOON)) == 2.0


@settings(max_examples=100)
@given(
    kind=st.sampled_from([Unavailable, RateLimited, AuthFailed, TaskMissing, BadAnswer]),
    cause=st.sampled_from(Cause),
    wish_s=st.none() | st.floats(0, 3600),
    failures=st.integers(1, 1_000_000),
)
def test_the_next_look_is_always_later_and_within_the_gateways_wish_or_five_minutes(
    kind: type[ProviderError], cause: Cause, wish_s: float | None, failures: int
):
    next_look_s = after_failure(kind("", cause=cause, retry_after_s=wish_s), failures=failures)

    heeded_s = min(wish_s or 0.0, 60.0 if kind is Unavailable else 3600.0)
    # datetimes hold microseconds
    assert max(5.0, heeded_s) - 1e-6 <= next_look_s <= max(300.0, heeded_s) + 1e-6


@settings(max_examples=100)
@given(age_s=st.floats(0, 1e5), progress=st.none() | st.floats(0, 100))
def test_a_task_that_was_just_seen_is_looked_at_later_and_within_two_minutes(
    age_s: float, progress: float | None
):
    assert 0.5 <= after_look(seen(age_s=age_s, progress=progress)) <= 120.0


def test_a_task_that_has_not_changed_for_a_day_is_polled_hourly_and_one_that_rests_no_more():
    unchanged = replace(seen(age_s=90_000), stall=Stall.UNCHANGED)

    assert after_look(unchanged) == 3600.0
    assert seconds(Cadence().next_poll_after_failure(unchanged, AWAY, at=NOON)) == 3600.0
    resting = replace(unchanged, stall=Stall.RESTING)
    assert Cadence().next_poll_after_success(resting, predict(task(), task(), Estimates()), at=NOON) is None


def test_a_task_that_has_brought_only_failures_for_a_day_is_polled_hourly():
    def wait_s(error: ProviderError, *, failures: int, seen_s: float) -> float:
        failing = task(failures=failures, snapshot_at=NOON - timedelta(seconds=seen_s))
        return seconds(Cadence().next_poll_after_failure(failing, error, at=NOON))

    assert wait_s(ODD, failures=500, seen_s=86_400) == 3600.0
    assert wait_s(ODD, failures=500, seen_s=86_000) == 120.0
    assert wait_s(ODD, failures=2, seen_s=900_000) == 10.0, "the bot was off"
    assert wait_s(BAD_KEY, failures=500, seen_s=900_000) == 300.0, "a mended key is found soon"


@pytest.mark.parametrize(
    ("wish_s", "wait_s"), [(300.0, 300.0), (0.001, None), (None, None)], ids=["longer", "shorter", "none"]
)
def test_a_good_answer_s_wish_puts_the_next_poll_off_but_brings_none_forward(
    wish_s: float | None, wait_s: float | None
):
    plain = seen(age_s=60)
    wishing = replace(plain, snapshot=snapshot(poll_after_s=wish_s))

    assert after_look(wishing) == (wait_s or after_look(plain))


def test_a_wish_outlasts_the_hour_of_a_task_without_change_only_where_it_is_longer():
    unchanged = replace(seen(age_s=90_000), stall=Stall.UNCHANGED)

    assert after_look(replace(unchanged, snapshot=snapshot(poll_after_s=10.0))) == 3600.0


def test_a_finished_task_that_names_no_video_is_polled_half_a_minute_after_it_was_first_seen():
    trouble = PollFailure(cause=Cause.NO_VIDEO, message="", since=NOON - timedelta(seconds=10))

    assert after_look(replace(seen(age_s=60), poll_failure=trouble)) == 20.0
