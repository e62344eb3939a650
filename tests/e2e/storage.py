"""A server that sends scripted raw responses, which real HTTP servers would not send."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Self


class Storage:
    """Sends the next scripted response to each connection, then closes it."""

    def __init__(self, script: Sequence[bytes]) -> None:
        self.requests: list[str] = []  # the raw request heads
        self.url = ""
        self._script = list(script)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, *script: bytes) -> AsyncIterator[Self]:
        """Listen on loopback; at the end all responses must have been sent."""
        storage = cls(script)
        server = await asyncio.start_server(storage._answer, "127.0.0.1", 0)
        storage.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield storage
        assert storage._script == []

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self._script.pop(0))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """A raw response with exactly these headers, which need not match the body."""
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
