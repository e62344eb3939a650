"""The connected database: a session for writing, one for reading, and their transactions."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import asyncpg

from storage.errors import StoreError, StoreUnavailable, StoreUnreachable
from storage.postgres.connecting import END_S, STATEMENT_S, Connection, connect, explained
from storage.postgres_url import PostgresUrl
from storage.sql.transaction import Parameters
from storage.texts import storable

_T = TypeVar("_T")

RETRY_BEGIN_S = 8.0  # a connection and a BEGIN are repeated that long
_AGAIN_S = 0.25  # between two attempts
_SCRIPT_S = 600.0  # for a migration, which may rewrite a table

_LIMIT_OF_TRANSACTION = "SET LOCAL idle_in_transaction_session_timeout = '5s'"

# One writer at a time, as in SQLite, also of several processes. Released with the transaction, and unlike a
# session's lock it holds behind pgbouncer, which gives one session to several clients.
WRITER_LOCK = "SELECT pg_advisory_xact_lock(hashtext('reelwatch'), hashtext(current_schema()))"
# What is read after the lock sees what was committed before it. The timeout is longer than a frozen writer
# may keep it, and shorter than STATEMENT_S, so that it is known what was waited for.
BEGIN_WRITING = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '7s'; {WRITER_LOCK}"
BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# What the driver raises when the server has gone or does not respond.
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_NAME = re.compile(r"(?<!:):([a-z_]+[0-9]*)")
_HINT = re.compile(r" INDEXED BY \w+")


class Guard(Protocol):
    """A condition on transactions, checked in the round trip of their BEGIN."""

    def condition(self) -> str:
        """A query that finds a row if the transaction may go on; raises StoreError if it is sure not to.

        Empty: it may go on.
        """
        ...

    def refusal(self) -> StoreError:
        """The error of a transaction that may not go on."""
        ...


class Transaction:
    """Runs statements in a session inside a transaction: those of storage.sql, and PostgreSQL's own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def script(self, sql: str) -> None:
        """Run several statements without parameters, which may take minutes."""
        await self._connection.execute(sql, timeout=_SCRIPT_S)

    async def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run a statement and ignore its rows."""
        await self.all(sql, parameters)

    async def all(self, sql: str, parameters: Parameters = ()) -> list[asyncpg.Record]:
        """Run a statement and return all its rows."""
        sql, names = in_postgres(sql)
        if isinstance(parameters, Mapping):
            parameters = [parameters[name] for name in names]
        found: list[asyncpg.Record] = await self._connection.fetch(sql, *map(storable, parameters))
        return found

    async def one(self, sql: str, parameters: Parameters = ()) -> asyncpg.Record | None:
        """Run a statement and return its first row, or None."""
        return next(iter(await self.all(sql, parameters)), None)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows by one COPY; the texts are storable() already."""
        await self._connection.copy_records_to_table(table, columns=columns, records=rows)


@lru_cache(maxsize=512)
def in_postgres(sql: str) -> tuple[str, tuple[str, ...]]:
    """A statement of storage.sql with $1, $2 … for :name, without SQLite's hints; and the names in order."""
    sql = _HINT.sub("", sql)
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return _NAME.sub(lambda match: f"${names.index(match[1]) + 1}", sql), names


