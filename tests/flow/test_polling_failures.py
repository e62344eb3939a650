"""The polling loop with failing gateways, keys, polls and stores, and within rate limits."""

import logging

import pytest

from bot.providers.base import ProviderError, Unavailable
from storage.models import Cause, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.store import BrittleStore
from tests.flow.polling_harness import PollingHarness, gateway, key, watch
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, ODD, TOO_MANY, snapshot

BUSY = Unavailable("upstream error", cause=Cause.UNREACHABLE)
BUSY.is_gateway_reply = True

RUNNING, SUCCEEDED, UNKNOWN = TaskStatus.RUNNING, TaskStatus.SUCCEEDED, TaskStatus.UNKNOWN

_PAUSED = "Tasks are not polled because of the database: The disk is full."
_RESUMED = "The database works again; tasks are polled."


def names(count: int, letter: str = "t") -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


async def test_many_tasks_after_a_restart_are_polled_no_faster_than_the_key_allows(
    store: BrittleStore, clock: FrozenClock
):
    ids = names(300)
    await watch(store, *ids)
    wan = gateway(**dict.fromkeys(ids, (snapshot(),)))
    work = PollingHarness(store, [key(wan, rps=100.0)], clock=clock)

    polled = [0]
    async with work.running():
        while len(set(wan.polled)) < len(ids):
            await work.advance(0.1)
            polled.append(len(wan.polled))

    for first in range(len(polled)):
        for last in range(first, len(polled)):
            assert polled[last] - polled[first] <= 100 * 0.1 * (last - first) + 20  # a fifth of a second's
    assert len(polled) <= 40, "slower than the key allows"


async def test_providers_with_one_key_share_its_rate_limit(store: BrittleStore, clock: FrozenClock):
    mine, yours = names(10, "m"), names(10, "y")
    await watch(store, *mine, provider="mine")
    await watch(store, *yours, provider="yours")
    gateways = [
        gateway("mine", **dict.fromkeys(mine, (snapshot(),))),
        gateway("yours", **dict.fromkeys(yours, (snapshot(),))),
    ]
    work = PollingHarness(store, [key(*gateways, rps=5.0)], clock=clock)

    async with work.running():
        await work.advance_in_steps(2.0, step_s=0.1)

    assert 9 <= sum(len(each.polled) for each in gateways) <= 11


async def test_requests_in_flight_are_bounded(store: BrittleStore, clock: FrozenClock):
    ids = names(8)
    await watch(store, *ids)
    wan = gateway(**dict.fromkeys(ids, (snapshot(),)))
    wan.gate.clear()
    work = PollingHarness(store, [key(wan, in_flight=3)], clock=clock)

    async with work.running():
        await work.advance_in_steps(1.0, step_s=0.1)
        assert wan.waiting == 3
        wan.gate.set()
        await work.settle()
        await work.advance_in_steps(1.0, step_s=0.1)

    assert sorted(wan.polled) == ids


async def test_a_chat_with_many_tasks_delays_no_other(store: BrittleStore, clock: FrozenClock):
    flood = names(50)
    await watch(store, *flood, chat_id=1)
    await watch(store, "lone", chat_id=2)
    wan = gateway(lone=[snapshot()], **dict.fromkeys(flood, (snapshot(),)))
    clock.advance(10.0)
    work = PollingHarness(store, [key(wan, rps=5.0)], clock=clock)

    async with work.running():
        pass

    assert wan.polled == ["lone"]


async def test_a_hanging_gateway_delays_no_other(store: BrittleStore, clock: FrozenClock):
    ids = names(5)
    await watch(store, *ids, provider="hung")
    await watch(store, "w1")
    hung = gateway("hung", **dict.fromkeys(ids, (snapshot(),)))
    hung.gate.clear()
    well = gateway(w1=[snapshot(), snapshot(SUCCEEDED)])
    work = PollingHarness(store, [key(hung, in_flight=2), key(well)], clock=clock)

    async with work.running():
        await work.advance(30.0)
        assert hung.waiting == 2

    assert (await work.task(len(ids) + 1)).status is SUCCEEDED


