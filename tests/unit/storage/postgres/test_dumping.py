"""Exports and imports of a database in PostgreSQL: what is in them, and what an import keeps others from."""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import asyncpg
import pytest

from storage.errors import LeadershipLost, StoreFromFuture, StoreUnavailable
from storage.postgres.dumping import open_dump, open_load
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from storage.records import TABLES, Record, RecordRefused
from tests.contract.store.driver import Driver
from tests.postgres.schemas import new_schema
from tests.unit.storage.sqlite.test_dumping import OF_A_PROCESS

OF_THE_PROCESSES = {"migrations", "leader", "leader_state", "replicas"}  # tables

_RELATIONS = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    """A schema without tables."""
    with new_schema(postgres_server) as url:
        yield url


async def rows(url: str, query: str) -> list[asyncpg.Record]:
    session = await asyncpg.connect(url)
    try:
        return list(await session.fetch(query))
    finally:
        await session.close()


def import_nothing(url: str) -> None:
    with open_load(PostgresUrl.of(url)) as load:
        load.finish({})


def test_every_stored_column_is_exported_or_of_a_process(url: str):
    import_nothing(url)
    columns = asyncio.run(
        rows(
            url,
            "SELECT table_name, column_name, is_nullable = 'YES' FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'",
        )
    )

    stored = {
        (table, column): is_optional
        for table, column, is_optional in columns
        if table not in OF_THE_PROCESSES
    }
    exported = {(table.name, field.name): field.is_optional for table in TABLES for field in table.fields}
    assert exported == {name: optional for name, optional in stored.items() if name not in OF_A_PROCESS}


def test_an_import_that_is_interrupted_leaves_nothing(url: str):
    def interrupted() -> None:
        with open_load(PostgresUrl.of(url)) as load:
            load.finish({})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    [[relations]] = asyncio.run(rows(url, _RELATIONS))
    assert relations == 0


def test_an_import_may_wait_for_its_file(url: str):
    impatient = PostgresUrl.of(f"{url}&idle_in_transaction_session_timeout=50")

    with open_load(replace(impatient, is_pooled=True)) as load:  # whose sessions set no limit themselves
        time.sleep(0.2)
        load.finish({})


async def test_a_bot_that_starts_during_an_import_leads_after_it(url: str):
    await asyncio.to_thread(import_nothing, url)
    begun, goes_on = threading.Event(), threading.Event()

    def import_slowly() -> None:
        with open_load(PostgresUrl.of(url)) as load:
            begun.set()
            goes_on.wait(10)
            load.finish({})

    importing = asyncio.create_task(asyncio.to_thread(import_slowly))
    await asyncio.to_thread(begun.wait, 10)
    store = await PostgresStore.open(PostgresUrl.of(url))
    acquiring = asyncio.create_task(store.leadership.acquire())
    while not await rows(url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
        assert not acquiring.done()

    goes_on.set()
    await importing
    await acquiring
    assert store.leadership.is_held
    await store.close()


async def test_a_leader_whose_lease_ran_out_before_an_import_may_not_write_after_it(url: str):
    store = await PostgresStore.open(PostgresUrl.of(url))
    await store.leadership.acquire()
    await rows(url, "UPDATE leader SET until = clock_timestamp() - interval '1 s'")

    await asyncio.to_thread(import_nothing, url)

    with pytest.raises(LeadershipLost):
        await Driver(store).watch()
    await store.close()


async def test_a_newer_schema_is_neither_exported_nor_imported_into(url: str):
    await asyncio.to_thread(import_nothing, url)
    await rows(url, "INSERT INTO migrations VALUES (999, now())")

    for opening in (open_dump, open_load):
        with pytest.raises(StoreFromFuture, match="its schema is 999"):
            await asyncio.to_thread(opening(PostgresUrl.of(url)).__enter__)


def test_a_database_without_tables_is_not_exported(url: str):
    with (
        pytest.raises(StoreUnavailable, match=r"holds no tables; DATABASE_URL says where it is\.$"),
        open_dump(PostgresUrl.of(url)),
    ):
        pass


def test_a_value_that_is_too_long_for_an_index_is_refused_by_its_line(url: str):
    tasks = next(each for each in TABLES if each.name == "tasks")
    record: Record = dict.fromkeys(field.name for field in tasks.fields) | {
        "id": 1,
        "provider": "wan",
        "external_id": random.Random(1).randbytes(10_000).hex(),
        "status": "running",
        "registered_at": "2026-11-29T20:00:00+00:00",
        "failures": 0,
        "version": 0,
        "stall": "moving",
    }
    assert tasks.mistake_in(record) is None

    def import_it() -> None:
        with open_load(PostgresUrl.of(url)) as load:
            load.add(tasks, record | {"id": 2, "external_id": "short"}, line=2)
            load.add(tasks, record, line=3)
            load.finish({})

    with pytest.raises(RecordRefused, match="has a value that cannot be stored") as caught:
        import_it()
    assert caught.value.line == 3
