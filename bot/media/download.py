"""A video's bytes → a file on disk: streamed, bounded, resumed when cut off, never from a private network.

aiohttp rather than httpx: signed links must go out byte for byte (yarl's encoded=True), and its resolver
is where a connection's address can be refused, whatever a redirect or a name server says.
"""

import asyncio
import logging
import os
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.media.body import Part, TooSlow, check_size, save
from bot.media.containers import READABLE, SUFFIXES, suffix_of
from bot.media.faults import DownloadError, Fault
from bot.media.public_resolver import PrivateAddress, PublicResolver, address_of, check_address
from bot.private_hosts import NO_PRIVATE_HOSTS, PrivateHosts
from bot.providers.base import MediaSource
from bot.providers.parsing.links import requestable
from bot.providers.session import open_session

log = logging.getLogger(__name__)

_REDIRECTS = 5
_TRIES = 4
_TIMEOUT = aiohttp.ClientTimeout(total=900, sock_connect=15, sock_read=60)
_WHOLE_S = 1800.0  # for all tries of one film
_SAME_OUTAGE_S = 3600.0  # since a host's certificate was last not trusted
_MOST_UNTRUSTED = 1000  # hosts that are remembered
_PRIVATE = "the video's address is in a private network, and DOWNLOAD_ALLOW_PRIVATE does not allow it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that was fetched."""

    path: Path  # its ending tells what its content is
    size: int  # bytes

    @property
    def is_readable(self) -> bool:
        """Whether it may hold what Telegram plays in place, if it is put into an MP4."""
        return self.path.suffix in READABLE


class Downloader:
    """Fetches videos."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | bool = True,
        allowed: PrivateHosts = NO_PRIVATE_HOSTS,
        proxy: str | None = None,
        resolver: AbstractResolver | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """allowed: private hosts that videos may come from.

        proxy: http(s) address; names are then resolved there, beyond the reach of the check here.
        resolver: instead of the one that refuses private addresses where they are not allowed.
        """
        self._tls = tls
        self._allowed = allowed
        self._proxy = proxy or None
        self._resolver = resolver
        self._sleep = sleep
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._untrusted: dict[URL, float] = {}  # by host and port: when its certificate was last not trusted

    async def __aenter__(self) -> Self:
        if self._resolver is None and not self._proxy:
            self._resolver = PublicResolver(allowed=self._allowed)
        self._session = open_session(
            tls=self._tls,
            resolver=self._resolver,
            connections=16,
            timeout=_TIMEOUT,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self, source: MediaSource, stem: Path, *, limit: int, whole_s: float = _WHOLE_S
    ) -> Download:
        """Fetch into a file, at most limit bytes, unless it is there already; DownloadError.

        stem: of the file, which gets the ending that its content calls for. whole_s: for all tries together.
        """
        try:
            async with asyncio.timeout(whole_s):
                path = _found(stem) or await self._fetch_anew(source, stem, limit)
            return Download(path=path, size=path.stat().st_size)
        except TimeoutError as error:
            raise DownloadError(Fault.UNREACHABLE, "too slow as a whole") from error
        except OSError as error:
            raise DownloadError(Fault.UNREACHABLE, f"the disk: {type(error).__name__}") from error

    async def _fetch_anew(self, source: MediaSource, stem: Path, limit: int) -> Path:
        for folder in (stem.parent.parent, stem.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = Part(stem.with_name(f"{stem.name}.part"), clock=self._clock)
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

    async def _fetch(self, source: MediaSource, part: Part, limit: int) -> None:
        """Go on at once while that brings something; a host that gives nothing would only hold up others."""
        for attempt in range(1, _TRIES + 1):
            size = part.size
            try:
                await self._fetch_once(source, part, limit)
            except DownloadError as error:
                is_final = error.fault is not Fault.UNREACHABLE or isinstance(error, TooSlow)
                if is_final or part.size == size or attempt == _TRIES:
                    raise
                log.info("A download broke off at %d bytes, going on: %s", part.size, error)
                await self._sleep(0.5 * attempt)
            else:
                return

    async def _fetch_once(self, source: MediaSource, part: Part, limit: int) -> None:
        try:
            if source.data is None:
                await self._follow(str(source.url), _headers(source, part), part, limit)
            else:
                check_size(len(source.data), limit)
                await asyncio.to_thread(_write, part, source.data)
        except ssl.CertificateError as error:  # a ValueError too
            self._note_untrusted(URL(str(source.url), encoded=True).origin())
            raise DownloadError(Fault.UNTRUSTED, "the host's certificate is not trusted") from error
        except zlib.error as error:
            raise DownloadError(Fault.UNREACHABLE, "the packed file is damaged") from error
        except ValueError as error:
            raise DownloadError(Fault.DEAD_LINK, "not an address") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(getattr(error, "os_error", error), PrivateAddress):
                raise DownloadError(Fault.PRIVATE, _PRIVATE) from error
            raise DownloadError(Fault.UNREACHABLE, type(error).__name__) from error
        if self._untrusted and source.url is not None:
            self._untrusted.pop(URL(source.url, encoded=True).origin(), None)

    def _note_untrusted(self, server: URL) -> None:
        """Warn once of a host and outage, not at each try."""
        last, now = self._untrusted.pop(server, None), self._clock()
        self._untrusted[server] = now
        if len(self._untrusted) > _MOST_UNTRUSTED:
            del self._untrusted[next(iter(self._untrusted))]
        if last is None or now - last > _SAME_OUTAGE_S:
            log.warning("The certificate of %s, or of where it leads to, is not trusted", server.host)

    async def _follow(self, link: str, headers: dict[str, str], part: Part, limit: int) -> None:
        """Ask, and go where redirects lead; the key stays with the host that it was meant for."""
        assert self._session is not None, "used outside its context"  # noqa: S101 - for the type checker
        url = URL(requestable(link), encoded=True)
        for _ in range(_REDIRECTS):
            self._check_address(url)
            async with self._session.get(
                url, headers=headers, allow_redirects=False, proxy=self._proxy
            ) as answer:
                target = answer.headers.get("Location")
                if answer.status not in {301, 302, 303, 307, 308} or target is None:
                    await save(answer, part, limit)
                    return
            following = url.join(URL(requestable(target), encoded=True))
            if following.origin() != url.origin():
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = following
        raise DownloadError(Fault.DEAD_LINK, "too many redirects")

    def _check_address(self, url: URL) -> None:
        if url.scheme not in {"http", "https"} or not url.host:
            raise DownloadError(Fault.DEAD_LINK, "not an http address")
        if address := address_of(url.host):
            try:
                check_address(url.host, url.port or 0, address, self._allowed)
            except PrivateAddress as error:
                raise DownloadError(Fault.PRIVATE, _PRIVATE) from error


def _headers(source: MediaSource, part: Part) -> dict[str, str]:
    """What to ask with; for the rest only, if there is a part of the same version already.

    https://www.rfc-editor.org/rfc/rfc9110#field.if-range
    """
    headers = {**(source.headers or {}), "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    return headers


def _write(part: Part, data: bytes) -> None:
    with part.open(anew=True) as file:
        file.write(data)


def _found(stem: Path) -> Path | None:
    """A video that was fetched before."""
    paths = (stem.with_name(f"{stem.name}{suffix}") for suffix in SUFFIXES)
    return next((path for path in paths if path.exists() and suffix_of(path) == path.suffix), None)


def _put_on_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
