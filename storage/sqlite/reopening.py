"""Opens the database lazily, so that the bot can start and report the error while the disk is full."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from storage.errors import StoreFull, StoreUnavailable
from storage.sqlite.connection import Database, Transaction

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
                "%s The bot continues without the database and retries on each use.", error
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
