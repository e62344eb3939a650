"""Downloads a video to disk: streamed, size-limited, resumed after a broken connection, SSRF-safe.

1. Follow redirects manually: check each address, drop the Authorization header for another origin.
2. Write the body to a .part file; after a broken connection continue with a range request, while each attempt
   makes progress.
3. Detect the container format; anything but a video is an error.
4. fsync, then rename to the final name.

aiohttp rather than httpx: signed links must be sent unchanged (yarl's encoded=True), and its resolver allows
to reject an address at connect time, after redirects and DNS.
"""

import asyncio
import logging
import os
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.backoff import Backoff
from bot.logs import log_fields
from bot.media.body import Part, TooSlow, check_size, save
from bot.media.containers import READABLE, SUFFIXES, suffix_of
from bot.media.public_resolver import PrivateAddress, PublicResolver, address_of, check_address
from bot.media.video import DownloadError, Fault
from bot.metrics import Metrics
from bot.private_hosts import NO_PRIVATE_HOSTS, PrivateHosts
from bot.providers.base import MediaSource
from bot.providers.parsing.links import requestable
from bot.providers.session import open_session
from bot.proxies.diagnosis import ProxyDiagnosis
from bot.proxies.proxy import Proxy

log = logging.getLogger(__name__)

_CONNECTIONS = 16  # twice the concurrent transfers
_REDIRECTS = 5
_REDIRECT_STATUSES = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}
_ATTEMPTS = 4  # of one download, the first included
_RESUME_BACKOFF = Backoff(first_s=0.5, limit_s=1.5)
# connect: of each attempt, with the name's resolution and what a proxy does first.
_TIMEOUT = aiohttp.ClientTimeout(total=900, connect=45, sock_connect=15, sock_read=60)
_TOTAL_S = 1800.0  # for all attempts of one download
_WARN_AGAIN_S = 3600.0  # without an untrusted certificate, before a host is logged again
_MAX_UNTRUSTED = 1000  # hosts kept in memory
_SUCCESS, _ABORTED = "success", "aborted"  # outcomes in the metrics besides the faults; aborted: by a stop
_FAULTS = (
    Fault.TOO_LARGE,
    Fault.DEAD_LINK,
    Fault.NOT_A_VIDEO,
    Fault.PRIVATE,
    Fault.UNREACHABLE,
    Fault.PROXY,
    Fault.UNTRUSTED,
)
_PRIVATE = "the video's address is in a private network, and DOWNLOAD_ALLOW_PRIVATE does not allow it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A downloaded file."""

    path: Path  # the suffix is that of the detected format
    size: int  # bytes

    @property
    def is_readable(self) -> bool:
        """Whether it may contain streams that Telegram plays inline, once remuxed to MP4."""
        return self.path.suffix in READABLE


def downloaded(stem: Path) -> Download | None:
    """The file of an earlier download, None if there is none; stem: its path without the suffix."""
    try:
        for path in (stem.with_name(f"{stem.name}{suffix}") for suffix in SUFFIXES):
            if path.exists() and suffix_of(path) == path.suffix:
                return Download(path=path, size=path.stat().st_size)
    except OSError as error:
        log.warning(
            "A downloaded video can't be read, so it is downloaded again: %s",
            type(error).__name__,
            extra=log_fields(None, "cache_unreadable", cause=type(error).__name__),
        )
    return None


