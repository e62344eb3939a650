"""One poll of one task, with a real store."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.forecast.estimates import Estimates
from bot.watching.ageing import Ageing
from bot.watching.cadence import Cadence
from bot.watching.poll import Poller, PollResult
from storage.errors import StoreError
from storage.models import Cause, DeliveryKind, Stall, Task, TaskError, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.databases import new_database
from tests.fakes.log_lines import json_lines
from tests.fakes.provider import Response, ScriptedProvider
from tests.fakes.requests import watch_request
from tests.fakes.store import BrittleStore
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, snapshot

SUCCEEDED = snapshot(TaskStatus.SUCCEEDED)


@dataclass
class PollHarness:
    """A poller over a store with one watched task."""

    store: BrittleStore
    clock: FrozenClock
    notifications: list[None] = field(default_factory=list)
    estimates: Estimates = field(default_factory=Estimates)

    async def claim(self) -> Task:
        """The watched task, leased."""
        (task,) = await self.store.claim_due({"wan": 1}, at=self.clock(), lease_s=60)
        return task

    async def poll(self, task: Task, answer: Response, *, is_awaited: bool = False) -> PollResult:
        """One poll with this response; is_awaited: a user's request waits for it."""
        poller = Poller(
            self.store,
            Cadence(),
            self.estimates,
            clock=self.clock,
            notify=lambda: self.notifications.append(None),
            ageing=Ageing(rest=timedelta(days=3)),
        )
        return await poller.poll(task, ScriptedProvider({"t1": [answer]}), is_awaited=lambda: is_awaited)

    async def sent(self) -> set[DeliveryKind]:
        """The kinds of the claimable deliveries."""
        found = await self.store.claim_deliveries(10, at=self.clock(), lease_s=60)
        return {outgoing.delivery.kind for outgoing in found}

    async def task(self) -> Task:
        """The task as stored."""
        task = await self.store.task(1)
        assert task is not None
        return task

    def learned(self, task: Task) -> int:
        """The number of learned ends of such tasks."""
        return round(sum(self.estimates.table(task).to_plain()["deaths"]))


@pytest.fixture
async def harness(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PollHarness]:
    store = await BrittleStore.open(await new_database(tmp_path / "reelwatch.db"))
    await store.add_watch(watch_request(), at=NOON)
    yield PollHarness(store, clock)
    await store.close()


async def test_news_is_written_with_the_next_poll(harness: PollHarness):
    running = snapshot(progress=40.0)

    result = await harness.poll(await harness.claim(), running)

    assert (result.error, result.is_written, result.is_superseded) == (None, True, False)
    assert result.task == await harness.task()
    assert (result.task.status, result.task.snapshot, result.task.last_poll_at) == (
        TaskStatus.RUNNING,
        running,
        NOON,
    )
    assert result.task.next_poll_at is not None
    assert result.task.next_poll_at > NOON


