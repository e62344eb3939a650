"""Reads and writes whole tables for exports and imports, in the meaning of storage.records."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, TypeVar

import asyncpg

from storage.errors import StoreCorrupt, StoreInUse, StoreUnavailable
from storage.postgres.connection import BEGIN_READING, BEGIN_WRITING, Session, Transaction
from storage.postgres.migrate import apply, bundled_migrations, has_tables, make_tables, version_of
from storage.postgres_url import PostgresUrl
from storage.records import TABLES, Record, RecordRefused, Table
from storage.sql.stored_fields import (
    FIRST_ROWS,
    NO_PARENT,
    SAME_KEY,
    UNSTORABLE,
    in_order,
    names_of,
    not_empty,
    other_schema,
    record_reader,
    values_writer,
)

T = TypeVar("T")

_BATCH = 500  # records per statement
_BATCH_CHARACTERS = 4 << 20
_STATEMENT_S = 60.0
# The session may be idle for so long, as the other end of a pipe may pause.
_PATIENT = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
_BEGIN_DUMP = f"{BEGIN_READING}; {_PATIENT}"
_BEGIN_LOAD = f"{BEGIN_WRITING}; {_PATIENT}"

_IS_LED = "SELECT 1 FROM leader WHERE name = 'bot' AND until >= clock_timestamp()"
# A process that led until its lease ran out, as it was frozen, finds its epoch over.
_TAKE_AWAY = """
UPDATE leader SET holder = '', epoch = epoch + 1 WHERE name = 'bot' AND until < clock_timestamp() RETURNING 1
"""

# The tables that give ids. Events do here, and not in SQLite, so an export names no next id of theirs.
_NUMBERED = """
SELECT relname AS name FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = current_schema()::regnamespace AND attname = 'id' AND attidentity <> ''
"""


class _Run(Protocol):
    """Runs a coroutine to its end, for callers without an event loop."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T: ...


class PostgresDump:
    """The records of a database as it was when this was opened."""

    def __init__(self, run: _Run, tx: Transaction, *, is_in_use: bool) -> None:
        """Read within the open transaction."""
        self.is_in_use = is_in_use
        self._run = run
        self._tx = tx

    def counts(self) -> dict[str, int]:
        """The number of records by table."""
        return {table.name: self._number(f"SELECT count(*) FROM {table.name}") for table in TABLES}  # noqa: S608

    def next_ids(self) -> dict[str, int]:
        """The next id of each table that numbers its rows."""
        return {
            table.name: self._number(f"SELECT last_value + is_called::integer FROM {table.name}_id_seq")  # noqa: S608
            for table in TABLES
            if table.numbers_rows
        }

    def records(self, table: Table, *, newest: int | None = None) -> Iterator[Record]:
        """The records of a table, or the newest, in the order of its key; raises StoreCorrupt."""
        read, rows = record_reader(table), f"rows_of_{table.name}"
        self._run(self._tx.run(f"DECLARE {rows} NO SCROLL CURSOR FOR {in_order(table, newest=newest)}"))
        while batch := self._run(self._tx.all(f"FETCH {_BATCH} FROM {rows}")):
            for row in batch:
                try:
                    yield read(row)
                except (ValueError, KeyError) as error:
                    raise StoreCorrupt(f"A row of {table.name} cannot be read: {error}.") from error
        self._run(self._tx.run(f"CLOSE {rows}"))

    def _number(self, query: str) -> int:
        [[number]] = self._run(self._tx.all(query))
        return int(number)


