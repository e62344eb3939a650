"""From a watch to its deliveries: scheduler, poller and store together."""

import pytest

from bot.polling.scheduler import SYNC_S
from bot.telemetry import HUNG_S
from storage.models import DeliveryKind, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.provider import Response
from tests.fakes.store import BrittleStore
from tests.flow.polling_harness import PollingHarness, Processes, gateway, key, watch
from tests.metric_totals import total
from tests.unit.watching.tasks import AWAY, BAD_KEY, IN_FIVE_MINUTES, MISSING, snapshot

QUEUED, RUNNING, SUCCEEDED = TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.SUCCEEDED
LONG_S = 120.0  # after which every task that goes well is due again


async def test_a_new_watch_is_polled_at_once(store: BrittleStore, clock: FrozenClock):
    wan = gateway(t1=[snapshot(QUEUED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        assert wan.polled == []
        await watch(store)
        await work.notify()
        task = await work.task()

    assert wan.polled == ["t1"]
    assert (task.status, task.last_poll_at) == (QUEUED, NOON)


async def test_a_watch_without_a_notification_is_found_by_the_next_sync(
    store: BrittleStore, clock: FrozenClock
):
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await watch(store)
        await work.advance(SYNC_S - 0.1)
        assert wan.polled == []
        await work.advance(0.1)

    assert wan.polled == ["t1"]


async def test_a_task_is_followed_to_its_end_and_no_further(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot(QUEUED), snapshot(progress=50.0), snapshot(SUCCEEDED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        for status in (QUEUED, RUNNING, SUCCEEDED):
            assert (await work.task()).status is status
            await work.advance(LONG_S)
        await work.advance_in_steps(3600, step_s=LONG_S)

    assert len(wan.polled) == 3
    assert (await work.task()).next_poll_at is None
    assert work.news.is_set()
    assert DeliveryKind.RESULT in await work.to_send()


async def test_a_task_is_polled_when_it_is_due_and_not_before(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        due = (await work.task()).next_poll_at
        assert due is not None
        await work.advance((due - clock()).total_seconds() - 0.1)
        await work.notify()
        assert len(wan.polled) == 1
        await work.advance(0.2)

    assert len(wan.polled) == 2


async def test_polls_go_on_while_the_store_is_slow(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        store.sweep_gate.clear()
        await work.advance_in_steps(30, step_s=5.0)
        assert len(wan.polled) > 1
        store.sweep_gate.set()


async def test_a_sync_with_the_store_that_hangs_ends_the_heartbeats(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    work = PollingHarness(store, [key(gateway(t1=[snapshot()]))], clock=clock)

    async with work.running():
        await work.advance_in_steps(60, step_s=5.0)
        assert work.telemetry.silences_s["polling"] == 0

        store.sweep_gate.clear()
        await work.advance_in_steps(65, step_s=5.0)
        assert work.telemetry.silences_s["polling"] > HUNG_S
        store.sweep_gate.set()


async def test_ten_chats_that_watch_a_task_cost_one_request(store: BrittleStore, clock: FrozenClock):
    for chat_id in range(10):
        await watch(store, chat_id=chat_id)
    wan = gateway(t1=[snapshot(SUCCEEDED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        pass

    assert wan.polled == ["t1"]
    assert (await work.to_send()).count(DeliveryKind.RESULT) == 10


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_poll_without_news_writes_nothing_and_the_next_one_comes(
    store: BrittleStore, clock: FrozenClock, answer: Response
):
    await watch(store)
    wan = gateway(t1=[snapshot(), answer, answer, snapshot(SUCCEEDED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        written = await work.task()
        for polls in (2, 3):
            await work.advance(20.0)
            assert len(wan.polled) == polls
        assert store.applied == 1
        assert (await work.task()).version == written.version
        await work.advance(20.0)

    assert store.applied == 2
    assert (await work.task()).status is SUCCEEDED


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_requested_poll_is_stored_though_nothing_has_changed(
    store: BrittleStore, clock: FrozenClock, answer: Response
):
    await watch(store)
    wan = gateway(t1=[snapshot(), answer])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance(1.0)
        await store.request_poll(1, at=clock())
        await work.notify()

        assert (await work.task()).last_poll_at == clock()
        assert (len(wan.polled), store.applied) == (2, 2)
        await work.advance(LONG_S)

    assert store.applied == 2, "a served request was served again"


async def test_a_request_during_a_poll_is_served_by_it(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        wan.gate.clear()
        await work.advance(LONG_S)
        await store.request_poll(1, at=clock())
        await work.notify()
        assert wan.waiting == 1
        wan.gate.set()
        await work.settle()

        assert (await work.task()).last_poll_at == clock()

    assert len(wan.polled) == 2


async def test_a_request_while_a_poll_is_being_stored_causes_another_one(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store)
    wan = gateway(t1=[snapshot(QUEUED), snapshot()])
    store.gate.clear()
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        assert store.waiting == 1
        await work.advance(1.0)
        await store.request_poll(1, at=clock())
        await work.notify()
        store.gate.set()
        await work.settle()

        task = await work.task()

    assert (task.status, task.last_poll_at) == (RUNNING, clock())


async def test_a_request_after_a_restart_is_served_though_the_next_poll_is_far(
    processes: Processes, clock: FrozenClock
):
    before = await processes.begin()
    await watch(before)
    wan = gateway(t1=[IN_FIVE_MINUTES])
    async with PollingHarness(before, [key(wan)], clock=clock).running():
        pass
    await before.close()
    store = await processes.begin()
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await work.advance(10.0)
        assert len(wan.polled) == 1
        await store.request_poll(1, at=clock())
        await work.notify()

        assert (await work.task()).last_poll_at == clock()


async def test_a_watch_of_a_second_chat_polls_a_running_task_at_once(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await watch(store, chat_id=2)
        await work.notify()

    assert len(wan.polled) == 2


async def test_a_stopped_watch_costs_no_more_requests(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await store.stop_watch(1, at=clock())
        await work.notify()
        await work.advance_in_steps(600, step_s=10.0)

    assert len(wan.polled) == 1


async def test_a_watch_stopped_during_a_poll_costs_no_more_requests(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    wan.gate.clear()
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await store.stop_watch(1, at=clock())
        await work.notify()
        wan.gate.set()
        await work.advance_in_steps(600, step_s=10.0)

    assert len(wan.polled) == 1


async def test_a_restarted_watch_is_polled_at_once(store: BrittleStore, clock: FrozenClock):
    await watch(store)
    wan = gateway(t1=[snapshot()])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await store.stop_watch(1, at=clock())
        await work.notify()
        await watch(store, message_id=8)
        await work.notify()
        assert len(wan.polled) == 2
        await work.advance(LONG_S)

    assert len(wan.polled) == 3


async def test_a_task_still_watched_by_another_chat_is_polled_further(
    store: BrittleStore, clock: FrozenClock
):
    await watch(store)
    await watch(store, chat_id=2)
    wan = gateway(t1=[snapshot(), snapshot(SUCCEEDED)])
    work = PollingHarness(store, [key(wan)], clock=clock)

    async with work.running():
        await store.stop_watch(1, at=clock())
        await work.notify()
        await work.advance(LONG_S)

    assert (await work.task()).status is SUCCEEDED


@pytest.mark.parametrize(
    ("answer", "outcome", "cause"),
    [
        (snapshot(), "success", None),
        (AWAY, "failure", "unreachable"),
        (MISSING, "failure", "task_missing"),
        (BAD_KEY, "failure", "key_invalid"),
        (ValueError("a bug"), "abandoned", None),
    ],
)
async def test_a_poll_is_counted_by_its_outcome_and_its_lateness_is_measured(
    store: BrittleStore, clock: FrozenClock, *, answer: Response, outcome: str, cause: str | None
):
    await watch(store)
    clock.advance(7)
    work = PollingHarness(store, [key(gateway(t1=[answer]))], clock=clock)

    async with work.running():
        pass

    def value(name: str, **labels: str) -> float | None:
        return work.telemetry.metrics.registry.get_sample_value(f"reelwatch_{name}", labels)

    assert value("polls_total", provider="wan", outcome=outcome) == 1
    assert value("poll_lateness_seconds_sum", provider="wan") == 7
    assert cause is None or value("poll_failures_total", provider="wan", cause=cause) == 1
    assert total(work.telemetry.metrics, "polls") == 1
    assert total(work.telemetry.metrics, "poll_failures") == (1 if cause else 0)
