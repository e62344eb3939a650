import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import pytest
from telegram.ext import JobQueue

from bot.outbox.housekeeping import Housekeeper
from bot.watching.estimate import Estimates
from storage.errors import StoreUnavailable
from storage.models import DeliveryKind, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.store import Store
from tests.contract.store.driver import Driver

Job = Callable[[object], Coroutine[Any, Any, None]]

DAY_S = 86_400


class RecordedJobs(JobQueue[Any]):
    """Runs each job whenever it is told to."""

    def __init__(self) -> None:
        self.enlisted: list[Job] = []

    def run_repeating(self, callback: Any, interval: Any, *_: Any, **__: Any) -> Any:
        self.enlisted.append(callback)

    async def run(self) -> None:
        """Once around."""
        for job in self.enlisted:
            await job(None)


class FullStore(SqliteStore):
    """An archive without room."""

    def __init__(self) -> None:
        """Holds nothing."""

    async def refresh_cards(self, *, older_than: datetime, at: datetime) -> int:
        raise StoreUnavailable("The disk is full.")

    async def prune(self, *, older_than: datetime) -> int:
        raise StoreUnavailable("The disk is full.")

    async def save_learned(self, learned: str) -> None:
        raise StoreUnavailable("The disk is full.")


@pytest.fixture
def jobs() -> RecordedJobs:
    return RecordedJobs()


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)


@pytest.fixture
def rung() -> list[bool]:
    return []


@pytest.fixture
def estimates() -> Estimates:
    return Estimates()


@pytest.fixture(autouse=True)
def _enlisted(driver: Driver, estimates: Estimates, jobs: RecordedJobs, rung: list[bool]) -> None:
    def ring() -> None:
        rung.append(True)

    Housekeeper(driver.store, estimates, clock=lambda: driver.now, ring=ring).enlist(jobs)


async def test_a_card_is_brought_up_to_date_each_minute(driver: Driver, jobs: RecordedJobs, rung: list[bool]):
    watched = await driver.watch()
    await driver.send()
    driver.wait(50)
    await jobs.run()
    assert (await driver.send(), rung) == ([], [])

    driver.wait(10)
    await jobs.run()

    assert rung == [True]
    assert await driver.send() == [(DeliveryKind.CARD, watched.watch.id)]


async def test_what_ended_a_month_ago_is_forgotten(driver: Driver, jobs: RecordedJobs):
    watched = await driver.watch()
    await driver.look(watched.task.id, TaskStatus.FAILED)
    await driver.send()
    driver.wait(29 * DAY_S)
    await jobs.run()
    assert await driver.store.task(watched.task.id)

    driver.wait(2 * DAY_S)
    await jobs.run()

    assert await driver.store.task(watched.task.id) is None


async def test_what_was_learned_is_saved(driver: Driver, estimates: Estimates, jobs: RecordedJobs):
    await driver.watch()
    (claimed,) = await driver.claim_tasks()
    running, _ = driver.seen(claimed, TaskStatus.RUNNING)
    driver.wait(60)
    over, _ = driver.seen(running, TaskStatus.SUCCEEDED)
    estimates.learn(running, over, at=driver.now)

    await jobs.run()

    saved = Estimates.from_json(await driver.store.learned())
    assert saved.table(over).to_plain() == estimates.table(over).to_plain()
    assert saved.table(over).to_plain() != Estimates().table(over).to_plain()


async def test_an_archive_without_room_is_told_and_tried_again(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, logger="bot")
    jobs = RecordedJobs()
    store = FullStore()
    Housekeeper(store, Estimates(), clock=lambda: Driver(store).now, ring=lambda: None).enlist(jobs)

    await jobs.run()

    assert len(caplog.records) == len(jobs.enlisted)
    assert all("The disk is full." in record.message for record in caplog.records)