class PostgresLoad:
    """An empty database that records are inserted into, many at once."""

    def __init__(self, run: _Run, tx: Transaction) -> None:
        """Write within the open transaction."""
        self._run = run
        self._tx = tx
        self._values = {table.name: values_writer(table) for table in TABLES}
        self._table = TABLES[0]  # of the records that wait
        self._waiting: list[tuple[int, list[Any]]] = []  # with their lines
        self._characters = 0  # of these

    def add(self, table: Table, record: Record, *, line: int) -> None:
        """Insert a record without mistakes, maybe later; raises RecordRefused."""
        if table is not self._table or len(self._waiting) >= _BATCH or self._characters >= _BATCH_CHARACTERS:
            self._run(self._insert_waiting())
            self._table = table
        values = self._values[table.name](record)
        self._waiting.append((line, values))
        self._characters += sum(len(value) for value in values if isinstance(value, str))

    def finish(self, next_ids: Mapping[str, int]) -> None:
        """Insert what waits, and give no id below these again; raises RecordRefused."""
        self._run(self._insert_waiting())
        self._run(self._finish(next_ids))

    async def _insert_waiting(self) -> None:
        waiting, self._waiting, self._characters = self._waiting, [], 0
        if not waiting:
            return
        await self._tx.script("SAVEPOINT batch")
        try:
            await self._insert([values for _, values in waiting], line=waiting[0][0])
        except RecordRefused:
            await self._tx.script("ROLLBACK TO SAVEPOINT batch")
            for line, values in waiting:  # which one it is
                await self._insert([values], line=line)
            raise
        await self._tx.script("RELEASE SAVEPOINT batch")

    async def _insert(self, rows: list[list[Any]], *, line: int) -> None:
        """Insert rows, of which the first stands in that line; raises RecordRefused."""
        try:
            await self._tx.insert(self._table.name, names_of(self._table), rows)
        except asyncpg.ForeignKeyViolationError:
            raise RecordRefused(NO_PARENT, line=line) from None
        except asyncpg.IntegrityConstraintViolationError:
            raise RecordRefused(SAME_KEY, line=line) from None
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError, OverflowError):
            raise RecordRefused(UNSTORABLE, line=line) from None

    async def _finish(self, next_ids: Mapping[str, int]) -> None:
        # Leased by nobody, so that the next start takes them.
        await self._tx.run("UPDATE deliveries SET lease_until = 'epoch' WHERE state = 'sending'")
        for table in await self._tx.all(_NUMBERED):
            [[last]] = await self._tx.all(f"SELECT coalesce(max(id), 0) FROM {table['name']}")  # noqa: S608
            # Unlike setval(), it is undone if the transaction fails.
            restart = max(next_ids.get(table["name"], 1), last + 1)
            await self._tx.script(f"ALTER TABLE {table['name']} ALTER COLUMN id RESTART WITH {restart}")
        # Until autovacuum comes by, the planner would take the tables for empty.
        await self._tx.script(f"ANALYZE {', '.join(table.name for table in TABLES)}")


@contextmanager
def open_dump(url: PostgresUrl) -> Iterator[PostgresDump]:
    """The database as it is at one moment, also while a bot uses it; raises StoreError."""
    with _begun(url, _BEGIN_DUMP) as (run, tx):
        newest = bundled_migrations()[-1].number
        if not run(has_tables(tx, url)):
            raise StoreUnavailable(f"The database {url} holds no tables; DATABASE_URL says where it is.")
        schema = run(version_of(tx, url, newest=newest))
        if schema != newest:
            raise other_schema(url, schema, newest=newest)
        yield PostgresDump(run, tx, is_in_use=run(tx.one(_IS_LED)) is not None)


@contextmanager
def open_load(url: PostgresUrl) -> Iterator[PostgresLoad]:
    """The database, to which everything is added when the block ends without an error, or nothing.

    Raises StoreError; ImportRefused if it holds data, and StoreInUse while a bot runs on it.
    """
    with _begun(url, _BEGIN_LOAD) as (run, tx):
        run(_prepare(tx, url))
        yield PostgresLoad(run, tx)


async def _prepare(tx: Transaction, url: PostgresUrl) -> None:
    """Make the current schema, in which no rows are left; raises StoreError."""
    migrations = bundled_migrations()
    await make_tables(tx, url)
    if await tx.one(_TAKE_AWAY) is None:
        raise StoreInUse(f"The database {url} is in use: stop the bot first.")
    version = await version_of(tx, url, newest=migrations[-1].number)
    for migration in migrations[version:]:
        await apply(tx, migration)
    for table in TABLES:
        is_first = FIRST_ROWS.get(table.name, "false")
        if await tx.one(f"SELECT 1 FROM {table.name} WHERE NOT ({is_first}) LIMIT 1"):  # noqa: S608
            raise not_empty(url, table.name)
        if table.name in FIRST_ROWS:
            await tx.run(f"DELETE FROM {table.name}")  # noqa: S608


@contextmanager
def _begun(url: PostgresUrl, begin: str) -> Iterator[tuple[_Run, Transaction]]:
    """A transaction and what runs its coroutines; committed when the block ends without an error."""
    session = Session(url, begin=begin, retry_begin_s=0.0, statement_s=_STATEMENT_S)
    with asyncio.Runner() as runner, ExitStack() as stack:
        stack.callback(session.drop)
        transaction = session.transaction()
        tx = runner.run(transaction.__aenter__())
        stack.push(lambda *error: runner.run(transaction.__aexit__(*error)))
        yield runner.run, tx
