"""A server that answers word for word what a test tells it to: what well-behaved servers never say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Self


class Storage:
    """Answers one request a connection, with the next answer of its script, and hangs up."""

    def __init__(self, script: Sequence[bytes]) -> None:
        self.requests: list[str] = []  # the heads, as they came
        self.url = ""
        self._script = list(script)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, *script: bytes) -> AsyncIterator[Self]:
        """Listen on loopback; at the end the whole script must have been played."""
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
    """An answer whose headers are just these: whether they fit the body is the test's affair."""
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
