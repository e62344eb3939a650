"""A video's bytes → a file on disk: streamed, bounded, resumed when cut off, never from a private network.

aiohttp rather than httpx: signed links must go out byte for byte (yarl's encoded=True), and its resolver
is where a connection's address can be refused, whatever a redirect or a name server says.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.outbox.addresses import PrivateAddress, PublicResolver, is_address, is_public
from bot.outbox.containers import READABLE, SUFFIXES, suffix_of
from bot.providers.base import MediaSource

log = logging.getLogger(__name__)

_CHUNK = 1 << 18
_REDIRECTS = 5
_TRIES = 4
_TIMEOUT = aiohttp.ClientTimeout(total=900, sock_connect=15, sock_read=60)
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_PRIVATE = "the video's address is in a private network, and DOWNLOAD_ALLOW_PRIVATE is off"


class Fault(StrEnum):
    """Why there is no video in the chat."""

    TOO_LARGE = "too_large"  # more than the limit
    DEAD_LINK = "dead_link"  # the server does not give this file, not any more
    NOT_A_VIDEO = "not_a_video"  # a page or a message where a video should be
    PRIVATE = "private"  # the address is in a private network
    UNREACHABLE = "unreachable"  # no answer, or one that broke off; later perhaps
    UNSENDABLE = "unsendable"  # fetched, and Telegram would not take it
    UNCONFIRMED = "unconfirmed"  # fetched, and no answer of Telegram's came through


class DownloadError(Exception):
    """The video could not be fetched; the message names no link."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that was fetched."""

    path: Path  # its ending tells what its content is
    size: int  # bytes

    @property
    def is_readable(self) -> bool:
        """Whether it may hold what Telegram plays in place, if it is put into an MP4."""
        return self.path.suffix in READABLE


@dataclass(slots=True)
class _Part:
    """A file that is not whole yet."""

    path: Path
    validator: str = ""  # of the version that it is a part of; "": the server names none

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


