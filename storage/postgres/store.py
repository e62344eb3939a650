"""PostgresStore: the Store in a PostgreSQL database."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Self

from storage.figures import Figures, Workload
from storage.leadership import Leadership, SoleLeadership
from storage.models import Task
from storage.postgres.connection import Database
from storage.postgres.migrate import bundled_migrations, migrate
from storage.postgres.renewing import renew
from storage.postgres_url import PostgresUrl
from storage.sql import maintenance, tasks, usage
from storage.sql.store import SqlStore
from storage.sql.transaction import Transaction
from storage.usage import Usage

USAGE_DIALECT = usage.UsageDialect(
    quarter=f"CAST(floor(extract(epoch FROM e.at) / {usage.QUARTER_S}) AS bigint)",
    seconds="CAST(extract(epoch FROM {}) AS double precision)",
    seconds_of_field="CAST(extract(epoch FROM CAST(t.snapshot ->> '{}' AS timestamptz)) AS double precision)",
    cause="t.snapshot ->> 'cause'",
)


class PostgresStore(SqlStore):
    """The Store in a PostgreSQL database, which several processes may share."""

    def __init__(self, database: Database) -> None:
        """Use a database with the current schema."""
        super().__init__(database)
        self._is_closed = False
        self.leadership: Leadership = SoleLeadership()

    @classmethod
    async def open(cls, url: PostgresUrl) -> Self:
        """Connect and migrate; raises StoreError. The leases of other processes are left to expire."""
        database = Database(url)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(database.close)
            await migrate(database, bundled_migrations())
            undo.pop_all()
        return cls(database)

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def renew_tasks(self, tasks_: Sequence[Task], *, at: datetime, lease_s: float) -> Mapping[int, int]:
        async with self._database.transaction() as tx:
            renewed = await renew(tx, tasks_, owner=self._owner, at=at, lease_s=lease_s)
            return await tasks.active_watches(tx, renewed)

    async def figures(self) -> Figures:
        async with self._database.reading() as tx:
            return await maintenance.figures(tx, size=await _size(tx))

    async def usage(self, starts: Sequence[datetime], *, end: datetime) -> Usage:
        async with self._database.reading() as tx:
            return await usage.usage(tx, starts, end=end, dialect=USAGE_DIALECT)

    async def workload(self, *, at: datetime) -> Workload:
        async with self._database.reading() as tx:
            return await maintenance.workload(tx, at=at, size=await _size(tx))

    async def check(self) -> None:
        async with self._database.transaction() as tx:
            await tx.run("SELECT pg_current_xact_id()")  # refused by a server that only follows another one

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._free_leases()
        finally:
            await self._database.close()


async def _size(tx: Transaction) -> int:
    """The bytes of the database, with what others keep in it."""
    [size] = await tx.all("SELECT pg_database_size(current_database())")
    return int(size[0])
