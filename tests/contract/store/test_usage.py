"""The counts of what ended in a period."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from storage.models import Cause, TaskError, TaskStatus
from storage.usage import DayCounts, Usage, Waits
from storage.watches import WatchedTask
from tests.contract.store.driver import NOON, Driver

MIDNIGHT = NOON - timedelta(hours=12)
DAYS = [MIDNIGHT + timedelta(days=number) for number in range(3)]
END = MIDNIGHT + timedelta(days=3)


async def end(
    driver: Driver,
    watched: WatchedTask,
    status: TaskStatus = TaskStatus.SUCCEEDED,
    *,
    submitted_at: datetime | None = None,
    finished_at: datetime | None = None,
    cause: Cause | None = None,
) -> None:
    """The gateway reports the end of a task."""
    after, events = driver.polled(await driver.claim_task(watched.task.id), status)
    assert after.snapshot is not None
    snapshot = replace(
        after.snapshot,
        submitted_at=submitted_at,
        finished_at=finished_at,
        error=None if cause is None else TaskError(message="no", cause=cause),
    )
    assert await driver.store.apply(replace(after, snapshot=snapshot), events)


async def usage(driver: Driver) -> Usage:
    return await driver.store.usage(DAYS, end=END)


async def test_an_empty_store_has_days_without_tasks(driver: Driver):
    days = tuple(DayCounts(start=start, succeeded=0, failed=0) for start in DAYS)

    assert await usage(driver) == Usage(days=days, waits=(), failures={})


async def test_tasks_count_on_the_day_when_they_ended(driver: Driver):
    first, second, third = [await driver.watch(name) for name in ("a", "b", "c")]
    await driver.watch("still running")
    await end(driver, first)
    driver.now = DAYS[1] - timedelta(seconds=1)
    await end(driver, second, TaskStatus.FAILED, cause=Cause.MODERATION)
    driver.now = DAYS[1]
    await end(driver, third)

    assert (await usage(driver)).days == (
        DayCounts(start=DAYS[0], succeeded=1, failed=1),
        DayCounts(start=DAYS[1], succeeded=1, failed=0),
        DayCounts(start=DAYS[2], succeeded=0, failed=0),
    )


async def test_what_ended_before_or_after_the_period_is_left_out(driver: Driver):
    early, late = await driver.watch("early"), await driver.watch("late")
    driver.now = MIDNIGHT - timedelta(seconds=1)
    await end(driver, early)
    driver.now = END
    await end(driver, late)

    found = await usage(driver)

    assert {(day.succeeded, day.failed) for day in found.days} == {(0, 0)}
    assert (found.waits, found.failures) == ((), {})


async def test_waits_last_from_the_submission_to_the_end_as_the_gateway_reports_them(driver: Driver):
    watched = await driver.watch()
    driver.advance(1000)
    await end(driver, watched, submitted_at=NOON, finished_at=NOON + timedelta(seconds=90.5))

    assert (await usage(driver)).waits == (Waits(provider="wan", tasks=1, median_s=90.5, p90_s=90.5),)


async def test_waits_without_times_of_the_gateway_last_from_the_request_to_the_poll(driver: Driver):
    watched = await driver.watch()
    driver.advance(40)
    await end(driver, watched)

    assert (await usage(driver)).waits == (Waits(provider="wan", tasks=1, median_s=40, p90_s=40),)


async def test_waits_are_ranked_per_provider_with_the_busiest_first(driver: Driver):
    for number in range(1, 11):
        watched = await driver.watch(f"t{number}")
        await end(driver, watched, submitted_at=NOON, finished_at=NOON + timedelta(seconds=number))
    rare = await driver.watch("rare", provider="ark")
    await end(driver, rare, submitted_at=NOON, finished_at=NOON + timedelta(days=3))

    assert (await usage(driver)).waits == (
        Waits(provider="wan", tasks=10, median_s=5, p90_s=9),
        Waits(provider="ark", tasks=1, median_s=259_200, p90_s=259_200),
    )


async def test_a_task_that_ended_before_it_was_submitted_has_no_wait(driver: Driver):
    watched = await driver.watch()
    await end(driver, watched, submitted_at=NOON, finished_at=NOON - timedelta(hours=8))

    found = await usage(driver)

    assert (found.days[0].succeeded, found.waits) == (1, ())


async def test_failures_are_counted_by_cause_or_status_most_frequent_first(driver: Driver):
    for number in range(2):
        watched = await driver.watch(f"rejected {number}")
        await end(driver, watched, TaskStatus.FAILED, cause=Cause.MODERATION)
    await end(driver, await driver.watch("unexplained"), TaskStatus.FAILED)
    await end(driver, await driver.watch("unknown"), TaskStatus.NOT_FOUND)
    await end(driver, await driver.watch("done"))

    failures = (await usage(driver)).failures

    assert failures == {"moderation": 2, "other": 1, "not_found": 1}
    assert next(iter(failures)) == "moderation"


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.NOT_FOUND])
async def test_a_task_that_ends_twice_counts_once(driver: Driver, status: TaskStatus):
    watched = await driver.watch()
    await end(driver, watched, TaskStatus.NOT_FOUND)
    await driver.send()
    driver.now = DAYS[1]
    again = await driver.watch()
    await end(driver, again, status)

    found = await usage(driver)

    assert sum(day.succeeded + day.failed for day in found.days) == 1


async def test_a_success_that_is_confirmed_later_keeps_its_day(driver: Driver):
    watched = await driver.watch()
    await end(driver, watched)
    await driver.send()
    driver.now = DAYS[2]
    again = await driver.watch(chat_id=2)
    await end(driver, again)

    assert [day.succeeded for day in (await usage(driver)).days] == [1, 0, 0]
