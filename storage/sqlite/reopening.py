"""Opens the database: migrates it and releases old leases; while the disk is full, each use tries again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from storage.errors import StoreFull, StoreUnavailable
from storage.models import DeliveryState
from storage.sql import maintenance
from storage.sql.store import free_leases
from storage.sqlite.connection import Database, Transaction
from storage.sqlite.migrate import bundled_migrations, migrate, require_tables, schema_of
from storage.sqlite.migration_copy import copy_before_migration, holds_rows
from storage.watches import WatchState

log = logging.getLogger(__name__)


class ReopeningDatabase:
    """A proxy for a Database; while it could not be opened, each use tries again."""

    def __init__(self, path: Path, open_: Callable[[], Awaitable[Database]]) -> None:
        """open_: opens and migrates the database; raises StoreError."""
        self.path = path
        self.is_closed = False
        self._open = open_
        self._database: Database | None = None
        self._opening = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, open_: Callable[[], Awaitable[Database]]) -> Self:
        """Open it, unless the disk is full: then every use raises StoreFull until there is room."""
        reopening = cls(path, open_)
        try:
            await reopening._opened()
        except StoreFull as error:
            log.error(  # noqa: TRY400 - a traceback adds nothing
                "%s The bot continues without the database and retries on each use.",
                error,
                extra={"event": "database_full", "path": str(path)},
            )
        return reopening

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Write, as Database.transaction() does."""
        database = await self._opened()
        async with database.transaction() as tx:
            yield tx

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Read, as Database.reading() does."""
        database = await self._opened()
        async with database.reading() as tx:
            yield tx

    async def give_back_space(self) -> None:
        """Return free pages to the file system, as Database.give_back_space() does."""
        await (await self._opened()).give_back_space()

    async def close(self) -> None:
        """Close it; harmless when closed or never opened."""
        self.is_closed = True
        async with self._opening:  # an opening in progress would leave its connections and leases
            if self._database is not None:
                await self._database.close()

    async def _opened(self) -> Database:
        if self._database is not None:
            return self._database
        async with self._opening:
            if self.is_closed:
                raise StoreUnavailable(f"The database {self.path} is closed.")
            if self._database is None:
                self._database = await self._open()
            return self._database


async def open_database(path: Path, *, bot_id: str = "", is_new: bool) -> Database:
    """Open, migrate and share the database; raises StoreError.

    No lease may be taken before share(): until then another process may have the lock exclusively and
    free all leases.
    """
    database = await Database.open(path, bot_id=bot_id)
    async with AsyncExitStack() as undo:
        undo.push_async_callback(database.close)
        await require_tables(database)
        await _copy_if_older(database)
        await migrate(database, bundled_migrations())
        if database.is_alone:
            with suppress(StoreUnavailable):  # on a full disk, they expire
                async with database.transaction() as tx:
                    await free_leases(tx, owner=None)
        await database.share()
        await _log_opening(database, is_new=is_new)
        undo.pop_all()
    return database


async def _copy_if_older(database: Database) -> None:
    schema, newest = await schema_of(database), bundled_migrations()[-1].number
    if not 0 < schema < newest or not await holds_rows(database):
        return
    copy = await asyncio.to_thread(copy_before_migration, database.path, schema=schema)
    log.info(
        "Migrating the database from schema %d to %d; before that it was copied to %s.",
        schema,
        newest,
        copy,
        extra={"event": "database_migrating", "path": str(copy), "schema": newest},
    )


async def _log_opening(database: Database, *, is_new: bool) -> None:
    """Log the path and the counts, so that a wrong path or an empty volume is noticed."""
    schema = bundled_migrations()[-1].number
    if is_new:
        log.info(
            "Made a new database: %s (schema %d). If there should be one already, check DATABASE_URL and the"
            " volume.",
            database.path,
            schema,
            extra={"event": "database_created", "path": str(database.path), "schema": schema},
        )
        return
    async with database.reading() as tx:
        found = await maintenance.stats(tx)
    unsent = sum(found.deliveries[state] for state in DeliveryState if state.is_unsent)
    watched = found.watches[WatchState.ACTIVE]
    log.info(
        "Opened the database %s (schema %d); tasks watched: %d, messages waiting: %d",
        database.path,
        schema,
        watched,
        unsent,
        extra={
            "event": "database_opened",
            "path": str(database.path),
            "schema": schema,
            "watched": watched,
            "waiting": unsent,
        },
    )
