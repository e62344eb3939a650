"""The database of a scene: a file, or with E2E_DATABASE=postgres a schema on a PostgreSQL server."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.postgres.schemas import new_schema
from tests.postgres.server import run_server, wheel

_ON_POSTGRES = os.environ.get("E2E_DATABASE") == "postgres"
_servers = contextlib.ExitStack()  # a server ends with this process

about_sqlite = pytest.mark.skipif(_ON_POSTGRES, reason="is about SQLite's file")


@dataclass(frozen=True, slots=True)
class SceneDatabase:
    """Where the bots of a scene store everything."""

    url: str  # DATABASE_URL

    async def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """The rows of a query that both engines understand."""
        if self.url.startswith("sqlite:///"):
            with contextlib.closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as database:
                return database.execute(query).fetchall()
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def content(self) -> bytes:
        """All that is stored."""
        if self.url.startswith("sqlite:///"):
            file = Path(self.url.removeprefix("sqlite:///"))
            return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*") if path.is_file())
        tables = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        rows = [row for name in tables for row in await self.rows(f"SELECT t::text FROM {name[0]} t")]
        return "\n".join(row[0] for row in rows).encode()


@contextlib.asynccontextmanager
async def open_database(folder: Path) -> AsyncIterator[SceneDatabase]:
    """A database without tables; folder: of the file."""
    if not _ON_POSTGRES:
        yield SceneDatabase(f"sqlite:///{folder / 'reelwatch.db'}")
        return
    with contextlib.ExitStack() as schema:
        server = await asyncio.to_thread(_server)
        yield SceneDatabase(await asyncio.to_thread(schema.enter_context, new_schema(server)))
        await asyncio.to_thread(schema.close)


@cache
def _server() -> str:
    if given := os.environ.get("POSTGRES_TEST_URL"):
        return given
    package = wheel()
    assert package is not None, "there is no PostgreSQL for this platform"
    return _servers.enter_context(run_server(package)).url
