"""A backup takes the place of the database; whatever happens, the old one or the new one is there, whole."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from storage.errors import StoreCorrupt, StoreInUse, StoreUnavailable
from storage.sqlite.copying import copy_database
from storage.sqlite.replacing import is_in_use, restore
from storage.sqlite.store import SqliteStore
from tests.contract.store.driver import CHAT, Driver


async def make(path: Path, *external_ids: str) -> Path:
    """A database that watches these tasks."""
    store = await SqliteStore.open(path)
    for external_id in external_ids:
        await Driver(store).watch(external_id)
    await store.close()
    return path


def change(path: Path, statement: str) -> None:
    """As another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(statement)


async def watched(path: Path) -> list[str]:
    """The tasks that a database watches, as a bot reads it."""
    store = await SqliteStore.open(path)
    try:
        return sorted(each.task.ref.external_id for each in await store.active_watches(CHAT))
    finally:
        await store.close()


async def test_the_old_database_is_kept_with_what_a_killed_bot_had_only_in_its_wal_file(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), tmp_path / "a" / "a.db"
    path.parent.mkdir()
    await make(tmp_path / "running.db", "old")
    running = await SqliteStore.open(tmp_path / "running.db")
    await Driver(running).watch("older")
    for suffix in ("", "-wal"):  # as the kernel leaves them when the process is killed
        shutil.copy(f"{tmp_path / 'running.db'}{suffix}", f"{path}{suffix}")
    await running.close()

    replaced = restore(path, source, called="it")

    assert await watched(path) == ["new"]
    assert replaced.kept is not None
    assert await watched(replaced.kept) == ["old", "older"]
    assert replaced.contents.watches == 1


async def test_a_database_too_damaged_to_be_opened_is_kept(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), tmp_path / "a.db"
    path.write_bytes(b"nonsense" * 1000)

    replaced = restore(path, source, called="it")

    assert replaced.kept is not None
    assert replaced.kept.read_bytes() == b"nonsense" * 1000
    assert await watched(path) == ["new"]


async def test_a_wal_file_without_its_database_is_not_applied_to_the_new_one(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), tmp_path / "a.db"
    Path(f"{path}-wal").write_bytes(b"its log")

    replaced = restore(path, source, called="it")

    assert await watched(path) == ["new"]
    assert replaced.kept is not None
    assert not replaced.kept.exists()
    assert Path(f"{replaced.kept}-wal").read_bytes() == b"its log"


async def test_ids_that_the_old_bot_gave_after_the_backup_are_not_given_again(tmp_path: Path):
    path = await make(tmp_path / "a.db", "first")
    copy_database(path, tmp_path / "backup.db")
    store = await SqliteStore.open(path)
    old = await Driver(store).watch("after the backup")
    await store.close()

    restore(path, tmp_path / "backup.db", called="it")

    store = await SqliteStore.open(path)
    new = await Driver(store).watch("another")
    await store.close()
    assert new.watch.id > old.watch.id + 100_000
    assert new.task.id > old.task.id + 100_000


async def test_a_database_of_a_newer_program_is_replaced_too_as_by_the_way_back_from_an_upgrade(
    tmp_path: Path,
):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 999")

    restore(path, source, called="it")

    assert await watched(path) == ["new"]


