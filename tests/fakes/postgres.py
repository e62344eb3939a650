"""A server that speaks PostgreSQL's protocol as far as a login, which it refuses."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_SSL_REQUEST = 80877103
_ASK_FOR_PASSWORD = b"R" + struct.pack("!ii", 8, 3)  # in clear text


@asynccontextmanager
async def refusing_server() -> AsyncIterator[int]:
    """Run it; yields its port. The refusal quotes the password, as a careless proxy could."""
    server = await asyncio.start_server(_refuse, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        if struct.unpack("!i", (await _message(reader))[:4]) == (_SSL_REQUEST,):
            writer.write(b"N")
            await _message(reader)
        writer.write(_ASK_FOR_PASSWORD)
        await reader.readexactly(1)
        password = (await _message(reader)).rstrip(b"\0")
        fields = b"SFATAL\0VFATAL\0C28P01\0Mno user has the password " + password + b"\0\0"
        writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
        await writer.drain()
    except asyncio.IncompleteReadError:  # the client has gone
        pass
    finally:
        writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return await reader.readexactly(length - 4)
