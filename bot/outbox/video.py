"""How a finished task's video reaches the chat: one line of text, which then becomes the video.

Telegram has no idempotency key: a sendVideo whose answer is lost can't be told from one that failed.
An edit can be repeated freely, so a short text goes out first and editMessageMedia turns it into the
video (https://core.telegram.org/bots/api#editmessagemedia). Only when that text can't be edited is the
video sent as a message of its own, noted beforehand and never repeated blindly.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.messages import results as words
from bot.outbox.download import Download, Downloader, DownloadError, Fault
from bot.outbox.results import (
    Refusal,
    Refused,
    SendResult,
    Sent,
    Transient,
    Unknown,
    repeatable,
)
from bot.outbox.sender import Film, Sender, place_of
from bot.providers.base import MediaSource, ProviderError
from bot.providers.catalog import Catalog
from storage.models import Media, Outgoing, WatchedTask
from storage.store import Store

log = logging.getLogger(__name__)

UPLOAD_LIMIT = 50_000_000  # bytes; https://core.telegram.org/bots/api#sending-files
LOCAL_UPLOAD_LIMIT = 2_000_000_000
_PATIENCE = 4  # tries before an address that does not answer is passed on as a link
_AT_ONCE = 8  # downloads and uploads
_ACTION_S = 4.5  # a chat action lasts five seconds


class Ladder:
    """Brings videos: as a video, else as a file, else as an address, else as a link."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        catalog: Catalog,
        downloader: Downloader,
        *,
        clock: Callable[[], datetime],
        limit: int = UPLOAD_LIMIT,
    ) -> None:
        """limit: bytes that the Bot API server takes."""
        self._store = store
        self._sender = sender
        self._catalog = catalog
        self._downloader = downloader
        self._clock = clock
        self._limit = limit
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def deliver(self, out: Outgoing) -> SendResult:
        """Bring the video of a task that succeeded; Unknown only if it may have arrived unseen."""
        if out.delivery.risky_at is not None:
            return Unknown("the answer to an earlier attempt was lost")
        announced = await self._announce(out)
        if not isinstance(announced, Sent):
            return announced
        async with self._places, self._showing_progress(out):
            return await self._bring(out, announced.message_id)

    async def _announce(self, out: Outgoing) -> SendResult:
        """The line of text that notifies people; a crash before its id is on disk costs a second line."""
        if out.delivery.message_id is not None:
            return Sent(out.delivery.message_id)
        result = repeatable(await self._sender.send(place_of(out.watch), words.announcement(_watched(out))))
        if isinstance(result, Sent):
            await self._store.note_message(out.delivery.id, result.message_id)
        return result

    async def _bring(self, out: Outgoing, message_id: int) -> SendResult:
        media = out.task.snapshot.media if out.task.snapshot else None
        if media is None:
            return await self._tell_link(out, message_id, None, Fault.DEAD_LINK)
        try:
            download = await self._fetch(out, media)
        except ProviderError as error:
            if out.delivery.attempts < _PATIENCE:
                return Transient(error.message)
            return await self._tell_link(out, message_id, media, Fault.UNREACHABLE)
        except DownloadError as error:
            if error.fault is Fault.UNREACHABLE and out.delivery.attempts < _PATIENCE:
                return Transient(str(error))
            log.warning("Delivery %d: the download failed: %s", out.delivery.id, error)
            return await self._descend(out, message_id, _by_address(out, media, error.fault), error.fault)
        try:
            return await self._descend(out, message_id, _by_upload(out, download), Fault.UNSENDABLE)
        finally:
            download.path.unlink(missing_ok=True)

    async def _fetch(self, out: Outgoing, media: Media) -> Download:
        """Download, with a fresh link from the gateway if this one died."""
        provider = self._catalog.get(out.task.ref.provider)
        if provider is None:
            source = MediaSource(url=media.url)
            if media.url is None or media.needs_auth:
                raise DownloadError(Fault.DEAD_LINK, "its provider is not configured any more")
            return await self._downloader.fetch(source, _filename(out), limit=self._limit)
        external_id = out.task.ref.external_id
        try:
            source = await provider.open_media(external_id, media)
            return await self._downloader.fetch(source, _filename(out), limit=self._limit)
        except DownloadError as error:
            if error.fault is not Fault.DEAD_LINK:
                raise
            fresh = (await provider.fetch(external_id)).media
            if fresh is None or fresh == media:
                raise
        source = await provider.open_media(external_id, fresh)
        return await self._downloader.fetch(source, _filename(out), limit=self._limit)

    async def _descend(self, out: Outgoing, message_id: int, films: Sequence[Film], why: Fault) -> SendResult:
        """Try each rung until Telegram takes one; the link is the last."""
        for film in films:
            result = await self._show(out, message_id, film)
            if not isinstance(result, Refused):
                return result
            log.warning("Delivery %d: Telegram refused the %s: %s", out.delivery.id, film.kind, result.why)
        media = out.task.snapshot.media if out.task.snapshot else None
        return await self._tell_link(out, message_id, media, why)

    async def _show(self, out: Outgoing, message_id: int, film: Film) -> SendResult:
        """Turn the text into the video, or send it anew if the text is gone."""
        caption = words.caption(_watched(out), size_bytes=film.size, now=self._clock())
        result = repeatable(await self._sender.turn_into(out.watch.chat_id, message_id, film, caption))
        if not (isinstance(result, Refused) and result.reason is Refusal.NO_MESSAGE):
            return result
        await self._store.note_risk(out.delivery.id, at=self._clock())
        return await self._sender.send_film(place_of(out.watch), film, caption)

    async def _tell_link(self, out: Outgoing, message_id: int, media: Media | None, why: Fault) -> SendResult:
        view = words.link(_watched(out), media=media, why=why, now=self._clock())
        result = repeatable(await self._sender.edit(out.watch.chat_id, message_id, view))
        if isinstance(result, Refused) and result.reason is Refusal.NO_MESSAGE:
            return repeatable(await self._sender.send(place_of(out.watch), view))
        return result

    @contextlib.asynccontextmanager
    async def _showing_progress(self, out: Outgoing) -> AsyncIterator[None]:
        async def show() -> None:
            while True:
                await self._sender.uploading(place_of(out.watch))
                await asyncio.sleep(_ACTION_S)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()


def _by_upload(out: Outgoing, download: Download) -> list[Film]:
    as_file = Film(
        source=download.path,
        filename=f"{out.task.ref.external_id[:60]}{download.suffix}".replace(":", "_"),
        size=download.size,
        kind="document",
    )
    return [replace(as_file, kind="video"), as_file] if download.is_mp4 else [as_file]


def _by_address(out: Outgoing, media: Media, fault: Fault) -> list[Film]:
    """Telegram fetches an address itself, up to 20 MB, but has neither the key nor a way into a LAN."""
    if media.url is None or media.needs_auth or fault in {Fault.PRIVATE, Fault.NOT_A_VIDEO, Fault.TOO_LARGE}:
        return []
    return [Film(source=media.url, filename=out.task.ref.external_id, kind="video")]


def _watched(out: Outgoing) -> WatchedTask:
    return WatchedTask(watch=out.watch, task=out.task)


def _filename(out: Outgoing) -> str:
    return f"delivery-{out.delivery.id}"
