"""HttpTransport: the HTTP client for all gateways, with limits on time and body size."""

import asyncio
import ssl
from collections import defaultdict
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from bot.providers.base import BadAnswer, Unavailable
from bot.providers.clock_skew import ClockSkews
from bot.providers.parsing.inline import MAX_TEXT, cut_videos, may_hold_video
from bot.providers.parsing.response import Response
from bot.providers.session import open_session
from storage.models import Cause

MAX_BODY = 32 * 2**20  # bytes of a response with the video inside
_SMALL = 65_536  # bytes of a response that is read without a semaphore
_MEDIUM_AT_ONCE = 4  # concurrent larger ones per host, up to MAX_TEXT
_CONNECTIONS = 200
_CONNECT_S = 10.0
_PATIENCE_S = 20.0
_BODY_S = 60.0
# aiohttp's own read timeout sets a timer for each packet; here it is one for each request.
_TIMEOUT = aiohttp.ClientTimeout(sock_connect=_CONNECT_S)


class HttpTransport:
    """A connection pool shared by all gateways."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        proxy: str | None = None,
        patience_s: float = _PATIENCE_S,
        skews: ClockSkews | None = None,
    ) -> None:
        """proxy: an http(s) URL. patience_s: the timeout for the response headers."""
        self.skews = skews or ClockSkews()
        self._tls = tls
        self._patience_s = patience_s
        self._proxy = proxy
        # By host: a few medium responses and one large one at a time, to bound the memory use.
        self._medium: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_MEDIUM_AT_ONCE)
        )
        self._large: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(1))

    async def __aenter__(self) -> Self:
        self._session = open_session(
            tls=self._tls, connections=_CONNECTIONS, timeout=_TIMEOUT, proxy=self._proxy
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: str, headers: dict[str, str]) -> Response:
        """Send one request, following no redirect; raises Unavailable, or BadAnswer for a too large body."""
        try:
            async with (
                asyncio.timeout(self._patience_s) as patience,
                self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response,
            ):
                if not response.content.is_eof():
                    patience.reschedule(asyncio.get_running_loop().time() + _BODY_S)
                body, videos = await self._body(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: an invalid host
            raise Unavailable(f"no response ({type(error).__name__})", cause=Cause.UNREACHABLE) from error
        return Response(
            status=response.status,
            headers=response.headers,
            body=body,
            videos=videos,
            clock_ahead_s=self.skews.ahead_s(url, response.headers),
        )

    async def _body(self, response: aiohttp.ClientResponse) -> tuple[bytes, tuple[memoryview, ...]]:
        """Read the body, decompressed; return it with the videos that were cut out of a large one."""
        content = response.content
        body = await content.readany()
        if content.at_eof() and len(body) <= MAX_TEXT:
            return body, ()
        whole, host = bytearray(body), str(response.url.origin())
        if await _is_whole(content, whole, _SMALL):
            return bytes(whole), ()
        async with self._medium[host]:
            if await _is_whole(content, whole, MAX_TEXT):
                return bytes(whole), ()
        if not may_hold_video(whole):
            raise _too_large(MAX_TEXT, response.status)
        async with self._large[host]:
            if not await _is_whole(content, whole, MAX_BODY):
                raise _too_large(MAX_BODY, response.status)
            cut = await asyncio.to_thread(cut_videos, whole)
        if cut is None:
            raise _too_large(MAX_TEXT, response.status)
        return cut


async def _is_whole(content: aiohttp.StreamReader, body: bytearray, limit: int) -> bool:
    """Read until the body is complete (True) or larger than the limit (False)."""
    while len(body) <= limit:
        chunk = await content.readany()
        if not chunk:
            return True
        body += chunk
    return False


def _too_large(limit: int, http_status: int) -> BadAnswer:
    error = BadAnswer(f"a response of more than {limit} bytes", cause=Cause.ODD_ANSWER)
    error.is_gateway_reply, error.http_status = True, http_status
    return error
