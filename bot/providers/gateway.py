"""Asking a gateway: one HTTP request, bounded in time and size; all that fails is a ProviderError."""

import asyncio
import hashlib
from http import HTTPStatus

import httpx
from aiohttp import ClientError

from bot.providers.answer import Answer, read_answer
from bot.providers.base import AuthFailed, BadAnswer, MediaSource, Provider, TaskMissing, Unavailable
from bot.providers.ids import valid_id
from bot.providers.links import decode_inline, is_inline
from bot.providers.wire import Wire
from storage.models import Cause, Media, Snapshot

MAX_BODY = 32 * 2**20  # bytes; most answers have a few thousand, one with the video inside has millions
_EXTENSIONS = {"timeout": {"connect": 10.0, "read": 20.0, "write": 10.0, "pool": 20.0}}  # seconds
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "reelwatch"}
_OK = HTTPStatus.OK
_DIGEST = 16  # bytes
_MOST_KNOWN = 20_000
_OVERALL_S = 60.0


class Gateway(Provider):
    """A configured gateway: a wire format over a shared HTTP transport."""

    def __init__(self, wire: Wire, transport: httpx.AsyncBaseTransport) -> None:
        self._wire = wire
        self._account = wire.account
        self._transport = transport
        # The last answers that were read, least recently asked first: most answers say nothing new.
        self._known: dict[str, tuple[bytes, Snapshot]] = {}
        self.name = wire.account.name
        self.kind = wire.kind
        self.host = wire.account.host

    async def fetch(self, external_id: str) -> Snapshot:
        """Ask for one task; raise ProviderError, and nothing else, when there is no snapshot."""
        answer = await self._ask(external_id)
        digest = hashlib.blake2b(answer.body, digest_size=_DIGEST).digest() if answer.status == _OK else b""
        known = self._known.pop(external_id, None)
        if known is None or known[0] != digest:
            snapshot = self._wire.read(read_answer(answer, self._wire.scrub), external_id)
            known = (digest, snapshot)
        if digest and not known[1].status.is_final:
            self._known[external_id] = known
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return known[1]

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Say how the video is fetched; raise ProviderError when that takes a question that fails."""
        if media.inline:
            return await self._inside(external_id)
        if media.url is not None:
            return self._at(media.url, with_key=media.needs_auth)
        if self._wire.content_path is None:
            raise BadAnswer("no way to the video is known", cause=Cause.NO_VIDEO)
        return self._at(self._account.url(self._wire.content_path, external_id), with_key=True)

    async def _inside(self, external_id: str) -> MediaSource:
        """The bytes inside the task's answer, or the link that has taken their place."""
        answer = read_answer(await self._ask(external_id), self._wire.scrub)
        link = self._wire.link_in(answer)
        if link is not None and not is_inline(link):
            return self._at(link, with_key=True)
        data = decode_inline(link) if link else None
        if data is None:
            raise BadAnswer("no video in the answer any more", cause=Cause.NO_VIDEO)
        return MediaSource(data=data)

    def _at(self, url: str, *, with_key: bool) -> MediaSource:
        """An address, with the key only where it is the gateway's own."""
        shown = with_key and self._account.owns(url)
        return MediaSource(url=url, headers=self._account.key_header if shown else None)

    async def _ask(self, external_id: str) -> Answer:
        if not valid_id(external_id):
            raise TaskMissing("no gateway gives such an id", cause=Cause.TASK_MISSING)
        if not self._account.usable_key:
            raise AuthFailed("the key holds characters that no key has", cause=Cause.KEY_INVALID)
        url = self._account.url(self._wire.path, external_id)
        try:
            async with asyncio.timeout(_OVERALL_S):
                return await self._get(url)
        except (httpx.HTTPError, httpx.InvalidURL, ClientError, OSError, UnicodeError) as error:
            # httpx-aiohttp lets through what httpx has no name for: garbled HTTP, a host that can't be spelt.
            raise Unavailable(f"no answer ({type(error).__name__})", cause=Cause.UNREACHABLE) from error

    async def _get(self, url: str) -> Answer:
        """One exchange, without httpx's client: no cookies, no redirects, and a third of the cost."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            **self._account.key_header,
        }
        request = httpx.Request("GET", url, headers=headers, extensions=_EXTENSIONS)
        response = await self._transport.handle_async_request(request)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    raise BadAnswer(f"an answer of more than {MAX_BODY} bytes", cause=Cause.ODD_ANSWER)
        finally:
            await response.aclose()
        return Answer(status=response.status_code, headers=response.headers, body=bytes(body))
