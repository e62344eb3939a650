"""One look at one task, written into a real archive."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.forecast.estimates import Estimates
from bot.watching.cadence import Cadence
from bot.watching.poll import Poller, PollResult
from storage.errors import StoreError
from storage.models import DeliveryKind, Stall, Task, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.provider import Response, ScriptedProvider
from tests.fakes.requests import watch_request
from tests.fakes.store import BrittleStore
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, snapshot

SUCCEEDED = snapshot(TaskStatus.SUCCEEDED)


@dataclass
class PollHarness:
    """A refresher over an archive with one watched task."""

    store: BrittleStore
    clock: FrozenClock
    rings: list[None] = field(default_factory=list)
    estimates: Estimates = field(default_factory=Estimates)

    async def claim(self) -> Task:
        """The watched task, leased."""
        (task,) = await self.store.claim_due({"wan": 1}, at=self.clock(), lease_s=60)
        return task

    async def poll(self, task: Task, answer: Response, *, is_awaited: bool = False) -> PollResult:
        """One look that gets this answer; is_awaited: somebody waits for it."""
        poller = Poller(
            self.store,
            Cadence(),
            self.estimates,
            clock=self.clock,
            notify=lambda: self.rings.append(None),
        )
        return await poller.poll(task, ScriptedProvider({"t1": [answer]}), is_awaited=lambda: is_awaited)

    async def sent(self) -> set[DeliveryKind]:
        """What there is to send."""
        found = await self.store.claim_deliveries(10, at=self.clock(), lease_s=60)
        return {outgoing.delivery.kind for outgoing in found}

    async def task(self) -> Task:
        """The task as the archive knows it."""
        task = await self.store.task(1)
        assert task is not None
        return task

    def learned(self, task: Task) -> int:
        """How many ends of such tasks were learned."""
        return round(sum(self.estimates.table(task).to_plain()["deaths"]))


@pytest.fixture
async def harness(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PollHarness]:
    store = await BrittleStore.open(tmp_path / "reelwatch.db")
    await store.add_watch(watch_request(), at=NOON)
    yield PollHarness(store, clock)
    await store.close()


async def test_news_is_written_with_the_next_look(harness: PollHarness):
    said = snapshot(progress=40.0)

    look = await harness.poll(await harness.claim(), said)

    assert (look.error, look.is_written, look.is_superseded) == (None, True, False)
    assert look.task == await harness.task()
    assert (look.task.status, look.task.snapshot, look.task.last_poll_at) == (TaskStatus.RUNNING, said, NOON)
    assert look.task.next_poll_at is not None
    assert look.task.next_poll_at > NOON


async def test_the_end_rings_for_the_courier_and_leaves_no_next_look(harness: PollHarness):
    look = await harness.poll(await harness.claim(), SUCCEEDED)

    assert len(harness.rings) == 1
    assert DeliveryKind.RESULT in await harness.sent()
    assert (look.task.next_poll_at, (await harness.task()).next_poll_at) == (None, None)


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_look_without_news_is_kept_in_memory_alone(harness: PollHarness, answer: Response):
    first = await harness.poll(await harness.claim(), snapshot())
    harness.rings.clear()
    harness.clock.advance(15)

    look = await harness.poll(first.task, answer)

    assert not look.is_written
    assert look.task.version == first.task.version
    assert look.task.last_poll_at == harness.clock()
    assert look.task.next_poll_at is not None
    assert look.task.next_poll_at > harness.clock()
    assert await harness.task() == first.task
    assert harness.rings == []


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_look_that_somebody_waits_for_is_written_without_news_too(
    harness: PollHarness, answer: Response
):
    first = await harness.poll(await harness.claim(), snapshot())
    harness.rings.clear()
    harness.clock.advance(15)

    look = await harness.poll(first.task, answer, is_awaited=True)

    assert look.is_written
    assert await harness.task() == look.task
    assert look.task.last_poll_at == harness.clock()
    assert harness.rings == []


async def test_looks_that_were_not_written_count_when_the_next_one_is(harness: PollHarness):
    task = (await harness.poll(await harness.claim(), snapshot())).task
    for _ in range(2):
        task = (await harness.poll(task, AWAY)).task
    assert (await harness.task()).failures == 0

    await harness.poll(task, AWAY)

    assert (await harness.task()).failures == 3
    assert DeliveryKind.CARD in await harness.sent()


async def test_a_failed_look_that_people_must_hear_of_is_written(harness: PollHarness):
    look = await harness.poll(await harness.claim(), BAD_KEY)

    assert look.error is BAD_KEY
    assert look.task == await harness.task()
    assert (look.task.status, look.task.failures, look.task.last_poll_at) == (TaskStatus.UNKNOWN, 1, NOON)
    assert look.task.poll_failure is not None
    assert (look.task.poll_failure.cause, look.task.poll_failure.message) == (BAD_KEY.cause, "invalid key")
    assert DeliveryKind.NOTICE in await harness.sent()


async def test_a_task_that_stays_missing_ends(harness: PollHarness):
    task = await harness.claim()
    for _ in range(2):
        harness.clock.advance(100)
        task = (await harness.poll(task, MISSING)).task

    assert (await harness.task()).status is TaskStatus.NOT_FOUND
    assert (task.status, task.next_poll_at) == (TaskStatus.NOT_FOUND, None)


async def test_a_look_that_another_has_overtaken_is_not_written(harness: PollHarness):
    late = await harness.claim()
    harness.clock.advance(61)
    first = await harness.poll(await harness.claim(), snapshot(progress=10.0))
    harness.rings.clear()

    look = await harness.poll(late, SUCCEEDED)

    assert (look.is_written, look.is_superseded) == (False, True)
    task = await harness.task()
    assert (task.status, task.snapshot) == (TaskStatus.RUNNING, first.task.snapshot)
    assert harness.rings == []


async def test_a_task_that_was_stopped_meanwhile_is_not_looked_at_again(harness: PollHarness):
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


async def test_what_another_has_seen_already_is_not_learned_again(harness: PollHarness):
    late = (await harness.poll(await harness.claim(), snapshot())).task
    harness.clock.advance(61)
    await harness.poll(late, SUCCEEDED)

    look = await harness.poll(late, SUCCEEDED)

    assert look.is_superseded
    assert harness.learned(late) == 1


async def test_a_look_that_learns_nothing_still_teaches_that_the_task_lives(harness: PollHarness):
    task = (await harness.poll(await harness.claim(), snapshot())).task
    harness.clock.advance(60)

    await harness.poll(task, snapshot())

    assert sum(harness.estimates.table(task).to_plain()["at_risk_s"]) == pytest.approx(60)


async def test_what_is_no_provider_error_goes_up(harness: PollHarness):
    with pytest.raises(ZeroDivisionError):
        await harness.poll(await harness.claim(), ZeroDivisionError())


async def test_ages_by_another_correction_of_the_clock_are_written_though_nothing_is_told(
    harness: PollHarness,
):
    first = await harness.poll(await harness.claim(), snapshot(clock_ahead_s=7200.0, submitted_at=NOON))
    harness.rings.clear()
    harness.clock.advance(15)

    await harness.poll(first.task, snapshot(submitted_at=NOON))

    stored = (await harness.task()).snapshot
    assert stored is not None
    assert stored.clock_ahead_s == 0
    assert harness.rings == []


async def test_how_long_nothing_changes_is_written_though_nothing_is_told(harness: PollHarness):
    first = await harness.poll(await harness.claim(), snapshot())
    harness.clock.advance(3600)

    await harness.poll(first.task, snapshot())

    assert (await harness.task()).stall is Stall.STUCK
