"""The cache of downloaded video files: one download per task, kept until Telegram has the file.

Eviction: files older than a day, then the oldest while the total exceeds the quota; never those in use.
"""

import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from bot.logs import log_fields
from bot.media.containers import MP4
from bot.media.download import Download, Downloader, downloaded
from bot.media.probe import Inspector, MediaInfo, TruncatedFile
from bot.media.video import DownloadError, Fault, VideoFile
from bot.providers.base import Provider, ProviderError, RateLimited
from storage.models import Media, Task, TaskRef

log = logging.getLogger(__name__)

UPLOAD_LIMIT = 52_428_800  # bytes, of the public Bot API; https://core.telegram.org/bots/api#sending-files
LOCAL_UPLOAD_LIMIT = 2_000_000_000  # bytes, of a self-hosted Bot API server
QUOTA = 4_000_000_000  # bytes of all cached files
_STALE_S = 86_400.0  # since a file was written
# While the storage still copies the file, a new link may respond with 404, 403, an empty or a JSON 200.
_RETRYABLE = {Fault.UNREACHABLE, Fault.PROXY, Fault.UNTRUSTED, Fault.DEAD_LINK, Fault.NOT_A_VIDEO}
_FRESH_LINK_AFTER = {1, 2, 4, 8}  # counts of failures after which a fresh link is requested
_MAX_FAILING = 1000  # tasks whose failures are kept in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The outcome of preparing a task's video for sending."""

    media: Media  # with the latest link that the gateway returned
    variants: Sequence[VideoFile] = ()  # what to send, best first
    fault: Fault | None = None  # why there are no variants
    why: str = ""  # the same for the log; contains no links
    lacks_room: bool = False  # the files in use fill the quota: nothing was downloaded

    @property
    def is_retryable(self) -> bool:
        """Whether a later attempt may succeed."""
        return self.fault in _RETRYABLE


@dataclass(slots=True)
class _Failing:
    """The failures of one task's video."""

    failures: int = 0
    media: Media | None = None  # the fresh link, if the gateway returned one


