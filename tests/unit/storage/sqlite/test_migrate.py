"""Databases of every version are migrated to the current schema, or rejected with a clear error."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.chat_settings import DEFAULT_SETTINGS
from storage.errors import StoreCorrupt, StoreFromFuture, StoreUnavailable
from storage.lookups import LookupRequest
from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import WatchDelivery
from storage.sqlite.connection import Database
from storage.sqlite.migrate import APPLICATION_ID, Migration, bundled_migrations, migrate
from storage.sqlite.store import SqliteStore
from storage.watches import WatchState
from tests.contract.store.driver import NOON

FIRST = Migration(number=1, script=f"PRAGMA application_id = {APPLICATION_ID};\nCREATE TABLE first (a);\n")


async def ask(database: Database, sql: str) -> list[object]:
    async with database.reading() as tx:
        return [row[0] for row in await tx.all(sql)]


async def tables(database: Database) -> list[object]:
    return await ask(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")


def test_the_migrations_are_numbered_without_gaps():
    numbers = [migration.number for migration in bundled_migrations()]

    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


async def test_an_empty_file_becomes_a_database_of_the_present_schema(database: Database):
    await migrate(database, bundled_migrations())

    assert {"tasks", "watches", "events", "deliveries", "chats"} <= set(await tables(database))
    assert await ask(database, "PRAGMA user_version") == [bundled_migrations()[-1].number]


async def test_a_last_statement_without_a_semicolon_is_executed(database: Database):
    unfinished = FIRST.script + "CREATE TABLE second (b)"
    await migrate(database, [Migration(number=1, script=unfinished)])

    assert await tables(database) == ["first", "second"]


async def test_a_database_of_the_first_schema_is_upgraded_with_its_watches(tmp_path: Path):
    path = tmp_path / "a.db"
    database = await Database.open(path)
    await migrate(database, bundled_migrations()[:1])
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO tasks (provider, external_id, status, registered_at) VALUES ('a', 'b', 'queued', 0)"
        )
        await tx.run("INSERT INTO watches (task_id, chat_id, language, created_at) VALUES (1, 42, 'en', 0)")
    await database.close()

    store = await SqliteStore.open(path)

    [found] = await store.active_watches(42)
    assert (found.task.ref.external_id, found.watch.stopped_by, found.watch.batch_id) == ("b", None, None)
    assert await store.stop_watch(found.watch.id, at=datetime.now(UTC))
    [card] = await store.claim_deliveries(9, at=datetime.now(UTC), lease_s=9)
    assert card.delivery.kind is DeliveryKind.CARD
    await store.close()


async def test_a_database_of_the_first_schema_is_migrated_with_its_rows(tmp_path: Path):
    first = await Database.open(tmp_path / "a.db")
    await migrate(first, bundled_migrations()[:1])
    async with first.transaction() as tx:
        await tx.run("INSERT INTO allowed_chats VALUES (-77, NULL, 0)")
        await tx.run("INSERT INTO chats (id, title, language, written_at) VALUES (-77, 'Films', 'zh', 0)")
    await first.close()

    store = await SqliteStore.open(tmp_path / "a.db")
    try:
        assert await store.sync_allowed_chats([], at=NOON) == {-77}
        ([entry], total) = await store.access_entries(offset=0, limit=9)
        assert (entry.title, total) == ("Films", 1)
        assert (await store.access_lists()).admins == set()
    finally:
        await store.close()


async def test_ids_can_be_looked_up_in_a_database_from_before_lookups(tmp_path: Path):
    before = await Database.open(tmp_path / "a.db")
    await migrate(before, bundled_migrations()[:4])
    async with before.transaction() as tx:
        await tx.run(
            "INSERT INTO tasks (provider, external_id, status, registered_at)"
            " VALUES ('a', 't1', 'unknown', 0)"
        )
    await before.close()

    store = await SqliteStore.open(tmp_path / "a.db")
    request = LookupRequest(
        candidates={"t1": ("a", "b")}, chat_id=1, thread_id=None, message_id=7, user_id=1, language="en"
    )
    try:
        await store.look_up(request, at=NOON)
        assert len(await store.claim_due({"a": 9, "b": 9}, at=NOON, lease_s=9)) == 2
    finally:
        await store.close()


async def test_migrating_again_changes_nothing(database: Database):
    await migrate(database, [FIRST])
    await migrate(database, [FIRST])

    assert await tables(database) == ["first"]


async def test_only_what_is_missing_is_applied(database: Database):
    await migrate(database, [FIRST])
    await migrate(database, [FIRST, Migration(number=2, script="ALTER TABLE first RENAME TO second;")])

    assert await tables(database) == ["second"]
    assert await ask(database, "PRAGMA user_version") == [2]


async def test_a_migration_that_fails_leaves_the_schema_before_it(database: Database):
    broken = Migration(number=2, script="CREATE TABLE second (b);\nCREATE TABLE first (a);\n")

    with pytest.raises(StoreUnavailable, match="table first already exists"):
        await migrate(database, [FIRST, broken])

    assert await tables(database) == ["first"]
    assert await ask(database, "PRAGMA user_version") == [1]


async def test_statements_may_hold_semicolons_in_their_texts_and_triggers():
    script = """
    INSERT INTO a VALUES ('x;
    y'); -- a word; to the reader
    CREATE TRIGGER t AFTER INSERT ON a BEGIN
        DELETE FROM a;
        DELETE FROM b;
    END;
    """

    assert len(list(Migration(number=1, script=script).statements())) == 2


async def test_a_database_of_the_first_schema_is_upgraded_with_what_it_holds(tmp_path: Path):
    path = tmp_path / "a.db"
    first = await Database.open(path)
    await migrate(first, bundled_migrations()[:1])
    async with first.transaction() as tx:
        await tx.run(
            "INSERT INTO tasks (provider, external_id, status, registered_at)"
            " VALUES ('wan', 't1', 'succeeded', 0)"
        )
        for chat_id, state in ((5, "active"), (6, "finished")):
            await tx.run(
                "INSERT INTO watches (task_id, chat_id, language, created_at, state, ended_at)"
                " VALUES (1, ?, 'zh', 0, ?, 1)",
                (chat_id, state),
            )
        await tx.run(
            "INSERT INTO deliveries (chat_id, kind, subject, watch_id, priority, created_at)"
            " VALUES (5, 'result', '1', 1, 0, 0)"
        )
    await first.close()

    store = await SqliteStore.open(path)

    assert await store.chat_settings(5) == DEFAULT_SETTINGS
    [result] = await store.claim_deliveries(9, at=datetime(2025, 6, 1, tzinfo=UTC), lease_s=60)
    assert isinstance(result, WatchDelivery)
    assert (result.watch.language, result.watch.user_name, result.task.document) == ("zh", None, None)
    [ended] = await store.history(6, ending=None, provider=None, offset=0, limit=9)
    assert ended.task.ref.external_id == "t1"
    await store.close()


async def test_a_database_of_a_newer_program_is_rejected_unchanged(tmp_path: Path):
    path = tmp_path / "a.db"
    await (await SqliteStore.open(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")

    with pytest.raises(StoreFromFuture, match=r"a\.db was made by a newer version .*schema is 999"):
        await SqliteStore.open(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (999,)


@pytest.mark.parametrize("version", [0, 1])
async def test_a_database_of_another_program_is_rejected_unchanged(tmp_path: Path, version: int):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE tasks (theirs TEXT)")
        connection.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(StoreCorrupt, match=r"a\.db is a database of another program"):
        await SqliteStore.open(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("tasks",)]


async def test_a_damaged_database_is_corrupt(tmp_path: Path):
    path = tmp_path / "a.db"
    await (await SqliteStore.open(path)).close()
    sound = path.read_bytes()
    path.write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))

    with pytest.raises(StoreCorrupt, match=r"a\.db is damaged"):
        await SqliteStore.open(path)


async def test_two_that_open_a_new_file_at_once_make_it_once(tmp_path: Path):
    stores = await asyncio.gather(*(SqliteStore.open(tmp_path / "a.db") for _ in range(2)))

    for store in stores:
        await store.check()
        await store.close()


async def test_the_schema_has_the_same_final_statuses_as_the_models(database: Database):
    await migrate(database, bundled_migrations())
    async with database.transaction() as tx:
        for status in TaskStatus:
            await tx.run(
                "INSERT INTO tasks (provider, external_id, status, registered_at) VALUES ('wan', ?, ?, 0)",
                (status, status),
            )

    assert await ask(database, "SELECT status FROM tasks WHERE is_final ORDER BY id") == [
        status for status in TaskStatus if status.is_final
    ]


async def test_the_schema_has_the_same_unsent_deliveries_as_the_models(database: Database):
    await migrate(database, bundled_migrations())
    async with database.transaction() as tx:
        for state in DeliveryState:
            await tx.run(
                "INSERT INTO deliveries (chat_id, kind, subject, state, priority, created_at)"
                " VALUES (1, 'report', 'a', ?, 0, 0)",
                (state,),
            )

    assert await ask(database, "SELECT state FROM deliveries WHERE is_unsent ORDER BY id") == [
        state for state in DeliveryState if state.is_unsent
    ]


async def test_the_schema_has_the_same_watches_that_are_over_as_the_models(database: Database):
    await migrate(database, bundled_migrations())
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO tasks (provider, external_id, status, registered_at) VALUES ('a', 'b', 'queued', 0)"
        )
        for chat_id, state in enumerate(WatchState):
            await tx.run(
                "INSERT INTO watches (task_id, chat_id, language, created_at, state)"
                " VALUES (1, ?, 'en', 0, ?)",
                (chat_id, state),
            )

    assert await ask(database, "SELECT state FROM watches WHERE is_over ORDER BY id") == [
        state for state in WatchState if state.is_over
    ]
