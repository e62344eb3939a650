"""One look at one task, written into a real archive."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.watching.cadence import Cadence
from bot.watching.estimate import Estimates
from bot.watching.refresh import Look, Refresher
from storage.errors import StoreError
from storage.models import DeliveryKind, Stall, Task, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.provider import Answer, ScriptedProvider
from tests.fakes.requests import watch_request
from tests.fakes.store import BrittleStore
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, snapshot

SUCCEEDED = snapshot(TaskStatus.SUCCEEDED)


@dataclass
class Desk:
    """A refresher over an archive with one watched task."""

    store: BrittleStore
    clock: FrozenClock
    rings: list[None] = field(default_factory=list)
    estimates: Estimates = field(default_factory=Estimates)

    async def claim(self) -> Task:
        """The watched task, leased."""
        (task,) = await self.store.claim_due({"wan": 1}, at=self.clock(), lease_s=60)
        return task

    async def look(self, task: Task, answer: Answer, *, is_owed: bool = False) -> Look:
        """One look that gets this answer; is_owed: somebody waits for it."""
        refresher = Refresher(
            self.store, Cadence(), self.estimates, clock=self.clock, ring=lambda: self.rings.append(None)
        )
        return await refresher.look(task, ScriptedProvider({"t1": [answer]}), is_owed=lambda: is_owed)

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
async def desk(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Desk]:
    store = await BrittleStore.open(tmp_path / "reelwatch.db")
    await store.add_watch(watch_request(), at=NOON)
    yield Desk(store, clock)
    await store.close()


async def test_news_is_written_with_the_next_look(desk: Desk):
    said = snapshot(progress=40.0)

    look = await desk.look(await desk.claim(), said)

    assert (look.error, look.is_written, look.is_overtaken) == (None, True, False)
    assert look.task == await desk.task()
    assert (look.task.status, look.task.snapshot, look.task.last_look_at) == (TaskStatus.RUNNING, said, NOON)
    assert look.task.next_look_at is not None
    assert look.task.next_look_at > NOON


async def test_the_end_rings_for_the_courier_and_leaves_no_next_look(desk: Desk):
    look = await desk.look(await desk.claim(), SUCCEEDED)

    assert len(desk.rings) == 1
    assert DeliveryKind.RESULT in await desk.sent()
    assert (look.task.next_look_at, (await desk.task()).next_look_at) == (None, None)


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_look_without_news_is_kept_in_memory_alone(desk: Desk, answer: Answer):
    first = await desk.look(await desk.claim(), snapshot())
    desk.rings.clear()
    desk.clock.move(15)

    look = await desk.look(first.task, answer)

    assert not look.is_written
    assert look.task.version == first.task.version
    assert look.task.last_look_at == desk.clock()
    assert look.task.next_look_at is not None
    assert look.task.next_look_at > desk.clock()
    assert await desk.task() == first.task
    assert desk.rings == []


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_look_that_somebody_waits_for_is_written_without_news_too(desk: Desk, answer: Answer):
    first = await desk.look(await desk.claim(), snapshot())
    desk.rings.clear()
    desk.clock.move(15)

    look = await desk.look(first.task, answer, is_owed=True)

    assert look.is_written
    assert await desk.task() == look.task
    assert look.task.last_look_at == desk.clock()
    assert desk.rings == []


async def test_looks_that_were_not_written_count_when_the_next_one_is(desk: Desk):
    task = (await desk.look(await desk.claim(), snapshot())).task
    for _ in range(2):
        task = (await desk.look(task, AWAY)).task
    assert (await desk.task()).failures == 0

    await desk.look(task, AWAY)

    assert (await desk.task()).failures == 3
    assert DeliveryKind.CARD in await desk.sent()


async def test_a_failed_look_that_people_must_hear_of_is_written(desk: Desk):
    look = await desk.look(await desk.claim(), BAD_KEY)

    assert look.error is BAD_KEY
    assert look.task == await desk.task()
    assert (look.task.status, look.task.failures, look.task.last_look_at) == (TaskStatus.UNKNOWN, 1, NOON)
    assert look.task.trouble is not None
    assert (look.task.trouble.cause, look.task.trouble.message) == (BAD_KEY.cause, "invalid key")
    assert DeliveryKind.NOTICE in await desk.sent()


async def test_a_task_that_stays_missing_ends(desk: Desk):
    task = await desk.claim()
    for _ in range(2):
        desk.clock.move(100)
        task = (await desk.look(task, MISSING)).task

    assert (await desk.task()).status is TaskStatus.NOT_FOUND
    assert (task.status, task.next_look_at) == (TaskStatus.NOT_FOUND, None)


async def test_a_look_that_another_has_overtaken_is_not_written(desk: Desk):
    late = await desk.claim()
    desk.clock.move(61)
    first = await desk.look(await desk.claim(), snapshot(progress=10.0))
    desk.rings.clear()

    look = await desk.look(late, SUCCEEDED)

    assert (look.is_written, look.is_overtaken) == (False, True)
    task = await desk.task()
    assert (task.status, task.snapshot) == (TaskStatus.RUNNING, first.task.snapshot)
    assert desk.rings == []


async def test_a_task_that_was_stopped_meanwhile_is_not_looked_at_again(desk: Desk):
    task = await desk.claim()
    await desk.store.stop_watch(1, at=desk.clock())

    await desk.look(task, snapshot())

    assert (await desk.task()).next_look_at is None


async def test_an_end_is_learned_from_however_often_it_takes_to_write_it(desk: Desk):
    task = (await desk.look(await desk.claim(), snapshot())).task
    desk.clock.move(60)
    desk.store.broken = True
    for _ in range(5):
        with pytest.raises(StoreError):
            await desk.look(task, SUCCEEDED)
    assert desk.learned(task) == 0

    desk.store.broken = False
    await desk.look(task, SUCCEEDED)

    assert desk.learned(task) == 1


async def test_what_another_has_seen_already_is_not_learned_again(desk: Desk):
    late = (await desk.look(await desk.claim(), snapshot())).task
    desk.clock.move(61)
    await desk.look(late, SUCCEEDED)

    look = await desk.look(late, SUCCEEDED)

    assert look.is_overtaken
    assert desk.learned(late) == 1


async def test_a_look_that_learns_nothing_still_teaches_that_the_task_lives(desk: Desk):
    task = (await desk.look(await desk.claim(), snapshot())).task
    desk.clock.move(60)

    await desk.look(task, snapshot())

    assert sum(desk.estimates.table(task).to_plain()["at_risk_s"]) == pytest.approx(60)


async def test_what_is_no_provider_error_goes_up(desk: Desk):
    with pytest.raises(ZeroDivisionError):
        await desk.look(await desk.claim(), ZeroDivisionError())


async def test_ages_by_another_correction_of_the_clock_are_written_though_nothing_is_told(desk: Desk):
    first = await desk.look(await desk.claim(), snapshot(clock_ahead_s=7200.0, submitted_at=NOON))
    desk.rings.clear()
    desk.clock.move(15)

    await desk.look(first.task, snapshot(submitted_at=NOON))

    stored = (await desk.task()).snapshot
    assert stored is not None
    assert stored.clock_ahead_s == 0
    assert desk.rings == []


async def test_how_long_nothing_changes_is_written_though_nothing_is_told(desk: Desk):
    first = await desk.look(await desk.claim(), snapshot())
    desk.clock.move(3600)

    await desk.look(first.task, snapshot())

    assert (await desk.task()).stall is Stall.STUCK
