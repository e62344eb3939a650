"""SqliteStore: the Store in one SQLite file."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from storage.errors import StoreUnavailable
from storage.figures import Figures, Workload
from storage.leadership import Leadership, SoleLeadership
from storage.models import Task
from storage.notifications import NoNotifications, Notifications
from storage.sql import maintenance, tasks, usage
from storage.sql.store import SqlStore
from storage.sqlite import files
from storage.sqlite.migrate import create
from storage.sqlite.renewing import renew
from storage.sqlite.reopening import ReopeningDatabase, open_database
from storage.usage import Usage

USAGE_DIALECT = usage.UsageDialect(
    quarter=f"CAST(e.at / {usage.QUARTER_S} AS INTEGER)",
    seconds="{}",
    seconds_of_field="(julianday(t.snapshot ->> '{}') - 2440587.5) * 86400",  # the unix epoch's Julian day
    cause="t.snapshot ->> '$.error.cause'",
)


class SqliteStore(SqlStore):
    """The Store in one SQLite file, which several processes may share."""

    def __init__(self, database: ReopeningDatabase) -> None:
        """Use an open database with the current schema."""
        super().__init__(database)
        self._file = database
        self.leadership: Leadership = SoleLeadership()
        self.notifications: Notifications = NoNotifications()

    @classmethod
    async def open(cls, path: Path, *, bot_id: str = "") -> Self:
        """Open the file and create it if missing; frees all leases if no other process has it open.

        While the disk is full, every call of a method tries again to open an existing database.
        """
        is_new = not files.exists(path)
        if is_new:
            await create(path)
        return cls(
            await ReopeningDatabase.open(
                path.absolute(), lambda: open_database(path, bot_id=bot_id, is_new=is_new)
            )
        )

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def renew_tasks(self, tasks_: Sequence[Task], *, at: datetime, lease_s: float) -> Mapping[int, int]:
        async with self._database.transaction() as tx:
            renewed = await renew(tx, tasks_, owner=self._owner, at=at, lease_s=lease_s)
            return await tasks.active_watches(tx, renewed)

    async def load_leader_state(self) -> str | None:
        return None

    async def save_leader_state(self, state: str) -> None:
        """Save nothing: no other process would read it."""

    async def figures(self) -> Figures:
        size = await asyncio.to_thread(files.bytes_on_disk, self._file.path)
        async with self._database.reading() as tx:
            return await maintenance.figures(tx, size=size)

    async def usage(self, starts: Sequence[datetime], *, end: datetime) -> Usage:
        async with self._database.reading() as tx:
            return await usage.usage(tx, starts, end=end, dialect=USAGE_DIALECT)

    async def workload(self, *, at: datetime) -> Workload:
        size = await asyncio.to_thread(files.bytes_on_disk, self._file.path)
        async with self._database.reading() as tx:
            return await maintenance.workload(tx, at=at, size=size)

    async def check(self) -> None:
        # Writes to an unlinked file succeed. In a thread, as the disk may not respond.
        if not await asyncio.to_thread(files.exists, self._file.path):
            raise StoreUnavailable(f"The database {self._file.path} is gone from the disk.")
        async with self._database.transaction() as tx:
            # A write without a change, which fails on a full or read-only disk.
            found = await tx.all("PRAGMA user_version")
            await tx.run(f"PRAGMA user_version = {found[0]['user_version']}")

    async def prune(self, *, older_than: datetime, limit: int) -> int:
        pruned = await super().prune(older_than=older_than, limit=limit)
        await self._file.give_back_space()
        return pruned

    async def close(self) -> None:
        if self._file.is_closed:
            return
        try:
            await self._free_leases()
        finally:
            await self._file.close()