class Session:
    """One connection, used by one transaction at a time; a lost one is replaced when the next one begins."""

    def __init__(
        self,
        url: PostgresUrl,
        *,
        begin: str,
        guard: Guard | None = None,
        retry_begin_s: float = 0.0,
        statement_s: float = STATEMENT_S,
    ) -> None:
        """begin: the statements that begin a transaction, in one round trip with the guard's condition."""
        self._url = url
        first, _, others = begin.partition("; ")
        limit = _LIMIT_OF_TRANSACTION if url.is_pooled else ""
        self._begin = "; ".join(filter(None, (first, limit, others)))
        self._guard = guard
        self._retry_begin_s = retry_begin_s
        self._statement_s = statement_s
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All statements inside are committed or none; only connecting and BEGIN are repeated."""
        async with self._lock, AsyncExitStack() as on_error:
            connection = await self._begun()
            on_error.push_async_callback(self._roll_back, connection)
            with explained(self._url):
                yield Transaction(connection)
                await connection.execute("COMMIT")
            on_error.pop_all()

    async def execute(self, sql: str) -> str:
        """Run a statement in a transaction of its own, in one round trip; returns its status.

        It is not repeated. A process that is frozen meanwhile keeps no lock.
        """
        async with self._lock:
            return await self._alone(lambda connection: connection.execute(sql))

    async def fetch(self, sql: str, *parameters: object) -> list[asyncpg.Record]:
        """Run a statement in a transaction of its own, not repeated."""

        async def run(connection: Connection) -> list[asyncpg.Record]:
            if not self._url.is_pooled:
                return await connection.fetch(sql, *parameters)
            # It is prepared and run in two round trips, which must be of one session of the server.
            async with connection.transaction():
                return await connection.fetch(sql, *parameters)

        async with self._lock:
            return await self._alone(run)

    async def _alone(self, run: Callable[[Connection], Awaitable[_T]]) -> _T:
        with explained(self._url):
            connection = await self._connected()
            try:
                return await run(connection)
            except asyncpg.PostgresError:
                raise  # the response, so the connection is as good as before
            except BaseException:  # such as a cancellation: the response may still come
                connection.terminate()
                raise

    def drop(self) -> None:
        """Close the connection without waiting, which ends the transaction and what waits for a response."""
        if self._connection is not None:
            self._connection.terminate()

    async def close(self) -> None:
        """Wait for the running transaction and close; harmless when closed."""
        async with self._lock:
            self._closed = True
            if self._connection is not None:
                try:
                    await self._connection.close(timeout=END_S)
                except _LOST:
                    self._connection.terminate()

    async def _begun(self) -> Connection:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._retry_begin_s
        while True:
            try:
                return await self._try_to_begin()
            except StoreUnreachable:
                if loop.time() + _AGAIN_S > deadline:
                    raise
            await asyncio.sleep(_AGAIN_S)

    async def _try_to_begin(self) -> Connection:
        condition = self._guard.condition() if self._guard else ""
        begin = f"{self._begin}; {condition}" if condition else self._begin
        with explained(self._url), ExitStack() as on_error:
            connection = await self._connected()
            # It may have begun; what is left of the connection is not worth a ROLLBACK.
            on_error.callback(connection.terminate)
            try:
                status = await connection.execute(begin)
            except asyncpg.UndefinedTableError as error:
                if self._guard:
                    raise self._guard.refusal() from error
                raise
            on_error.pop_all()
        if self._guard and condition and status == "SELECT 0":
            await self._roll_back(connection)
            raise self._guard.refusal()
        return connection

    async def _connected(self) -> Connection:
        if self._closed:
            raise StoreUnavailable(f"The database {self._url} is closed.")
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, statement_s=self._statement_s)
        return self._connection

    async def _roll_back(self, connection: Connection) -> None:
        """End a failed transaction; a connection without a response is dropped, which ends it, too."""
        if connection.is_closed():
            return
        with suppress(*_LOST), ExitStack() as on_error:
            on_error.callback(connection.terminate)
            await connection.execute("ROLLBACK", timeout=END_S)
            on_error.pop_all()


class Database:
    """A connected database: two sessions and no pool, whose reset costs a round trip each time."""

    def __init__(
        self,
        url: PostgresUrl,
        *,
        writing: Guard | None = None,
        reading: Guard | None = None,
        retry_begin_s: float = RETRY_BEGIN_S,
    ) -> None:
        """Nothing is connected before the first transaction.

        writing, reading: conditions on the transactions.
        retry_begin_s: how long a transaction that can't begin is tried again.
        """
        self.url = url
        self._writer = Session(url, begin=BEGIN_WRITING, guard=writing, retry_begin_s=retry_begin_s)
        self._reader = Session(url, begin=BEGIN_READING, guard=reading, retry_begin_s=retry_begin_s)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Write, as the only writer: all statements inside are committed or none."""
        return self._writer.transaction()

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """Read: all statements inside see the same snapshot."""
        return self._reader.transaction()

    def drop_connections(self) -> None:
        """End what waits for the server; the next transaction connects anew."""
        self._reader.drop()
        self._writer.drop()

    async def close(self) -> None:
        """Wait for running transactions and close; harmless when closed."""
        await self._reader.close()
        await self._writer.close()
