"""The way to all gateways: aiohttp, with nothing around it that a status query has no use for."""

import asyncio
import ssl
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from bot.providers.answer import Answer
from bot.providers.base import BadAnswer, Unavailable
from bot.providers.session import open_session
from storage.models import Cause

MAX_BODY = 32 * 2**20  # bytes; most answers have a few thousand, one with the video inside has millions
_CONNECTIONS = 200
_CONNECT_S = 10.0
_PATIENCE_S = 20.0
_BODY_S = 60.0
# aiohttp's own bounds on answers set a timer for each packet; here it is one for each question.
_TIMEOUT = aiohttp.ClientTimeout(sock_connect=_CONNECT_S)


class HttpTransport:
    """Connections that are kept open, and shared by all gateways."""

    def __init__(self, *, tls: ssl.SSLContext, proxy: str = "", patience_s: float = _PATIENCE_S) -> None:
        """proxy: an http(s) address; "" for none. patience_s: for an answer to begin."""
        self._tls = tls
        self._patience_s = patience_s
        self._proxy = proxy or None

    async def __aenter__(self) -> Self:
        self._session = open_session(
            tls=self._tls, connections=_CONNECTIONS, timeout=_TIMEOUT, proxy=self._proxy
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: str, headers: dict[str, str]) -> Answer:
        """Ask once, following no redirect; raises Unavailable, and BadAnswer for one without end."""
        try:
            async with (
                asyncio.timeout(self._patience_s) as patience,
                self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response,
            ):
                if not response.content.is_eof():
                    patience.reschedule(asyncio.get_running_loop().time() + _BODY_S)
                body = await _bounded(response.content)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host that can't be spelt
            raise Unavailable(f"no answer ({type(error).__name__})", cause=Cause.UNREACHABLE) from error
        return Answer(status=response.status, headers=response.headers, body=body)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole body, decompressed."""
    body = await content.readany()
    if content.at_eof():
        return body
    whole = bytearray(body)
    while chunk := await content.readany():
        whole += chunk
        if len(whole) > MAX_BODY:
            raise BadAnswer(f"an answer of more than {MAX_BODY} bytes", cause=Cause.ODD_ANSWER)
    return bytes(whole)
