"""When to look next."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.providers.base import AuthFailed, BadAnswer, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.watching.cadence import Cadence
from storage.models import Cause, TaskStatus
from tests.fakes.clock import NOON
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, NO_ROUTE, ODD, TOO_MANY, task

PACE_S = 15.0


def wait_s(next_look_at: datetime | None) -> float | None:
    return None if next_look_at is None else (next_look_at - NOON).total_seconds()


def after_failure(error: ProviderError, *, failures: int = 1, kind: str = "newapi") -> float | None:
    return wait_s(Cadence().after_failure(task(failures=failures), kind, error, at=NOON))


@pytest.mark.parametrize(
    ("kind", "pace_s"), [("alibailian", 15.0), ("newapi", 15.0), ("jimeng", 15.0), ("videos", 20.0)]
)
def test_each_kind_has_its_pace(kind: str, pace_s: float):
    assert wait_s(Cadence().after_look(task(), kind, at=NOON)) == pace_s


@pytest.mark.parametrize("status", [status for status in TaskStatus if status.is_final])
def test_a_final_task_is_never_looked_at_again(status: TaskStatus):
    assert Cadence().after_look(task(status), "newapi", at=NOON) is None
    assert Cadence().after_failure(task(status), "newapi", MISSING, at=NOON) is None


def test_a_missing_task_is_looked_at_again_soon():
    assert after_failure(MISSING, failures=9) == 5.0


@pytest.mark.parametrize("error", [BAD_KEY, NO_ROUTE])
def test_what_a_person_has_to_mend_is_looked_at_slowly(error: ProviderError):
    assert after_failure(error) == 300.0


@pytest.mark.parametrize("error", [AWAY, ODD, TOO_MANY])
def test_waits_double_while_looks_fail_up_to_two_minutes(error: ProviderError):
    assert [after_failure(error, failures=n) for n in (1, 2, 3, 4, 5, 10_000)] == [15, 30, 60, 120, 120, 120]


@pytest.mark.parametrize("wish_s", [90, 90.0])
@pytest.mark.parametrize("failures", [1, 9])
def test_the_gateways_wish_is_followed_to_the_second(wish_s: float, failures: int):
    error = RateLimited("slow down", cause=Cause.RATE_LIMITED, retry_after_s=wish_s)

    assert after_failure(error, failures=failures) == 90.0


def test_a_wish_that_is_shorter_than_the_pace_does_not_hurry():
    assert after_failure(RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=0.5)) == PACE_S


def test_a_gateway_that_is_away_may_wish_for_a_longer_wait():
    assert after_failure(Unavailable("", cause=Cause.UNREACHABLE, retry_after_s=600)) == 600.0


def test_the_waits_can_be_chosen():
    hurried = Cadence(pace_s=1.0, pace_by_kind_s={}, recheck_s=0.5)

    assert wait_s(hurried.after_look(task(), "videos", at=NOON)) == 1.0
    assert wait_s(hurried.after_failure(task(failures=1), "videos", MISSING, at=NOON)) == 0.5


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
    error = kind("", cause=cause, retry_after_s=wish_s)

    next_look_at = Cadence().after_failure(task(failures=failures), "newapi", error, at=NOON)

    assert next_look_at is not None
    assert timedelta(seconds=max(5.0, wish_s or 0.0)) <= next_look_at - NOON
    assert next_look_at - NOON <= timedelta(seconds=max(300.0, wish_s or 0.0))
