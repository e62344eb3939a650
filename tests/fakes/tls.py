"""Servers with a certificate for localhost and 127.0.0.1, and a context that trusts it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from tests.fakes.raw_port import raw_port

CERTIFICATE = Path(__file__).parents[1] / "fixtures" / "tls" / "nobody_trusts_this.pem"


def serving() -> ssl.SSLContext:
    """For servers."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    return tls


def trusting() -> ssl.SSLContext:
    """For clients."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@contextlib.asynccontextmanager
async def tls_server(body: bytes) -> AsyncIterator[int]:
    """The port of an HTTPS server on loopback that answers every request with this body."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + body)
            await writer.drain()

    async with raw_port(serve, tls=serving()) as port:
        yield port