class VideoCache:
    """Downloads and probes videos; returns the variants of each that can be sent."""

    def __init__(
        self,
        folder: Path,
        downloader: Downloader,
        providers: Mapping[str, Provider],
        *,
        inspector: Inspector,
        limit: int,
    ) -> None:
        """providers: by name. limit: the upload limit of the Bot API server, in bytes."""
        self._folder = folder
        self._downloader = downloader
        self._providers = providers
        self._inspector = inspector
        self._limit = limit
        self._in_use: set[Path] = set()
        self._failing: dict[TaskRef, _Failing] = {}

    @contextlib.asynccontextmanager
    async def prepare(self, task: Task, media: Media) -> AsyncIterator[Prepared]:
        """Download and probe a video; its files are in use within the context and stay cached after it."""
        folder = self._stem(task).parent
        self._in_use.add(folder)
        try:
            self._evict()
            in_use = sum(_size(each) for each in self._in_use if each != folder)
            # A cached file, or the only one, always fits.
            if in_use <= QUOTA - self._limit or _size(folder) > 0:
                yield await self._prepare_with_fresh_link(task, media)
            else:
                yield Prepared(media=media, lacks_room=True, why="the files in use fill the cache quota")
        finally:
            self._in_use.discard(folder)

    def discard(self, task: Task) -> None:
        """Delete the cached files of a task."""
        shutil.rmtree(self._stem(task).parent, ignore_errors=True)

    def forget_failures(self, task: Task) -> None:
        """Reset the failure count and the fresh link of a task."""
        self._failing.pop(task.ref, None)

    async def _prepare_with_fresh_link(self, task: Task, media: Media) -> Prepared:
        """Prepare; after the 1st, 2nd, 4th and 8th failure get a fresh link from the gateway and retry."""
        failing = self._failing.get(task.ref, _Failing())
        prepared = await self._prepare(task, failing.media or media)
        if not prepared.is_retryable:
            self.forget_failures(task)
            return prepared
        failing.failures += 1
        self._failing[task.ref] = failing
        if len(self._failing) > _MAX_FAILING:
            del self._failing[next(iter(self._failing))]
        if prepared.fault is Fault.PROXY:
            return prepared  # no other link would help
        # An unreachable host is retried once with the same link first.
        if failing.failures in _FRESH_LINK_AFTER and (
            failing.failures > 1 or prepared.fault is not Fault.UNREACHABLE
        ):
            return await self._retry_with_fresh_link(task, prepared, failing)
        return prepared

    async def _retry_with_fresh_link(self, task: Task, prepared: Prepared, failing: _Failing) -> Prepared:
        """Poll the gateway for the current link; prepare again if the link has changed."""
        log.debug(
            "%s: %s; requesting a fresh link",
            task.ref,
            prepared.why,
            extra=log_fields(task, "link_refresh", cause=prepared.fault),
        )
        try:
            fresh = (await self._providers[task.ref.provider].fetch(task.ref.external_id)).media
        except ProviderError as error:
            if error.permanent:
                return prepared
            if isinstance(error, RateLimited):
                failing.failures -= 1  # the next attempt requests it again
            return replace(prepared, fault=Fault.UNREACHABLE, why=error.message)
        if fresh is None or fresh == prepared.media:
            return prepared
        failing.media = fresh
        return await self._prepare(task, fresh)

    async def _prepare(self, task: Task, media: Media) -> Prepared:
        """Download the video, unless it is cached, and probe it."""
        stem = self._stem(task)
        try:
            download = downloaded(stem)
            if download is None:
                provider = self._providers[task.ref.provider]
                source = await provider.open_media(task.ref.external_id, media)
                download = await self._downloader.fetch(source, stem, limit=self._limit)
            info = await self._inspector.inspect(download.path) if download.is_readable else None
            return Prepared(media=media, variants=_variants_of(download, info))
        except TruncatedFile:
            self.discard(task)
            return Prepared(media=media, fault=Fault.UNREACHABLE, why="the file is truncated")
        except DownloadError as error:
            return Prepared(media=media, fault=error.fault, why=str(error))
        except ProviderError as error:
            return Prepared(media=media, fault=Fault.UNREACHABLE, why=error.message)

    def _stem(self, task: Task) -> Path:
        """The cache path of a task's video, without the suffix; users see its last part as the file name.

        The key is the gateway's task id, because the database may reuse a row id for another task.
        """
        ref = task.ref
        name = "".join(letter if letter.isalnum() else "_" for letter in ref.external_id[:60])
        return self._folder / sha256(f"{ref.provider}/{ref.external_id}".encode()).hexdigest() / name

    def _evict(self) -> None:
        """Delete stale folders, then the oldest until one more file fits into the quota.

        Folders in use count towards the quota but are not deleted.
        """
        folders = list(self._folder.glob("*"))
        unused = [folder for folder in folders if folder not in self._in_use]
        used = sum(map(_size, folders))
        for folder in sorted(unused, key=lambda each: each.stat().st_mtime):
            is_stale = time.time() - folder.stat().st_mtime > _STALE_S
            if not is_stale and used <= QUOTA - self._limit:
                break
            used -= _size(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the probe worker deletes its drafts
            size += path.stat().st_size
    return size


def _variants_of(download: Download, info: MediaInfo | None) -> list[VideoFile]:
    """What to send, best first; info: None if the file can't be probed."""
    document = VideoFile(source=download.path, is_video=False, size=download.size)
    if info is None:
        suffix = download.path.suffix
        return [document if suffix == MP4 else replace(document, unplayable=suffix.lstrip("."))]
    if info.unplayable is not None:
        return [replace(document, unplayable=info.unplayable)]
    source = info.faststart_copy or download.path
    video = replace(
        document,
        source=source,
        size=source.stat().st_size,
        is_video=True,
        width=info.width,
        height=info.height,
        duration_s=info.duration_s,
        thumbnail=info.thumbnail,
    )
    return [video, document]