class Downloader:
    """Downloads videos."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | bool = True,
        allowed: PrivateHosts = NO_PRIVATE_HOSTS,
        proxy: Proxy | None = None,
        resolver: AbstractResolver | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """allowed: private hosts that downloads may use.

        proxy: if it resolves names itself, only literal addresses are checked. resolver: replaces
        PublicResolver.
        """
        self._metrics = Metrics()
        self._tls = tls
        self._allowed = allowed
        self._proxy = proxy
        self._diagnosis = ProxyDiagnosis(proxy, tls=tls) if proxy else None
        self._resolver = resolver
        self._sleep = sleep
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._untrusted: dict[URL, float] = {}  # origin → last certificate error

    def count_in(self, metrics: Metrics) -> None:
        """Count the downloads in these metrics."""
        self._metrics = metrics
        for outcome in (_SUCCESS, *_FAULTS):
            metrics.downloads.labels(outcome)

    async def __aenter__(self) -> Self:
        if self._resolver is None:
            self._resolver = PublicResolver(allowed=self._allowed)
        self._session = open_session(
            tls=self._tls,
            resolver=self._resolver,
            connections=_CONNECTIONS,
            timeout=_TIMEOUT,
            proxy=self._proxy,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self, source: MediaSource, stem: Path, *, limit: int, total_s: float = _TOTAL_S
    ) -> Download:
        """Download to a file; raises DownloadError.

        stem: path without the suffix, which depends on the content. limit: bytes. total_s: for all attempts.
        """
        metrics, outcome = self._metrics, _ABORTED
        with metrics.downloads_in_progress.track_inprogress(), metrics.download_seconds.time():
            try:
                download = await self._fetch(source, stem, limit, total_s)
                outcome = _SUCCESS
            except DownloadError as error:
                outcome = error.fault
                raise
            finally:
                metrics.downloads.labels(outcome).inc()
        metrics.download_bytes.inc(download.size)
        return download

    async def _fetch(self, source: MediaSource, stem: Path, limit: int, total_s: float) -> Download:
        try:
            async with asyncio.timeout(total_s):
                path = await self._download(source, stem, limit)
            return Download(path=path, size=path.stat().st_size)
        except TimeoutError as error:
            raise DownloadError(Fault.UNREACHABLE, "too slow overall") from error
        except OSError as error:
            raise DownloadError(Fault.UNREACHABLE, f"disk error: {type(error).__name__}") from error

    async def _download(self, source: MediaSource, stem: Path, limit: int) -> Path:
        for folder in (stem.parent.parent, stem.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = Part(stem.with_name(f"{stem.name}.part"), clock=self._clock)
        part.path.unlink(missing_ok=True)
        try:
            await self._fetch_resuming(source, part, limit)
            suffix = suffix_of(part.path)
            if suffix is None:
                raise DownloadError(Fault.NOT_A_VIDEO, "the response is not a video")
            await asyncio.to_thread(_fsync, part.path)  # else a power failure may leave an empty file
            return part.path.replace(stem.with_name(f"{stem.name}{suffix}"))
        finally:
            part.path.unlink(missing_ok=True)

    async def _fetch_resuming(self, source: MediaSource, part: Part, limit: int) -> None:
        """Resume while each attempt makes progress; a host that sends nothing must not block others."""
        for attempt in range(1, _ATTEMPTS + 1):
            size = part.size
            try:
                await self._fetch_once(source, part, limit)
            except DownloadError as error:
                is_final = error.fault not in {Fault.UNREACHABLE, Fault.PROXY} or isinstance(error, TooSlow)
                if is_final or part.size == size or attempt == _ATTEMPTS:
                    raise
                log.debug("A download failed at %d bytes, resuming: %s", part.size, error)
                await self._sleep(_RESUME_BACKOFF.delay_s(attempt))
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
            raise DownloadError(Fault.UNREACHABLE, "the compressed file is corrupt") from error
        except ValueError as error:
            raise DownloadError(Fault.DEAD_LINK, "not a valid URL") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(getattr(error, "os_error", error), PrivateAddress):
                raise DownloadError(Fault.PRIVATE, _PRIVATE) from error
            raise await self._unreachable(source, type(error).__name__) from error
        if self._untrusted and source.url is not None:
            self._untrusted.pop(URL(source.url, encoded=True).origin(), None)

    async def _unreachable(self, source: MediaSource, what: str) -> DownloadError:
        """The host's fault or that of the proxy."""
        if self._proxy is None or self._diagnosis is None:
            return DownloadError(Fault.UNREACHABLE, what)
        # With socks5:// the name would be resolved again, unchecked.
        trouble = await self._diagnosis.trouble(source.url if self._proxy.resolves_names else None)
        if trouble is None:
            return DownloadError(Fault.UNREACHABLE, f"{what} through the proxy {self._proxy}")
        return DownloadError(Fault.PROXY if trouble.is_proxys else Fault.UNREACHABLE, str(trouble))

    def _note_untrusted(self, server: URL) -> None:
        """Log a host once per outage, not at each attempt."""
        last, now = self._untrusted.pop(server, None), self._clock()
        self._untrusted[server] = now
        if len(self._untrusted) > _MAX_UNTRUSTED:
            del self._untrusted[next(iter(self._untrusted))]
        if last is None or now - last > _WARN_AGAIN_S:
            log.warning(
                "No videos come from %s: its certificate, or that of a host it redirects to, is not trusted.",
                server.host,
                extra=log_fields(None, "certificate_untrusted", host=server.host or ""),
            )

    async def _follow(self, link: str, headers: dict[str, str], part: Part, limit: int) -> None:
        """GET with manual redirects; the Authorization header is sent to its own origin only."""
        assert self._session is not None, "used outside its context"  # noqa: S101 - for the type checker
        url = URL(requestable(link), encoded=True)
        for _ in range(_REDIRECTS):
            self._check_address(url)
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status not in _REDIRECT_STATUSES or target is None:
                    await save(response, part, limit)
                    return
            next_url = url.join(URL(requestable(target), encoded=True))
            if next_url.origin() != url.origin():
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = next_url
        raise DownloadError(Fault.DEAD_LINK, "too many redirects")

    def _check_address(self, url: URL) -> None:
        if url.scheme not in {"http", "https"} or not url.host:
            raise DownloadError(Fault.DEAD_LINK, "not an http URL")
        if address := address_of(url.host):
            try:
                check_address(url.host, url.port or 0, address, self._allowed)
            except PrivateAddress as error:
                raise DownloadError(Fault.PRIVATE, _PRIVATE) from error


def _headers(source: MediaSource, part: Part) -> dict[str, str]:
    """Request headers; with Range and If-Range if a part exists.

    https://www.rfc-editor.org/rfc/rfc9110#field.if-range
    """
    headers = {**(source.headers or {}), "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    return headers


def _write(part: Part, data: bytes) -> None:
    with part.open(truncate=True) as file:
        file.write(data)


def _fsync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
