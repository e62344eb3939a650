"""How many round trips to a PostgreSQL server the operations take that a busy bot needs all the time."""

from collections.abc import AsyncIterator, Awaitable

import pytest

from storage.factory import open_store
from storage.leadership import SoleLeadership
from storage.models import DeliveryKind, DeliveryState, EventKind, StoredFile, TaskStatus
from storage.outbox import Settlement
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from storage.watches import WatchLimits
from tests.contract.store.driver import CHAT, LEASE_S, NOON, Driver
from tests.fakes.clock import FrozenClock
from tests.postgres.recording import RecordingDatabase


class Trips:
    """A store and its round trips."""

    def __init__(self, database: RecordingDatabase) -> None:
        self._database = database
        self.store = PostgresStore(database, leadership=SoleLeadership(), now=FrozenClock())
        self.driver = Driver(self.store)

    async def of(self, operation: Awaitable[object]) -> int:
        """How many round trips an operation takes."""
        self._database.statements.clear()
        await operation
        return len(self._database.statements)


@pytest.fixture
async def trips(postgres_url: str) -> AsyncIterator[Trips]:
    url = PostgresUrl.of(postgres_url)
    leader = await open_store(url)
    await leader.leadership.acquire()  # which migrates
    await leader.close()
    opened = Trips(RecordingDatabase(url))
    yield opened
    await opened.store.close()


async def test_watching_a_new_task_takes_ten(trips: Trips):
    assert await trips.of(trips.driver.watch()) == 9

    limited = trips.driver.watch("t2", limits=WatchLimits(per_chat=50, per_person=25))
    assert await trips.of(limited) == 10


async def test_tasks_are_claimed_and_renewed_in_as_many_however_many_there_are(trips: Trips):
    for number in range(20):
        await trips.driver.watch(f"t{number}", chat_id=CHAT + number, provider="wan" if number % 2 else "veo")

    claim = trips.store.claim_due({"wan": 20, "veo": 20}, at=NOON, lease_s=LEASE_S)
    assert await trips.of(claim) == 5
    leased = await trips.store.tasks(range(1, 21))
    assert await trips.of(trips.store.renew_tasks(leased, at=NOON, lease_s=LEASE_S)) == 4

    none = trips.store.claim_due({"wan": 20, "veo": 20}, at=NOON, lease_s=LEASE_S)
    assert await trips.of(none) == 3


async def test_a_poll_takes_two_more_when_the_task_has_ended(trips: Trips):
    await trips.driver.watch()
    await trips.driver.send()
    [task] = await trips.driver.claim_tasks()

    assert await trips.of(trips.store.apply(task, [])) == 3
    [task] = await trips.store.tasks([task.id])
    news = trips.driver.polled(task, TaskStatus.RUNNING)
    assert await trips.of(trips.store.apply(*news)) == 7
    [task] = await trips.store.tasks([task.id])
    end = trips.driver.polled(task, TaskStatus.SUCCEEDED)
    assert await trips.of(trips.store.apply(*end)) == 9


async def test_a_claim_of_deliveries_takes_as_many_however_many_it_finds(trips: Trips):
    claim = trips.store.claim_deliveries
    assert await trips.of(claim(32, at=NOON, lease_s=LEASE_S)) == 3
    for number in range(20):
        await trips.driver.watch(f"t{number}", chat_id=CHAT + number)

    assert await trips.of(claim(1, at=NOON, lease_s=LEASE_S)) == 7
    assert await trips.of(claim(32, at=NOON, lease_s=LEASE_S)) == 7


async def test_a_delivery_takes_five_to_settle_and_a_result_one_more(trips: Trips):
    await trips.driver.watch()
    card = await trips.driver.claim_one(DeliveryKind.CARD)
    assert await trips.of(trips.store.note_message(card.delivery.id, 5)) == 3
    assert await trips.of(trips.driver.settle(card, message_id=5, digest="shown")) == 5

    await trips.driver.poll(card.task.id, TaskStatus.SUCCEEDED, EventKind.FINISHED)
    result = await trips.driver.claim_one(DeliveryKind.RESULT)
    settlement = Settlement(
        state=DeliveryState.SENT, at=NOON, message_id=6, file=StoredFile(file_id="f", is_video=True)
    )
    assert await trips.of(trips.store.settle(result.delivery.id, settlement)) == 6


async def test_the_figures_take_as_many_however_many_priorities_there_are(trips: Trips):
    assert await trips.of(trips.store.figures()) == 8
