"""Leases of stores that share a file, are closed, or crash."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from textwrap import dedent

import pytest

from storage.errors import StoreUnavailable
from storage.models import DeliveryKind, DeliveryState, EventKind, StoredFile, TaskStatus
from storage.sqlite.store import SqliteStore
from storage.sqlite.tasks import EVENTS
from tests.contract.store.driver import LEASE_S, Driver

REPOSITORY = Path(__file__).parents[4]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Driver]:
    store = await SqliteStore.open(path)
    try:
        yield Driver(store)
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


async def test_a_second_store_leaves_the_first_one_s_leases_alone(path: Path):
    async with opened(path) as first:
        await first.watch()
        await first.claim_tasks()
        await first.claim()

        async with opened(path) as second:
            assert await second.claim_tasks() == []
            assert await second.claim() == []
        async with opened(path) as third:
            assert await third.claim_tasks() == []
            assert await third.claim() == []


async def test_a_third_store_leaves_the_second_one_s_leases_alone_though_the_first_has_ended(path: Path):
    async with opened(path) as first, opened(path) as second:
        await second.watch()
        await first.store.close()
        await second.claim_tasks()
        await second.claim()

        async with opened(path) as third:
            assert await third.claim_tasks() == []
            assert await third.claim() == []


async def test_two_stores_that_claim_at_once_never_get_the_same(path: Path):
    async with opened(path) as first, opened(path) as second:
        watched = [await first.watch(f"t{number}") for number in range(20)]

        tasks = await asyncio.gather(*(one.claim_tasks(limit=3) for one in (first, second) * 5))
        deliveries = await asyncio.gather(*(one.claim(3) for one in (first, second) * 5))

        assert sorted(task.id for some in tasks for task in some) == [one.task.id for one in watched]
        assert sorted(each.watch.id for some in deliveries for each in some) == [
            one.watch.id for one in watched
        ]


async def test_a_lease_that_ran_out_is_taken_over_by_another_store(path: Path):
    async with opened(path) as first, opened(path) as second:
        await first.watch()
        (task,) = await first.claim_tasks()
        second.advance(LEASE_S)
        (taken,) = await second.claim_tasks()

        assert not await first.store.apply(*first.polled(task, TaskStatus.RUNNING))
        assert await first.claim_tasks() == []
        assert await second.store.apply(*second.polled(taken, TaskStatus.SUCCEEDED))


async def test_what_a_closed_store_had_in_hand_is_free_at_once(path: Path):
    async with opened(path) as second:
        async with opened(path) as first:
            await first.watch("plain")
            await first.watch("noted")
            await first.claim_tasks()
            plain, noted = await first.claim()
            await first.store.note_message(noted.delivery.id, 5)

        assert len(await second.claim_tasks()) == 2
        again = await second.claim()
        assert [one.delivery.id for one in again] == [plain.delivery.id, noted.delivery.id]
        assert again[1].delivery.message_id == 5


async def test_a_closing_store_gives_back_only_its_own(path: Path):
    async with opened(path) as first:
        async with opened(path) as second:
            await first.watch("a")
            await first.claim_tasks()
            await first.claim()
            await second.watch("b")
            await second.claim_tasks()
            await second.claim()

        assert [task.ref.external_id for task in await first.claim_tasks()] == ["b"]
        assert [one.task.ref.external_id for one in await first.claim()] == ["b"]


async def test_a_call_that_must_not_be_repeated_is_remembered_past_the_close(path: Path):
    async with opened(path) as first:
        await first.watch()
        (risky,) = await first.claim()
        await first.store.note_unconfirmed_call(risky.delivery.id, at=first.now)

    async with opened(path) as second:
        stats = await second.store.stats()
        assert (stats.deliveries["sending"], stats.deliveries["pending"]) == (1, 0)
        (again,) = await second.claim()
        assert (again.delivery.id, again.delivery.unconfirmed_call_at) == (risky.delivery.id, first.now)


async def test_a_card_given_back_at_the_close_takes_the_newer_one_s_place(path: Path):
    async with opened(path) as first:
        watched = await first.watch()
        (card,) = await first.claim()
        await first.poll(watched.task.id, TaskStatus.RUNNING)

    async with opened(path) as second:
        (again,) = await second.claim()
        assert again.delivery.id == card.delivery.id
        assert again.task.status is TaskStatus.RUNNING


async def test_what_a_killed_process_had_in_hand_is_free_at_once(path: Path):
    script = dedent("""
        import asyncio, sys
        from pathlib import Path
        from storage.sqlite.store import SqliteStore
        from tests.contract.store.driver import Driver

        async def main():
            driver = Driver(await SqliteStore.open(Path(sys.argv[1])))
            await driver.watch("plain")
            risky = await driver.watch("risky")
            await driver.claim_tasks()
            for outgoing in await driver.claim():
                if outgoing.watch.id == risky.watch.id:
                    await driver.store.note_unconfirmed_call(outgoing.delivery.id, at=driver.now)
            print("in hand", flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """)
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
    )
    assert doomed.stdout is not None
    assert await doomed.stdout.readline() == b"in hand\n"
    doomed.kill()
    await doomed.wait()

    async with opened(path) as driver:
        assert len(await driver.claim_tasks()) == 2
        plain, risky = await driver.claim()
        assert (plain.delivery.unconfirmed_call_at, risky.delivery.unconfirmed_call_at) == (None, driver.now)
        assert risky.delivery.attempts == 2


async def test_what_was_acknowledged_is_there_when_the_file_is_opened_again(path: Path):
    async with opened(path) as first:
        watched = await first.watch()
        await first.poll(watched.task.id, TaskStatus.SUCCEEDED)
        await first.settle(await first.claim_one(DeliveryKind.RESULT), DeliveryState.PENDING, retry_s=5)

    async with opened(path) as second:
        second.advance(5)
        result = await second.claim_one(DeliveryKind.RESULT)
        assert result.task.status is TaskStatus.SUCCEEDED
        assert result.delivery.attempts == 2


async def test_a_video_that_an_older_program_noted_is_known(path: Path):
    async with opened(path) as first:
        await first.watch()
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("""UPDATE tasks SET file = '{"file_id": "BAAC", "is_video": false, "size": 6}'""")

    async with opened(path) as second:
        known = (await second.watch()).task

    assert known.file == StoredFile(file_id="BAAC", is_video=False, size=6)


async def test_the_check_notices_a_file_that_is_gone(path: Path):
    async with opened(path) as driver:
        path.unlink()

        with pytest.raises(StoreUnavailable, match="is gone from the disk"):
            await driver.store.check()


async def test_the_check_writes(path: Path):
    async with opened(path) as driver:
        wal = path.with_name("a.db-wal")
        before = wal.stat().st_size

        await driver.store.check()

        assert wal.stat().st_size > before


async def test_a_closed_store_raises_store_unavailable(path: Path):
    async with opened(path) as driver:
        await driver.store.close()

        with pytest.raises(StoreUnavailable, match="is closed"):
            await driver.watch()


async def test_of_a_task_that_changes_without_end_the_last_events_are_kept(path: Path):
    async with opened(path) as first:
        other = await first.watch("t2")
        await first.poll(other.task.id, TaskStatus.RUNNING)
        watched = await first.watch("t1")
        for _ in range(3):
            await first.poll(watched.task.id, TaskStatus.RUNNING, *[EventKind.PROGRESS] * EVENTS)
        await first.poll(watched.task.id, TaskStatus.SUCCEEDED)

    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT task_id, kind FROM events ORDER BY id").fetchall()
    kinds = [kind for task_id, kind in found if task_id == watched.task.id]
    assert kinds == [EventKind.PROGRESS] * (EVENTS - 1) + [EventKind.FINISHED]
    assert len(found) == EVENTS + 1
