"""In any order of operations, each watch gets its result exactly once."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.watches import WatchState
from tests.contract.store.driver import LEASE_S, Driver
from tests.contract.store.engines import Engine

CHATS = (1, 2, 3)
IDS = ("a", "b")
CHAT = st.sampled_from(CHATS)
STEP = st.one_of(
    st.tuples(st.just("watch"), st.sampled_from(IDS), CHAT, st.sampled_from([None, 9])),
    st.tuples(st.just("stop"), CHAT),
    st.tuples(st.just("poll"), st.sampled_from(IDS), st.sampled_from(TaskStatus)),
    st.tuples(st.just("send"), st.sampled_from([state for state in DeliveryState if state != "sending"])),
    st.tuples(st.just("crash")),
    st.tuples(st.just("lost"), CHAT),
    st.tuples(st.just("found"), CHAT),
    st.tuples(st.just("moved"), CHAT, CHAT),
    st.tuples(st.just("prune")),
    st.tuples(st.just("day")),
)


class Operations:
    """Runs the operations, and counts the results of every watch."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.store = driver.store
        self.begun: Counter[int] = Counter()  # by watch
        self.results: Counter[int] = Counter()  # by watch
        self.versions: dict[int, int] = {}  # by task

    async def watch(self, external_id: str, chat_id: int, thread_id: int | None) -> None:
        watched = await self.driver.watch(external_id, chat_id=chat_id, thread_id=thread_id)
        self.begun[watched.watch.id] += watched.is_new

    async def stop(self, chat_id: int) -> None:
        for one in (await self.store.active_watches(chat_id))[:1]:
            assert await self.store.stop_watch(one.watch.id, at=self.driver.now)

    async def poll(self, external_id: str, status: TaskStatus) -> None:
        for task in await self.driver.claim_tasks():
            assert task.version > self.versions.get(task.id, -1)
            self.versions[task.id] = task.version
            if task.ref.external_id == external_id:
                assert await self.store.apply(*self.driver.polled(task, status, next_s=0))

    async def send(self, state: DeliveryState) -> None:
        claimed = await self.driver.claim()
        assert len({(one.watch.id, one.delivery.kind) for one in claimed}) == len(claimed)
        for one in claimed:
            assert one.watch.state is not WatchState.SUSPENDED
            if one.delivery.kind is DeliveryKind.RESULT:
                assert one.task.status.is_final
                assert one.watch.state is WatchState.ACTIVE
                self.results[one.watch.id] += state is not DeliveryState.PENDING
            await self.driver.settle(one, state, message_id=1, digest="shown")

    async def crash(self) -> None:
        await self.driver.claim_tasks()
        await self.driver.claim()
        self.driver.advance(LEASE_S)

    async def lost(self, chat_id: int) -> None:
        await self.store.chat_lost(chat_id, "blocked", at=self.driver.now)

    async def found(self, chat_id: int) -> None:
        await self.store.chat_found(chat_id, at=self.driver.now)

    async def moved(self, old_id: int, new_id: int) -> None:
        await self.store.migrate_chat(old_id, new_id, at=self.driver.now)

    async def day(self) -> None:
        self.driver.advance(86_401)

    async def prune(self) -> None:
        await self.store.prune(older_than=self.driver.later(-LEASE_S), limit=100)

    async def check(self) -> None:
        """A task has a next poll exactly while it is not final and has an active watch."""
        for chat_id in CHATS:
            for external_id in IDS:
                for one in await self.store.watches_of(chat_id, external_id):
                    waits = one.watch.state is WatchState.ACTIVE and not one.task.status.is_final
                    assert one.task.next_poll_at is not None if waits else True
        assert all(self.results[watch_id] <= times for watch_id, times in self.begun.items())

    async def end(self) -> None:
        """End all tasks: then no watch is active any more."""
        self.driver.advance(LEASE_S)
        for chat_id in CHATS:
            await self.found(chat_id)
        for external_id in IDS:
            self.driver.advance(LEASE_S)
            await self.poll(external_id, TaskStatus.SUCCEEDED)
        for _ in range(3):
            await self.send(DeliveryState.SENT)
        assert await self.store.next_delivery_at() is None
        assert await self.driver.nothing_is_due()
        assert (await self.store.stats()).watches["active"] == 0


async def play(engine: Engine, steps: list[tuple[str, ...]]) -> None:
    await engine.clear()
    store = await engine.open()
    try:
        operations = Operations(Driver(store))
        for name, *arguments in steps:
            await getattr(operations, name)(*arguments)
            await operations.check()
            operations.driver.advance(1)
        await operations.end()
        await operations.check()
    finally:
        await store.close()
        await engine.close()  # which belongs to this event loop


@given(steps=st.lists(STEP, max_size=25))
@settings(max_examples=40, deadline=None)
def test_each_watch_gets_its_result_exactly_once(engine: Engine, steps: list[tuple[str, ...]]):
    asyncio.run(play(engine, steps))
