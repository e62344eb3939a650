"""When to poll next."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forecast.estimates import Estimates
from bot.forecast.prediction import predict
from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.watching.cadence import POLL_PRICE_S, SPARE_POLL_PRICE_S, Cadence
from storage.models import Cause, PollFailure, Stall, Task, TaskStatus
from tests.fakes.clock import NOON
from tests.fakes.jitter import NO_JITTER, are_jittered
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, NO_ROUTE, ODD, TOO_MANY, snapshot, task


def seconds(next_poll_at: datetime | None) -> float:
    assert next_poll_at is not None
    return (next_poll_at - NOON).total_seconds()


def seen(*, age_s: float, progress: float | None = None) -> Task:
    """A running task of that age that was seen at NOON."""
    shown = snapshot(progress=progress, progress_measured=progress is not None)
    return task(age_s=age_s, snapshot=shown, last_poll_at=NOON)


def after_poll(after: Task, cadence: Cadence | None = None, estimates: Estimates | None = None) -> float:
    found = (cadence or Cadence()).next_poll_after_success(
        after, predict(after, after, estimates or Estimates()), at=NOON
    )
    return seconds(found)


def after_failure(error: ProviderError, *, failures: int = 1) -> float:
    cadence = Cadence(random=NO_JITTER)
    return seconds(cadence.next_poll_after_failure(task(failures=failures), error, at=NOON))


def taught(duration_s: float, *, tasks: int = 20) -> Estimates:
    """Estimates from tasks that were last seen alive one second before their end."""
    estimates = Estimates()
    for _ in range(tasks):
        new = replace(seen(age_s=duration_s), snapshot_at=NOON - timedelta(seconds=duration_s))
        almost = NOON - timedelta(seconds=1)
        old = replace(new, snapshot_at=almost)
        estimates.learn(new, old, at=almost)
        estimates.learn(old, task(TaskStatus.SUCCEEDED, age_s=duration_s), at=NOON)
    return estimates


def test_the_next_poll_is_due_when_the_expected_delay_reaches_the_price():
    after = seen(age_s=60)
    expected = predict(after, after, Estimates())

    wait_s = after_poll(after)

    assert expected.expected_delay_s(NOON.timestamp() + wait_s) == pytest.approx(POLL_PRICE_S, abs=0.01)


def test_cheaper_polls_are_more_frequent():
    hurried = Cadence(price_by_provider_s={"wan": SPARE_POLL_PRICE_S})

    assert after_poll(seen(age_s=60), hurried) < after_poll(seen(age_s=60)) / 2
    assert after_poll(replace(seen(age_s=60), ref=replace(seen(age_s=60).ref, provider="veo")), hurried) == (
        after_poll(seen(age_s=60))
    )


def test_past_durations_decide_when_to_poll():
    estimates = taught(300.0)

    assert after_poll(seen(age_s=10), estimates=estimates) > 60
    assert after_poll(seen(age_s=298), estimates=estimates) < 10


def test_reliable_progress_decides_when_to_poll():
    estimates = Estimates()
    for _ in range(5):
        nearly = seen(age_s=100, progress=95.0)
        estimates.expect(nearly, predict(nearly, nearly, estimates).remaining_s)
        at = NOON + timedelta(seconds=8)
        over = replace(nearly, status=TaskStatus.SUCCEEDED, snapshot_at=at)
        estimates.learn(nearly, over, at=at)
    late, early = seen(age_s=90, progress=90.0), seen(age_s=90, progress=50.0)

    assert after_poll(late, estimates=estimates) < after_poll(early, estimates=estimates)


def test_the_interval_between_polls_is_bounded():
    estimates = taught(3600.0)

    assert after_poll(seen(age_s=10), estimates=estimates) == 120.0
    assert after_poll(seen(age_s=10), Cadence(longest_s=7.0), estimates) == 7.0


@pytest.mark.parametrize("status", [status for status in TaskStatus if status.is_final])
def test_a_final_task_is_never_polled_again(status: TaskStatus):
    assert (
        Cadence().next_poll_after_success(task(status), predict(task(), task(), Estimates()), at=NOON) is None
    )
    assert Cadence().next_poll_after_failure(task(status), MISSING, at=NOON) is None


@pytest.mark.parametrize(
    ("errors", "longest_s"),
    [([MISSING], 15), ([AWAY, ODD, TOO_MANY], 120), ([BAD_KEY, NO_ROUTE], 300)],
    ids=["not there yet", "polls fail", "for people to mend"],
)
def test_waits_double_while_polls_fail(errors: list[ProviderError], longest_s: float):
    for error in errors:
        waits_s = [after_failure(error, failures=n) for n in (1, 2, 3, 4, 5, 6, 7, 10_000)]
        assert waits_s == [min(wait_s, longest_s) for wait_s in (5, 10, 20, 40, 80, 160, 320, 320)]


def test_waits_are_spread_while_polls_fail():
    found = [Cadence().next_poll_after_failure(task(failures=3), AWAY, at=NOON) for _ in range(50)]
    waits_s = [seconds(next_poll_at) for next_poll_at in found]

    assert len(set(waits_s)) > 40
    assert are_jittered(waits_s, [20.0] * 50)


def test_jitter_does_not_shorten_a_retry_after():
    for _ in range(50):
        error = RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=19.9)
        found = Cadence().next_poll_after_failure(task(failures=3), error, at=NOON)
        assert 19.9 <= seconds(found) <= 20


@pytest.mark.parametrize("failures", [1, 5])
def test_retry_after_is_respected_to_the_second(failures: int):
    error = RateLimited("slow down", cause=Cause.RATE_LIMITED, retry_after_s=3600.0)

    assert after_failure(error, failures=failures) == 3600.0


def test_a_retry_after_below_the_backoff_does_not_shorten_it():
    assert after_failure(RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=0.5)) == 5.0


@pytest.mark.parametrize(("wish_s", "wait_s"), [(30.0, 30.0), (3600.0, 60.0)])
def test_retry_after_during_an_outage_counts_up_to_a_minute(wish_s: float, wait_s: float):
    assert after_failure(Unavailable("", cause=Cause.UNREACHABLE, retry_after_s=wish_s)) == wait_s


def test_the_waits_can_be_chosen():
    hurried = Cadence(recheck_s=1.5, again_s=1.0, random=NO_JITTER)

    assert seconds(hurried.next_poll_after_failure(task(failures=2), MISSING, at=NOON)) == 1.5
    assert seconds(hurried.next_poll_after_failure(task(failures=2), AWAY, at=NOON)) == 2.0


@settings(max_examples=100)
@given(
    kind=st.sampled_from([Unavailable, RateLimited, AuthFailed, TaskMissing, BadResponse]),
    cause=st.sampled_from(Cause),
    wish_s=st.none() | st.floats(0, 3600),
    failures=st.integers(1, 1_000_000),
)
def test_the_next_poll_is_always_later_and_within_retry_after_or_five_minutes(
    kind: type[ProviderError], cause: Cause, wish_s: float | None, failures: int
):
    next_poll_s = after_failure(kind("", cause=cause, retry_after_s=wish_s), failures=failures)

    heeded_s = min(wish_s or 0.0, 60.0 if kind is Unavailable else 3600.0)
    # datetimes hold microseconds
    assert max(5.0, heeded_s) - 1e-6 <= next_poll_s <= max(300.0, heeded_s) + 1e-6


@settings(max_examples=100)
@given(age_s=st.floats(0, 1e5), progress=st.none() | st.floats(0, 100))
def test_a_task_that_was_just_polled_is_polled_later_and_within_two_minutes(
    age_s: float, progress: float | None
):
    assert 0.5 <= after_poll(seen(age_s=age_s, progress=progress)) <= 120.0


def test_a_task_that_has_not_changed_for_a_day_is_polled_hourly_and_one_that_rests_no_more():
    unchanged = replace(seen(age_s=90_000), stall=Stall.UNCHANGED)

    assert after_poll(unchanged) == 3600.0
    assert seconds(Cadence().next_poll_after_failure(unchanged, AWAY, at=NOON)) == 3600.0
    resting = replace(unchanged, stall=Stall.RESTING)
    assert Cadence().next_poll_after_success(resting, predict(task(), task(), Estimates()), at=NOON) is None


def test_a_task_that_has_brought_only_failures_for_a_day_is_polled_hourly():
    def wait_s(error: ProviderError, *, failures: int, seen_s: float) -> float:
        failing = task(failures=failures, snapshot_at=NOON - timedelta(seconds=seen_s))
        return seconds(Cadence(random=NO_JITTER).next_poll_after_failure(failing, error, at=NOON))

    assert wait_s(ODD, failures=500, seen_s=86_400) == 3600.0
    assert wait_s(ODD, failures=500, seen_s=86_000) == 120.0
    assert wait_s(ODD, failures=2, seen_s=900_000) == 10.0, "the bot was off"
    assert wait_s(BAD_KEY, failures=500, seen_s=900_000) == 300.0, "a mended key is found soon"


@pytest.mark.parametrize(
    ("wish_s", "wait_s"), [(300.0, 300.0), (0.001, None), (None, None)], ids=["longer", "shorter", "none"]
)
def test_a_response_s_poll_interval_delays_the_next_poll_but_never_advances_it(
    wish_s: float | None, wait_s: float | None
):
    plain = seen(age_s=60)
    wishing = replace(plain, snapshot=snapshot(poll_after_s=wish_s))

    assert after_poll(wishing) == (wait_s or after_poll(plain))


def test_a_longer_poll_interval_than_an_hour_applies_to_a_task_without_change():
    unchanged = replace(seen(age_s=90_000), stall=Stall.UNCHANGED)

    assert after_poll(replace(unchanged, snapshot=snapshot(poll_after_s=10.0))) == 3600.0


def test_a_finished_task_without_a_video_is_polled_half_a_minute_after_it_was_first_seen():
    failure = PollFailure(cause=Cause.NO_VIDEO, message="", since=NOON - timedelta(seconds=10))

    assert after_poll(replace(seen(age_s=60), poll_failure=failure)) == 20.0
