"""HTTP sessions with limits on interim responses and header sizes, directly or through a proxy."""

import asyncio
import socket
import ssl
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from yarl import URL

from bot.proxies.proxy import Proxy
from bot.proxies.socks5 import closed_on_error, open_through

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
    proxy: Proxy | None = None,
    auto_decompress: bool = True,
) -> aiohttp.ClientSession:
    """A session without cookies that closes connections whose headers exceed the limits.

    resolver: of the targets' names, unless the proxy resolves them.
    """
    options: dict[str, Any] = {"limit": connections, "ssl": tls}
    if proxy is None or not proxy.resolves_names:
        options["resolver"] = resolver
    is_socks = proxy is not None and proxy.is_socks
    return aiohttp.ClientSession(
        connector=_SocksConnector(proxy, **options) if proxy and is_socks else _BoundedConnector(**options),
        proxy=_url(proxy) if proxy and not is_socks else None,
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


class _SocksConnector(_BoundedConnector):
    """Connects through a SOCKS proxy, to the addresses that the resolver has returned, or to names."""

    def __init__(self, proxy: Proxy, **options: Any) -> None:
        super().__init__(**{"resolver": _Unresolved() if proxy.resolves_names else None} | options)
        self._proxy = proxy

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: Any, **options: Any
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Open a connection to the first address that the proxy can reach."""
        hosts, port = [address[0] for *_, address in addr_infos], addr_infos[0][4][1]
        request, error_type = options["req"], options.get("client_error", aiohttp.ClientConnectorError)
        async with asyncio.timeout(options["timeout"].sock_connect):
            try:
                sock = await open_through(self._proxy, hosts, port)
            except OSError as error:
                raise error_type(request.connection_key, error) from error
        with closed_on_error(sock):
            return await self._wrap_existing_connection(*args, sock=sock, **options)


class _Unresolved(AbstractResolver):
    """Leaves names to the proxy."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


def _url(proxy: Proxy) -> URL:
    """An HTTP proxy for aiohttp, which encodes user name and password as Latin-1: they become UTF-8."""
    user, password = (
        text.encode().decode("latin-1") if text is not None else None
        for text in (proxy.user, proxy.password if proxy.user is not None else None)
    )
    return URL.build(scheme=proxy.scheme, host=proxy.host, port=proxy.port, user=user, password=password)


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
