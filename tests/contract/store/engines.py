"""Where the stores under test keep their data."""

from pathlib import Path
from typing import Protocol

from storage.factory import open_store
from storage.postgres_url import PostgresUrl
from storage.store import Store
from tests.postgres.schemas import empty


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

    async def open(self) -> Store:
        return await open_store(self._folder / f"{self._files}.db")

    async def empty_store(self) -> Store:
        await self.close()
        await self.clear()
        self._store = await self.open()
        return self._store

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()


class PostgresEngine:
    """A schema, whose rows are deleted."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: Store | None = None

    async def clear(self) -> None:
        await empty(self._url)

    async def open(self) -> Store:
        return await open_store(PostgresUrl.of(self._url))

    async def empty_store(self) -> Store:
        """Always the same: new connections cost more than most tests."""
        await self.clear()
        self._store = self._store or await self.open()
        return self._store

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()
