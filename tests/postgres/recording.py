"""A database that records the statements of a store."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from storage.postgres.connection import Database, Transaction
from storage.postgres_url import PostgresUrl
from storage.sql.transaction import Parameters

Statement = tuple[str, Parameters]
BEGIN, COMMIT = "BEGIN", "COMMIT"  # with all that is sent in the same round trip
ENDS = {BEGIN, COMMIT}


class Recording(Transaction):
    """Records each statement that it runs."""

    def __init__(self, tx: Transaction, statements: list[Statement]) -> None:
        self._tx = tx
        self._statements = statements

    async def all(self, sql: str, parameters: Parameters = ()) -> list[asyncpg.Record]:
        self._statements.append((sql, parameters))
        return await self._tx.all(sql, parameters)


class RecordingDatabase(Database):
    """All statements are in one list; each takes a round trip, and so do a BEGIN and a COMMIT."""

    def __init__(self, url: PostgresUrl) -> None:
        super().__init__(url)
        self.statements: list[Statement] = []

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._recorded(super().transaction())

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return self._recorded(super().reading())

    @asynccontextmanager
    async def _recorded(
        self, transaction: AbstractAsyncContextManager[Transaction]
    ) -> AsyncIterator[Transaction]:
        self.statements.append((BEGIN, ()))
        async with transaction as tx:
            yield Recording(tx, self.statements)
        self.statements.append((COMMIT, ()))
