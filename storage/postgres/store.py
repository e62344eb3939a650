"""PostgresStore: the Store in a PostgreSQL database."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Self

from storage.errors import StoreError
from storage.figures import Figures, Workload
from storage.leadership import Leadership, SoleLeadership
from storage.models import Task
from storage.notifications import NoNotifications, Notifications
from storage.postgres.connecting import check_login
from storage.postgres.connection import Database
from storage.postgres.guards import CurrentSchema, Fence
from storage.postgres.leadership import DEFAULT_TIMING, Identity, PostgresLeadership, Timing
from storage.postgres.migrate import Migration, bundled_migrations
from storage.postgres.notifications import PostgresNotifications
from storage.postgres.renewing import renew
from storage.postgres.server_clock import ServerClock
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

_FREE_S = 2.0  # for the release of the leases at the end, which is a courtesy: leases run out


class PostgresStore(SqlStore):
    """The Store in a PostgreSQL database, which several processes may share."""

    def __init__(self, database: Database, *, leadership: Leadership, now: Callable[[], datetime]) -> None:
        """Use a database whose transactions are refused until a process that leads has migrated it."""
        super().__init__(database)
        self._is_closed = False
        self.leadership: Leadership = leadership
        self._now = now
        url = database.url
        self.notifications: Notifications = NoNotifications() if url.is_pooled else PostgresNotifications(url)

    @classmethod
    async def open(
        cls,
        url: PostgresUrl,
        *,
        bot_id: str = "",
        version: str = "",
        migrations: Sequence[Migration] | None = None,
        timing: Timing = DEFAULT_TIMING,
    ) -> Self:
        """Check the login; raises StoreRefused. Nothing can be written before leadership.acquire()."""
        await check_login(url)
        migrations = migrations or bundled_migrations()
        fence, clock = Fence(url), ServerClock()
        database = Database(
            url, writing=fence, reading=CurrentSchema(url, version=migrations[-1].number, fence=fence)
        )
        leadership = PostgresLeadership(
            database,
            fence,
            clock,
            identity=Identity(bot_id=bot_id, version=version),
            migrations=migrations,
            timing=timing,
        )
        return cls(database, leadership=leadership, now=clock)

    @classmethod
    def open_unfenced(cls, url: PostgresUrl, *, now: Callable[[], datetime]) -> Self:
        """A store of a process that need not lead; nothing is connected before the first transaction."""
        current = CurrentSchema(url, version=bundled_migrations()[-1].number)
        database = Database(url, writing=current, reading=current)
        return cls(database, leadership=SoleLeadership(), now=now)

    def now(self) -> datetime:
        return self._now()

    async def renew_tasks(self, tasks_: Sequence[Task], *, at: datetime, lease_s: float) -> Mapping[int, int]:
        async with self._database.transaction() as tx:
            renewed = await renew(tx, tasks_, owner=self._owner, at=at, lease_s=lease_s)
            return await tasks.active_watches(tx, renewed)

    async def load_leader_state(self) -> str | None:
        async with self._database.reading() as tx:
            found = await tx.one("SELECT data FROM leader_state")
            return None if found is None else str(found["data"])

    async def save_leader_state(self, state: str) -> None:
        async with self._database.transaction() as tx:
            await tx.run(
                """
                INSERT INTO leader_state (id, data) VALUES (1, $1)
                ON CONFLICT (id) DO UPDATE SET data = excluded.data
                """,
                (state,),
            )

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
        """Release this process's leases, resign and close; takes seconds while the server is away."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with suppress(StoreError, TimeoutError):  # who leads next frees them
                async with asyncio.timeout(_FREE_S):
                    await self._free_leases()
        finally:
            if isinstance(self.leadership, PostgresLeadership):
                await self.leadership.close()
            await self._database.close()


async def _size(tx: Transaction) -> int:
    """The bytes of the database, with what others keep in it."""
    [size] = await tx.all("SELECT pg_database_size(current_database())")
    return int(size[0])
