"""Downloaded films: fetched once, and kept until Telegram has them; what waits for that, within a quota."""

import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from bot.media.containers import MP4
from bot.media.download import Download, Downloader
from bot.media.faults import DownloadError, Fault
from bot.media.probe import Inspector, MediaInfo, TruncatedFile
from bot.media.video import VideoFile
from bot.providers.base import Provider, ProviderError
from storage.models import Media, Task, TaskRef

log = logging.getLogger(__name__)

UPLOAD_LIMIT = 52_428_800  # what the servers take: bytes; https://core.telegram.org/bots/api#sending-files
LOCAL_UPLOAD_LIMIT = 2_000_000_000
QUOTA = 4_000_000_000  # bytes of films that wait for Telegram
_STALE_S = 86_400.0
# A young link may answer anything while its file is still being copied: 404, 403, an empty or a JSON 200.
_MAY_PASS = {Fault.UNREACHABLE, Fault.UNTRUSTED, Fault.DEAD_LINK, Fault.NOT_A_VIDEO}
_FRESH_AFTER = {1, 2, 4, 8}  # failures after which the gateway is asked where the film is now
_MOST_FAILING = 1000  # films whose failures are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What can be had of a film."""

    media: Media  # where it is, by what the gateway said last
    variants: Sequence[VideoFile] = ()  # the forms in which to try it, best first
    fault: Fault | None = None  # why there are none
    why: str = ""  # the same for the log; without links
    lacks_room: bool = False  # those in use fill the quota: nothing was tried

    @property
    def is_retryable(self) -> bool:
        """Whether it is worth trying again later."""
        return self.fault in _MAY_PASS


@dataclass(slots=True)
class _Failing:
    """A film that could not be had so far."""

    failures: int = 0
    media: Media | None = None  # where the gateway said last that it is


