"""What people may ask for, over a real archive."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from bot.watching.service import COMMAND_S, Service
from storage.models import Chat, DeliveryKind, TaskStatus, WatchState
from storage.store import Store
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.requests import CHAT, watch_request
from tests.unit.watching.tasks import snapshot


@dataclass
class Desk:
    """A service whose rings are counted; what happens while it waits is a test's to say."""

    store: Store
    clock: FrozenClock
    rings: list[str] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    slept: int = 0

    def __post_init__(self) -> None:
        self.service = Service(
            self.store,
            clock=self.clock,
            ring_clock=lambda: self.rings.append("clock"),
            ring_courier=lambda: self.rings.append("courier"),
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept += 1
        await self.clock.sleep(seconds)
        if self.meanwhile is not None:
            await self.meanwhile()

    async def look(self, status: TaskStatus = TaskStatus.RUNNING) -> None:
        """The clock's loop looks at whatever is due."""
        for task in await self.store.claim_due({"wan": 9, "veo": 9}, at=self.clock(), lease_s=60):
            now = self.clock()
            seen = replace(task, status=status, snapshot=snapshot(status), last_look_at=now, next_look_at=now)
            await self.store.apply(replace(seen, lease_until=None), [])


@pytest.fixture
def desk(store: Store, clock: FrozenClock) -> Desk:
    return Desk(store, clock)


async def test_a_watch_is_on_disk_and_both_loops_are_rung(desk: Desk):
    watched = await desk.service.watch(watch_request())

    assert watched.is_new
    assert desk.rings == ["clock", "courier"]
    assert [found.watch for found in await desk.service.active(CHAT)] == [watched.watch]
    assert watched.task.next_look_at == NOON


async def test_looking_now_waits_for_the_fresh_look(desk: Desk):
    await desk.service.watch(watch_request())
    await desk.look(TaskStatus.QUEUED)
    desk.clock.move(5)
    desk.meanwhile = desk.look

    (found,) = await desk.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert found.task.status is TaskStatus.RUNNING
    assert found.task.last_look_at is not None
    assert found.task.last_look_at > NOON
    assert desk.rings[-1] == "clock"
    assert desk.slept == 1


async def test_looking_now_takes_a_look_that_failed_for_an_answer(desk: Desk):
    await desk.service.watch(watch_request())

    async def fail() -> None:
        for task in await desk.store.claim_due({"wan": 1}, at=desk.clock(), lease_s=60):
            now = desk.clock()
            await desk.store.apply(replace(task, failures=1, last_look_at=now, next_look_at=now), [])

    desk.meanwhile = fail
    (found,) = await desk.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.task.failures, desk.slept) == (1, 1)


async def test_looking_now_waits_no_longer_when_an_earlier_look_brings_the_end(desk: Desk):
    await desk.service.watch(watch_request())
    desk.clock.move(5)

    async def end() -> None:
        for task in await desk.store.claim_due({"wan": 1}, at=desk.clock(), lease_s=60):
            ended = replace(task, status=TaskStatus.SUCCEEDED, last_look_at=NOON, next_look_at=None)
            await desk.store.apply(ended, [])

    desk.meanwhile = end
    (found,) = await desk.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.task.status, desk.slept) == (TaskStatus.SUCCEEDED, 1)


async def test_looking_now_gives_up_after_its_patience(desk: Desk):
    watched = await desk.service.watch(watch_request())

    (found,) = await desk.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert found.task == watched.task
    assert COMMAND_S <= (desk.clock() - NOON).total_seconds() <= COMMAND_S * 1.1


async def test_looking_at_several_is_no_more_patient_than_at_one(desk: Desk):
    await desk.service.watch(watch_request())
    await desk.service.watch(watch_request(provider="veo"))
    await desk.service.watch(watch_request("t2"))

    found = await desk.service.poll_now(CHAT, ["t1", "t2", "t3"], thread_id=None)

    assert len(found) == 3
    assert (desk.clock() - NOON).total_seconds() <= COMMAND_S * 1.1


async def test_a_final_task_is_answered_at_once(desk: Desk):
    await desk.service.watch(watch_request())
    await desk.look(TaskStatus.SUCCEEDED)

    (found,) = await desk.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.task.status, desk.slept) == (TaskStatus.SUCCEEDED, 0)


async def test_a_stopped_watch_is_answered_at_once_and_asks_nobody(desk: Desk):
    await desk.service.watch(watch_request())
    await desk.service.stop(CHAT, ["t1"], thread_id=None)

    (found,) = await desk.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.watch.state, desk.slept) == (WatchState.STOPPED, 0)
    assert found.task.next_look_at is None


async def test_an_id_that_is_not_watched_here_is_nothing(desk: Desk):
    await desk.service.watch(watch_request(chat_id=2))

    assert await desk.service.poll_now(CHAT, ["t1"], thread_id=None) == []
    assert await desk.service.stop(CHAT, ["t1"], thread_id=None) == []
    assert len(await desk.service.active(2)) == 1


async def test_a_topics_own_watch_is_meant_first(desk: Desk):
    await desk.service.watch(watch_request())
    mine = await desk.service.watch(watch_request(thread_id=5))

    stopped = await desk.service.stop(CHAT, ["t1"], thread_id=5)

    assert [found.watch.id for found in stopped] == [mine.watch.id]
    assert [found.watch.thread_id for found in await desk.service.active(CHAT)] == [None]


async def test_a_topic_without_one_means_the_chats(desk: Desk):
    for topic in (None, 5):
        await desk.service.watch(watch_request(thread_id=topic))

    stopped = await desk.service.stop(CHAT, ["t1"], thread_id=6)

    assert {found.watch.thread_id for found in stopped} == {None, 5}
    assert await desk.service.active(CHAT) == []


async def test_a_watch_is_stopped_once(desk: Desk):
    await desk.service.watch(watch_request())

    assert len(await desk.service.stop(CHAT, ["t1"], thread_id=None)) == 1
    assert await desk.service.stop(CHAT, ["t1"], thread_id=None) == []


async def test_stopping_rings_for_the_card_that_says_so(desk: Desk):
    await desk.service.watch(watch_request())
    desk.rings.clear()

    await desk.service.stop(CHAT, ["t1"], thread_id=None)

    assert "courier" in desk.rings
    (outgoing,) = await desk.store.claim_deliveries(9, at=NOON, lease_s=60)
    assert (outgoing.delivery.kind, outgoing.watch.state) == (DeliveryKind.CARD, WatchState.STOPPED)


async def test_a_chats_language_is_remembered(desk: Desk):
    assert await desk.service.language_of(CHAT) is None

    await desk.service.remember_chat(Chat(id=CHAT, title="Films", language="zh"))

    assert await desk.service.language_of(CHAT) == "zh"


async def test_the_watches_of_a_lost_chat_go_on_when_it_is_found(desk: Desk):
    await desk.service.remember_chat(Chat(id=CHAT, title="Films"))
    await desk.service.watch(watch_request())

    await desk.service.chat_lost(CHAT, "kicked")
    assert await desk.service.active(CHAT) == []
    assert (await desk.service.stats()).watches["parked"] == 1

    desk.rings.clear()
    await desk.service.chat_found(CHAT)
    assert len(await desk.service.active(CHAT)) == 1
    assert desk.rings == ["clock", "courier"]


async def test_a_migrated_chat_takes_its_watches_along(desk: Desk):
    await desk.service.watch(watch_request())
    desk.rings.clear()

    await desk.service.migrate_chat(CHAT, -1001)

    assert await desk.service.active(CHAT) == []
    assert len(await desk.service.active(-1001)) == 1
    assert desk.rings == ["courier"]
