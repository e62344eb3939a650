"""How a finished task's video reaches the chat: one line of text, which then becomes the video.

Telegram has no idempotency key: a sendVideo whose answer is lost can't be told from one that failed.
An edit can be repeated freely, so a short text goes out first and editMessageMedia turns it into the
video (https://core.telegram.org/bots/api#editmessagemedia). Only when that text can't be edited is the
video sent as a message of its own, noted beforehand and never repeated blindly.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import WeakValueDictionary

from bot.media.cache import Prepared, VideoCache
from bot.media.faults import Fault
from bot.media.video import VideoFile
from bot.messages.view import View
from bot.messages.views import results as words
from bot.outbox.results import (
    LinkOnly,
    Refusal,
    Refused,
    SendResult,
    Sent,
    Transient,
    Unknown,
    as_retryable,
)
from bot.outbox.sender import Sender, address_of
from bot.providers.parsing.links import link_expiry
from storage.models import ClaimedDelivery, StoredFile, Task, WatchedTask
from storage.store import Store

log = logging.getLogger(__name__)

_PATIENCE_S = 240.0  # with what may pass, before the video is passed on as a link
_SOONEST_S, _LATEST_S = 2.0, 60.0  # until the next try meanwhile
_LATEST_UNCONFIRMED_S = 5.0  # the same after an upload whose answer was lost, as Telegram may be back
_ROOM_AGAIN_S = 10.0  # until the next try of a video for which the disk has no room
_AT_ONCE = 8  # downloads and uploads
_OF_ONE_PROVIDER = _AT_ONCE // 2  # one whose hosts hang must not hold up all others
_REMEMBERED = 64  # turns: longer than it takes until the archive knows their files
_ACTION_AFTER_S = 1.0  # most videos are there sooner, and a call would tell nobody anything
_ACTION_S = 4.5  # a chat action lasts five seconds


@dataclass(slots=True, weakref_slot=True)
class _SharedUpload:
    """One chat uploads a task's film, the others send what Telegram has by then."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    file: StoredFile | None = None  # from an upload that the archive may not know of yet


