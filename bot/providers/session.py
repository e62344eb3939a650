"""HTTP sessions with limits on interim responses and header sizes."""

import ssl
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

MAX_INTERIM = 16  # interim (1xx) responses before the final one; servers send one or two
MAX_HEADER = 65_536  # bytes of one header line; CDNs send more than aiohttp's 8,190
MAX_HEAD = 131_072  # bytes of all headers of a response, with its interim ones
_MAX_HEADERS = 256


class TooManyInterim(aiohttp.ClientError):
    """A server sends too many interim responses."""


class HeadTooLong(aiohttp.ClientError):
    """A server sends too large headers."""


def open_session(
    *,
    tls: ssl.SSLContext | bool = True,
    resolver: AbstractResolver | None = None,
    connections: int,
    timeout: aiohttp.ClientTimeout,
    proxy: str | None = None,
    auto_decompress: bool = True,
) -> aiohttp.ClientSession:
    """A session without cookies that closes connections whose headers exceed the limits."""
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
    """A connection that is closed after too many bytes of headers, interim responses and trailers.

    aiohttp limits each line and their number, which together allow 16 MiB.
    """

    _beside_body = 0  # bytes since the request, or since the body last grew

    def set_response_params(self, **options: Any) -> None:
        """Start counting for a new request."""
        self._beside_body = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Count and pass on received data."""
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
    """A response that raises TooManyInterim after MAX_INTERIM interim responses.

    aiohttp reads buffered ones in a loop without a suspension point, which blocks the event loop.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read up to the final response's headers."""
        protocol = connection.protocol
        counting = cast("Connection", _CountingConnection(connection))
        try:
            await super().start(counting)
            if sum(len(name) + len(value) for name, value in self.raw_headers) > MAX_HEAD:
                raise HeadTooLong(f"more than {MAX_HEAD} bytes of headers")  # all in one packet
            return self
        finally:
            self._protocol = protocol
            if self._connection is counting:  # None: no body, and the connection was released
                self._connection = connection


class _CountingProtocol:
    """A protocol that limits the messages read for one response."""

    def __init__(self, protocol: ResponseHandler) -> None:
        self._protocol = protocol
        self._messages = 0

    async def read(self) -> object:
        """The next message."""
        self._messages += 1
        if self._messages > MAX_INTERIM + 1:
            raise TooManyInterim(f"more than {MAX_INTERIM} interim responses")
        return await self._protocol.read()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)


class _CountingConnection:
    """A connection whose messages are counted until the response starts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.protocol = _CountingProtocol(cast("ResponseHandler", connection.protocol))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