class VideoCache:
    """Fetches films and says in which forms each can be sent."""

    def __init__(
        self,
        folder: Path,
        downloader: Downloader,
        providers: Mapping[str, Provider],
        *,
        inspector: Inspector,
        limit: int,
    ) -> None:
        """providers: by name. limit: bytes that the Bot API server takes."""
        self._folder = folder
        self._downloader = downloader
        self._providers = providers
        self._inspector = inspector
        self._limit = limit
        self._in_use: set[Path] = set()
        self._failing: dict[TaskRef, _Failing] = {}

    @contextlib.asynccontextmanager
    async def prepare(self, task: Task, media: Media) -> AsyncIterator[Prepared]:
        """What can be had of a film; the files stay for a later try, unless they are discarded."""
        folder = self._stem(task).parent
        self._in_use.add(folder)
        try:
            self._evict()
            if self._has_room(folder):
                yield await self._with_a_fresh_link(task, media)
            else:
                yield Prepared(media=media, lacks_room=True, why="the films in use fill the quota")
        finally:
            self._in_use.discard(folder)

    def discard(self, task: Task) -> None:
        """Delete what was fetched for a task."""
        shutil.rmtree(self._stem(task).parent, ignore_errors=True)

    def forget_failures(self, task: Task) -> None:
        """Begin anew with the next try: no failure yet, and the link that the task names."""
        self._failing.pop(task.ref, None)

    async def _with_a_fresh_link(self, task: Task, media: Media) -> Prepared:
        """Ask the gateway now and then where the film is, while it can't be had."""
        failing = self._failing.get(task.ref, _Failing())
        prepared = await self._prepare(task, failing.media or media)
        if not prepared.is_retryable:
            self.forget_failures(task)
            return prepared
        failing.failures += 1
        self._failing[task.ref] = failing
        if len(self._failing) > _MOST_FAILING:
            del self._failing[next(iter(self._failing))]
        # A host in trouble is given another try first.
        if failing.failures in _FRESH_AFTER and (
            failing.failures > 1 or prepared.fault is not Fault.UNREACHABLE
        ):
            return await self._refreshed(task, prepared, failing)
        return prepared

    async def _refreshed(self, task: Task, prepared: Prepared, failing: _Failing) -> Prepared:
        """The same, from where the gateway says that the film is now, if that is another place."""
        log.info("Task %d: %s; asking for a fresh link", task.id, prepared.why)
        try:
            fresh = await self._fresh_media(task)
        except ProviderError as error:
            return replace(prepared, fault=Fault.UNREACHABLE, why=error.message)
        if fresh is None or fresh == prepared.media:
            return prepared
        failing.media = fresh
        return await self._prepare(task, fresh)

    async def _prepare(self, task: Task, media: Media) -> Prepared:
        try:
            return Prepared(media=media, variants=await self._variants(task, media))
        except DownloadError as error:
            return Prepared(media=media, fault=error.fault, why=str(error))
        except ProviderError as error:
            return Prepared(media=media, fault=Fault.UNREACHABLE, why=error.message)

    async def _variants(self, task: Task, media: Media) -> list[VideoFile]:
        provider = self._providers[task.ref.provider]
        source = await provider.open_media(task.ref.external_id, media)
        download = await self._downloader.fetch(source, self._stem(task), limit=self._limit)
        if not download.is_readable:
            return [_with_a_word_why(download)]
        try:
            return _variants(download, await self._inspector.inspect(download.path))
        except TruncatedFile as error:
            self.discard(task)
            raise DownloadError(Fault.UNREACHABLE, "the file is cut off") from error

    async def _fresh_media(self, task: Task) -> Media | None:
        """Where the gateway says the video is by now; None if it has nothing to say any more."""
        try:
            return (await self._providers[task.ref.provider].fetch(task.ref.external_id)).media
        except ProviderError as error:
            if error.permanent:
                return None
            raise

    def _stem(self, task: Task) -> Path:
        """Where a task's film lies: by what it is, as a row's number may be another task's tomorrow.

        People see the last part, without the ending, as the file's name.
        """
        ref = task.ref
        name = "".join(letter if letter.isalnum() else "_" for letter in ref.external_id[:60])
        return self._folder / sha256(f"{ref.provider}/{ref.external_id}".encode()).hexdigest() / name

    def _evict(self) -> None:
        """Delete what nobody came for, and of the rest that waits the oldest beyond the quota.

        What is in use counts, and stays.
        """
        folders = list(self._folder.glob("*"))
        waiting = [folder for folder in folders if folder not in self._in_use]
        held = sum(map(_size, folders))
        for folder in sorted(waiting, key=lambda each: each.stat().st_mtime):
            is_stale = time.time() - folder.stat().st_mtime > _STALE_S
            if not is_stale and held <= QUOTA - self._limit:
                break
            held -= _size(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def _has_room(self, folder: Path) -> bool:
        """Whether one more film fits beside those in use; one that is on the disk, or is alone, does."""
        others = sum(_size(each) for each in self._in_use if each != folder)
        return others <= QUOTA - self._limit or _size(folder) > 0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


def _variants(download: Download, facts: MediaInfo | None) -> list[VideoFile]:
    document = _as_document(download)
    if facts is None:
        return [document if download.path.suffix == MP4 else _with_a_word_why(download)]
    if facts.unplayable is not None:
        return [replace(document, unplayable=facts.unplayable)]
    front = facts.faststart_copy or download.path
    video = replace(
        document,
        source=front,
        size=front.stat().st_size,
        is_video=True,
        width=facts.width,
        height=facts.height,
        duration_s=facts.duration_s,
        thumbnail=facts.thumbnail,
    )
    return [video, document]


def _as_document(download: Download) -> VideoFile:
    return VideoFile(source=download.path, is_video=False, size=download.size)


def _with_a_word_why(download: Download) -> VideoFile:
    return replace(_as_document(download), unplayable=download.path.suffix.lstrip("."))
