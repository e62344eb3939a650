"""The use cases, with a real store."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from bot.watching.service import COMMAND_S, Service
from storage.models import Chat, DeliveryKind, TaskStatus
from storage.store import Store
from storage.watches import WatchedTask, WatchRequest, WatchState
from tests.contract.store.driver import of_watches
from tests.fakes.clock import NOON, FrozenClock
from tests.fakes.requests import CHAT, watch_request
from tests.unit.watching.tasks import snapshot


@dataclass
class PollHarness:
    """A service whose notifications are counted; tests define what happens while it waits."""

    store: Store
    clock: FrozenClock
    notifications: list[str] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    slept: int = 0

    def __post_init__(self) -> None:
        self.service = Service(
            self.store,
            clock=self.clock,
            notify_polling=lambda: self.notifications.append("polling"),
            notify_delivery=lambda: self.notifications.append("delivery"),
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept += 1
        await self.clock.sleep(seconds)
        if self.meanwhile is not None:
            await self.meanwhile()

    async def watch(self, request: WatchRequest) -> WatchedTask:
        """A user names one task."""
        [watched] = (await self.service.watch_all([request])).watched
        return watched

    async def poll(self, status: TaskStatus = TaskStatus.RUNNING) -> None:
        """Poll the due tasks, as the polling loop does."""
        for task in await self.store.claim_due({"wan": 9, "veo": 9}, at=self.clock(), lease_s=60):
            now = self.clock()
            seen = replace(task, status=status, snapshot=snapshot(status), last_poll_at=now, next_poll_at=now)
            await self.store.apply(replace(seen, lease_until=None), [])


@pytest.fixture
def harness(store: Store, clock: FrozenClock) -> PollHarness:
    return PollHarness(store, clock)


async def stop(harness: PollHarness, *, thread_id: int | None) -> list[WatchedTask]:
    active = await harness.service.active_of_ids(CHAT, ["t1"], thread_id=thread_id)
    return await harness.service.stop(active, by="Bob")


async def test_a_watch_is_on_disk_and_both_loops_are_notified(harness: PollHarness):
    watched = await harness.watch(watch_request())

    assert watched.is_new
    assert harness.notifications == ["polling", "delivery"]
    assert [found.watch for found in await harness.service.active(CHAT)] == [watched.watch]
    assert watched.task.next_poll_at == NOON


async def test_poll_now_waits_for_the_fresh_poll(harness: PollHarness):
    await harness.watch(watch_request())
    await harness.poll(TaskStatus.QUEUED)
    harness.clock.advance(5)
    harness.meanwhile = harness.poll

    (found,) = await harness.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert found.task.status is TaskStatus.RUNNING
    assert found.task.last_poll_at is not None
    assert found.task.last_poll_at > NOON
    assert harness.notifications[-1] == "polling"
    assert harness.slept == 1


async def test_poll_now_accepts_a_failed_poll(harness: PollHarness):
    await harness.watch(watch_request())

    async def fail() -> None:
        for task in await harness.store.claim_due({"wan": 1}, at=harness.clock(), lease_s=60):
            now = harness.clock()
            await harness.store.apply(replace(task, failures=1, last_poll_at=now, next_poll_at=now), [])

    harness.meanwhile = fail
    (found,) = await harness.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.task.failures, harness.slept) == (1, 1)


async def test_poll_now_returns_when_an_earlier_poll_brings_the_end(harness: PollHarness):
    await harness.watch(watch_request())
    harness.clock.advance(5)

    async def end() -> None:
        for task in await harness.store.claim_due({"wan": 1}, at=harness.clock(), lease_s=60):
            ended = replace(task, status=TaskStatus.SUCCEEDED, last_poll_at=NOON, next_poll_at=None)
            await harness.store.apply(ended, [])

    harness.meanwhile = end
    (found,) = await harness.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.task.status, harness.slept) == (TaskStatus.SUCCEEDED, 1)


async def test_poll_now_returns_after_its_timeout(harness: PollHarness):
    watched = await harness.watch(watch_request())

    (found,) = await harness.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert found.task == watched.task
    assert COMMAND_S <= (harness.clock() - NOON).total_seconds() <= COMMAND_S * 1.1


async def test_poll_now_has_one_timeout_for_several_tasks(harness: PollHarness):
    await harness.watch(watch_request())
    await harness.watch(watch_request(provider="veo"))
    await harness.watch(watch_request("t2"))

    found = await harness.service.poll_now(CHAT, ["t1", "t2", "t3"], thread_id=None)

    assert len(found) == 3
    assert (harness.clock() - NOON).total_seconds() <= COMMAND_S * 1.1


async def test_a_final_task_is_returned_at_once(harness: PollHarness):
    await harness.watch(watch_request())
    await harness.poll(TaskStatus.SUCCEEDED)

    (found,) = await harness.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.task.status, harness.slept) == (TaskStatus.SUCCEEDED, 0)


async def test_a_stopped_watch_is_returned_at_once_without_a_poll(harness: PollHarness):
    await harness.watch(watch_request())
    await stop(harness, thread_id=None)

    (found,) = await harness.service.poll_now(CHAT, ["t1"], thread_id=None)

    assert (found.watch.state, harness.slept) == (WatchState.STOPPED, 0)
    assert found.task.next_poll_at is None


async def test_an_id_that_is_not_watched_here_is_left_out(harness: PollHarness):
    await harness.watch(watch_request(chat_id=2))

    assert await harness.service.poll_now(CHAT, ["t1"], thread_id=None) == []
    assert await stop(harness, thread_id=None) == []
    assert len(await harness.service.active(2)) == 1


async def test_a_topics_own_watch_is_meant_first(harness: PollHarness):
    await harness.watch(watch_request())
    mine = await harness.watch(watch_request(thread_id=5))

    stopped = await stop(harness, thread_id=5)

    assert [found.watch.id for found in stopped] == [mine.watch.id]
    assert [found.watch.thread_id for found in await harness.service.active(CHAT)] == [None]


async def test_a_topic_without_one_means_the_chats(harness: PollHarness):
    for topic in (None, 5):
        await harness.watch(watch_request(thread_id=topic))

    stopped = await stop(harness, thread_id=6)

    assert {found.watch.thread_id for found in stopped} == {None, 5}
    assert await harness.service.active(CHAT) == []


async def test_a_watch_is_stopped_once(harness: PollHarness):
    await harness.watch(watch_request())

    active = await harness.service.active_of_ids(CHAT, ["t1"], thread_id=None)

    assert len(await harness.service.stop(active, by=None)) == 1
    assert await harness.service.stop(active, by=None) == []
    assert await stop(harness, thread_id=None) == []


@pytest.mark.parametrize(("name", "stored"), [("B" * 99, "B" * 64), ("\ud800", "?"), ("", ""), (None, None)])
async def test_the_name_of_who_stopped_a_watch_is_stored_bounded(
    harness: PollHarness, name: str | None, stored: str | None
):
    watched = await harness.watch(watch_request())

    await harness.service.stop([watched], by=name)

    found = await harness.service.watched(watched.watch.id, CHAT)
    assert found is not None
    assert found.watch.stopped_by == stored


async def test_the_name_of_who_asked_is_stored_bounded(harness: PollHarness, store: Store):
    request = replace(watch_request(), user_name="\ud83d" + "x" * 100)
    await harness.service.watch_all([request])

    [watched] = await store.active_watches(CHAT)
    assert watched.watch.user_name == "?" + "x" * 63


async def test_stopping_notifies_the_delivery_worker(harness: PollHarness):
    await harness.watch(watch_request())
    harness.notifications.clear()

    await stop(harness, thread_id=None)

    assert "delivery" in harness.notifications
    (outgoing,) = of_watches(await harness.store.claim_deliveries(9, at=NOON, lease_s=60))
    assert (outgoing.delivery.kind, outgoing.watch.state) == (DeliveryKind.CARD, WatchState.STOPPED)


async def test_a_chats_language_is_remembered(harness: PollHarness):
    assert await harness.service.language_of(CHAT) is None

    await harness.service.remember_chat(Chat(id=CHAT, title="Films", language="zh"))

    assert await harness.service.language_of(CHAT) == "zh"


async def test_the_watches_of_a_lost_chat_go_on_when_it_is_found(harness: PollHarness):
    await harness.service.remember_chat(Chat(id=CHAT, title="Films"))
    await harness.watch(watch_request())

    await harness.service.chat_lost(CHAT, "kicked")
    assert await harness.service.active(CHAT) == []
    assert (await harness.service.stats()).watches["suspended"] == 1

    harness.notifications.clear()
    await harness.service.chat_found(CHAT)
    assert len(await harness.service.active(CHAT)) == 1
    assert harness.notifications == ["polling", "delivery"]


async def test_a_migrated_chat_takes_its_watches_along(harness: PollHarness):
    await harness.watch(watch_request())
    harness.notifications.clear()

    await harness.service.migrate_chat(CHAT, -1001)

    assert await harness.service.active(CHAT) == []
    assert len(await harness.service.active(-1001)) == 1
    assert harness.notifications == ["delivery"]
