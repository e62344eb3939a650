"""Two stores that write at the same moment lose nothing: no result, no poll, no watch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from storage.models import DeliveryKind, Task, TaskStatus
from storage.outbox import WatchDelivery
from tests.contract.store.driver import LEASE_S, Driver
from tests.contract.store.engines import Engine

ROUNDS = 3  # of each pair
WATCHED_TOO = 1_000_000  # added to a chat's id: the chat that watches the same task later
MIGRATED = 2_000_000  # added to a chat's id: its supergroup


@dataclass(kw_only=True)
class Case:
    """A running task that was claimed, and the card of the chat that watches it, claimed as well."""

    task: Task
    card: WatchDelivery
    applied: int = 0  # polls that ended it
    is_watched_too: bool = False

    @property
    def chat_id(self) -> int:
        return self.card.watch.chat_id


Verb = Callable[[Driver, Case], Awaitable[object]]


async def end(driver: Driver, case: Case) -> None:
    case.applied += await driver.store.apply(*driver.polled(case.task, TaskStatus.SUCCEEDED))


async def progress(driver: Driver, case: Case) -> None:
    await driver.store.apply(*driver.polled(case.task, TaskStatus.RUNNING))


async def watch_too(driver: Driver, case: Case) -> None:
    await driver.watch(case.task.ref.external_id, chat_id=case.chat_id + WATCHED_TOO)
    case.is_watched_too = True


async def watch_again(driver: Driver, case: Case) -> None:
    await driver.watch(case.task.ref.external_id, chat_id=case.chat_id, message_id=99)


async def stop(driver: Driver, case: Case) -> None:
    await driver.store.stop_watch(case.card.watch.id, at=driver.now)


async def forget(driver: Driver, case: Case) -> None:
    await driver.store.stop_watch(case.card.watch.id, at=driver.now)
    await driver.store.prune(older_than=driver.later(1), limit=100)


async def request_poll(driver: Driver, case: Case) -> None:
    await driver.store.request_poll(case.task.id, at=driver.now)


async def renew(driver: Driver, case: Case) -> None:
    await driver.store.renew_tasks([case.task], at=driver.now, lease_s=LEASE_S)
    await driver.store.take_poll_requests()


async def lose_chat(driver: Driver, case: Case) -> None:
    await driver.store.chat_lost(case.chat_id, "blocked", at=driver.now)


async def find_chat(driver: Driver, case: Case) -> None:
    await driver.store.chat_lost(case.chat_id, "blocked", at=driver.now)
    await driver.store.chat_found(case.chat_id, at=driver.now)


async def migrate(driver: Driver, case: Case) -> None:
    await driver.store.migrate_chat(case.chat_id, case.chat_id + MIGRATED, at=driver.now)


async def show_card(driver: Driver, case: Case) -> None:
    await driver.settle(case.card, message_id=5, digest="shown")


async def deliver(driver: Driver, case: Case) -> None:
    await driver.claim_tasks()
    for outgoing in await driver.claim_round():
        await driver.settle(outgoing, message_id=6, digest="shown")


VERBS: tuple[Verb, ...] = (
    end,
    progress,
    watch_too,
    watch_again,
    stop,
    forget,
    request_poll,
    renew,
    lose_chat,
    find_chat,
    migrate,
    show_card,
    deliver,
)


@pytest_asyncio.fixture(loop_scope="module")
async def drivers(engine: Engine) -> AsyncIterator[tuple[Driver, Driver]]:
    """Two stores on one database."""
    await engine.clear()
    one, two = await engine.open(), await engine.open()
    yield Driver(one), Driver(two)
    await two.close()
    await one.close()


async def begin(driver: Driver, number: int) -> list[Case]:
    """As many cases as rounds; number: of the pair."""
    for chat_id in range(number * ROUNDS + 1, (number + 1) * ROUNDS + 1):
        await driver.watch(f"t{chat_id}", chat_id=chat_id)
    tasks = {task.id: task for task in await driver.claim_tasks()}  # and those that nobody watches any more
    cards = await driver.claim_round()
    assert len(cards) == ROUNDS
    return [Case(task=tasks[card.task.id], card=card) for card in cards]


async def check(driver: Driver, case: Case, results: set[int]) -> None:
    """results: the watches whose result is still to be sent."""
    assert case.applied <= 1
    watched = {
        one.watch.chat_id: one
        for chat_id in (case.chat_id, case.chat_id + WATCHED_TOO, case.chat_id + MIGRATED)
        for one in await driver.store.active_watches(chat_id)
    }
    for one in watched.values():
        if one.task.status.is_final:
            assert one.watch.id in results
        else:
            assert one.task.next_poll_at is not None
    if case.is_watched_too:
        known = await driver.store.watches_of(case.chat_id + WATCHED_TOO, case.task.ref.external_id)
        assert len(known) == 1


@pytest.mark.parametrize("first", VERBS, ids=lambda verb: verb.__name__)
async def test_two_stores_that_write_at_once_lose_nothing(drivers: tuple[Driver, Driver], first: Verb):
    one, two = drivers
    for number, second in enumerate(VERBS[VERBS.index(first) :]):
        cases = await begin(one, number)
        for case in cases:
            await asyncio.gather(first(one, case), second(two, case))

        one.advance(LEASE_S)  # whatever is claimed can be claimed again
        claimed = await one.claim(1000)
        results = [each.watch.id for each in claimed if each.delivery.kind is DeliveryKind.RESULT]
        assert len(results) == len(set(results))
        for case in cases:
            await check(one, case, set(results))
        await one.store.stop_all_but([], at=one.now)
        one.advance(LEASE_S)
        two.now = one.now
