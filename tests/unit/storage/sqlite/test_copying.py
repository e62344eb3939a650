"""A copy is the database at one moment, and only a sound database of ours is accepted."""

import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from storage.contents import Contents
from storage.errors import StoreCorrupt, StoreError, StoreFromFuture, StoreUnavailable
from storage.sqlite.copying import copy_database, inspect, is_ours
from storage.sqlite.migrate import bundled_migrations
from storage.sqlite.store import SqliteStore
from tests.contract.store.driver import Driver

SCHEMA = bundled_migrations()[-1].number


@pytest.fixture
async def live(tmp_path: Path) -> Path:
    """A database with a watch."""
    store = await SqliteStore.open(tmp_path / "live.db")
    await Driver(store).watch()
    await store.close()
    return tmp_path / "live.db"


def change(path: Path, *statements: str) -> None:
    """As another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def test_a_copy_is_sound_and_says_what_it_holds(live: Path, tmp_path: Path):
    copy_database(live, tmp_path / "copy.db")

    found = inspect(tmp_path / "copy.db", called="it")

    assert found == Contents(schema=SCHEMA, watches=1, unsent=1)
    assert is_ours(tmp_path / "copy.db")


def test_a_busy_writer_neither_waits_nor_makes_the_copy_begin_anew(live: Path, tmp_path: Path):
    left: list[int] = []
    with closing(sqlite3.connect(live, timeout=0, isolation_level=None)) as writer:

        def write(done: int, total: int) -> None:
            left.append(total - done)
            writer.execute("INSERT INTO chats (id, title, written_at) VALUES (?, 'x', 0)", (len(left),))

        copy_database(live, tmp_path / "copy.db", progress=write, pages=1)

    assert len(left) > 10
    assert left == sorted(left, reverse=True)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM chats").fetchone() == (0,)


async def test_what_the_running_bot_has_only_in_its_wal_file_is_copied(live: Path, tmp_path: Path):
    running = await SqliteStore.open(live)
    await Driver(running).watch("t2")

    copy_database(live, tmp_path / "copy.db")
    await running.close()

    assert inspect(tmp_path / "copy.db", called="it").watches == 2


async def test_a_raw_copy_with_its_wal_file_is_read_with_it(live: Path, tmp_path: Path):
    running = await SqliteStore.open(live)
    await Driver(running).watch("t2")
    for suffix in ("", "-wal"):
        shutil.copy(f"{live}{suffix}", f"{tmp_path / 'raw.db'}{suffix}")
    await running.close()

    assert inspect(tmp_path / "raw.db", called="it").watches == 2
    assert not Path(f"{tmp_path / 'raw.db'}-wal").exists()


def test_a_copy_needs_a_database(tmp_path: Path):
    with pytest.raises(StoreUnavailable, match=r"There is no database /.*no\.db; DATABASE_URL says"):
        copy_database(tmp_path / "no.db", tmp_path / "copy.db")


@pytest.mark.parametrize(
    ("statement", "error", "sentence"),
    [
        ("PRAGMA user_version = 999", StoreFromFuture, "by a newer version .* schema is 999"),
        ("PRAGMA application_id = 1", StoreCorrupt, "is a database of another program"),
        ("PRAGMA user_version = 0", StoreCorrupt, "is a database of another program"),
        ("PRAGMA user_version = -1", StoreCorrupt, "is a database of another program"),
        ("DROP TABLE events", StoreCorrupt, "lacks tables or columns of its schema"),
        ("ALTER TABLE chats DROP COLUMN throttled_until", StoreCorrupt, "lacks tables or columns"),
        ("DROP INDEX deliveries_one_sending", StoreCorrupt, "lacks tables or columns"),
        ("DELETE FROM tasks", StoreCorrupt, "a row refers to one that is missing"),
    ],
)
def test_another_database_is_not_accepted(live: Path, statement: str, error: type[StoreError], sentence: str):
    change(live, statement)

    with pytest.raises(error, match=f"it .*{sentence}"):
        inspect(live, called="it")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "The file it is empty"), (b"Dear Anna, " * 100, "The file it is not a database")],
)
def test_another_file_is_not_accepted(tmp_path: Path, content: bytes, sentence: str):
    (tmp_path / "a").write_bytes(content)

    with pytest.raises(StoreCorrupt, match=sentence):
        inspect(tmp_path / "a", called="it")


def test_a_database_without_tables_is_said_to_be_a_copy_without_its_wal_file(tmp_path: Path):
    change(tmp_path / "a.db", "PRAGMA user_version = 1")

    with pytest.raises(StoreCorrupt, match=r"holds no tables.*reelwatch backup"):
        inspect(tmp_path / "a.db", called="it")


@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_truncated_database_is_damaged(live: Path, kept: float):
    sound = live.read_bytes()
    live.write_bytes(sound[: int(len(sound) * kept)])

    with pytest.raises(StoreCorrupt, match="The file it is damaged"):
        inspect(live, called="it")


def test_a_database_with_a_changed_byte_in_an_index_is_damaged(live: Path):
    sound = bytearray(live.read_bytes())
    where = sound.rindex(b"wan")
    sound[where : where + 3] = b"xan"
    live.write_bytes(sound)

    with pytest.raises(StoreCorrupt, match="The file it is damaged"):
        inspect(live, called="it")


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_a_database_of_each_older_schema_is_accepted(tmp_path: Path, schema: int):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for migration in bundled_migrations()[:schema]:
            database.executescript(migration.script)
        database.execute(f"PRAGMA user_version = {schema}")

    assert inspect(path, called="it") == Contents(schema=schema, watches=0, unsent=0)


def test_a_schema_that_is_not_text_is_damaged(live: Path):
    change(
        live,
        "PRAGMA writable_schema = ON",
        "INSERT INTO sqlite_master VALUES ('view', CAST(x'ff' AS TEXT), 'y', 0, 'CREATE VIEW y AS SELECT 1')",
    )

    with pytest.raises(StoreCorrupt, match="The file it is damaged"):
        inspect(live, called="it")


def test_a_journal_that_would_make_sqlite_delete_another_file_is_not_read(live: Path, tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious\0")
    Path(f"{live}-journal").write_bytes(_journal_naming(victim, pages=live.stat().st_size // 4096))

    with pytest.raises(StoreCorrupt, match="-journal file beside the database belongs to several"):
        inspect(live, called="it")

    assert victim.exists()


def _journal_naming(file: Path, *, pages: int) -> bytes:
    """The rollback journal of a transaction over several databases, whose list is this file."""
    magic, name = bytes.fromhex("d9d505f920a163d7"), str(file).encode()
    head = magic + struct.pack(">5I", 0, 1, pages, 512, 4096)
    page = struct.pack(">I", 0x40000000 // 4096 + 1)
    return head.ljust(512, b"\0") + page + name + struct.pack(">2I", len(name), sum(name)) + magic
