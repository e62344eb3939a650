"""The access lists of two replicas, which share a store."""

import asyncio
from contextlib import suppress
from pathlib import Path

from bot.watching import reloading
from bot.watching.access import Access
from bot.watching.reloading import Reloader
from storage.access import AccessLists, Admin, ChatProfile
from storage.errors import StoreUnavailable
from storage.sqlite.store import SqliteStore
from storage.store import Store
from storage.watches import WatchState
from tests.contract.store.driver import NOON, Driver

ADMIN, ANN, GROUP, SUPERGROUP = 5, 42, -77, -1001


class CountingStore(SqliteStore):
    """Counts the reads of the access lists; while `is_broken`, they fail."""

    reads = 0
    is_broken = False
    has_read = asyncio.Event()

    async def access_lists(self) -> AccessLists:
        self.reads += 1
        self.has_read.set()
        if self.is_broken:
            raise StoreUnavailable("away")
        return await super().access_lists()


def replica(store: Store) -> Access:
    return Access(store, everyone=False, ids=(), admin_ids=(ADMIN,), clock=lambda: NOON)


async def allow(store: Store, chat_id: int) -> None:
    """What another replica does when an admin lets a chat in."""
    profile = ChatProfile(chat_id=chat_id, chat_type="private", title="Ann", language="en")
    await store.request_access(profile, {ADMIN: "en"}, at=NOON)
    assert await store.allow_chat(chat_id, Admin(id=ADMIN, name="Ada"), at=NOON)


async def test_who_is_let_in_and_removed_elsewhere_is_so_here(store: Store):
    access = replica(store)
    reloader = Reloader(access.reload)
    await allow(store, ANN)
    assert not access.allows(ANN, ANN)
    await reloader.reload()
    assert access.allows(ANN, ANN)
    assert access.is_admin(ADMIN)

    await store.remove_chat(ANN, Admin(id=ADMIN, name="Ada"), at=NOON)
    await reloader.reload()
    assert not access.allows(ANN, ANN)


async def test_what_somebody_began_here_after_the_removal_elsewhere_is_stopped(store: Store):
    access, driver = replica(store), Driver(store)
    await allow(store, ANN)
    await access.reload()
    await store.remove_chat(ANN, Admin(id=ADMIN, name="Ada"), at=NOON)
    watched = await driver.watch(chat_id=ANN, user_id=ANN)
    kept = await driver.watch(chat_id=ADMIN, user_id=ADMIN)

    await access.reload()

    found = await store.watch(watched.watch.id, ANN), await store.watch(kept.watch.id, ADMIN)
    assert [each and each.watch.state for each in found] == [WatchState.STOPPED, WatchState.ACTIVE]


async def test_the_watch_of_a_chat_that_was_let_in_elsewhere_goes_on_when_another_is_removed(store: Store):
    access, driver = replica(store), Driver(store)
    await allow(store, ANN)
    await access.reload()
    await store.remove_chat(ANN, Admin(id=ADMIN, name="Ada"), at=NOON)
    lists = await store.access_lists()
    await allow(store, GROUP)
    watched = await driver.watch(chat_id=GROUP, user_id=ANN)
    assert GROUP not in lists.allowed  # a list that is read before may be used after

    await store.stop_all_but(lists.allowed, at=NOON)

    found = await store.watch(watched.watch.id, GROUP)
    assert found is not None
    assert found.watch.state is WatchState.ACTIVE


async def test_a_group_that_became_a_supergroup_elsewhere_is_let_in_here(store: Store):
    access = replica(store)
    await allow(store, GROUP)
    await store.migrate_chat(GROUP, SUPERGROUP, at=NOON)
    await access.reload()
    assert access.allows(SUPERGROUP, None)
    assert not access.allows(GROUP, None)


async def test_a_change_here_while_the_database_is_read_is_not_undone(tmp_path: Path):
    class Changed(CountingStore):
        async def access_lists(self) -> AccessLists:
            lists = await super().access_lists()
            if self.reads == 1:
                await allow(self, ANN)
                access.allow(ANN)
            return lists

    store = await Changed.open(tmp_path / "reelwatch.db")
    access = replica(store)
    await access.reload()
    assert access.allows(ANN, ANN)
    await store.close()


async def test_reloads_of_many_updates_without_access_are_few(tmp_path: Path):
    store = await CountingStore.open(tmp_path / "reelwatch.db")
    reloader = Reloader(replica(store).reload)
    await asyncio.gather(*(reloader.reload() for _ in range(50)))
    assert store.reads <= 2
    await store.close()


async def test_it_reloads_at_a_notification_and_goes_on_after_a_failure(tmp_path: Path):
    store = await CountingStore.open(tmp_path / "reelwatch.db")
    store.has_read = asyncio.Event()
    access = replica(store)
    reloader = Reloader(access.reload)
    store.is_broken = True
    run = asyncio.create_task(reloader.run())
    async with asyncio.timeout(reloading.RELOAD_S / 2):  # not for the next time
        await store.has_read.wait()
        store.is_broken = False
        await allow(store, ANN)
        store.has_read.clear()
        reloader.notify()
        await store.has_read.wait()
        await reloader.reload()
    assert access.allows(ANN, ANN)
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    await store.close()
