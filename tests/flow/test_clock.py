"""From a watch to what there is to send: scheduler, refresher and archive together."""

import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.polling.budget import Budget
from bot.polling.scheduler import LEASE_S
from storage.models import DeliveryKind, TaskStatus
from storage.store import Store
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.provider import Answer, ScriptedProvider
from tests.fakes.requests import watch_request
from tests.fakes.store import BrittleStore
from tests.flow.clockwork import CADENCE, Clockwork, until
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, snapshot

QUEUED, RUNNING, SUCCEEDED = TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.SUCCEEDED
FAST = 1000.0  # questions per second


def one_gateway(
    store: Store, clock: FrozenClock, **answers: list[Answer]
) -> tuple[Clockwork, ScriptedProvider]:
    """A clock with one gateway behind it, which gives the ids these answers."""
    provider = ScriptedProvider(answers)
    return Clockwork(store, {"wan": (provider, Budget(FAST))}, clock=clock), provider


async def test_the_first_look_happens_at_once(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(), at=NOON)
    work, provider = one_gateway(store, clock, t1=[snapshot(QUEUED)])

    async with work.turning():
        task = await work.until(lambda task: task.status is QUEUED)

    assert provider.asked == ["t1"]
    assert (task.last_look_at, task.lease_until) == (NOON, None)


async def test_a_task_is_followed_to_its_end_and_no_further(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(), at=NOON)
    work, provider = one_gateway(
        store, clock, t1=[snapshot(QUEUED), snapshot(progress=50.0), snapshot(SUCCEEDED)]
    )

    async with work.turning():
        await work.until(lambda task: task.status is QUEUED)
        work.pass_time(CADENCE.pace_s)
        await work.until(lambda task: task.status is RUNNING)
        work.pass_time(CADENCE.pace_s)
        await work.until(lambda task: task.status is SUCCEEDED)
        work.pass_time(3600)
        await until(lambda: not work.bell.is_set())

    assert len(provider.asked) == 3
    assert (await work.task()).next_look_at is None
    assert work.news.is_set()
    assert DeliveryKind.RESULT in await work.to_send()


async def test_a_task_is_not_looked_at_before_its_time(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(), at=NOON)
    work, provider = one_gateway(store, clock, t1=[snapshot()])

    async with work.turning():
        await work.until(lambda task: task.status is RUNNING)
        work.pass_time(CADENCE.pace_s - 0.1)
        await until(lambda: not work.bell.is_set())
        await store.add_watch(watch_request("t1", chat_id=2), at=clock())
        work.bell.set()
        await work.until(lambda task: task.last_look_at == clock())

    assert len(provider.asked) == 2


async def test_a_ring_wakes_the_clock_for_a_new_watch(store: Store, clock: FrozenClock):
    work, provider = one_gateway(store, clock, t1=[snapshot()])

    async with work.turning():
        await until(lambda: "clock" in work.telemetry.silences_s)
        await store.add_watch(watch_request(), at=clock())
        work.bell.set()
        await until(lambda: provider.asked == ["t1"])


async def test_the_clock_wakes_by_itself_when_a_look_is_due(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(), at=NOON)
    clock.move(-0.2)  # before NOON: the look is due in a fifth of a second, and nobody rings
    work, provider = one_gateway(store, clock, t1=[snapshot()])

    async with work.turning():
        await until(lambda: "clock" in work.telemetry.silences_s)
        assert provider.asked == []
        clock.move(0.2)
        await work.until(lambda task: task.status is RUNNING)


async def test_ten_chats_that_watch_a_task_cost_one_question(store: Store, clock: FrozenClock):
    for chat_id in range(10):
        await store.add_watch(watch_request(chat_id=chat_id), at=NOON)
    work, provider = one_gateway(store, clock, t1=[snapshot(SUCCEEDED)])

    async with work.turning():
        await work.until(lambda task: task.status is SUCCEEDED)

    assert provider.asked == ["t1"]
    assert (await work.to_send()).count(DeliveryKind.RESULT) == 10


async def test_questions_in_flight_are_bounded_by_the_budget(store: Store, clock: FrozenClock):
    ids = [f"t{number}" for number in range(8)]
    for external_id in ids:
        await store.add_watch(watch_request(external_id), at=NOON)
    provider = ScriptedProvider({external_id: [snapshot()] for external_id in ids})
    provider.gate.clear()
    work = Clockwork(store, {"wan": (provider, Budget(FAST, in_flight=3))}, clock=clock)

    async with work.turning():
        await until(lambda: provider.waiting == 3)
        work.bell.set()
        await until(lambda: not work.bell.is_set())
        assert provider.waiting == 3
        provider.gate.set()
        await until(lambda: work.telemetry.counters["polls"] == len(ids))

    assert sorted(provider.asked) == ids


async def test_questions_keep_the_distance_that_the_budget_asks_for(store: Store, clock: FrozenClock):
    ids = [f"t{number}" for number in range(5)]
    for external_id in ids:
        await store.add_watch(watch_request(external_id), at=NOON)
    provider = ScriptedProvider({external_id: [snapshot()] for external_id in ids})
    work = Clockwork(store, {"wan": (provider, Budget(20))}, clock=clock)

    began = time.monotonic()
    async with work.turning():
        await until(lambda: len(provider.asked) == len(ids))

    assert time.monotonic() - began >= 4 / 20


