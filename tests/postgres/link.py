"""The network between a process and its database, which can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from storage.postgres_url import PostgresUrl

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """Passes bytes on to a server, in both directions, until it is cut."""

    def __init__(self, url: str) -> None:
        """url: of the database."""
        self.url: PostgresUrl  # of the same database, through this link
        self.port = 0
        self._url = url
        self._is_whole = asyncio.Event()
        self._is_whole.set()
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, port: int = 0) -> AsyncIterator[Self]:
        """Listen on a port of loopback; 0: on any free one."""
        link = cls(url)
        listener = await asyncio.start_server(link._accept, "127.0.0.1", port)
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0] or "postgres"
        query = [each for each in parse_qsl(parts.query) if each[0] not in ("host", "sslmode")]
        link.port = listener.sockets[0].getsockname()[1]
        through = parts._replace(
            netloc=f"{user}@127.0.0.1:{link.port}", query=urlencode([*query, ("sslmode", "disable")])
        )
        link.url = PostgresUrl.of(urlunsplit(through))
        try:
            yield link
        finally:
            listener.close()
            link.end_connections()
            await asyncio.gather(*link._connections, return_exceptions=True)

    def cut(self) -> None:
        """Pass nothing on, and say so to nobody, as a network without a route does."""
        self._is_whole.clear()

    def heal(self) -> None:
        """Pass on what was sent, and what will be."""
        self._is_whole.set()

    def end_connections(self) -> None:
        """Close all connections that there are."""
        for each in self._connections:
            each.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve((reader, writer)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, client: Streams) -> None:
        try:
            await self._is_whole.wait()
            server = await self._connect()
            try:
                await asyncio.gather(self._copy(client[0], server[1]), self._copy(server[0], client[1]))
            finally:
                server[1].close()
        except OSError:
            pass
        finally:
            client[1].close()

    async def _connect(self) -> Streams:
        parts = urlsplit(self._url)
        folder = dict(parse_qsl(parts.query)).get("host", "")
        if folder.startswith("/"):
            return await asyncio.open_unix_connection(Path(folder) / f".s.PGSQL.{parts.port or 5432}")
        return await asyncio.open_connection(parts.hostname or folder, parts.port or 5432)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self._is_whole.wait()
            target.write(data)
            await target.drain()
        with suppress(OSError):
            target.close()
