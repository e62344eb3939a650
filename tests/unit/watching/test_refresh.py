"""One look at one task, written into a real archive."""

from dataclasses import dataclass, field

import pytest

from bot.providers.base import ProviderError
from bot.watching.cadence import Cadence
from bot.watching.refresh import Refresher
from storage.errors import StoreError
from storage.models import DeliveryKind, Task, TaskStatus
from storage.store import Store
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.provider import Answer, ScriptedProvider
from tests.fakes.requests import watch_request
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, snapshot

PACE_S = 15.0


@dataclass
class Desk:
    """A refresher over an archive with one watched task."""

    store: Store
    clock: FrozenClock
    rings: list[None] = field(default_factory=list)

    async def claim(self) -> Task:
        """The watched task, leased."""
        (task,) = await self.store.claim_due({"wan": 1}, at=self.clock(), lease_s=60)
        return task

    async def look(self, task: Task, answer: Answer) -> ProviderError | None:
        """One look that gets this answer."""
        refresher = Refresher(
            self.store, Cadence(pace_s=PACE_S), clock=self.clock, ring=lambda: self.rings.append(None)
        )
        return await refresher.look(task, ScriptedProvider({"t1": [answer]}))

    async def sent(self) -> set[DeliveryKind]:
        """What there is to send."""
        found = await self.store.claim_deliveries(10, at=self.clock(), lease_s=60)
        return {outgoing.delivery.kind for outgoing in found}

    async def task(self) -> Task:
        """The task as the archive knows it."""
        task = await self.store.task(1)
        assert task is not None
        return task


@pytest.fixture
async def desk(store: Store, clock: FrozenClock) -> Desk:
    await store.add_watch(watch_request(), at=NOON)
    return Desk(store, clock)


async def test_what_the_gateway_says_is_written_with_the_next_look(desk: Desk):
    said = snapshot(progress=40.0)

    error = await desk.look(await desk.claim(), said)

    task = await desk.task()
    assert error is None
    assert (task.status, task.snapshot, task.last_look_at) == (TaskStatus.RUNNING, said, NOON)
    assert task.next_look_at is not None
    assert (task.next_look_at - NOON).total_seconds() == PACE_S
    assert task.lease_until is None


async def test_news_rings_for_the_courier(desk: Desk):
    await desk.look(await desk.claim(), snapshot(TaskStatus.SUCCEEDED))

    assert len(desk.rings) == 1
    assert DeliveryKind.RESULT in await desk.sent()
    assert (await desk.task()).next_look_at is None


@pytest.mark.parametrize("answer", [snapshot(), AWAY], ids=["the same", "a blip"])
async def test_a_look_without_news_rings_for_nobody(desk: Desk, answer: Answer):
    await desk.look(await desk.claim(), snapshot())
    desk.rings.clear()
    desk.clock.move(PACE_S)

    await desk.look(await desk.claim(), answer)

    assert desk.rings == []


async def test_a_failed_look_is_written_and_handed_back(desk: Desk):
    error = await desk.look(await desk.claim(), BAD_KEY)

    task = await desk.task()
    assert error is BAD_KEY
    assert (task.status, task.failures, task.last_look_at) == (TaskStatus.UNKNOWN, 1, NOON)
    assert task.trouble is not None
    assert (task.trouble.cause, task.trouble.message) == (BAD_KEY.cause, "invalid key")
    assert task.next_look_at is not None
    assert task.next_look_at > NOON
    assert DeliveryKind.NOTICE in await desk.sent()


async def test_a_task_that_stays_missing_ends(desk: Desk):
    desk.clock.move(120)
    await desk.look(await desk.claim(), MISSING)
    desk.clock.move(5)
    await desk.look(await desk.claim(), MISSING)

    task = await desk.task()
    assert (task.status, task.next_look_at) == (TaskStatus.NOT_FOUND, None)


async def test_a_look_that_another_has_overtaken_is_not_written(desk: Desk):
    late = await desk.claim()
    desk.clock.move(61)
    await desk.look(await desk.claim(), snapshot(TaskStatus.SUCCEEDED))
    desk.rings.clear()

    await desk.look(late, snapshot(progress=10.0))

    task = await desk.task()
    assert (task.status, task.snapshot) == (TaskStatus.SUCCEEDED, snapshot(TaskStatus.SUCCEEDED))
    assert desk.rings == []


async def test_a_task_that_was_stopped_meanwhile_is_not_looked_at_again(desk: Desk):
    task = await desk.claim()
    await desk.store.stop_watch(1, at=desk.clock())

    await desk.look(task, snapshot())

    assert (await desk.task()).next_look_at is None


async def test_an_archive_that_fails_is_told_to_the_caller(desk: Desk):
    task = await desk.claim()
    await desk.store.close()

    with pytest.raises(StoreError):
        await desk.look(task, snapshot())


async def test_what_is_no_provider_error_goes_up(desk: Desk):
    with pytest.raises(ZeroDivisionError):
        await desk.look(await desk.claim(), ZeroDivisionError())
