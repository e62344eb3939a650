"""Where the stores under test keep their data."""

from pathlib import Path
from typing import Protocol

import asyncpg

from storage.factory import open_store, open_unfenced_store
from storage.postgres.connecting import Connection
from storage.postgres.server_clock import utc_now
from storage.postgres_url import PostgresUrl
from storage.store import Store
from tests.fakes.databases import new_database
from tests.postgres.schemas import empty, empty_for_leader


class Engine(Protocol):
    """A kind of database."""

    async def clear(self) -> None:
        """Continue with an empty database."""
        ...

    async def open(self) -> Store:
        """Open a store on the database, which several stores may share."""
        ...

    async def empty_store(self) -> Store:
        """An open store on an empty database, which nobody but the engine closes."""
        ...

    async def close(self) -> None:
        """Close what empty_store() has opened."""
        ...


class SqliteEngine:
    """A file for each empty database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = 0
        self._store: Store | None = None

    async def clear(self) -> None:
        self._files += 1
        await new_database(self._file)

    async def open(self) -> Store:
        return await open_store(self._file)

    async def empty_store(self) -> Store:
        await self.close()
        await self.clear()
        self._store = await self.open()
        return self._store

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()

    @property
    def _file(self) -> Path:
        return self._folder / f"{self._files}.db"


class PostgresEngine:
    """A schema, whose rows are deleted, but for those of the one store that leads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._leader: Store | None = None
        self._emptying: Connection  # while there is a leader; a new one takes longer than most tests

    async def clear(self) -> None:
        if self._leader is None:
            await empty(self._url)
            self._leader = await open_store(PostgresUrl.of(self._url))
            await self._leader.leadership.acquire()
            self._emptying = await asyncpg.connect(self._url)
        await empty_for_leader(self._emptying)

    async def open(self) -> Store:
        """One that does not lead, as several can be open."""
        return open_unfenced_store(PostgresUrl.of(self._url), now=utc_now)

    async def empty_store(self) -> Store:
        """Always the one that leads: new connections cost more than most tests."""
        await self.clear()
        assert self._leader is not None
        return self._leader

    async def close(self) -> None:
        leader, self._leader = self._leader, None
        if leader is not None:
            await self._emptying.close()
            await leader.close()