async def test_an_unreachable_gateway_is_probed_and_starves_no_other(store: BrittleStore, clock: FrozenClock):
    ids = names(12)
    await watch(store, *ids, provider="away")
    await watch(store, "w1")
    away = gateway("away", **dict.fromkeys(ids, (AWAY,)))
    away.gate.clear()
    well = gateway(w1=[snapshot()])
    work = PollingHarness(store, [key(away), key(well)], clock=clock)

    async with work.running():
        assert away.waiting == len(ids)
        await work.advance(1.0)
        away.gate.set()
        await work.settle()
        await work.advance_in_steps(60.0, step_s=0.5)

    assert 5 <= len(away.polled) - len(ids) <= 7  # after 1, 2, 4, 8, 15, 15 … s
    assert len(set(away.polled[len(ids) :])) >= 5, "the same task is probed again"
    assert (await store.stats()).tasks["unknown"] == len(ids)
    assert len(well.polled) >= 5


@pytest.mark.parametrize("error", [BUSY, ODD, AWAY, BAD_KEY, MISSING])
@pytest.mark.parametrize("broken", [3, 20])
async def test_tasks_that_always_fail_do_not_delay_a_healthy_one(
    store: BrittleStore, clock: FrozenClock, error: ProviderError, broken: int
):
    ids = names(broken)
    await watch(store, *ids)
    wan = gateway(well=[snapshot()] * 3 + [snapshot(SUCCEEDED)], **dict.fromkeys(ids, (error,)))
    work = PollingHarness(store, [key(wan, rps=5.0)], clock=clock)

    async with work.running():
        await work.advance_in_steps(10.0, step_s=0.5)
        await watch(store, "well", chat_id=7)
        await work.notify()
        await work.advance_in_steps(60.0, step_s=0.5)

    assert (await work.task(broken + 1)).status is SUCCEEDED


async def test_a_task_whose_last_poll_went_well_is_the_first_probe_though_others_are_overdue(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store, "well")
    wan = gateway(well=[snapshot()], **dict.fromkeys(names(3), (AWAY,)))
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await watch(store, *names(3))
        await work.notify()
        assert wan.polled[1:] == names(3)
        await work.advance(1.0)

    assert wan.polled[4:] == ["well"]


async def test_after_an_outage_no_task_waits_for_its_own_backoff(store: BrittleStore, clock: FrozenClock):
    ids = names(4)
    await watch(store, *ids)
    wan = gateway(**dict.fromkeys(ids, (AWAY,)))
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(300.0, step_s=0.5)
        wan.results |= {each: [snapshot(SUCCEEDED)] for each in ids}
        await work.advance_in_steps(16.0, step_s=0.5)

    assert (await store.stats()).tasks["succeeded"] == len(ids)


