"""The database of a scene: a file, or with E2E_DATABASE=postgres a schema on a PostgreSQL server."""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.postgres_url import PostgresUrl
from tests.postgres.schemas import open_schema
from tests.postgres.server import run_server, wheel

ON_POSTGRES = os.environ.get("E2E_DATABASE") == "postgres"
_servers = contextlib.ExitStack()  # a server ends with this process
_starting = threading.Lock()

about_sqlite = pytest.mark.skipif(ON_POSTGRES, reason="is about SQLite's file")


@dataclass(frozen=True, slots=True)
class SceneDatabase:
    """Where the bots of a scene store everything."""

    url: str  # DATABASE_URL

    @property
    def location(self) -> Path | PostgresUrl:
        """What the URL names."""
        if self.url.startswith("sqlite:///"):
            return Path(self.url.removeprefix("sqlite:///"))
        return PostgresUrl.of(self.url)

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """The rows of a query that both engines understand."""
        if isinstance(self.location, Path):
            with contextlib.closing(sqlite3.connect(self.location)) as database:
                return database.execute(query).fetchall()
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def content(self) -> bytes:
        """All that is stored."""
        if isinstance(file := self.location, Path):
            return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*") if path.is_file())
        tables = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        rows = [row for name in tables for row in await self.rows(f"SELECT t::text FROM {name[0]} t")]
        return "\n".join(row[0] for row in rows).encode()


@contextlib.asynccontextmanager
async def open_database(folder: Path) -> AsyncIterator[SceneDatabase]:
    """A database without tables; folder: of the file."""
    if not ON_POSTGRES:
        yield SceneDatabase(f"sqlite:///{folder / 'reelwatch.db'}")
        return
    async with open_schema(await asyncio.to_thread(_server)) as url:
        yield SceneDatabase(url)


def _server() -> str:
    """The URL of the server, which is started at the first call."""
    with _starting:
        return _started_server()


@cache
def _started_server() -> str:
    if given := os.environ.get("POSTGRES_TEST_URL"):
        return given
    package = wheel()
    assert package is not None, "there is no PostgreSQL for this platform"
    return _servers.enter_context(run_server(package)).url