async def test_an_end_without_a_video_is_logged_with_its_cause_and_how_long_it_took(
    harness: PollHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.watching.poll")
    error = TaskError(message="a naked prompt", code="DataInspectionFailed", cause=Cause.MODERATION)

    await harness.poll(await harness.claim(), snapshot(progress=40.0))
    await harness.poll(await harness.task(), BAD_KEY)
    harness.clock.advance(95)
    await harness.poll(await harness.task(), snapshot(TaskStatus.FAILED, error=error))

    assert json_lines(caplog.records) == [
        {
            "event": "failed",
            "message": "Task wan t1 failed after 95 s; cause: moderation (DataInspectionFailed)",
            "provider": "wan",
            "task": "t1",
            "status": "failed",
            "cause": "moderation",
            "after_s": 95.0,
        }
    ]


async def test_a_success_has_no_line_before_its_video_is_in_the_chat(
    harness: PollHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.watching.poll")
    await harness.poll(await harness.claim(), SUCCEEDED)
    assert caplog.messages == []


async def test_the_end_notifies_the_delivery_worker_and_leaves_no_next_poll(harness: PollHarness):
    result = await harness.poll(await harness.claim(), SUCCEEDED)

    assert len(harness.notifications) == 1
    assert DeliveryKind.RESULT in await harness.sent()
    assert (result.task.next_poll_at, (await harness.task()).next_poll_at) == (None, None)


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_poll_without_news_is_kept_in_memory_alone(harness: PollHarness, answer: Response):
    first = await harness.poll(await harness.claim(), snapshot())
    harness.notifications.clear()
    harness.clock.advance(15)

    result = await harness.poll(first.task, answer)

    assert not result.is_written
    assert result.task.version == first.task.version
    assert result.task.last_poll_at == harness.clock()
    assert result.task.next_poll_at is not None
    assert result.task.next_poll_at > harness.clock()
    assert await harness.task() == first.task
    assert harness.notifications == []


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_an_awaited_poll_is_stored_without_news_too(harness: PollHarness, answer: Response):
    first = await harness.poll(await harness.claim(), snapshot())
    harness.notifications.clear()
    harness.clock.advance(15)

    result = await harness.poll(first.task, answer, is_awaited=True)

    assert result.is_written
    assert await harness.task() == result.task
    assert result.task.last_poll_at == harness.clock()
    assert harness.notifications == []


async def test_polls_that_were_not_written_count_when_the_next_one_is(harness: PollHarness):
    task = (await harness.poll(await harness.claim(), snapshot())).task
    for _ in range(2):
        task = (await harness.poll(task, AWAY)).task
    assert (await harness.task()).failures == 0

    await harness.poll(task, AWAY)

    assert (await harness.task()).failures == 3
    assert DeliveryKind.CARD in await harness.sent()


async def test_a_failed_poll_with_an_event_is_stored(harness: PollHarness):
    result = await harness.poll(await harness.claim(), BAD_KEY)

    assert result.error is BAD_KEY
    assert result.task == await harness.task()
    assert (result.task.status, result.task.failures, result.task.last_poll_at) == (
        TaskStatus.UNKNOWN,
        1,
        NOON,
    )
    assert result.task.poll_failure is not None
    assert (result.task.poll_failure.cause, result.task.poll_failure.message) == (
        BAD_KEY.cause,
        "invalid key",
    )
    assert DeliveryKind.NOTICE in await harness.sent()


async def test_a_task_that_stays_missing_ends(harness: PollHarness):
    task = await harness.claim()
    for _ in range(2):
        harness.clock.advance(100)
        task = (await harness.poll(task, MISSING)).task

    assert (await harness.task()).status is TaskStatus.NOT_FOUND
    assert (task.status, task.next_poll_at) == (TaskStatus.NOT_FOUND, None)


async def test_a_superseded_poll_is_not_stored(harness: PollHarness):
    late = await harness.claim()
    harness.clock.advance(61)
    first = await harness.poll(await harness.claim(), snapshot(progress=10.0))
    harness.notifications.clear()

    result = await harness.poll(late, SUCCEEDED)

    assert (result.is_written, result.is_superseded) == (False, True)
    task = await harness.task()
    assert (task.status, task.snapshot) == (TaskStatus.RUNNING, first.task.snapshot)
    assert harness.notifications == []


async def test_a_task_that_was_stopped_meanwhile_is_not_polled_again(harness: PollHarness):
    task = await harness.claim()
    await harness.store.stop_watch(1, at=harness.clock())

    await harness.poll(task, snapshot())

    assert (await harness.task()).next_poll_at is None


async def test_an_end_is_learned_from_however_often_it_takes_to_write_it(harness: PollHarness):
    task = (await harness.poll(await harness.claim(), snapshot())).task
    harness.clock.advance(60)
    harness.store.broken = True
    for _ in range(5):
        with pytest.raises(StoreError):
            await harness.poll(task, SUCCEEDED)
    assert harness.learned(task) == 0

    harness.store.broken = False
    await harness.poll(task, SUCCEEDED)

    assert harness.learned(task) == 1


async def test_a_superseded_poll_is_not_learned_from(harness: PollHarness):
    late = (await harness.poll(await harness.claim(), snapshot())).task
    harness.clock.advance(61)
    await harness.poll(late, SUCCEEDED)

    result = await harness.poll(late, SUCCEEDED)

    assert result.is_superseded
    assert harness.learned(late) == 1


async def test_a_poll_without_news_still_adds_time_at_risk(harness: PollHarness):
    task = (await harness.poll(await harness.claim(), snapshot())).task
    harness.clock.advance(60)

    await harness.poll(task, snapshot())

    assert sum(harness.estimates.table(task).to_plain()["at_risk_s"]) == pytest.approx(60)


async def test_other_exceptions_are_raised(harness: PollHarness):
    with pytest.raises(ZeroDivisionError):
        await harness.poll(await harness.claim(), ZeroDivisionError())


async def test_ages_by_another_correction_of_the_clock_are_written_without_an_event(
    harness: PollHarness,
):
    first = await harness.poll(await harness.claim(), snapshot(clock_ahead_s=7200.0, submitted_at=NOON))
    harness.notifications.clear()
    harness.clock.advance(15)

    await harness.poll(first.task, snapshot(submitted_at=NOON))

    stored = (await harness.task()).snapshot
    assert stored is not None
    assert stored.clock_ahead_s == 0
    assert harness.notifications == []


async def test_how_long_nothing_changes_is_written_without_an_event(harness: PollHarness):
    first = await harness.poll(await harness.claim(), snapshot())
    harness.clock.advance(3600)

    await harness.poll(first.task, snapshot())

    assert (await harness.task()).stall is Stall.STUCK


@pytest.mark.parametrize("answer", [snapshot(), MISSING, AWAY])
async def test_a_task_without_a_watch_is_written_and_not_polled_again(harness: PollHarness, answer: Response):
    task = replace(await harness.claim(), chat_active_watches=0)

    result = await harness.poll(task, answer)

    assert result.is_written
    assert result.task.next_poll_at is None
    assert harness.notifications == [None]