async def test_a_429_pauses_all_tasks_of_the_key(store: BrittleStore, clock: FrozenClock):
    await watch(store, "t1")
    wan = gateway(t1=[TOO_MANY, snapshot()], t2=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await watch(store, "t2")
        await work.notify()
        assert wan.polled == ["t1"]
        await work.advance(1.0)

    assert wan.polled == ["t1", "t2"]


async def test_tasks_of_unconfigured_providers_are_not_polled(store: BrittleStore, clock: FrozenClock):
    await watch(store, provider="gone")
    await watch(store, "w1")
    work = PollingHarness(store, [key(gateway(w1=[snapshot(SUCCEEDED)]))], clock=clock)

    async with work.running():
        await work.advance(60.0)

    orphan = await work.task(1)
    assert (orphan.status, orphan.next_poll_at, orphan.lease_until) == (UNKNOWN, NOON, None)
    assert (await work.task(2)).status is SUCCEEDED


async def test_without_providers_the_loop_runs_and_reports_no_problem(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store)
    work = PollingHarness(store, [], clock=clock)

    async with work.running():
        await work.notify()
        await work.advance(60.0)

    assert work.telemetry.problems == {}


@pytest.mark.parametrize("back_s", [600.0, 8 * 3600.0])
async def test_a_clock_that_is_set_back_delays_no_task(
    store: BrittleStore, clock: FrozenClock, back_s: float
):
    ids = names(20)
    await watch(store, *ids)
    wan = gateway(**dict.fromkeys(ids, (snapshot(), snapshot(SUCCEEDED))))
    work = PollingHarness(store, [key(wan, rps=4.0)], clock=clock)

    async with work.running():
        await work.advance_in_steps(2.5, step_s=0.5)
        assert 5 < len(wan.polled) < len(ids), "not all of them were polled"
        clock.advance(-back_s)
        await work.advance_in_steps(30.0, step_s=0.5)

    assert (await store.stats()).tasks["succeeded"] == len(ids)


async def test_an_exception_in_a_poll_stops_no_other_poll(
    store: BrittleStore, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    await watch(store, "t1", "t2")
    wan = gateway(t1=[ZeroDivisionError(), snapshot()], t2=[snapshot(SUCCEEDED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        assert (await work.task(2)).status is SUCCEEDED
        assert caplog.messages == ["A bug kept task wan t1 from being polled; it is tried again."]
        await work.advance(59.0)
        assert wan.polled.count("t1") == 1
        await work.advance(1.0)

    assert (await work.task(1)).status is RUNNING


async def test_a_failing_store_is_logged_once_and_polling_continues(
    store: BrittleStore, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.polling")
    await watch(store)
    work = PollingHarness(store, [key(gateway(t1=[snapshot()]))], clock=clock)
    store.broken = True

    async with work.running():
        await work.advance_in_steps(10.0, step_s=1.0)
        assert store.refused >= 5
        assert work.telemetry.problems == {"polling": "The disk is full."}
        store.broken = False
        await work.advance(2.0)
        assert (await work.task()).status is RUNNING

    assert work.telemetry.problems == {}
    assert caplog.messages == [
        "Tasks are not polled because of the database: The disk is full.",
        "The database works again; tasks are polled.",
    ]


async def test_a_poll_that_could_not_be_stored_is_repeated(
    store: BrittleStore, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    await watch(store)
    wan = gateway(t1=[snapshot(SUCCEEDED)])
    wan.gate.clear()
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        store.broken = True
        wan.gate.set()
        await work.settle()
        await work.advance_in_steps(6.0, step_s=1.0)
        store.broken = False
        await work.advance(2.0)

    assert (await work.task()).status is SUCCEEDED
    assert 3 <= len(wan.polled) <= 5
    assert caplog.messages == [_PAUSED]
    assert caplog.records[0].exc_info is None


async def test_a_read_only_store_counts_as_an_outage(
    store: BrittleStore, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    """A sync that claims nothing writes nothing, so it succeeds on a full disk."""
    caplog.set_level(logging.INFO, logger="bot.polling")
    await watch(store)
    work = PollingHarness(store, [key(gateway(t1=[snapshot(SUCCEEDED)]))], clock=clock)
    store.refuses_writes = True

    async with work.running():
        await work.advance_in_steps(20.0, step_s=1.0)
        assert work.telemetry.problems == {"polling": "The disk is full."}
        store.refuses_writes = False
        await work.advance_in_steps(5.0, step_s=1.0)

    assert caplog.messages == [
        "Tasks are not polled because of the database: The disk is full.",
        "The database works again; tasks are polled.",
    ]


async def test_an_unreachable_gateway_is_reported_until_it_responds(store: BrittleStore, clock: FrozenClock):
    ids = names(4)
    await watch(store, *ids)
    wan = gateway(**dict.fromkeys(ids, (snapshot(), AWAY)))
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(120.0, step_s=0.5)
        assert work.states.problem_of("wan") == "away"
        assert work.scheduler.waiting(["wan"]) == len(ids)
        wan.results |= {each: [snapshot()] for each in ids}
        await work.advance_in_steps(16.0, step_s=0.5)

    assert work.states.problem_of("wan") is None


async def test_a_poll_interval_in_a_response_is_respected_except_for_user_requests(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store)
    wan = gateway(t1=[snapshot(poll_after_s=600.0)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance_in_steps(595, step_s=35)
        assert len(wan.polled) == 1
        await store.request_poll(1, at=clock())
        await work.notify()
        assert len(wan.polled) == 2
        await work.advance_in_steps(595, step_s=35)
        assert len(wan.polled) == 2
        await work.advance(10)

    assert len(wan.polled) == 3
