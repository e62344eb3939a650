import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from bot.forecast.estimates import Estimates
from bot.maintenance import Housekeeper
from storage.errors import StoreUnavailable
from storage.models import DeliveryKind, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.store import Store
from tests.contract.store.driver import Driver

DAY_S = 86_400
ROUNDS = 3


class Rounds:
    """Sleeps that all end when a test says so."""

    def __init__(self) -> None:
        self._gate = asyncio.Event()
        self._all_asleep = asyncio.Event()
        self._asleep = 0

    async def sleep(self, _: float) -> None:
        """Stand in for asyncio.sleep."""
        self._asleep += 1
        if self._asleep == ROUNDS:
            self._all_asleep.set()
        await self._gate.wait()

    async def turn(self) -> None:
        """Let every round be made once."""
        await self._all_asleep.wait()
        gate, self._gate = self._gate, asyncio.Event()
        self._all_asleep.clear()
        self._asleep = 0
        gate.set()
        await self._all_asleep.wait()


@contextlib.asynccontextmanager
async def keeping_house(
    store: Store,
    estimates: Estimates,
    *,
    clock: Callable[[], datetime],
    ring: Callable[[], None],
    kept_days: float = 30,
) -> AsyncIterator[Rounds]:
    """A housekeeper at work."""
    rounds = Rounds()
    housekeeper = Housekeeper(
        store, estimates, clock=clock, ring=ring, kept=timedelta(days=kept_days), sleep=rounds.sleep
    )
    work = asyncio.create_task(housekeeper.run())
    yield rounds
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


class FullStore(SqliteStore):
    """An archive without room."""

    def __init__(self) -> None:
        """Holds nothing."""

    async def refresh_cards(self, *, older_than: datetime, limit: int, at: datetime) -> int:
        raise StoreUnavailable("The disk is full.")

    async def stop_unchanged(self, *, since_before: datetime, limit: int, at: datetime) -> int:
        raise StoreUnavailable("The disk is full.")

    async def prune(self, *, older_than: datetime, limit: int) -> int:
        raise StoreUnavailable("The disk is full.")

    async def save_estimates(self, learned: str) -> None:
        raise StoreUnavailable("The disk is full.")


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)


@pytest.fixture
def rung() -> list[bool]:
    return []


@pytest.fixture
def estimates() -> Estimates:
    return Estimates()


@pytest.fixture
async def rounds(driver: Driver, estimates: Estimates, rung: list[bool]) -> AsyncIterator[Rounds]:
    def ring() -> None:
        rung.append(True)

    async with keeping_house(driver.store, estimates, clock=lambda: driver.now, ring=ring) as rounds:
        yield rounds


async def test_a_card_is_brought_up_to_date_each_minute(driver: Driver, rounds: Rounds, rung: list[bool]):
    watched = await driver.watch()
    await driver.send()
    driver.wait(50)
    await rounds.turn()
    assert (await driver.send(), rung) == ([], [])

    driver.wait(10)
    await rounds.turn()

    assert rung == [True]
    assert await driver.send() == [(DeliveryKind.CARD, watched.watch.id)]


async def test_cards_that_grow_old_together_are_brought_up_to_date_by_and_by(driver: Driver, rounds: Rounds):
    for chat_id in range(1, 11):
        await driver.watch(chat_id=chat_id)
    await driver.send()
    driver.wait(60)

    await rounds.turn()
    assert len(await driver.send()) == 8
    await rounds.turn()
    assert len(await driver.send()) == 2


async def test_what_ended_a_month_ago_is_forgotten(driver: Driver, rounds: Rounds):
    watched = await driver.watch()
    await driver.look(watched.task.id, TaskStatus.FAILED)
    await driver.send()
    driver.wait(29 * DAY_S)
    await rounds.turn()
    assert await driver.store.task(watched.task.id)

    driver.wait(2 * DAY_S)
    await rounds.turn()

    assert await driver.store.task(watched.task.id) is None


async def test_a_chat_that_was_lost_a_month_ago_is_forgotten(driver: Driver, rounds: Rounds):
    watched = await driver.watch()
    await driver.store.chat_lost(watched.watch.chat_id, "kicked", at=driver.now)
    driver.wait(31 * DAY_S)
    await rounds.turn()
    assert await driver.store.chat(watched.watch.chat_id) is None
    assert await driver.store.task(watched.task.id) is None


async def test_a_task_that_has_not_changed_for_a_month_is_no_longer_watched(
    driver: Driver, rounds: Rounds, rung: list[bool]
):
    watched = await driver.watch()
    await driver.send()
    driver.wait(31 * DAY_S)
    await rounds.turn()
    assert rung
    assert await driver.store.active_watches(watched.watch.chat_id) == []
    assert await driver.send() == [(DeliveryKind.CARD, watched.watch.id)]

    driver.wait(31 * DAY_S)
    for _ in range(2):  # the first ends the pause after what was stopped
        await rounds.turn()
    assert await driver.store.task(watched.task.id) is None


async def test_a_task_is_waited_for_a_week_however_soon_what_has_ended_is_forgotten(driver: Driver):
    watched = await driver.watch()
    async with keeping_house(
        driver.store, Estimates(), clock=lambda: driver.now, ring=lambda: None, kept_days=1
    ) as rounds:
        driver.wait(6 * DAY_S)
        await rounds.turn()
        assert len(await driver.store.active_watches(watched.watch.chat_id)) == 1
        driver.wait(2 * DAY_S)
        await rounds.turn()
    assert await driver.store.active_watches(watched.watch.chat_id) == []


async def test_what_was_learned_is_saved(driver: Driver, estimates: Estimates, rounds: Rounds):
    await driver.watch()
    (claimed,) = await driver.claim_tasks()
    running, _ = driver.seen(claimed, TaskStatus.RUNNING)
    driver.wait(60)
    over, _ = driver.seen(running, TaskStatus.SUCCEEDED)
    estimates.learn(running, over, at=driver.now)

    await rounds.turn()

    saved = Estimates.from_json(await driver.store.load_estimates())
    assert saved.table(over).to_plain() == estimates.table(over).to_plain()
    assert saved.table(over).to_plain() != Estimates().table(over).to_plain()


async def test_what_was_learned_is_saved_at_the_end(driver: Driver, estimates: Estimates):
    async with keeping_house(driver.store, estimates, clock=lambda: driver.now, ring=lambda: None) as rounds:
        await rounds.turn()
        await driver.store.save_estimates("[nothing]")

    assert await driver.store.load_estimates() == estimates.to_json()


async def test_an_archive_without_room_is_told_and_tried_again(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING, logger="bot")
    store = FullStore()

    async with keeping_house(
        store, Estimates(), clock=lambda: Driver(store).now, ring=lambda: None
    ) as rounds:
        for turns in (1, 2):
            await rounds.turn()
            assert len(caplog.records) == ROUNDS * turns

    assert all("The disk is full." in record.message for record in caplog.records)
