"""Downloaded films: fetched once, and kept until Telegram has them; what waits for that, within a quota."""

import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from bot.outbox.download import Download, Downloader, DownloadError, Fault
from bot.outbox.inspection import CutOff, Facts, Inspector
from bot.outbox.sender import Film
from bot.providers.base import Provider, ProviderError
from storage.models import Media, Task

log = logging.getLogger(__name__)

UPLOAD_LIMIT = 50_000_000  # bytes; https://core.telegram.org/bots/api#sending-files
LOCAL_UPLOAD_LIMIT = 2_000_000_000
QUOTA = 4_000_000_000  # bytes of films that wait for Telegram
_STALE_S = 86_400.0
# As a gateway may answer at its own address while it fetches the film from its upstream.
_NOT_YET = {Fault.DEAD_LINK, Fault.NOT_A_VIDEO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What can be had of a film."""

    media: Media  # where it is, by what the gateway said last
    films: Sequence[Film] = ()  # the forms in which to try it, best first
    fault: Fault | None = None  # why there are none
    why: str = ""  # the same for the log; without links

    @property
    def may_come(self) -> bool:
        """Whether it is worth trying again later."""
        return self.fault is Fault.UNREACHABLE or (self.media.needs_auth and self.fault in _NOT_YET)


class Larder:
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

    @contextlib.asynccontextmanager
    async def stock(self, task: Task, media: Media) -> AsyncIterator[Stock]:
        """What can be had of a film; the files stay for a later try, unless they are discarded."""
        folder = self._stem(task).parent
        self._in_use.add(folder)
        try:
            self._make_room()
            yield await self._with_a_fresh_link(task, media)
        finally:
            self._in_use.discard(folder)

    def discard(self, task: Task) -> None:
        """Delete what was fetched for a task."""
        shutil.rmtree(self._stem(task).parent, ignore_errors=True)

    async def _with_a_fresh_link(self, task: Task, media: Media) -> Stock:
        """Ask the gateway where the film is now, if the link has died."""
        try:
            stock = await self._stock(task, media)
            if stock.fault is Fault.DEAD_LINK:
                log.info("Task %d: its link is dead, asking for a fresh one", task.id)
                fresh = await self._fresh_media(task)
                if fresh is not None and fresh != media:
                    stock = await self._stock(task, fresh)
        except ProviderError as error:
            return Stock(media=media, fault=Fault.UNREACHABLE, why=error.message)
        return stock

    async def _stock(self, task: Task, media: Media) -> Stock:
        try:
            return Stock(media=media, films=await self._forms(task, media))
        except DownloadError as error:
            return Stock(media=media, fault=error.fault, why=str(error))

    async def _forms(self, task: Task, media: Media) -> list[Film]:
        provider = self._providers[task.ref.provider]
        source = await provider.open_media(task.ref.external_id, media)
        download = await self._downloader.fetch(source, self._stem(task), limit=self._limit)
        if not download.is_mp4:
            return [replace(_as_document(download), unplayable=download.path.suffix.lstrip("."))]
        try:
            return _forms(download, await self._inspector.inspect(download.path))
        except CutOff as error:
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

    def _make_room(self) -> None:
        """Delete what nobody came for, and of the rest that waits the oldest beyond the quota."""
        waiting = [folder for folder in self._folder.glob("*") if folder not in self._in_use]
        held = sum(map(_size, waiting))
        for folder in sorted(waiting, key=lambda each: each.stat().st_mtime):
            is_stale = time.time() - folder.stat().st_mtime > _STALE_S
            if not is_stale and held <= QUOTA - self._limit:
                break
            held -= _size(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


def _forms(download: Download, facts: Facts | None) -> list[Film]:
    document = _as_document(download)
    if facts is None:
        return [document]
    if facts.unplayable is not None:
        return [replace(document, unplayable=facts.unplayable)]
    front = facts.front or download.path
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


def _as_document(download: Download) -> Film:
    return Film(source=download.path, is_video=False, size=download.size)
