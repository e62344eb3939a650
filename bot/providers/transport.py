"""HttpTransport: the HTTP client for all gateways, with limits on time and body size."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from types import TracebackType
from typing import Self, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream
from yarl import URL

from bot.providers.base import BadResponse, Unavailable
from bot.providers.clock_skew import ClockSkews
from bot.providers.parsing.inline import MAX_TEXT, cut_videos, may_hold_video
from bot.providers.parsing.response import Response
from bot.providers.session import open_session
from bot.proxies.diagnosis import STEP_S, ProxyDiagnosis
from bot.proxies.proxy import Proxy
from storage.models import Cause

MAX_BODY = 32 * 2**20  # bytes of a response with the video inside
_SMALL = 65_536  # bytes of a response that is read without a semaphore
_MEDIUM_AT_ONCE = 4  # concurrent larger ones per host, up to MAX_TEXT
_CONNECTIONS = 200  # to all gateways
_CONNECT_S = 10.0
_HEADERS_TIMEOUT_S = 20.0  # from the request to the response's headers
_BODY_S = 60.0  # from the headers to the end of the body, with the wait for a semaphore
# aiohttp's own read timeout sets a timer for each packet; here it is one for each request.
_TIMEOUT = aiohttp.ClientTimeout(sock_connect=_CONNECT_S)
_EMPTY = httpx.ByteStream(b"")  # the body of every request, which httpx would otherwise encode each time
# ValueError: an invalid host; aiohttp's errors come as they are until the body is read.
_ERRORS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError)


class HttpTransport:
    """An httpx client, shared by all gateways: no cookies, no redirects, no proxy of the environment."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | bool = True,
        proxy: Proxy | None = None,
        timeout_s: float = _HEADERS_TIMEOUT_S,
        ensure_leads: Callable[[], None] = lambda: None,
        skews: ClockSkews | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """timeout_s: the timeout for response headers. transport: replaces the network.

        ensure_leads: raises LeadershipLost if no request may be sent.
        """
        self._ensure_leads = ensure_leads
        self.skews = skews or ClockSkews()
        self._tls = tls
        self._timeout_s = timeout_s
        self._proxy = proxy
        self._diagnosis = ProxyDiagnosis(proxy, tls=tls, step_s=min(timeout_s, STEP_S)) if proxy else None
        self._transport = transport
        # By host: a few medium responses and one large one at a time, to bound the memory use.
        self._medium: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_MEDIUM_AT_ONCE)
        )
        self._large: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(1))

    async def __aenter__(self) -> Self:
        transport = self._transport
        if transport is None:
            session = open_session(
                tls=self._tls, connections=_CONNECTIONS, timeout=_TIMEOUT, proxy=self._proxy
            )
            transport = _ExactTransport(verify=self._tls, client=session)
        self._client = _Client(transport=transport, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, url: str, headers: dict[str, str]) -> Response:
        """Send one request, without redirects; raises Unavailable, or BadResponse for too large a body.

        LeadershipLost if another process may poll now.
        """
        self._ensure_leads()
        try:
            async with asyncio.timeout(self._timeout_s) as timeout:
                request = httpx.Request("GET", url, headers=headers, stream=_EMPTY)
                response = await self._client.send(request, stream=True)
                timeout.reschedule(asyncio.get_running_loop().time() + _BODY_S)
                try:
                    body, videos = await self._body(response)
                finally:
                    await response.aclose()
                    response.stream = _EMPTY  # the stream refers to the response: a cycle for each poll
        except _ERRORS as error:
            raise await self._no_response(url, error) from error
        if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._diagnosis:
            raise await self._no_response(url, None)
        return Response(
            status=response.status_code,
            headers=response.headers,
            body=body,
            videos=videos,
            clock_ahead_s=self.skews.ahead_s(url, response.headers),
        )

    async def _no_response(self, url: str, error: BaseException | None) -> Unavailable:
        """The gateway's fault or that of the proxy; error: None: the proxy wants another login."""
        trouble = await self._diagnosis.trouble(url) if self._diagnosis else None
        if trouble is not None and trouble.is_proxys:
            failure = Unavailable(str(trouble), cause=Cause.PROXY)
            failure.proxy_fault = trouble.fault
            return failure
        reason = error.__cause__ if isinstance(error, httpx.HTTPError) else None
        name = type(reason or error).__name__ if error else "HTTP 407"
        return Unavailable(f"no response ({name})", cause=Cause.UNREACHABLE)

    async def _body(self, response: httpx.Response) -> tuple[bytes, tuple[memoryview, ...]]:
        """Read the body, decompressed; return it with the videos that were cut out of a large one."""
        # Not aiter_bytes(), which decompresses, here again, and without a limit.
        chunks = aiter(cast("httpx.AsyncByteStream", response.stream))
        body, host = bytearray(), response.url.netloc.decode()
        if await _is_whole(chunks, body, _SMALL):
            return bytes(body), ()
        async with self._medium[host]:
            if await _is_whole(chunks, body, MAX_TEXT):
                return bytes(body), ()
        if not may_hold_video(body):
            raise _too_large(MAX_TEXT, response.status_code)
        async with self._large[host]:
            if not await _is_whole(chunks, body, MAX_BODY):
                raise _too_large(MAX_BODY, response.status_code)
            cut = await asyncio.to_thread(cut_videos, body)
        if cut is None:
            raise _too_large(MAX_TEXT, response.status_code)
        return cut


class _ExactTransport(AiohttpTransport):
    """httpx's transport over an aiohttp session, whose limits and timeouts apply; URLs are sent unchanged.

    AiohttpTransport would send %3A as a colon, and leave compressed bodies to httpx, which expands each piece
    without a limit. Here the session decompresses them.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.get_client().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
            allow_redirects=False,
        )
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=AiohttpResponseStream(response),
        )


class _NoCookies(httpx.Cookies):
    """Keeps no cookies."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


class _Client(httpx.AsyncClient):
    """Keeps no cookies; to look for them costs more than parsing the response."""

    cookies = _NoCookies()  # type: ignore[override]  # httpx's property can be set from other types, too


async def _is_whole(chunks: AsyncIterator[bytes], body: bytearray, limit: int) -> bool:
    """Read until the body is complete (True) or larger than the limit (False)."""
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            return False
    return len(body) <= limit


def _too_large(limit: int, http_status: int) -> BadResponse:
    error = BadResponse(f"a response of more than {limit} bytes", cause=Cause.ODD_ANSWER)
    error.is_gateway_reply, error.http_status = True, http_status
    return error
