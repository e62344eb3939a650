"""What an opened file holds, and the leases of a killed process."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from textwrap import dedent

import pytest

from storage.errors import StoreUnavailable
from storage.models import EventKind, StoredFile, TaskStatus
from storage.sql.tasks import EVENTS
from storage.sqlite.store import SqliteStore
from tests.contract.store.driver import Driver

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
