"""Which process polls a task, and what remains in the store when one ends."""

import pytest

from bot.polling.scheduler import AHEAD_S, LEASE_S, RENEW_S, SYNC_S
from storage.models import TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.store import BrittleStore
from tests.flow.polling_harness import PollingHarness, Processes, gateway, key, watch
from tests.unit.watching.tasks import IN_FIVE_MINUTES, snapshot

IDS = [f"t{number}" for number in range(5)]


async def test_leases_are_renewed_while_the_process_lives(processes: Processes, clock: FrozenClock):
    store, other = await processes.begin(), await processes.begin()
    await watch(store, *IDS)
    work = PollingHarness(store, [key(gateway(**dict.fromkeys(IDS, (snapshot(),))))], clock=clock)

    async with work.running():
        for _ in range(30):
            await work.advance(20.0)
            assert await other.claim_due({"wan": 9}, at=clock(), lease_s=60) == []


async def test_a_renewal_saves_the_times_of_polls_without_news(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    work = PollingHarness(store, [key(gateway(t1=[snapshot()]))], clock=clock)

    async with work.running():
        await work.advance(RENEW_S - 10)
        assert (await work.task()).last_poll_at == NOON
        polled_at = clock()
        await work.advance(10)

        task = await work.task()
        assert task.last_poll_at is not None
        assert task.last_poll_at >= polled_at
        assert task.lease_until is not None
        assert (task.lease_until - clock()).total_seconds() == LEASE_S
        assert store.applied == 1


async def test_another_process_takes_over_after_the_leases_of_a_hanging_one_expire(
    processes: Processes, clock: FrozenClock
):
    hung, store = await processes.begin(), await processes.begin()
    await watch(hung, *IDS)
    async with PollingHarness(
        hung, [key(gateway(**dict.fromkeys(IDS, (snapshot(),))))], clock=clock
    ).running():
        hung.broken = True
    wan = gateway(**dict.fromkeys(IDS, (snapshot(),)))
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance(LEASE_S - 1)
        assert wan.polled == []
        await work.advance(10)

    assert sorted(wan.polled) == IDS


async def test_a_task_whose_lease_another_process_has_is_dropped(processes: Processes, clock: FrozenClock):
    store, other = await processes.begin(), await processes.begin()
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        clock.advance(LEASE_S)  # while this process's monotonic clock does not advance
        assert len(await other.claim_due({"wan": 9}, at=clock(), lease_s=3600)) == 1
        await work.advance_in_steps(600, step_s=10.0)

    assert len(wan.polled) == 1


async def test_a_superseded_poll_is_dropped_and_the_task_claimed_again_at_once(
    processes: Processes, clock: FrozenClock
):
    store, other = await processes.begin(), await processes.begin()
    await watch(store)
    wan = gateway(t1=[snapshot(progress=10.0), snapshot(progress=20.0)])
    wan.gate.clear()
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        clock.advance(LEASE_S)
        assert len(await other.claim_due({"wan": 9}, at=clock(), lease_s=3600)) == 1
        await other.close()
        wan.gate.set()
        await work.settle()

    assert store.applied == 2
    assert (await work.task()).snapshot == snapshot(progress=20.0)


async def test_a_crash_loses_no_task(processes: Processes, clock: FrozenClock):
    killed = await processes.begin()
    await watch(killed, *IDS)
    wan = gateway(**dict.fromkeys(IDS, (snapshot(), snapshot(TaskStatus.SUCCEEDED))))
    async with PollingHarness(killed, [key(wan)], clock=clock).running():
        killed.broken = True  # so that the end of the loop saves nothing
        wan.gate.clear()
    await killed.crash()
    wan.gate.set()

    store = await processes.begin()
    work = PollingHarness(store, [key(wan)], clock=clock)
    async with work.running():
        await work.advance(120.0)

    assert (await store.stats()).tasks["succeeded"] == len(IDS)


async def test_a_clean_stop_saves_due_times(processes: Processes, clock: FrozenClock):
    before = await processes.begin()
    await watch(before)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(before, [key(wan)], clock=clock)
    async with work.running():
        for _ in range(3):
            await work.advance(11.0)
        polls = len(wan.polled)
    stopped = await work.task()
    await before.close()
    assert before.applied == 1
    assert stopped.next_poll_at is not None
    wait_s = (stopped.next_poll_at - clock()).total_seconds()
    assert wait_s > 0

    work = PollingHarness(await processes.begin(), [key(wan)], clock=clock)
    async with work.running():
        await work.advance(wait_s - 0.1)
        assert len(wan.polled) == polls
        await work.advance(0.2)
        assert len(wan.polled) == polls + 1


async def test_stopping_leaves_polls_in_flight_to_the_next_process(processes: Processes, clock: FrozenClock):
    before = await processes.begin()
    await watch(before)
    wan = gateway(t1=[snapshot()])
    wan.gate.clear()
    async with PollingHarness(before, [key(wan)], clock=clock).running():
        assert wan.waiting == 1
    await before.close()
    wan.gate.set()

    work = PollingHarness(await processes.begin(), [key(wan)], clock=clock)
    async with work.running():
        assert (await work.task()).status is TaskStatus.RUNNING


@pytest.mark.parametrize(("wait_s", "leased"), [(AHEAD_S - 1, True), (AHEAD_S + 10, False)])
async def test_of_released_tasks_only_those_due_soon_are_claimed(
    processes: Processes, clock: FrozenClock, wait_s: float, leased: bool
):
    store, other = await processes.begin(), await processes.begin()
    work = PollingHarness(store, [key(gateway())], clock=clock)

    async with work.running():
        await watch(other)
        async with PollingHarness(other, [key(gateway(t1=[IN_FIVE_MINUTES]))], clock=clock).running():
            pass
        await other.close()
        clock.advance(300 - wait_s)
        await work.notify()

        assert ((await work.task()).lease_until is not None) is leased


async def test_a_restart_finds_tasks_written_by_a_clock_that_was_ahead(
    processes: Processes, clock: FrozenClock
):
    before = await processes.begin()
    await watch(before, "seen")
    wan = gateway(seen=[snapshot(), snapshot(TaskStatus.SUCCEEDED)], new=[snapshot(TaskStatus.SUCCEEDED)])
    async with PollingHarness(before, [key(wan)], clock=clock).running():
        pass
    await watch(before, "new")
    await before.close()
    clock.advance(-8 * 3600)

    store = await processes.begin()
    async with PollingHarness(store, [key(wan)], clock=clock).running():
        pass

    assert (await store.stats()).tasks["succeeded"] == 2


async def test_leases_keep_their_length_after_the_clock_is_set_back(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    work = PollingHarness(store, [key(gateway(t1=[snapshot()]))], clock=clock)

    async with work.running():
        clock.advance(-3600)
        await work.advance_in_steps(RENEW_S + SYNC_S, step_s=SYNC_S)

        task = await work.task()
        assert task.lease_until is not None
        assert (task.lease_until - clock()).total_seconds() <= LEASE_S


async def test_a_finished_task_without_a_video_is_polled_once_more_even_after_a_restart(
    processes: Processes, clock: FrozenClock
):
    store = await processes.begin()
    await watch(store)
    wan = gateway(t1=[snapshot(TaskStatus.SUCCEEDED, media=None)])
    async with PollingHarness(store, [key(wan)], clock=clock).running():
        pass
    await store.crash()

    work = PollingHarness(await processes.begin(), [key(wan)], clock=clock)
    async with work.running():
        await work.advance_in_steps(25, step_s=5)
        assert (await work.task()).status is TaskStatus.RUNNING
        await work.advance(10)

    assert (await work.task()).status is TaskStatus.SUCCEEDED
