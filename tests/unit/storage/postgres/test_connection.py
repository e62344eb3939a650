"""The sessions of a PostgreSQL database: one writer, nothing half done, and connections that are lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from storage.errors import StoreUnavailable, StoreUnreachable
from storage.postgres.connection import Database, Transaction
from storage.postgres_url import PostgresUrl

PASSWORD = "s3cret/word"


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = Database(PostgresUrl.of(postgres_url))
    async with opened.transaction() as tx:
        await tx.run("CREATE TABLE notes (id integer PRIMARY KEY, text text, at timestamptz)")
    yield opened
    async with opened.transaction() as tx:
        await tx.run("DROP TABLE notes")
    await opened.close()


async def count(database: Database) -> int:
    async with database.reading() as tx:
        [found] = await tx.all("SELECT count(*) FROM notes")
        return int(found[0])


async def insert(database: Database, number: int) -> None:
    async with database.transaction() as tx:
        await tx.run("INSERT INTO notes (id) VALUES ($1)", (number,))


async def end_session(tx: Transaction, url: PostgresUrl) -> None:
    """What a restart of the server does to the transaction's connection."""
    [session] = await tx.all("SELECT pg_backend_pid()")
    connection = await asyncpg.connect(url.dsn)
    await connection.execute(f"SELECT pg_terminate_backend({session[0]}, 5000)")
    await connection.close()


async def lose_connection(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run("INSERT INTO notes (id) VALUES (1)")
        await end_session(tx, database.url)
        await tx.run("INSERT INTO notes (id) VALUES (2)")


async def test_a_transaction_that_fails_writes_nothing(database: Database):
    async def fail() -> None:
        async with database.transaction() as tx:
            await tx.run("INSERT INTO notes (id) VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await count(database) == 0
    await insert(database, 1)


async def test_a_transaction_that_is_cancelled_in_a_statement_writes_nothing(database: Database):
    async def write() -> None:
        async with database.transaction() as tx:
            await tx.run("INSERT INTO notes (id) VALUES (1)")
            await tx.run("SELECT pg_sleep(60)")

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.05)  # until it sleeps, or before: both must end alike
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert await count(database) == 0
    await insert(database, 1)
    assert await count(database) == 1


async def test_two_processes_never_write_at_once(database: Database):
    other = Database(database.url)
    async with database.transaction() as tx:
        waiting = asyncio.create_task(insert(other, 2))
        await tx.run("INSERT INTO notes (id) VALUES (1)")
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
    await waiting
    await other.close()

    assert await count(database) == 2


async def test_a_reading_transaction_sees_one_moment(database: Database):
    async with database.reading() as tx:
        assert await tx.one("SELECT 1 FROM notes") is None
        await insert(database, 1)
        assert await tx.one("SELECT 1 FROM notes") is None


async def test_a_reading_transaction_can_not_write(database: Database):
    with pytest.raises(StoreUnavailable, match="read-only"):
        async with database.reading() as tx:
            await tx.run("INSERT INTO notes (id) VALUES (1)")


async def test_a_transaction_whose_connection_is_lost_fails_and_the_next_one_has_another(database: Database):
    with pytest.raises(StoreUnreachable):
        await lose_connection(database)

    await insert(database, 1)
    assert await count(database) == 1


async def test_a_begin_on_a_connection_that_was_lost_meanwhile_is_repeated(database: Database):
    async with database.transaction() as tx:
        [session] = await tx.all("SELECT pg_backend_pid()")
    other = Database(database.url)
    async with other.transaction() as tx:
        await tx.run("SELECT pg_terminate_backend($1, 5000)", (session[0],))
    await other.close()

    await insert(database, 1)

    assert await count(database) == 1


async def test_a_begin_is_tried_again_until_the_server_is_there(database: Database, tmp_path: Path):
    away = replace(
        database.url, dsn=f"postgresql://postgres@127.0.0.1:1/postgres?sslmode=disable&x={tmp_path}"
    )
    patient = Database(away, retry_begin_s=0.6)
    started = asyncio.get_running_loop().time()

    with pytest.raises(StoreUnreachable, match="cannot be reached"):
        await insert(patient, 1)

    assert asyncio.get_running_loop().time() - started > 0.4


async def test_a_closed_database_refuses_at_once(database: Database):
    other = Database(database.url)
    await other.close()
    await other.close()

    with pytest.raises(StoreUnavailable, match="is closed"):
        await insert(other, 1)


async def test_parameters_are_numbers_or_names_of_any_type(database: Database):
    at = datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
    async with database.transaction() as tx:
        await tx.run("INSERT INTO notes VALUES ($1, $2, $3)", (1, "a\0b", at))
        row = await tx.one(
            "SELECT text, at FROM notes WHERE id = ANY(:ids) AND text = :text::text AND id = :id",
            {"ids": [1, 2], "text": "a\0b", "id": 1, "not used": 5},
        )

    assert row is not None
    assert (row["text"], row["at"]) == ("a\N{REPLACEMENT CHARACTER}b", at)


async def test_behind_pgbouncer_no_statement_and_no_setting_stays_in_the_session(database: Database):
    pooled = Database(replace(database.url, is_pooled=True))
    async with pooled.reading() as tx:
        names = await tx.all("SELECT name FROM pg_prepared_statements WHERE NOT from_sql")
        [shown] = await tx.all("SHOW application_name")
    await pooled.close()

    assert len(names) <= 1  # the statement itself, which is unnamed outside
    assert shown[0] != "reelwatch"


async def test_no_error_shows_user_or_password():
    url = PostgresUrl.of("postgresql://somebody:s3cret%2Fword@127.0.0.1:1/name?sslmode=disable")
    with pytest.raises(StoreUnavailable) as caught:
        await insert(Database(url, retry_begin_s=0), 1)

    texts, error = [], caught.value.__class__(*caught.value.args)
    chain: BaseException | None = caught.value
    while chain is not None:
        texts.append(f"{chain!r} {chain}")
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert "127.0.0.1:1/name" in str(error)
    assert not any(secret in text for text in texts for secret in (PASSWORD, "s3cret", "somebody"))
