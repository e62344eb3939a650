"""Whatever is in a database comes through an export and an import unchanged, also into the other engine."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage import factory
from storage.errors import ImportRefused, StoreError, StoreInUse, StoreUnavailable
from storage.models import DeliveryKind, EventKind, TaskStatus
from storage.postgres_url import PostgresUrl
from storage.records import SCHEMA, TABLES, Record, Shape
from storage.store import Store
from storage.texts import storable
from tests.contract.exports import Database, export, fill, import_, joined, lines_of
from tests.contract.random_records import RandomRecords, elsewhere
from tests.contract.store.driver import CHAT, Driver
from tests.postgres.schemas import empty

NewDatabase = Callable[[], Database]


@pytest.mark.parametrize("seed", range(12))
def test_an_export_of_an_import_is_equal_byte_by_byte(tmp_path: Path, seed: int):
    fill(tmp_path / "a.db", seed=seed)
    first = export(tmp_path / "a.db")

    import_(tmp_path / "b.db", first)

    assert export(tmp_path / "b.db") == first
    assert lines_of(first)[1:-1] == _stored(seed)


@pytest.mark.parametrize("seed", range(6))
def test_moves_from_sqlite_to_postgresql_and_back_and_again_change_no_byte(
    tmp_path: Path, postgres_schema: str, seed: int
):
    server = PostgresUrl.of(postgres_schema)
    asyncio.run(empty(postgres_schema))
    fill(tmp_path / "a.db", seed=seed)
    first = export(tmp_path / "a.db")

    import_(server, first)
    assert export(server) == first
    import_(tmp_path / "b.db", export(server))
    assert export(tmp_path / "b.db") == first
    asyncio.run(empty(postgres_schema))
    import_(server, export(tmp_path / "b.db"))
    assert export(server) == first


def _stored(seed: int) -> list[Record]:
    """The lines of the random records, without what no engine stores in a text."""
    lines = []
    for table, record in RandomRecords(seed).all():
        texts = {each.name for each in table.fields if each.shape is Shape.TEXT}
        lines.append(
            {"table": table.name}
            | {name: storable(value) if name in texts else value for name, value in record.items()}
        )
    return lines


async def opened(database: Database) -> Store:
    """The store of a running bot."""
    store = await factory.open_store(database)
    await store.leadership.acquire()
    return store


async def test_what_bot_and_users_have_written_is_exported_while_the_bot_runs_and_imported(
    new_database: NewDatabase,
):
    old, new = [await asyncio.to_thread(new_database) for _ in range(2)]
    store = await opened(old)
    driver = Driver(store)
    await driver.watch("t1")
    await driver.watch_batch("t2", "t3", "t4", "t5")
    await driver.fail_key((await store.active_watches(CHAT))[0].task.id)
    (sending,) = await store.claim_deliveries(9, at=driver.now, lease_s=60)

    written = await asyncio.to_thread(export, old)
    await store.close()
    await asyncio.to_thread(import_, new, written)

    assert await asyncio.to_thread(export, new) == written
    moved = await opened(new)
    try:
        driver = Driver(moved)
        assert len(await moved.active_watches(CHAT)) == 5
        assert len(await driver.claim_tasks()) == 4  # the fifth is due later
        waiting = []
        while again := await moved.claim_deliveries(9, at=driver.now, lease_s=60):
            waiting += again
        assert sending.delivery.id in {one.delivery.id for one in waiting}
        assert {DeliveryKind.CARD, DeliveryKind.BATCH} <= {one.delivery.kind for one in waiting}
    finally:
        await moved.close()


async def test_ids_go_on_where_they_were(tmp_path: Path, new_database: NewDatabase):
    store = await factory.open_store(tmp_path / "a.db")
    watched = await Driver(store).watch("t1")
    await Driver(store).poll(watched.task.id, TaskStatus.SUCCEEDED, EventKind.FINISHED)
    await store.close()
    lines = lines_of(await asyncio.to_thread(export, tmp_path / "a.db"))
    lines[0]["next_ids"]["watches"] = 900
    database = await asyncio.to_thread(new_database)

    await asyncio.to_thread(import_, database, joined(lines))

    moved = await opened(database)
    try:
        assert (await Driver(moved).watch("t1")).watch.id == watched.watch.id
        second = await Driver(moved).watch("t2")
        assert second.watch.id == 900
        assert await Driver(moved).poll(
            second.task.id, TaskStatus.FAILED, EventKind.FINISHED
        )  # with an event
    finally:
        await moved.close()


def test_a_time_of_another_zone_is_the_same_time(full: bytes, new_database: NewDatabase):
    lines, database = lines_of(full), new_database()
    for line in lines[1:-1]:
        if line["table"] == "watches":
            line["created_at"] = elsewhere(line["created_at"])

    import_(database, joined(lines))

    assert export(database) == full


def test_what_no_engine_stores_in_a_text_is_replaced_as_in_an_old_database_of_sqlite(
    full: bytes, tmp_path: Path, new_database: NewDatabase
):
    import_(tmp_path / "a.db", full)
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as old:
        old.execute("UPDATE chats SET title = 'a' || char(0) || 'b'")
    database = new_database()

    import_(database, export(tmp_path / "a.db"))

    assert [line["title"] for line in lines_of(export(database)) if line.get("table") == "chats"] == [
        "a\N{REPLACEMENT CHARACTER}b"
    ] * 4


async def test_a_database_that_only_a_first_start_has_written_to_is_replaced(
    full: bytes, new_database: NewDatabase
):
    database = await asyncio.to_thread(new_database)
    store = await opened(database)
    await store.sync_allowed_chats([1, 2], at=Driver(store).now)
    await store.save_estimates("{}")
    await store.close()

    await asyncio.to_thread(import_, database, full)

    assert await asyncio.to_thread(export, database) == full


def test_the_newest_records_alone_are_those_at_the_end_of_all(full: bytes, new_database: NewDatabase):
    database = new_database()
    import_(database, full)

    with factory.open_dump(database) as dump:
        for table in TABLES:
            assert list(dump.records(table, newest=3)) == list(dump.records(table))[-3:]


def test_a_second_import_is_refused_and_changes_nothing(full: bytes, new_database: NewDatabase):
    database = new_database()
    import_(database, full)

    with pytest.raises(ImportRefused, match=r" holds [a-z ]+ already; an import needs an empty one\.$"):
        import_(database, full)

    assert export(database) == full


async def test_nothing_is_imported_while_a_bot_runs_on_the_database_which_an_export_says(
    full: bytes, new_database: NewDatabase
):
    database = await asyncio.to_thread(new_database)
    store = await opened(database)

    with pytest.raises(StoreInUse, match=r"^The database .+ is in use: stop the bot first\.$"):
        await asyncio.to_thread(import_, database, full)
    assert await asyncio.to_thread(is_in_use, database)

    await store.close()
    assert not await asyncio.to_thread(is_in_use, database)
    await asyncio.to_thread(import_, database, full)


def is_in_use(database: Database) -> bool:
    with factory.open_dump(database) as dump:
        return dump.is_in_use


def test_a_database_of_another_schema_is_not_exported(tmp_path: Path):
    fill(tmp_path / "full.db", seed=1)
    with closing(sqlite3.connect(tmp_path / "full.db")) as database:
        database.execute("PRAGMA user_version = 8")

    with pytest.raises(StoreUnavailable, match="has schema 8, and this program exports"):
        export(tmp_path / "full.db")


def test_a_row_that_cannot_be_written_is_named(tmp_path: Path):
    fill(tmp_path / "full.db", seed=1)
    with closing(sqlite3.connect(tmp_path / "full.db", isolation_level=None)) as database:
        database.execute("UPDATE tasks SET registered_at = 1e300")

    with pytest.raises(StoreError, match="A row of tasks cannot be read"):
        export(tmp_path / "full.db")


def test_the_number_of_the_records_schema_rises_with_every_change_of_it():
    fields = [
        (table.name, each.name, each.shape.value, each.is_optional)
        for table in TABLES
        for each in table.fields
    ]

    assert (SCHEMA, hashlib.sha256(repr(fields).encode()).hexdigest()[:8]) == (10, "3ee7997f")
