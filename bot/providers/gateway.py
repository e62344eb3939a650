"""Asking a gateway: which question, to whom the key is shown, and whether the answer says anything new."""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol

from bot.providers.base import AuthFailed, BadAnswer, MediaSource, Provider, ProviderError, TaskMissing
from bot.providers.clock_skew import corrected
from bot.providers.formats.base import UnsureFailure, WireFormat
from bot.providers.parsing.ids import valid_id
from bot.providers.parsing.inline import payload_of
from bot.providers.parsing.links import decode_inline, is_inline
from bot.providers.parsing.response import Response, parse, poll_wish_s
from storage.models import Cause, Media, Snapshot

_OK = HTTPStatus.OK
_NEW_API_IDS = "task_"  # what they begin with
_MOST_KNOWN = 20_000
_READ_IN_LOOP = 16_384  # bytes of a body that is read in the event loop; a larger one takes a thread
# Answers are small, and a gateway says gzip of what is none: docs.apiyi.com on Seedance.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "reelwatch"}


class Transport(Protocol):
    """One exchange over HTTP."""

    async def get(self, url: str, headers: dict[str, str]) -> Response:
        """Ask once, following no redirect; raise ProviderError when there is no whole answer."""
        ...


class Gateway(Provider):
    """A configured gateway: a wire format over a shared transport."""

    def __init__(self, wire: WireFormat, transport: Transport, *, sister: WireFormat | None = None) -> None:
        """sister: another format of the same key, by which the gateway may know a task better."""
        self._sister = sister
        self._wire = wire
        self._account = wire.account
        self._transport = transport
        self._headers = _HEADERS | wire.account.key_header
        # What was read last, least recently asked first: most answers say nothing new.
        self._known: dict[str, tuple[int, Snapshot]] = {}
        self._threads = asyncio.Semaphore(1)  # so that no gateway takes all that there are
        self._doubted: dict[str, None] = {}  # whose last answer was a failure that names no task
        self.name = wire.account.name
        self.kind = wire.kind
        self.host = wire.account.host

    async def fetch(self, external_id: str) -> Snapshot:
        """Ask for one task; raise ProviderError, and nothing else, when there is no snapshot."""
        answer = await self._ask(external_id)
        snapshot = await self._read_or_recall(answer, external_id)
        wish_s = poll_wish_s(answer.headers)
        return snapshot if wish_s is None else replace(snapshot, poll_after_s=wish_s)

    async def _read_or_recall(self, answer: Response, external_id: str) -> Snapshot:
        """What an answer says; one that says what the last one said is not read again."""
        if answer.status != _OK:
            return await self._sure(answer, external_id)
        gist = hash(self._wire.fingerprint(answer.body))
        known = self._known.pop(external_id, None)
        if known is None or known[0] != gist or known[1].clock_ahead_s != answer.clock_ahead_s:
            known = gist, await self._sure(answer, external_id)
        if not known[1].status.is_final:
            self._known[external_id] = known
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return known[1]

    async def fetch_elsewhere(self, external_id: str) -> Snapshot | None:
        """Ask for a task of new-api's by its sister path, once; None: not of new-api's, or nothing there."""
        if self._sister is None or not external_id.startswith(_NEW_API_IDS):
            return None
        try:
            answer = await self._transport.get(
                self._account.url(self._sister.path, external_id), self._headers
            )
            snapshot = await asyncio.to_thread(self._sister.read_response, answer, external_id)
            return corrected(snapshot, answer.clock_ahead_s)
        except ProviderError:
            return None

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Say how the video is fetched; raise ProviderError when that takes a question that fails."""
        if media.url is None:
            return await self._inside(external_id)
        return self._at(media.url, with_key=media.needs_auth)

    async def _sure(self, answer: Response, external_id: str) -> Snapshot:
        """What an answer says; a failure that names no task counts once it has been told twice in a row."""
        doubted = external_id in self._doubted
        self._doubted.pop(external_id, None)
        try:
            return await self._read(answer, external_id)
        except UnsureFailure as failure:
            if doubted:
                return failure.snapshot
            self._doubted[external_id] = None
            if len(self._doubted) > _MOST_KNOWN:
                del self._doubted[next(iter(self._doubted))]
            raise

    async def _read(self, answer: Response, external_id: str) -> Snapshot:
        if len(answer.body) > _READ_IN_LOOP:
            async with self._threads:
                return await asyncio.to_thread(self._read_now, answer, external_id)
        return self._read_now(answer, external_id)

    def _read_now(self, answer: Response, external_id: str) -> Snapshot:
        try:
            return corrected(self._wire.read_response(answer, external_id), answer.clock_ahead_s)
        except ProviderError as error:
            error.is_gateway_reply = parse(answer.body) is not None
            error.http_status = answer.status
            raise

    async def _inside(self, external_id: str) -> MediaSource:
        """The bytes inside the task's answer, or the link that has taken their place."""
        answer = await self._ask(external_id)
        link, data = await asyncio.to_thread(self._link_and_data, answer)
        if link is not None and not is_inline(link):
            return self._at(self._wire.address(link, external_id), with_key=True)
        if data is None:
            raise BadAnswer("no video in the answer any more", cause=Cause.NO_VIDEO)
        return MediaSource(data=data)

    def _link_and_data(self, answer: Response) -> tuple[str | None, bytes | None]:
        """The video's link, and the bytes where it carries them."""
        link = self._wire.link_in(self._wire.json_of(answer))
        if link is None or not is_inline(link):
            return link, None
        return link, payload_of(link, answer.videos) if answer.videos else decode_inline(link)

    def _at(self, url: str, *, with_key: bool) -> MediaSource:
        """An address, with the key only where it is the gateway's own."""
        shown = with_key and self._account.is_own_origin(url)
        return MediaSource(url=url, headers=self._account.key_header if shown else None)

    async def _ask(self, external_id: str) -> Response:
        if not valid_id(external_id):
            raise TaskMissing("no gateway gives such an id", cause=Cause.TASK_MISSING)
        if not self._account.has_valid_key:
            raise AuthFailed("the key holds characters that no key has", cause=Cause.KEY_INVALID)
        return await self._transport.get(self._account.url(self._wire.path, external_id), self._headers)
