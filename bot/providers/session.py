"""HTTP sessions that bound what comes before a body: how many interim answers, how long the headers."""

import ssl
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

MAX_INTERIM = 16  # interim (1xx) answers before the answer itself; servers send one or two
MAX_HEADER = 65_536  # bytes of one header line; CDNs send more than aiohttp's 8,190
_MAX_HEADERS = 256


class TooManyInterim(aiohttp.ClientError):
    """A host answers with nothing but interim answers."""


def open_session(
    *,
    tls: ssl.SSLContext | bool = True,
    resolver: AbstractResolver | None = None,
    connections: int,
    timeout: aiohttp.ClientTimeout,
    proxy: str | None = None,
    auto_decompress: bool = True,
) -> aiohttp.ClientSession:
    """A session without cookies that gives up a host which sends too much before a body."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls, resolver=resolver),
        proxy=proxy,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=auto_decompress,
        response_class=BoundedResponse,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        max_headers=_MAX_HEADERS,
    )


class BoundedResponse(aiohttp.ClientResponse):
    """A response that raises TooManyInterim instead of reading interim answers for as long as they come.

    aiohttp reads them in a loop that never waits while they are there, so the event loop stands still.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read up to the headers of the answer itself."""
        protocol = connection.protocol
        counting = cast("Connection", _CountingConnection(connection))
        try:
            return await super().start(counting)
        finally:
            self._protocol = protocol
            if self._connection is counting:  # None: the answer has no body, and its connection is free
                self._connection = connection


class _CountingProtocol:
    """A connection's messages, as many of them as one answer may take."""

    def __init__(self, protocol: ResponseHandler) -> None:
        self._protocol = protocol
        self._messages = 0

    async def read(self) -> object:
        """The next message."""
        self._messages += 1
        if self._messages > MAX_INTERIM + 1:
            raise TooManyInterim(f"more than {MAX_INTERIM} interim answers")
        return await self._protocol.read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)


class _CountingConnection:
    """A connection whose messages are counted while an answer begins."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.protocol = _CountingProtocol(cast("ResponseHandler", connection.protocol))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
