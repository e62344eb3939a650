"""Tasks at which nothing changes, over the days."""

from storage.models import DeliveryKind, Stall, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.store import BrittleStore
from tests.flow.polling_harness import PollingHarness, gateway, key, watch
from tests.unit.watching.tasks import AWAY, snapshot

RUNNING, SUCCEEDED = TaskStatus.RUNNING, TaskStatus.SUCCEEDED
HOUR = 3600.0
NOTICE = DeliveryKind.NOTICE


async def test_an_unchanged_task_is_polled_hourly_after_a_day_and_not_at_all_after_three(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(25 * HOUR, step_s=HOUR)
        assert (await work.task()).stall is Stall.UNCHANGED
        assert (await work.to_send()).count(NOTICE) == 1
        polled = len(wan.polled)
        await work.advance_in_steps(HOUR, step_s=HOUR / 12)
        assert len(wan.polled) - polled == 1
        await work.advance_in_steps(48 * HOUR, step_s=HOUR)
        assert (await work.task()).stall is Stall.RESTING
        polled = len(wan.polled)
        await work.advance_in_steps(48 * HOUR, step_s=HOUR)

    assert len(wan.polled) == polled


async def test_stopped_polling_survives_a_restart_and_a_request_resumes_it_for_days(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)
    async with work.running():
        await work.advance_in_steps(75 * HOUR, step_s=HOUR)
    polled = len(wan.polled)

    again = PollingHarness(store, [key(wan)], clock=clock)
    async with again.running():
        await again.advance_in_steps(2 * HOUR, step_s=HOUR)
        assert len(wan.polled) == polled
        await store.request_poll(1, at=clock())
        await again.notify()
        assert len(wan.polled) == polled + 1
        await again.advance_in_steps(71 * HOUR, step_s=HOUR)
        assert (await again.task()).stall is Stall.UNCHANGED
        await again.advance_in_steps(2 * HOUR, step_s=HOUR)
        assert (await again.task()).stall is Stall.RESTING


async def test_a_task_that_changes_after_a_day_is_polled_as_usual(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(26 * HOUR, step_s=HOUR)
        wan.results["t1"] = [snapshot(progress=20.0)]
        await work.advance(HOUR)
        assert (await work.task()).stall is Stall.MOVING
        polled = len(wan.polled)
        await work.advance_in_steps(600, step_s=60)
        assert len(wan.polled) - polled >= 4
        wan.results["t1"] = [snapshot(SUCCEEDED)]
        await work.advance(120)

    assert (await work.task()).status is SUCCEEDED


async def test_a_task_queued_for_twenty_hours_is_polled_as_usual(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot(TaskStatus.QUEUED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(20 * HOUR, step_s=HOUR)
        polled = len(wan.polled)
        await work.advance_in_steps(1200, step_s=60)

        assert len(wan.polled) - polled >= 9
        assert NOTICE not in await work.to_send()


async def test_an_outage_of_days_does_not_count_as_an_unchanged_task(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(2 * HOUR, step_s=600)
        wan.results["t1"] = [AWAY]
        await work.advance_in_steps(96 * HOUR, step_s=HOUR)
        wan.results["t1"] = [snapshot()]
        await work.advance_in_steps(2 * HOUR, step_s=60)

        task = await work.task()
        assert (task.stall, task.poll_failure) == (Stall.STUCK, None)
        assert task.next_poll_at is not None
        wan.results["t1"] = [snapshot(SUCCEEDED)]
        await work.advance(180)

    assert (await work.task()).status is SUCCEEDED


async def test_a_bot_that_was_down_for_days_continues_as_before(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    async with PollingHarness(store, [key(wan)], clock=clock).running():
        pass
    clock.advance(9 * 24 * HOUR)

    work = PollingHarness(store, [key(wan)], clock=clock)
    async with work.running():
        assert (await work.task()).stall is Stall.MOVING
        polled = len(wan.polled)
        await work.advance_in_steps(600, step_s=60)
        assert len(wan.polled) - polled >= 4

    assert clock() > NOON


async def test_a_stale_response_is_compared_once_with_the_other_endpoint(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store, "t1", "t2")
    wan = gateway(t1=[snapshot()], t2=[snapshot()])
    wan.elsewhere = {"t1": snapshot(SUCCEEDED), "t2": snapshot()}
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(HOUR - 1, step_s=(HOUR - 1) / 6)
        assert wan.polled_elsewhere == []
        await work.advance_in_steps(600, step_s=120)
        assert (await work.task(1)).status is SUCCEEDED
        assert (await work.task(2)).status is RUNNING
        await work.advance_in_steps(20 * HOUR, step_s=HOUR)
        assert wan.polled_elsewhere == ["t1", "t2"]
        wan.results["t2"] = [snapshot(progress=50.0)]
        await work.advance_in_steps(2 * HOUR, step_s=HOUR / 2)

    assert wan.polled_elsewhere == ["t1", "t2", "t2"]