class VideoDelivery:
    """Brings videos: as a video, else as a file, else by its address, else as a link."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        cache: VideoCache,
        *,
        clock: Callable[[], datetime],
        action_after_s: float = _ACTION_AFTER_S,
    ) -> None:
        """action_after_s: how long a video may take before the chat is shown that it is on its way."""
        self._store = store
        self._sender = sender
        self._cache = cache
        self._clock = clock
        self._action_after_s = action_after_s
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._providers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        # Of each delivery that is to be tried again: since when what has failed; a restart begins anew.
        self._failing: dict[int, dict[Fault, datetime]] = {}
        self._uploads: WeakValueDictionary[int, _SharedUpload] = WeakValueDictionary()
        self._last_uploads: deque[_SharedUpload] = deque(maxlen=_REMEMBERED)

    async def announce(self, out: ClaimedDelivery) -> SendResult:
        """Send the line of text that notifies people; Unknown if the video may have arrived unseen.

        A crash before its id is on disk costs a second line.
        """
        if out.delivery.unconfirmed_call_at is not None:
            return Unknown("the answer to an earlier attempt was lost")
        if out.delivery.message_id is not None:
            return Sent(out.delivery.message_id)
        result = as_retryable(
            await self._sender.send(address_of(out.watch), words.announcement(_watched(out)))
        )
        if isinstance(result, Sent):
            await self._store.note_message(out.delivery.id, result.message_id)
        return result

    async def deliver(self, out: ClaimedDelivery, message_id: int | None) -> SendResult:
        """Turn the announcement into the video; Unknown only if it may have arrived unseen.

        message_id: None where the chat takes no text, so that the video goes as a message of its own.
        """
        turn = self._uploads.setdefault(out.task.id, _SharedUpload())
        self._last_uploads.append(turn)
        async with turn.lock:
            result = await self._deliver(out, message_id, turn.file)
            if isinstance(result, Sent) and result.file is not None:
                turn.file = result.file
        if isinstance(result, Sent | LinkOnly | Unknown):
            self._failing.pop(out.delivery.id, None)
            self._cache.forget_failures(out.task)
        return result

    async def _deliver(
        self, out: ClaimedDelivery, message_id: int | None, file: StoredFile | None
    ) -> SendResult:
        known = await self._store.task(out.task.id)
        file = file or (known.file if known else None)
        if file is not None:
            result = await self._send_variant(out, message_id, _kept(file))
            if not isinstance(result, Refused):
                return result
        snapshot = out.task.snapshot
        if snapshot is None or snapshot.media is None:
            return await self._edit_text(out, message_id, words.failure(_watched(out)))
        async with (
            self._slot(out.task),
            self._showing_progress(out),
            self._cache.prepare(out.task, snapshot.media) as prepared,
        ):
            if prepared.lacks_room:
                return Transient(prepared.why, again_s=_ROOM_AGAIN_S)
            task = replace(out.task, snapshot=replace(snapshot, media=prepared.media))
            result = await self._try_variants(prepared, replace(out, task=task), message_id)
        if isinstance(result, Sent) or (isinstance(result, LinkOnly) and not prepared.variants):
            self._cache.discard(out.task)
        return result

    @contextlib.asynccontextmanager
    async def _slot(self, task: Task) -> AsyncIterator[None]:
        """Among those that download and upload at once."""
        provider = task.ref.provider
        async with self._providers.setdefault(provider, asyncio.Semaphore(_OF_ONE_PROVIDER)), self._slots:
            yield

    async def _try_variants(
        self, prepared: Prepared, out: ClaimedDelivery, message_id: int | None
    ) -> SendResult:
        """Try each rung until Telegram takes one; the link is the last, and waits for what may come.

        Where the bot can't get at the film, Telegram may; but as it reads no film's size or length beyond
        some megabytes, the bot tries twice before.
        """
        later, is_first = None, out.delivery.id not in self._failing
        if prepared.is_retryable and not self._is_expired(prepared):
            later = self._later(out, Fault.UNREACHABLE, prepared.why)
            if later is not None and is_first:
                return later
        if prepared.fault is not None and later is None:
            log.warning("Delivery %d: the download failed: %s", out.delivery.id, prepared.why)
        for film in prepared.variants or _by_address(prepared):
            result = await self._send_variant(out, message_id, film)
            if not isinstance(result, Refused):
                return result
            log.warning("Delivery %d: Telegram refused the %s: %s", out.delivery.id, film, result.why)
        if later is not None:
            return later
        why = prepared.fault or Fault.UNSENDABLE
        return await self._send_link(out, message_id, why)

    async def _send_variant(
        self, out: ClaimedDelivery, message_id: int | None, film: VideoFile
    ) -> SendResult:
        """Turn the text into the video, or send it anew if the text is gone or the server can't do that."""
        caption = words.caption(_watched(out), film, now=self._clock())
        self._sender.rate_limiter.spend([out.watch.chat_id])  # the courier counted one call, the announcement
        if message_id is None:
            return await self._send_anew(out, film, caption)
        match result := await self._sender.edit_into_video(out.watch.chat_id, message_id, film, caption):
            case Refused(reason=Refusal.NO_MESSAGE | Refusal.NOT_EDITABLE | Refusal.NO_METHOD):
                sent = await self._send_anew(out, film, caption)
                if isinstance(sent, Sent):
                    await self._sender.withdraw(out.watch.chat_id, message_id)
                return sent
            case Unknown(why=why):
                if later := self._later(out, Fault.UNCONFIRMED, why, latest_s=_LATEST_UNCONFIRMED_S):
                    return later
                log.warning("Delivery %d: the upload is never confirmed: %s", out.delivery.id, why)
                return await self._send_link(out, message_id, Fault.UNCONFIRMED)
            case _:
                return result

    async def _send_anew(self, out: ClaimedDelivery, film: VideoFile, caption: View) -> SendResult:
        """Send the video as a message of its own, noted beforehand."""
        await self._store.note_unconfirmed_call(out.delivery.id, at=self._clock())
        return await self._sender.send_video_file(address_of(out.watch), film, caption)

    def _is_expired(self, prepared: Prepared) -> bool:
        """Whether a link says itself that its time is over; a fresh one was asked for then."""
        end = link_expiry(prepared.media.url, signed_at=None) if prepared.media.url else None
        return prepared.fault is Fault.DEAD_LINK and end is not None and end <= self._clock()

    def _later(
        self, out: ClaimedDelivery, fault: Fault, why: str, *, latest_s: float = _LATEST_S
    ) -> Transient | None:
        """Another try of what fails, soon while it has not failed for long; None: patience is at its end."""
        now = self._clock()
        since = self._failing.setdefault(out.delivery.id, {}).setdefault(fault, now)
        failing_s = (now - since).total_seconds()
        if failing_s >= _PATIENCE_S:
            return None
        return Transient(why, again_s=min(max(failing_s, _SOONEST_S), latest_s))

    async def _send_link(self, out: ClaimedDelivery, message_id: int | None, why: Fault) -> SendResult:
        media = out.task.snapshot.media if out.task.snapshot else None
        view = words.link(_watched(out), media=media, why=why, now=self._clock())
        match result := await self._edit_text(out, message_id, view):
            case Refused(reason=Refusal.NO_TEXT) if (
                message_id is not None
            ):  # the video is there; only the answer had been lost
                return Sent(message_id)
            case Sent():
                return LinkOnly(why)
            case _:
                return result

    async def _edit_text(self, out: ClaimedDelivery, message_id: int | None, view: View) -> SendResult:
        self._sender.rate_limiter.spend([out.watch.chat_id])
        result: SendResult = Refused(Refusal.NO_MESSAGE, "none was sent")
        if message_id is not None:
            result = await self._sender.edit(out.watch.chat_id, message_id, view)
        if isinstance(result, Refused) and result.reason in {Refusal.NO_MESSAGE, Refusal.NOT_EDITABLE}:
            result = await self._sender.send(address_of(out.watch), view)
        return as_retryable(result)

    @contextlib.asynccontextmanager
    async def _showing_progress(self, out: ClaimedDelivery) -> AsyncIterator[None]:
        if out.watch.chat_id < 0:  # a group's twenty calls a minute are too few for this
            yield
            return

        async def show() -> None:
            await asyncio.sleep(self._action_after_s)
            while True:
                self._sender.rate_limiter.spend([out.watch.chat_id])
                await self._sender.uploading(address_of(out.watch))
                await asyncio.sleep(_ACTION_S)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()


def _by_address(prepared: Prepared) -> list[VideoFile]:
    """Telegram fetches an address itself, up to 20 MB, but has neither the key nor a way into a LAN."""
    helpless = {Fault.PRIVATE, Fault.NOT_A_VIDEO, Fault.TOO_LARGE}
    if prepared.media.url is None or prepared.media.needs_auth or prepared.fault in helpless:
        return []
    return [VideoFile(source=prepared.media.url)]


def _kept(file: StoredFile) -> VideoFile:
    return VideoFile(
        source=file.file_id,
        is_video=file.is_video,
        unplayable=file.unplayable,
        size=file.size,
        width=file.width,
        height=file.height,
        duration_s=file.duration_s,
    )


def _watched(out: ClaimedDelivery) -> WatchedTask:
    return WatchedTask(watch=out.watch, task=out.task)
