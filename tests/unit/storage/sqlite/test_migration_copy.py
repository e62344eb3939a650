"""A database with rows is copied before it is migrated, and not migrated where it can't be."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import StoreCorrupt, StoreFull
from storage.sqlite.connection import Database
from storage.sqlite.migrate import bundled_migrations, migrate
from storage.sqlite.migration_copy import COPIES
from storage.sqlite.reopening import open_database
from storage.sqlite.store import SqliteStore

NEWEST = bundled_migrations()[-1].number


async def make(path: Path, *, schema: int = 1, rows: int = 1) -> Path:
    """A database of an older program."""
    database = await Database.open(path)
    await migrate(database, bundled_migrations()[:schema])
    async with database.transaction() as tx:
        for number in range(rows):
            await tx.run(
                "INSERT INTO tasks (provider, external_id, status, registered_at)"
                " VALUES ('wan', ?, 'queued', 0)",
                (f"t{number}",),
            )
    await database.close()
    return path


async def reopen(path: Path) -> None:
    await (await SqliteStore.open(path)).close()


def copies(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if ".schema-" in each.name)


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        return int(schema)


async def test_the_copy_is_the_old_database_and_the_log_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = await make(tmp_path / "a.db", schema=2)
    caplog.set_level(logging.INFO, logger="storage")

    await reopen(path)

    (name,) = copies(path)
    assert name.startswith("a.db.schema-2-")
    assert (schema_of(path), schema_of(tmp_path / name)) == (NEWEST, 2)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert f"from schema 2 to {NEWEST}; before that it was copied to {tmp_path / name}" in caplog.messages[0]


@pytest.mark.parametrize(("schema", "rows"), [(1, 0), (NEWEST, 1)])
async def test_without_rows_or_without_a_migration_nothing_is_copied(tmp_path: Path, schema: int, rows: int):
    path = await make(tmp_path / "a.db", schema=schema, rows=rows)

    await reopen(path)

    assert copies(path) == []


async def test_only_the_newest_copies_are_kept(tmp_path: Path):
    older = [f"a.db.schema-1-2026010{day}T000000Z" for day in range(1, 5)]
    for name in (*older, "a.db.schema-1-mine", "b.db.schema-1-20260101T000000Z"):
        (tmp_path / name).touch()

    await reopen(await make(tmp_path / "a.db"))

    kept = copies(tmp_path / "a.db")
    assert len(kept) == COPIES + 2
    assert [name for name in kept if name in older] == older[-(COPIES - 1) :]
    assert {"a.db.schema-1-mine", "b.db.schema-1-20260101T000000Z"} < set(kept)


async def test_without_room_for_the_copy_nothing_is_migrated(tmp_path: Path, request: pytest.FixtureRequest):
    path = await make(tmp_path / "a.db", rows=2000)
    request.getfixturevalue("full_disk")

    with pytest.raises(StoreFull, match=r"a\.db is not migrated, as there is no room for a copy of it in /"):
        await open_database(path, is_new=False)

    assert (copies(path), schema_of(path)) == ([], 1)
    assert list(tmp_path.glob("*.part*")) == []


async def test_a_damaged_database_is_not_migrated(tmp_path: Path):
    path = await make(tmp_path / "a.db")
    content = bytearray(path.read_bytes())
    where = content.rindex(b"want0")
    content[where : where + 5] = b"xant0"
    path.write_bytes(content)

    with pytest.raises(StoreCorrupt, match=r"is damaged\. It is not migrated; `reelwatch restore`"):
        await open_database(path, is_new=False)

    assert schema_of(path) == 1
