"""Opening a database file: detection, log messages, and its size."""

import asyncio
import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import StoreCorrupt, StoreFull, StoreUnavailable
from storage.sqlite.connection import Database
from storage.sqlite.migrate import bundled_migrations
from storage.sqlite.reopening import ReopeningDatabase
from storage.sqlite.store import SqliteStore
from tests.contract.store.driver import Driver


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


async def reopen(path: Path) -> None:
    await (await SqliteStore.open(path)).close()


async def test_a_new_database_is_said_to_be_new(path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="storage")

    await reopen(path)

    (message,) = caplog.messages
    assert message.startswith(f"Made a new database: {path} (schema {bundled_migrations()[-1].number}).")


async def test_what_is_waited_for_is_said_of_a_database_that_was_there(
    path: Path, caplog: pytest.LogCaptureFixture
):
    store = await SqliteStore.open(path)
    await Driver(store).watch()
    await store.close()
    caplog.set_level(logging.INFO, logger="storage")

    await reopen(path)

    (message,) = caplog.messages
    assert str(path) in message
    assert "tasks watched: 1, messages waiting: 1" in message


async def test_the_copy_of_a_running_bot_s_database_without_its_wal_is_refused_and_left_alone(
    path: Path, tmp_path: Path
):
    running = await Database.open(path)  # so that the -wal file has not been checkpointed
    async with running.transaction() as tx:
        await tx.run("CREATE TABLE tasks (id INTEGER)")
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    await running.close()

    with pytest.raises(StoreCorrupt, match=r"copy\.db holds no tables"):
        await SqliteStore.open(copy)

    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_an_empty_file_is_refused(path: Path):
    path.touch()

    with pytest.raises(StoreCorrupt, match="holds no tables"):
        await SqliteStore.open(path)


async def test_a_database_is_created_completely_or_not_at_all(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    await reopen(folder / "a.db")

    assert {file.name for file in folder.iterdir()} == {"a.db", "a.db.lock"}
    assert (folder / "a.db").stat().st_mode & 0o777 == 0o600


async def test_a_folder_that_can_t_be_made_is_unavailable(tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable):
        await SqliteStore.open(tmp_path / "file" / "a.db")


async def test_a_database_that_a_full_disk_kept_closed_is_opened_once_there_is_room(path: Path):
    room = [False]

    async def open_when_there_is_room() -> Database:
        if not room[0]:
            raise StoreFull("The disk is full.")
        return await Database.open(path)

    database = await ReopeningDatabase.open(path, open_when_there_is_room)
    with pytest.raises(StoreFull):
        async with database.transaction():
            pass
    room[0] = True

    async with database.transaction() as tx:
        await tx.run("CREATE TABLE tasks (id INTEGER)")
    async with database.reading() as tx:
        assert await tx.all("SELECT * FROM tasks") == []
    await database.close()
    with pytest.raises(StoreUnavailable, match="is closed"):
        async with database.reading():
            pass


async def test_a_database_that_is_being_opened_is_closed_as_well(path: Path):
    opened: list[Database] = []
    may_open = asyncio.Event()

    async def open_slowly() -> Database:
        await may_open.wait()
        opened.append(await Database.open(path))
        return opened[0]

    database = ReopeningDatabase(path, open_slowly)
    using = asyncio.create_task(database.give_back_space())
    await asyncio.sleep(0)
    ending = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    may_open.set()
    await asyncio.gather(using, ending)

    assert opened[0].is_closed


async def test_what_is_wrong_with_the_file_itself_ends_the_start(path: Path):
    path.write_bytes(b"x" * 5000)

    with pytest.raises(StoreCorrupt):
        await SqliteStore.open(path)


async def test_pruning_gives_space_back_to_the_disk(path: Path):
    database = await Database.open(path)
    async with database.transaction() as tx:
        await tx.run("CREATE TABLE films (content BLOB)")
        await tx.run("INSERT INTO films VALUES (zeroblob(2000000))")
        await tx.run("DELETE FROM films")

    await database.give_back_space()
    await database.close()

    assert path.stat().st_size < 1_000_000


async def test_the_wal_does_not_keep_the_size_of_the_largest_transaction(path: Path):
    database = await Database.open(path)
    async with database.transaction() as tx:
        await tx.run("CREATE TABLE films (content BLOB)")
        await tx.run("INSERT INTO films VALUES (zeroblob(40000000))")
    for _ in range(2):  # the WAL is restarted by the write after the checkpoint
        async with database.transaction() as tx:
            await tx.run("INSERT INTO films VALUES (NULL)")

    size = path.with_name("a.db-wal").stat().st_size
    await database.close()

    assert size <= 17 * 2**20