async def test_a_gateway_that_hangs_does_not_keep_others_waiting(store: Store, clock: FrozenClock):
    ids = [f"t{number}" for number in range(5)]
    for external_id in ids:
        await store.add_watch(watch_request(external_id, provider="hung"), at=NOON)
    await store.add_watch(watch_request("w1"), at=NOON)
    hung = ScriptedProvider({external_id: [snapshot()] for external_id in ids}, name="hung")
    hung.gate.clear()
    well = ScriptedProvider({"w1": [snapshot(SUCCEEDED)]})
    lines = {"hung": (hung, Budget(FAST, in_flight=2)), "wan": (well, Budget(FAST))}
    work = Clockwork(store, lines, clock=clock)

    async with work.turning():
        await work.until(lambda task: task.status is SUCCEEDED, task_id=len(ids) + 1)

    assert hung.waiting <= 2


async def test_a_gateway_that_is_away_is_probed_and_keeps_its_tasks(store: Store, clock: FrozenClock):
    ids = [f"t{number}" for number in range(12)]
    for external_id in ids:
        await store.add_watch(watch_request(external_id), at=NOON)
    provider = ScriptedProvider({external_id: [AWAY] for external_id in ids})
    work = Clockwork(store, {"wan": (provider, Budget(FAST, in_flight=1))}, clock=clock)

    began = time.monotonic()
    async with work.turning():
        await until(lambda: work.telemetry.counters["polls_failed"] >= 5)
        work.bell.set()
        await until(lambda: not work.bell.is_set())
        seconds = time.monotonic() - began

    assert 5 <= len(provider.asked) <= 5 + seconds
    assert (await store.stats()).tasks["unknown"] == len(ids)


async def test_tasks_of_providers_that_are_not_configured_are_left_alone(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(provider="gone"), at=NOON)
    await store.add_watch(watch_request("w1"), at=NOON)
    work, _ = one_gateway(store, clock, w1=[snapshot(SUCCEEDED)])

    async with work.turning():
        await work.until(lambda task: task.status is SUCCEEDED, task_id=2)

    orphan = await work.task(1)
    assert (orphan.status, orphan.next_look_at, orphan.lease_until) == (TaskStatus.UNKNOWN, NOON, None)


async def test_a_bot_without_providers_turns_quietly(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(), at=NOON)
    work = Clockwork(store, {}, clock=clock)

    async with work.turning():
        work.bell.set()
        await until(lambda: not work.bell.is_set())

    assert work.telemetry.troubles == {}


async def test_a_look_that_breaks_stops_nothing_but_itself(
    store: Store, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    for external_id in ("t1", "t2"):
        await store.add_watch(watch_request(external_id), at=NOON)
    work, provider = one_gateway(store, clock, t1=[ZeroDivisionError(), snapshot()], t2=[snapshot(SUCCEEDED)])

    async with work.turning():
        await work.until(lambda task: task.status is SUCCEEDED, task_id=2)
        assert "The look at task 1 failed" in caplog.messages
        work.pass_time(LEASE_S)
        await work.until(lambda task: task.status is RUNNING)

    assert provider.asked.count("t1") == 2


@pytest.fixture
async def brittle(tmp_path: Path) -> AsyncIterator[BrittleStore]:
    archive = await BrittleStore.open(tmp_path / "brittle.db")
    await archive.add_watch(watch_request(), at=NOON)
    yield archive
    await archive.close()


async def test_a_failing_archive_is_told_once_and_survived(
    brittle: BrittleStore, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.polling")
    work, _ = one_gateway(brittle, clock, t1=[snapshot()])
    brittle.broken = True

    async with work.turning():
        await until(lambda: brittle.refused == 1)
        work.bell.set()
        await until(lambda: brittle.refused == 2)
        assert work.telemetry.troubles == {"clock": "The disk is full."}
        brittle.broken = False
        work.bell.set()
        await work.until(lambda task: task.status is RUNNING)
        await until(lambda: not work.telemetry.troubles)

    assert caplog.messages == ["The clock stands still: The disk is full.", "The clock goes on."]


async def test_an_archive_that_fails_after_the_question_is_told_without_a_traceback(
    brittle: BrittleStore, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    work, provider = one_gateway(brittle, clock, t1=[snapshot()])
    provider.gate.clear()

    async with work.turning():
        await until(lambda: provider.waiting == 1 and brittle.served >= 2)
        brittle.broken = True
        provider.gate.set()
        await until(lambda: brittle.refused >= 2)
        brittle.broken = False
        work.pass_time(LEASE_S)
        await work.until(lambda task: task.status is RUNNING)

    assert caplog.messages == ["The clock stands still: The disk is full."]
    assert caplog.records[0].exc_info is None
    assert provider.asked == ["t1", "t1"]


async def test_stopping_hands_back_what_is_in_flight(store: Store, clock: FrozenClock):
    await store.add_watch(watch_request(), at=NOON)
    work, provider = one_gateway(store, clock, t1=[snapshot()])
    provider.gate.clear()

    async with work.turning():
        await until(lambda: provider.waiting == 1)

    task = await work.task()
    assert (task.status, task.version) == (TaskStatus.UNKNOWN, 1)


@pytest.mark.parametrize("answer", [snapshot(), AWAY, MISSING, BAD_KEY])
async def test_questions_are_counted_by_how_they_ended(store: Store, clock: FrozenClock, answer: Answer):
    await store.add_watch(watch_request(), at=NOON)
    work, _ = one_gateway(store, clock, t1=[answer])

    async with work.turning():
        await work.until(lambda task: task.last_look_at is not None)
        await until(lambda: sum(work.telemetry.counters.values()) == 1)

    assert list(work.telemetry.counters) == ["polls_failed" if isinstance(answer, Exception) else "polls"]
