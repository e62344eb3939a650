"""A TCP relay on loopback in the place of a network: it can hold what is sent, or break."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from tests.fakes.tcp import Streams, tcp_server

_CHUNK_BYTES = 65_536

Target = Path | tuple[str, int]  # a socket, or a host and port


class Relay:
    """Passes connections on to one server."""

    def __init__(self, target: Target, mark: bytes) -> None:
        self.port = 0
        self.sent_at = 0.0  # when a client last sent anything, as time.monotonic()
        self.marks_at: list[float] = []  # when clients sent the mark
        self._target = target
        self._mark = mark
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_broken = False
        self._writers: set[asyncio.StreamWriter] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, target: Target, *, mark: bytes = b"") -> AsyncIterator[Self]:
        """Listen on loopback; target: the server. mark: whose times are noted."""
        relay = cls(target, mark)
        async with tcp_server(relay._serve) as relay.port:
            yield relay

    def hold(self) -> None:
        """Let nothing pass until mend(), which delivers it, as TCP does after an outage of the network."""
        self._passes.clear()

    def break_connections(self) -> None:
        """Reset all connections, and each new one, until mend()."""
        self._is_broken = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let everything pass again."""
        self._is_broken = False
        self._passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._passes.wait()
            if not self._is_broken:
                await self._connect((reader, writer))
        except OSError:
            pass  # the server is away
        finally:
            self._drop(writer)

    async def _connect(self, client: Streams) -> None:
        if isinstance(self._target, Path):
            server = await asyncio.open_unix_connection(self._target)
        else:
            server = await asyncio.open_connection(*self._target)
        self._writers.add(server[1])
        try:
            async with asyncio.TaskGroup() as group:
                to_server = group.create_task(self._pump(client[0], server[1], is_client=True))
                to_client = group.create_task(self._pump(server[0], client[1], is_client=False))
                await asyncio.wait((to_server, to_client), return_when=asyncio.FIRST_COMPLETED)
                to_server.cancel()
                to_client.cancel()
        except* OSError:
            pass
        finally:
            self._drop(server[1])

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_client: bool
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if is_client:
                self.sent_at = time.monotonic()
                if self._mark and self._mark in chunk:
                    self.marks_at.append(self.sent_at)
            await self._passes.wait()
            writer.write(chunk)
            await writer.drain()
        await self._passes.wait()

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()
