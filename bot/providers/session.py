"""HTTP sessions with limits on interim responses and header sizes."""

import ssl
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage

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
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        max_headers=_MAX_HEADERS,
    )


class _BoundedConnector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(BoundedHandler, loop=self._loop))


class BoundedHandler(ResponseHandler):
    """A connection with limits for each response: interim responses, and bytes of headers and trailers.

    aiohttp limits each line and the number of lines, which together allow 16 MiB. It reads interim responses
    that have arrived in a loop without a suspension point, which blocks the event loop.
    """

    _messages = 0  # responses read since the request, interim ones included
    _beside_body = 0  # bytes since the request, or since the body last grew

    def set_response_params(self, **options: Any) -> None:
        """Start counting for a new request."""
        self._messages = self._beside_body = 0
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

    async def read(self) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """The head of the next response, and its body."""
        self._messages += 1
        if self._messages > MAX_INTERIM + 1:
            raise TooManyInterim(f"more than {MAX_INTERIM} interim responses")
        head, body = await super().read()
        # data_received() does not see headers that arrive together with the start of the body.
        if sum(len(name) + len(value) for name, value in head.raw_headers) > MAX_HEAD:
            raise HeadTooLong(f"more than {MAX_HEAD} bytes of headers")
        return head, body
