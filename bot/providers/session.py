"""HTTP sessions that bound what comes before a body: how many interim answers, how long the headers."""

import ssl
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

MAX_INTERIM = 16  # interim (1xx) answers before the answer itself; servers send one or two
MAX_HEADER = 65_536  # bytes of one header line; CDNs send more than aiohttp's 8,190
MAX_HEAD = 131_072  # bytes of all headers of an answer, with the interim ones before it
_MAX_HEADERS = 256


class TooManyInterim(aiohttp.ClientError):
    """A host answers with nothing but interim answers."""


class HeadTooLong(aiohttp.ClientError):
    """A host sends more headers than anybody needs."""


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
        connector=_BoundedConnector(limit=connections, ssl=tls, resolver=resolver),
        proxy=proxy,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=auto_decompress,
        response_class=BoundedResponse,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        max_headers=_MAX_HEADERS,
    )


class _BoundedConnector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_BoundedHandler, loop=self._loop))


class _BoundedHandler(ResponseHandler):
    """A connection that is given up when too much comes that is no body: headers, interim answers, trailers.

    aiohttp bounds each line and their number, which together are 16 MiB.
    """

    _beside_body = 0  # bytes since the request, or since the body last grew

    def set_response_params(self, **options: Any) -> None:
        """Expect the answer to a request."""
        self._beside_body = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        before = self._body_size()
        super().data_received(data)
        if self._body_size() != before:
            self._beside_body = 0
            return
        self._beside_body += len(data)
        if self._beside_body > MAX_HEAD and self.transport is not None:
            self.transport.close()
            self.set_exception(HeadTooLong(f"more than {MAX_HEAD} bytes of headers"))

    def _body_size(self) -> int:
        return 0 if self._payload is None else self._payload.total_bytes


class BoundedResponse(aiohttp.ClientResponse):
    """A response that raises TooManyInterim instead of reading interim answers for as long as they come.

    aiohttp reads them in a loop that never waits while they are there, so the event loop stands still.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read up to the headers of the answer itself."""
        protocol = connection.protocol
        counting = cast("Connection", _CountingConnection(connection))
        try:
            await super().start(counting)
            if sum(len(name) + len(value) for name, value in self.raw_headers) > MAX_HEAD:
                raise HeadTooLong(f"more than {MAX_HEAD} bytes of headers")  # all in one packet
            return self
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
