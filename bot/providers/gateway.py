"""Gateway: polls tasks over HTTP, parses the responses, and caches the last snapshot of each task.

All requests of a key pass through Gateway._get, which counts them against its rate limit.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol

from bot.providers.base import AuthFailed, BadResponse, MediaSource, Provider, ProviderError, TaskMissing
from bot.providers.clock_skew import corrected
from bot.providers.formats.base import UnsureFailure, WireFormat
from bot.providers.parsing.ids import valid_id
from bot.providers.parsing.inline import payload_of
from bot.providers.parsing.links import decode_inline, is_inline
from bot.providers.parsing.response import Response, poll_after_s
from bot.providers.registry import FORMATS, SISTERS, ProviderConfig
from storage.models import Cause, Media, Snapshot

_OK = HTTPStatus.OK
_NEW_API_IDS = "task_"  # their prefix
_MOST_CACHED = 20_000  # tasks per gateway
_READ_IN_LOOP = 16_384  # bytes of a body that is parsed in the event loop; a larger one is parsed in a thread
# Responses are small, and a gateway declares gzip for a body that is not: docs.apiyi.com on Seedance.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "reelwatch"}


class Transport(Protocol):
    """An HTTP client."""

    async def get(self, url: str, headers: dict[str, str]) -> Response:
        """Send one request, following no redirect; raises ProviderError if there is no complete response."""
        ...


class RequestLimiter(Protocol):
    """The rate limit of a key."""

    def reserve(self, now: float) -> float:
        """Count a request; return the seconds until it may be sent. Raises RateLimited if they are too many.

        now: seconds of the monotonic clock.
        """
        ...


class Gateway(Provider):
    """A configured gateway: a wire format over a shared transport."""

    def __init__(
        self,
        wire: WireFormat,
        transport: Transport,
        *,
        sister: WireFormat | None = None,
        limiter: RequestLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """sister: another format of the same key, whose endpoint may have newer data for a task.

        limiter: the key's; None: requests are neither counted nor delayed.
        """
        self.name = wire.account.name
        self._wire = wire
        self._account = wire.account
        self._transport = transport
        self._sister = sister
        self._limiter = limiter
        self._clock = clock
        self._sleep = sleep
        self._headers = _HEADERS | wire.account.key_header
        # LRU cache of fingerprint and snapshot by task id: most responses are unchanged and not parsed again.
        self._cache: dict[str, tuple[int, Snapshot]] = {}
        self._threads = asyncio.Semaphore(1)  # so that one gateway does not use up the thread pool
        self._unsure: dict[str, None] = {}  # ids whose last response was a failure without a task

    async def fetch(self, external_id: str, *, is_counted: bool = False) -> Snapshot:
        """Poll a task; raises ProviderError, and nothing else, if there is no snapshot."""
        response = await self._get(self._wire, external_id, is_counted=is_counted)
        snapshot = await self._read_or_cached(response, external_id)
        wait_s = poll_after_s(response.headers)
        return snapshot if wait_s is None else replace(snapshot, poll_after_s=wait_s)

    async def fetch_elsewhere(self, external_id: str) -> Snapshot | None:
        """Poll a new-api task once at its sister path; None: not a new-api task, or no snapshot."""
        if self._sister is None or not external_id.startswith(_NEW_API_IDS):
            return None
        try:
            response = await self._get(self._sister, external_id)
            snapshot = await asyncio.to_thread(self._sister.read_response, response, external_id)
            return corrected(snapshot, response.clock_ahead_s)
        except ProviderError:
            return None

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Return how to fetch the video; raises ProviderError if a request for it fails."""
        if media.url is None:
            return await self._inline_video(external_id)
        return self._source(media.url, with_key=media.needs_auth)

    async def _read_or_cached(self, response: Response, external_id: str) -> Snapshot:
        """Parse a response, or return the cached snapshot if its fingerprint is unchanged."""
        if response.status != _OK:
            return await self._read_confirmed(response, external_id)
        fingerprint = hash(self._wire.fingerprint(response.body))
        cached = self._cache.pop(external_id, None)
        if cached is None or cached[0] != fingerprint or cached[1].clock_ahead_s != response.clock_ahead_s:
            cached = fingerprint, await self._read_confirmed(response, external_id)
        if not cached[1].status.is_final:
            self._cache[external_id] = cached
            if len(self._cache) > _MOST_CACHED:
                del self._cache[next(iter(self._cache))]
        return cached[1]

    async def _read_confirmed(self, response: Response, external_id: str) -> Snapshot:
        """Parse a response; a failure that names no task is accepted after two consecutive responses."""
        was_unsure = external_id in self._unsure
        self._unsure.pop(external_id, None)
        try:
            if len(response.body) <= _READ_IN_LOOP:
                return self._read(response, external_id)
            async with self._threads:
                return await asyncio.to_thread(self._read, response, external_id)
        except UnsureFailure as failure:
            if was_unsure:
                return corrected(failure.snapshot, response.clock_ahead_s)
            self._unsure[external_id] = None
            if len(self._unsure) > _MOST_CACHED:
                del self._unsure[next(iter(self._unsure))]
            raise

    def _read(self, response: Response, external_id: str) -> Snapshot:
        """Parse a response and correct its times; sets http_status and is_gateway_reply of an error."""
        try:
            return corrected(self._wire.read_response(response, external_id), response.clock_ahead_s)
        except ProviderError as error:
            error.is_gateway_reply = response.json is not None
            error.http_status = response.status
            raise

    async def _inline_video(self, external_id: str) -> MediaSource:
        """Request the task again; return the bytes in the response, or the link that has replaced them."""
        response = await self._get(self._wire, external_id)
        link, data = await asyncio.to_thread(self._link_and_data, response)
        if link is not None and not is_inline(link):
            return self._source(self._wire.address(link, external_id), with_key=True)
        if data is None:
            raise BadResponse("no video in the response any more", cause=Cause.NO_VIDEO)
        return MediaSource(data=data)

    def _link_and_data(self, response: Response) -> tuple[str | None, bytes | None]:
        """The video's link, and its bytes if it is a data: URL; called in a thread, as decoding is slow."""
        link = self._wire.link_in(self._wire.json_of(response))
        if link is None or not is_inline(link):
            return link, None
        return link, payload_of(link, response.videos) if response.videos else decode_inline(link)

    def _source(self, url: str, *, with_key: bool) -> MediaSource:
        """A request for a URL, with the key only if it has the gateway's own origin."""
        sends_key = with_key and self._account.is_own_origin(url)
        return MediaSource(url=url, headers=self._account.key_header if sends_key else None)

    async def _get(self, wire: WireFormat, external_id: str, *, is_counted: bool = False) -> Response:
        """Request a task, when the key's rate limit allows it."""
        if not valid_id(external_id):
            raise TaskMissing("not a valid task id", cause=Cause.TASK_MISSING)
        if not self._account.has_valid_key:
            raise AuthFailed("the key contains invalid characters", cause=Cause.KEY_INVALID)
        if self._limiter is not None and not is_counted:
            await self._sleep(self._limiter.reserve(self._clock()))
        return await self._transport.get(self._account.url(wire.path, external_id), self._headers)


class Unconfigured(Provider):
    """A provider without a gateway; only links that need no key can still be fetched."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def fetch(self, external_id: str, *, is_counted: bool = False) -> Snapshot:
        """Raise AuthFailed."""
        raise AuthFailed("", cause=Cause.NOT_CONFIGURED)

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Return how to fetch the video; raises AuthFailed if that needs the key."""
        if media.url is None or media.needs_auth:
            raise AuthFailed("", cause=Cause.NOT_CONFIGURED)
        return MediaSource(url=media.url)


class Gateways(dict[str, Provider]):
    """The providers by name; any other name gives an Unconfigured one."""

    def __missing__(self, name: str) -> Provider:
        return Unconfigured(name)


def build_gateway(
    config: ProviderConfig, transport: Transport, limiter: RequestLimiter | None = None
) -> Gateway:
    """Create the gateway of a configured provider; limiter: its key's."""
    sister = None if config.path else SISTERS.get(config.kind)
    return Gateway(
        FORMATS[config.kind](config.account, config.path),
        transport,
        sister=sister(config.account) if sister else None,
        limiter=limiter,
    )