class Downloader:
    """Fetches videos."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        proxy: str | None = None,
        resolver: AbstractResolver | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """proxy: http(s) address; names are then resolved there, beyond the reach of the check here.

        resolver: instead of the one that refuses private addresses where they are not allowed.
        """
        self._allow_private = allow_private
        self._proxy = proxy or None
        self._resolver = resolver
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if self._resolver is None and not (self._allow_private or self._proxy):
            self._resolver = PublicResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=self._resolver, limit=16),
            timeout=_TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, source: MediaSource, stem: Path, *, limit: int) -> Download:
        """Fetch into a file, at most limit bytes, unless it is there already; DownloadError.

        stem: of the file, which gets the ending that its content calls for.
        """
        try:
            path = _found(stem) or await self._fetch_anew(source, stem, limit)
            return Download(path=path, size=path.stat().st_size)
        except OSError as error:
            raise DownloadError(Fault.UNREACHABLE, f"the disk: {type(error).__name__}") from error

    async def _fetch_anew(self, source: MediaSource, stem: Path, limit: int) -> Path:
        stem.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(stem.with_name(f"{stem.name}.part"))
        part.path.unlink(missing_ok=True)
        try:
            await self._fetch(source, part, limit)
            suffix = suffix_of(part.path)
            if suffix is None:
                raise DownloadError(Fault.NOT_A_VIDEO, "the address gives something that is not a video")
            await asyncio.to_thread(_put_on_disk, part.path)  # else a power cut may leave an empty file
            return part.path.replace(stem.with_name(f"{stem.name}{suffix}"))
        finally:
            part.path.unlink(missing_ok=True)

    async def _fetch(self, source: MediaSource, part: _Part, limit: int) -> None:
        """Go on at once while that brings something; a host that gives nothing would only hold up others."""
        for attempt in range(1, _TRIES + 1):
            size = part.size
            try:
                await self._fetch_once(source, part, limit)
            except DownloadError as error:
                if error.fault is not Fault.UNREACHABLE or part.size == size or attempt == _TRIES:
                    raise
                log.info("A download broke off at %d bytes, going on: %s", part.size, error)
                await self._sleep(0.5 * attempt)
            else:
                return

    async def _fetch_once(self, source: MediaSource, part: _Part, limit: int) -> None:
        try:
            if source.data is None:
                await self._follow(str(source.url), _headers(source, part), part, limit)
            else:
                _check_size(len(source.data), limit)
                part.path.write_bytes(source.data)
        except ValueError as error:
            raise DownloadError(Fault.DEAD_LINK, "not an address") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(getattr(error, "os_error", error), PrivateAddress):
                raise DownloadError(Fault.PRIVATE, _PRIVATE) from error
            raise DownloadError(Fault.UNREACHABLE, type(error).__name__) from error

    async def _follow(self, link: str, headers: dict[str, str], part: _Part, limit: int) -> None:
        """Ask, and go where redirects lead; the key stays with the host that it was meant for."""
        assert self._session is not None, "used outside its context"  # noqa: S101 - for the type checker
        url = URL(link, encoded=True)
        for _ in range(_REDIRECTS):
            self._check_address(url)
            async with self._session.get(
                url, headers=headers, allow_redirects=False, proxy=self._proxy
            ) as answer:
                target = answer.headers.get("Location")
                if answer.status not in {301, 302, 303, 307, 308} or target is None:
                    await _save(answer, part, limit)
                    return
            following = url.join(URL(target, encoded=True))
            if following.origin() != url.origin():
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = following
        raise DownloadError(Fault.DEAD_LINK, "too many redirects")

    def _check_address(self, url: URL) -> None:
        if url.scheme not in {"http", "https"} or not url.host:
            raise DownloadError(Fault.DEAD_LINK, "not an http address")
        if not self._allow_private and is_address(url.host) and not is_public(url.host):
            raise DownloadError(Fault.PRIVATE, _PRIVATE)


def _headers(source: MediaSource, part: _Part) -> dict[str, str]:
    """What to ask with; for the rest only, if there is a part of the same version already.

    https://www.rfc-editor.org/rfc/rfc9110#field.if-range
    """
    headers = {**(source.headers or {}), "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    return headers


async def _save(answer: aiohttp.ClientResponse, part: _Part, limit: int) -> None:
    """Write an answer's body behind what is there already if it continues that, else anew."""
    goes_on = answer.status == HTTPStatus.PARTIAL_CONTENT
    if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or (goes_on and not _fits(answer, part)):
        part.path.unlink(missing_ok=True)
        raise DownloadError(Fault.UNREACHABLE, "the file changed meanwhile")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _LATER:
        raise DownloadError(Fault.UNREACHABLE, f"HTTP {answer.status}")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise DownloadError(Fault.DEAD_LINK, f"HTTP {answer.status}")
    part.validator = _validator(answer)
    size = part.size if goes_on else 0
    _check_size(size + (answer.content_length or 0), limit)
    with part.path.open("ab" if goes_on else "wb") as file:
        async for chunk in answer.content.iter_chunked(_CHUNK):
            size += len(chunk)
            _check_size(size, limit)
            file.write(chunk)


def _fits(answer: aiohttp.ClientResponse, part: _Part) -> bool:
    """Whether an answer's bytes are those that come after the part's."""
    return answer.headers.get("Content-Range", "").startswith(f"bytes {part.size}-")


def _validator(answer: aiohttp.ClientResponse) -> str:
    """What names the version of a file beyond doubt, as a weak tag does not."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise DownloadError(Fault.TOO_LARGE, f"more than {limit // 1_000_000} MB")


def _found(stem: Path) -> Path | None:
    """A video that was fetched before."""
    paths = (stem.with_name(f"{stem.name}{suffix}") for suffix in SUFFIXES)
    return next((path for path in paths if path.exists() and suffix_of(path) == path.suffix), None)


def _put_on_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