async def test_a_database_that_a_bot_has_open_is_not_replaced(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    running = await SqliteStore.open(path)

    assert is_in_use(path)
    with pytest.raises(StoreInUse, match=r"a\.db is in use: stop the bot first"):
        restore(path, source, called="it")

    await running.close()
    assert not is_in_use(path)
    assert await watched(path) == ["old"]
    assert source.exists()


async def test_a_database_that_is_being_read_is_not_replaced(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM tasks").fetchall()
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("UPDATE tasks SET external_id = 'older'")

        with pytest.raises(StoreInUse, match="is being read"):
            restore(path, source, called="it")

    assert await watched(path) == ["older"]


async def test_a_backup_that_cannot_be_used_changes_nothing(tmp_path: Path):
    path = await make(tmp_path / "a.db", "old")
    source = tmp_path / "backup.db"
    source.write_bytes(b"nonsense" * 1000)

    with pytest.raises(StoreCorrupt, match="The file it is not a database"):
        restore(path, source, called="it")

    assert await watched(path) == ["old"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.db", "a.db.lock", "backup.db"]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("CREATE TRIGGER t AFTER UPDATE ON chats BEGIN DELETE FROM tasks; END", "it holds triggers"),
        (
            f"UPDATE sqlite_sequence SET seq = {2**63 - 1}",
            "it is damaged: it has given ids that are too large",
        ),
    ],
)
async def test_a_backup_that_would_break_the_bot_later_is_not_accepted(
    tmp_path: Path, statement: str, sentence: str
):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    change(source, statement)

    with pytest.raises(StoreCorrupt, match=sentence):
        restore(path, source, called="it")

    assert await watched(path) == ["old"]


@pytest.mark.parametrize("value", ["'abc'", "NULL", "x'ff'"])
async def test_ids_that_are_no_numbers_are_ignored(tmp_path: Path, value: str):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    for each in (source, path):
        change(each, f"UPDATE sqlite_sequence SET seq = {value}")

    restore(path, source, called="it")

    assert await watched(path) == ["new"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_root_gives_the_new_database_to_the_owner_of_the_old_one(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    Path(f"{path}.lock").unlink()
    os.chown(path, 10001, 10001)

    restore(path, source, called="it")

    for each in (path, Path(f"{path}.lock")):
        assert (each.stat().st_uid, each.stat().st_gid, each.stat().st_mode & 0o777) == (10001, 10001, 0o600)


def test_a_pipe_in_the_place_of_the_lock_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.db.lock")

    assert not is_in_use(tmp_path / "a.db")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_root_gives_no_file_away_that_the_owner_of_the_database_has_chosen(tmp_path: Path):
    source, path = await make(tmp_path / "backup.db", "new"), await make(tmp_path / "a.db", "old")
    others = tmp_path / "others"
    others.write_text("of root")
    os.chown(path, 10001, 10001)
    for make_link in (os.symlink, os.link):
        Path(f"{path}.lock").unlink()
        make_link(others, f"{path}.lock")

        with suppress(StoreUnavailable):
            restore(path, source, called="it")

        assert others.stat().st_uid == 0


# Kills a child at each call of the kernel that Python reports, until one ends by itself.
_KILLED = """
import os, signal, sys
from pathlib import Path
from storage.sqlite.replacing import restore

def kill_at(last):
    left = [last]
    def count(event, _):
        if event.startswith(("os.", "open", "sqlite3.", "shutil.", "fcntl.")):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
    return count

folder = Path(sys.argv[1])
for step in range(1, 1000):
    (folder / str(step)).mkdir()
    for name in ("a.db", "a.db-wal", "backup.db"):
        (folder / str(step) / name).write_bytes((folder / name).read_bytes())
    child = os.fork()
    if not child:
        sys.addaudithook(kill_at(step))
        restore(folder / str(step) / "a.db", folder / str(step) / "backup.db", called="it")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


async def test_a_restore_that_is_killed_leaves_the_old_database_or_the_new_one(tmp_path: Path):
    await make(tmp_path / "backup.db", "new")
    await make(tmp_path / "running.db", "old")
    running = await SqliteStore.open(tmp_path / "running.db")
    await Driver(running).watch("older")
    for suffix in ("", "-wal"):
        shutil.copy(f"{tmp_path / 'running.db'}{suffix}", f"{tmp_path / 'a.db'}{suffix}")
    await running.close()

    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    await asyncio.to_thread(subprocess.run, command, check=True, cwd=Path(__file__).parents[4])

    found = [_tasks_of(folder / "a.db") for folder in sorted(tmp_path.iterdir()) if folder.is_dir()]
    assert len(found) > 15
    assert [each for each in found if each not in (["old", "older"], ["new"])] == []
    assert found.count(["new"]) in range(1, len(found))


def _tasks_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT external_id FROM tasks ORDER BY external_id")]
