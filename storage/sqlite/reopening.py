"""A database that is opened once there is room for it: a start on a full disk can then say what is wrong."""

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
    """Passes everything on to a database; where it could not be opened yet, each use tries again."""

    def __init__(self, path: Path, open_: Callable[[], Awaitable[Database]]) -> None:
        """open_: gives the database ready for use; raises StoreError."""
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
            log.error(  # noqa: TRY400 - the sentence says all that there is to say
                "%s The bot goes on without it, and tries again with each use.", error
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
        """Return space to the file system, as Database.give_back_space() does."""
        await (await self._opened()).give_back_space()

    async def close(self) -> None:
        """Close it; harmless when closed or never opened."""
        self.is_closed = True
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
