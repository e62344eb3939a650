import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from bot.forecast.estimates import Estimates
from bot.maintenance import Housekeeper
from bot.telemetry import Telemetry
from storage.errors import StoreUnavailable
from storage.models import DeliveryKind, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.store import Store
from tests.contract.store.driver import Driver
from tests.fakes.log_lines import json_lines

DAY_S = 86_400
JOBS = 2


class FakeSleep(Telemetry):
    """A fake sleep() for all jobs, which a test ends."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = asyncio.Event()
        self._all_asleep = asyncio.Event()
        self._asleep = 0

    async def sleep(self, loop: str, seconds: float) -> None:
        """Sleep until the test ends it, however long that is."""
        self._asleep += 1
        if self._asleep == JOBS:
            self._all_asleep.set()
        await self._gate.wait()

    async def run_once(self) -> None:
        """Let every job run once."""
        await self._all_asleep.wait()
        gate, self._gate = self._gate, asyncio.Event()
        self._all_asleep.clear()
        self._asleep = 0
        gate.set()
        await self._all_asleep.wait()


@contextlib.asynccontextmanager
async def housekeeping(
    store: Store,
    estimates: Estimates,
    *,
    clock: Callable[[], datetime],
    notify: Callable[[], None],
    kept_days: float = 30,
) -> AsyncIterator[FakeSleep]:
    """Run a housekeeper."""
    jobs = FakeSleep()
    housekeeper = Housekeeper(
        store,
        estimates,
        clock=clock,
        notify=notify,
        kept=timedelta(days=kept_days),
        telemetry=jobs,
    )
    work = asyncio.create_task(housekeeper.run())
    yield jobs
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


class FullStore(SqliteStore):
    """A store on a full disk."""

    def __init__(self) -> None:
        """Open no database."""
        self.calls = 0

    async def stop_unchanged(self, *, since_before: datetime, limit: int, at: datetime) -> int:
        raise self._full()

    async def prune(self, *, older_than: datetime, limit: int) -> int:
        raise self._full()

    async def save_estimates(self, learned: str) -> None:
        raise self._full()

    def _full(self) -> StoreUnavailable:
        self.calls += 1
        return StoreUnavailable("The disk is full.")


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)


@pytest.fixture
def notified() -> list[bool]:
    return []


@pytest.fixture
def estimates() -> Estimates:
    return Estimates()


@pytest.fixture
async def jobs(driver: Driver, estimates: Estimates, notified: list[bool]) -> AsyncIterator[FakeSleep]:
    def notify() -> None:
        notified.append(True)

    async with housekeeping(driver.store, estimates, clock=lambda: driver.now, notify=notify) as jobs:
        yield jobs


async def test_tasks_that_ended_a_month_ago_are_pruned(driver: Driver, jobs: FakeSleep):
    watched = await driver.watch()
    await driver.poll(watched.task.id, TaskStatus.FAILED)
    await driver.send()
    driver.advance(29 * DAY_S)
    await jobs.run_once()
    assert await driver.store.task(watched.task.id)

    driver.advance(2 * DAY_S)
    await jobs.run_once()

    assert await driver.store.task(watched.task.id) is None


async def test_a_chat_gone_for_a_month_is_pruned(driver: Driver, jobs: FakeSleep):
    watched = await driver.watch()
    await driver.store.chat_lost(watched.watch.chat_id, "kicked", at=driver.now)
    driver.advance(31 * DAY_S)
    await jobs.run_once()
    assert await driver.store.chat(watched.watch.chat_id) is None
    assert await driver.store.task(watched.task.id) is None


async def test_a_task_unchanged_for_a_month_is_no_longer_watched(
    driver: Driver, jobs: FakeSleep, notified: list[bool]
):
    watched = await driver.watch()
    await driver.send()
    driver.advance(31 * DAY_S)
    await jobs.run_once()
    assert notified
    assert await driver.store.active_watches(watched.watch.chat_id) == []
    assert await driver.send() == [(DeliveryKind.CARD, watched.watch.id)]

    driver.advance(31 * DAY_S)
    for _ in range(2):  # the first ends the pause after the stopped watches
        await jobs.run_once()
    assert await driver.store.task(watched.task.id) is None


async def test_an_unchanged_task_is_watched_for_at_least_a_week(driver: Driver):
    watched = await driver.watch()
    async with housekeeping(
        driver.store, Estimates(), clock=lambda: driver.now, notify=lambda: None, kept_days=1
    ) as jobs:
        driver.advance(6 * DAY_S)
        await jobs.run_once()
        assert len(await driver.store.active_watches(watched.watch.chat_id)) == 1
        driver.advance(2 * DAY_S)
        await jobs.run_once()
    assert await driver.store.active_watches(watched.watch.chat_id) == []


async def test_the_estimates_are_saved(driver: Driver, estimates: Estimates, jobs: FakeSleep):
    await driver.watch()
    (claimed,) = await driver.claim_tasks()
    running, _ = driver.polled(claimed, TaskStatus.RUNNING)
    driver.advance(60)
    over, _ = driver.polled(running, TaskStatus.SUCCEEDED)
    estimates.learn(running, over, at=driver.now)

    await jobs.run_once()

    saved = Estimates.from_json(await driver.store.load_estimates())
    assert saved.table(over).to_plain() == estimates.table(over).to_plain()
    assert saved.table(over).to_plain() != Estimates().table(over).to_plain()


async def test_the_estimates_are_saved_at_the_end(driver: Driver, estimates: Estimates):
    async with housekeeping(driver.store, estimates, clock=lambda: driver.now, notify=lambda: None) as jobs:
        await jobs.run_once()
        await driver.store.save_estimates("[nothing]")

    assert await driver.store.load_estimates() == estimates.to_json()


async def test_a_full_disk_is_logged_once_and_each_job_is_retried(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, logger="bot")
    store = FullStore()

    async with housekeeping(store, Estimates(), clock=lambda: Driver(store).now, notify=lambda: None) as jobs:
        for runs in (1, 2):
            await jobs.run_once()
            assert store.calls == JOBS * runs

    (line,) = json_lines(caplog.records)
    assert (line["event"], line["cause"]) == ("maintenance_failed", "The disk is full.")
