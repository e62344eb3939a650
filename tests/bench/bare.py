"""A fake server: bare HTTP/1.1 over asyncio.Protocol, cheap enough not to affect the measurement.

The parent writes commands on standard input, one JSON object per line, and reads a reply per line.
"""

import asyncio
import json
import re
import sys
from asyncio import Transport
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

Order = Mapping[str, Any]
Respond = Callable[[bytes], None]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request."""

    path: str  # with its query
    body: bytes


Handler = Callable[[Request, Respond], None]


def response(body: bytes, *, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests are not pipelined, but may come in pieces."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._came = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        head_end = self._came.find(_HEAD_END)
        if head_end < 0:
            return
        length = _LENGTH.search(self._came, 0, head_end)
        end = head_end + len(_HEAD_END) + (int(length[1]) if length else 0)
        if len(self._came) < end:
            return
        path = self._came[: self._came.index(b" HTTP/")].partition(b" ")[2].decode()
        body = bytes(self._came[head_end + len(_HEAD_END) : end])
        del self._came[:end]
        self._handler(Request(path, body), self._respond)

    def _respond(self, whole: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(whole)


async def serve(handler: Handler, obey: Callable[[Order], Any]) -> None:
    """Print the port, then serve and run commands until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(_Connection, handler), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async for line in orders:
        print(json.dumps(obey(json.loads(line))), flush=True)
