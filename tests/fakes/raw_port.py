"""A port with whatever behaviour a test needs; its connections end with it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from tests.fakes.tcp import Serve, close, tcp_server


@contextlib.asynccontextmanager
async def raw_port(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port on loopback of a server of connections."""

    async def serve_and_abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()
            await close(writer)

    async with tcp_server(serve_and_abort, tls=tls) as port:
        yield port


def sends(*answers: bytes) -> Serve:
    """Send each after something has arrived, then close the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
        await close(writer)

    return serve


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Read, and send nothing."""
    while await reader.read(4096):
        pass
