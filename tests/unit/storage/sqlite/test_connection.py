"""Transactions are atomic even if their task is cancelled; SQLite's errors become StoreError."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import StoreCorrupt, StoreInUse, StoreUnavailable
from storage.sqlite.connection import Database, require_sqlite


@pytest.fixture
async def notes(database: Database) -> Database:
    async with database.transaction() as tx:
        await tx.run("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
    return database


@pytest.fixture
def rival(notes: Database) -> Iterator[sqlite3.Connection]:
    """Another process on the same file, without a busy timeout."""
    with closing(sqlite3.connect(notes.path, timeout=0, isolation_level=None)) as connection:
        yield connection


async def write_two(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run("INSERT INTO notes (text) VALUES ('one')")
        await tx.run("INSERT INTO notes (text) VALUES ('two')")


async def count(database: Database) -> int:
    async with database.reading() as tx:
        return len(await tx.all("SELECT * FROM notes"))


async def impatient(database: Database) -> Database:
    async with database.transaction() as tx:
        await tx.run("PRAGMA busy_timeout = 0")
    return database


async def test_what_was_written_is_seen_by_readers_and_other_processes(
    notes: Database, rival: sqlite3.Connection
):
    await write_two(notes)

    assert await count(notes) == 2
    assert rival.execute("SELECT count(*) FROM notes").fetchone() == (2,)


async def test_a_transaction_that_fails_leaves_nothing_behind(notes: Database, rival: sqlite3.Connection):
    async def write_one_twice() -> None:
        async with notes.transaction() as tx:
            await tx.run("INSERT INTO notes (id) VALUES (1)")
            await tx.run("INSERT INTO notes (id) VALUES (1)")

    with pytest.raises(sqlite3.IntegrityError):
        await write_one_twice()

    assert await count(notes) == 0
    rival.execute("BEGIN IMMEDIATE")


async def test_a_task_cancelled_between_statements_leaves_nothing_behind(
    notes: Database, rival: sqlite3.Connection
):
    begun = asyncio.Event()

    async def dawdle() -> None:
        async with notes.transaction() as tx:
            await tx.run("INSERT INTO notes (text) VALUES ('one')")
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(dawdle())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await count(notes) == 0
    rival.execute("BEGIN IMMEDIATE")


@pytest.mark.parametrize("cancellations", [1, 2, 3])
async def test_a_transaction_that_begins_after_its_task_was_cancelled_does_not_stay_open(
    notes: Database, rival: sqlite3.Connection, cancellations: int
):
    rival.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(write_two(notes))
    for _ in range(cancellations):
        await asyncio.sleep(0)  # until it waits for the other process, then for its rollback
        task.cancel()
    await asyncio.sleep(0)
    rival.execute("COMMIT")
    with pytest.raises(asyncio.CancelledError):
        await task

    await write_two(notes)
    assert await count(notes) == 2
    rival.execute("BEGIN IMMEDIATE")


async def test_wherever_a_task_is_cancelled_it_wrote_all_or_nothing(notes: Database):
    for steps in range(40):
        task = asyncio.create_task(write_two(notes))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert await count(notes) % 2 == 0


async def test_transactions_take_turns(notes: Database):
    await asyncio.gather(*(write_two(notes) for _ in range(10)))

    async with notes.reading() as tx:
        rows = await tx.all("SELECT text FROM notes ORDER BY id")
    assert [row["text"] for row in rows] == ["one", "two"] * 10


async def test_a_reader_cannot_write(notes: Database):
    with pytest.raises(StoreUnavailable, match="cannot be written to"):
        async with notes.reading() as tx:
            await tx.run("DELETE FROM notes")


async def test_a_reader_sees_one_moment(notes: Database):
    async with notes.reading() as tx:
        before = await tx.all("SELECT * FROM notes")
        await write_two(notes)
        after = await tx.all("SELECT * FROM notes")

    assert before == after == []


async def test_a_locked_database_is_unavailable(notes: Database, rival: sqlite3.Connection):
    await impatient(notes)
    rival.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match=r"a\.db is locked by another process\.") as complaint:
        await write_two(notes)

    assert isinstance(complaint.value.__cause__, sqlite3.OperationalError)


async def test_a_full_disk_is_unavailable_and_loses_nothing(notes: Database):
    await write_two(notes)
    async with notes.transaction() as tx:
        await tx.run("PRAGMA max_page_count = 2")

    with pytest.raises(StoreUnavailable, match="the disk is full"):
        async with notes.transaction() as tx:
            await tx.run("INSERT INTO notes (text) VALUES (zeroblob(100000))")

    assert await count(notes) == 2


@pytest.mark.parametrize("size", [20, 5000])
async def test_a_file_that_is_not_a_database_is_corrupt(tmp_path: Path, size: int):
    path = tmp_path / "a.db"
    path.write_bytes(b"x" * size)

    with pytest.raises(StoreCorrupt, match=r"The file .*a\.db is not a database\."):
        await Database.open(path)

    assert path.read_bytes() == b"x" * size


def test_an_sqlite_that_is_too_old_is_said_in_a_sentence():
    require_sqlite((3, 38, 0))

    with pytest.raises(StoreUnavailable, match=r"^SQLite 3\.38\.0 or newer .* has 3\.37\.2\.$"):
        require_sqlite((3, 37, 2))


async def test_a_closed_database_is_unavailable_and_may_be_closed_again(database: Database):
    await database.close()
    await database.close()

    with pytest.raises(StoreUnavailable, match="is closed"):
        async with database.transaction():
            pass
    with pytest.raises(StoreUnavailable, match="is closed"):
        async with database.reading():
            pass


async def test_closing_waits_for_the_transaction_in_hand(notes: Database):
    writing = asyncio.create_task(write_two(notes))
    await asyncio.sleep(0)

    await notes.close()

    await writing
    with closing(sqlite3.connect(notes.path)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)


async def test_closing_leaves_one_file_that_holds_everything(notes: Database):
    await write_two(notes)
    wal = notes.path.with_name("a.db-wal")
    assert wal.stat().st_size > 0

    await notes.close()

    assert not wal.exists()


async def test_closing_puts_everything_into_the_file_though_another_has_it_open(
    notes: Database, rival: sqlite3.Connection
):
    rival.execute("SELECT * FROM notes").fetchall()
    await write_two(notes)

    await notes.close()

    assert notes.path.with_name("a.db-wal").stat().st_size == 0


async def test_prompts_and_signed_links_are_for_the_owner_of_a_new_file_alone(notes: Database):
    files = sorted(notes.path.parent.iterdir())

    assert [file.name for file in files] == ["a.db", "a.db-shm", "a.db-wal", "a.db.lock"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


async def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path):
    path = tmp_path / "a.db"
    path.touch()
    path.chmod(0o640)

    await (await Database.open(path)).close()

    assert path.stat().st_mode & 0o777 == 0o640


async def test_a_process_is_not_alone_while_another_has_the_file_open(database: Database):
    first, path = database, database.path
    await first.share()
    second = await Database.open(path)
    await second.share()
    await first.close()
    third = await Database.open(path)
    await second.close()
    await third.close()
    last = await Database.open(path)
    await last.close()

    assert [one.is_alone for one in (first, second, third, last)] == [True, False, False, True]


async def test_another_bot_is_refused_until_the_last_process_of_the_first_has_ended(tmp_path: Path):
    path = tmp_path / "a.db"
    first = await Database.open(path, bot_id="7000000001")
    await first.share()
    second = await Database.open(path, bot_id="7000000001")
    await first.close()

    with pytest.raises(StoreInUse, match="by another bot, whose id is 7000000001"):
        await Database.open(path, bot_id="70")

    await second.close()
    await (await Database.open(path, bot_id="70")).close()


async def test_opening_waits_until_the_exclusive_holder_shares_the_file(database: Database):
    opening = asyncio.create_task(Database.open(database.path))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not opening.done()

    await database.share()

    second = await opening
    await second.close()
