"""Sends the video of a finished task: a short text message, which is then edited into the video.

Telegram has no idempotency key: after a lost response, a sendVideo that succeeded can't be told from one that
failed. An edit is idempotent, so a short text is sent first and editMessageMedia turns it into the video
(https://core.telegram.org/bots/api#editmessagemedia). Only if that text can't be edited, the video is sent as
a new message; the call is recorded in the database first and not repeated after an unknown outcome.

1. Announce: send the text, store its message id.
2. Reuse: if Telegram has the file already (file_id), send that.
3. Otherwise download and probe the video, and try its variants: video, document; the document first where
   the chat wants files. A chat that wants both gets the document by a delivery of its own.
4. No variant available: let Telegram fetch the link, once the bot's own download has failed twice.
5. Retryable fault: retry with growing delays for up to four minutes, then edit the text into the link.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import WeakValueDictionary

from bot.backoff import Backoff
from bot.logs import log_fields
from bot.media.cache import Prepared, VideoCache
from bot.media.video import Fault, VideoFile
from bot.messages.view import View
from bot.messages.views import results as result_views
from bot.outbox.results import (
    LinkOnly,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
    as_retryable,
)
from bot.outbox.sender import Sender
from bot.outbox.variants import downloaded_variants, has_document_next, stored_variants
from bot.providers.parsing.links import link_expiry
from storage.errors import LeadershipLost
from storage.models import DeliveryKind, StoredFile
from storage.outbox import WatchDelivery
from storage.store import Store

log = logging.getLogger(__name__)

_RETRY_LIMIT_S = 240.0  # of retries of a retryable fault, before the link is sent
_RETRY_BACKOFF = Backoff(first_s=2.0, limit_s=60.0)
_UNCONFIRMED_BACKOFF = Backoff(first_s=2.0, limit_s=5.0)  # after an upload without a response
_CACHE_FULL_RETRY_S = 10.0  # retry delay of a video that does not fit into the cache
_CONCURRENCY = 8  # downloads and uploads
_PROVIDER_CONCURRENCY = _CONCURRENCY // 2  # a provider whose hosts hang must not block the others
_MAX_FAILING = 10_000  # deliveries whose retries are remembered
_RECENT_UPLOADS = 64  # kept until the database has their file ids
_ACTION_AFTER_S = 1.0  # most videos arrive sooner and need no chat action
_ACTION_S = 4.5  # a chat action lasts five seconds


@dataclass(slots=True, weakref_slot=True)
class _SharedUpload:
    """Single flight: one delivery uploads a task's video, the others wait and reuse its file_id."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    file: StoredFile | None = None  # uploaded, perhaps not in the database yet
    document: StoredFile | None = None  # the same, as a document of a video that can be played

    def add(self, file: StoredFile) -> None:
        """Keep an uploaded file."""
        if file.is_playable_document:
            self.document = file
        else:
            self.file = file


@dataclass(slots=True)
class _Failing:
    """The failures of one delivery by one fault."""

    since: datetime
    failures: int = 0


class VideoDelivery:
    """Sends videos, with fallbacks: as video, as document, fetched by Telegram, as a link."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        cache: VideoCache,
        *,
        clock: Callable[[], datetime],
        action_after_s: float = _ACTION_AFTER_S,
    ) -> None:
        """action_after_s: delay before the chat shows the upload action."""
        self._store = store
        self._sender = sender
        self._cache = cache
        self._clock = clock
        self._action_after_s = action_after_s
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._providers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._failing: dict[int, dict[Fault, _Failing]] = {}  # by delivery id; a restart resets it
        self._uploads: WeakValueDictionary[int, _SharedUpload] = WeakValueDictionary()
        self._last_uploads: deque[_SharedUpload] = deque(maxlen=_RECENT_UPLOADS)

    async def announce(self, out: WatchDelivery) -> SendResult:
        """Send the announcement text, once; Unknown if an earlier call may have sent the video.

        A crash before the message id is stored causes a second announcement.
        """
        if out.delivery.unconfirmed_call_at is not None:
            return Unknown("the response to an earlier call was lost")
        if out.delivery.message_id is not None:
            return Sent(out.delivery.message_id)
        view = result_views.announcement(out.watched, is_document=out.is_as_document)
        result = as_retryable(await self._send_text(out, view))
        if isinstance(result, Sent):
            try:
                await self._store.note_message(out.delivery.id, result.message_id)
            except LeadershipLost:
                # Not noted for certain, so the next leader sends its own. Any other failure leaves it open.
                await self._sender.withdraw(out.delivery.chat_id, result.message_id)
                raise
        return result

    async def deliver(self, out: WatchDelivery, message_id: int | None) -> SendResult:
        """Edit the announcement into the video; Unknown if a new message was sent and the response lost.

        message_id: None if the chat allows no text messages; the video is then sent as a new message.
        """
        upload = self._uploads.setdefault(out.task.id, _SharedUpload())
        self._last_uploads.append(upload)
        async with upload.lock:
            result = await self._deliver(out, message_id, upload)
            if isinstance(result, Sent) and result.file is not None:
                upload.add(result.file)
        if not isinstance(result, Transient | RetryAfter):
            self._failing.pop(out.delivery.id, None)
            self._cache.forget_failures(out.task)
        return result

    async def _deliver(self, out: WatchDelivery, message_id: int | None, upload: _SharedUpload) -> SendResult:
        known = await self._store.task(out.task.id) or out.task
        stored = stored_variants(out, upload.file or known.file, upload.document or known.document)
        for video in stored.first:
            result = await self._send_variant(out, message_id, video)
            if not isinstance(result, Refused):
                return result
        snapshot = out.task.snapshot
        if snapshot is None or snapshot.media is None:
            return await self._edit_text(out, message_id, result_views.failure(out.watched))
        provider_slots = self._providers.setdefault(
            out.task.ref.provider, asyncio.Semaphore(_PROVIDER_CONCURRENCY)
        )
        async with (
            provider_slots,
            self._slots,
            self._showing_progress(out),
            self._cache.prepare(out.task, snapshot.media) as prepared,
        ):
            if prepared.lacks_room:
                return Transient(prepared.why, retry_in_s=_CACHE_FULL_RETRY_S)
            task = replace(out.task, snapshot=replace(snapshot, media=prepared.media))
            result = await self._try_variants(prepared, replace(out, task=task), message_id, stored.last)
        is_over = isinstance(result, Sent) or (isinstance(result, LinkOnly) and not prepared.variants)
        if is_over and not has_document_next(out, result):
            self._cache.discard(out.task)
        return result

    async def _try_variants(
        self, prepared: Prepared, out: WatchDelivery, message_id: int | None, others: Sequence[VideoFile]
    ) -> SendResult:
        """Try variants in order, then the others; fall back to the link once retries are used up.

        If the bot can't download the video, Telegram may; but above some megabytes Telegram does not detect
        a video's size and duration, so the bot's own download is tried twice first.
        """
        later, is_first = None, out.delivery.id not in self._failing
        if prepared.is_retryable and not self._is_expired(prepared):
            later = self._retry(out, Fault.UNREACHABLE, prepared.why)
            if later is not None and is_first:
                return later
        if prepared.fault is not None and later is None:
            log.warning(
                "The video of %s could not be downloaded: %s",
                out.task.ref,
                prepared.why,
                extra=log_fields(out, "download_failed", cause=prepared.fault),
            )
        variants = downloaded_variants(out, prepared)
        for video in variants if later is not None else [*variants, *others]:
            result = await self._send_variant(out, message_id, video)
            if not isinstance(result, Refused):
                return result
            log.info(
                "Telegram refused the %s of %s for chat %d; the next form is tried: %s",
                video,
                out.task.ref,
                out.delivery.chat_id,
                result.why,
                extra=log_fields(out, "variant_refused", cause=result.reason),
            )
        if later is not None:
            return later
        why = prepared.fault or Fault.UNSENDABLE
        return await self._send_link(out, message_id, why)

    async def _send_variant(self, out: WatchDelivery, message_id: int | None, video: VideoFile) -> SendResult:
        """Edit the text into the video; send a new message if the text can't be edited."""
        if out.delivery.kind is DeliveryKind.DOCUMENT:
            caption = result_views.document_caption(out.watched, video)
        else:
            caption = result_views.caption(out.watched, video, now=self._clock())
        if message_id is None:
            return await self._send_new_message(out, video, caption)
        match result := await self._sender.edit_into_video(out.delivery.chat_id, message_id, video, caption):
            case Refused(reason=Refusal.NO_MESSAGE | Refusal.NOT_EDITABLE | Refusal.NO_METHOD):
                sent = await self._send_new_message(out, video, caption)
                if isinstance(sent, Sent):
                    await self._sender.withdraw(out.delivery.chat_id, message_id)
                return sent
            case Unknown(why=why):
                if later := self._retry(out, Fault.UNCONFIRMED, why, backoff=_UNCONFIRMED_BACKOFF):
                    return later
                log.debug(
                    "No response to the upload of %s for chat %d, sending the link: %s",
                    out.task.ref,
                    out.delivery.chat_id,
                    why,
                    extra=log_fields(out, "upload_unconfirmed", cause=Fault.UNCONFIRMED),
                )
                return await self._send_link(out, message_id, Fault.UNCONFIRMED)
            case _:
                return result

    async def _send_new_message(self, out: WatchDelivery, video: VideoFile, caption: View) -> SendResult:
        """Send the video as a new message; the call is recorded first, as it is not idempotent."""
        await self._store.note_unconfirmed_call(out.delivery.id, at=self._clock())
        return await self._sender.send_video_file(
            out.delivery.address, video, caption, reply_to=out.reply_to, is_silent=out.is_silent
        )

    def _is_expired(self, prepared: Prepared) -> bool:
        """Whether the link's own expiry time has passed; the cache has requested a fresh link by then."""
        end = link_expiry(prepared.media.url, signed_at=None) if prepared.media.url else None
        return prepared.fault is Fault.DEAD_LINK and end is not None and end <= self._clock()

    def _retry(
        self, out: WatchDelivery, fault: Fault, why: str, *, backoff: Backoff = _RETRY_BACKOFF
    ) -> Transient | None:
        """Count the failure and retry with backoff; None: retries are used up."""
        now = self._clock()
        failing = self._failing.setdefault(out.delivery.id, {}).setdefault(fault, _Failing(now))
        failing.failures += 1
        if len(self._failing) > _MAX_FAILING:
            del self._failing[next(iter(self._failing))]
        if (now - failing.since).total_seconds() >= _RETRY_LIMIT_S:
            return None
        return Transient(why, retry_in_s=backoff.delay_s(failing.failures))

    async def _send_link(self, out: WatchDelivery, message_id: int | None, why: Fault) -> SendResult:
        media = out.task.snapshot.media if out.task.snapshot else None
        lead = result_views.NO_FILE if out.delivery.kind is DeliveryKind.DOCUMENT else "link.lead"
        view = result_views.link(out.watched, media=media, why=why, now=self._clock(), lead=lead)
        match result := await self._edit_text(out, message_id, view):
            # The message holds the video already: only the response to the edit was lost.
            case Refused(reason=Refusal.NO_TEXT) if message_id is not None:
                return Sent(message_id)
            case Sent():
                return LinkOnly(why)
            case _:
                return result

    async def _edit_text(self, out: WatchDelivery, message_id: int | None, view: View) -> SendResult:
        result: SendResult = Refused(Refusal.NO_MESSAGE, "there is no announcement")
        if message_id is not None:
            result = await self._sender.edit(out.delivery.chat_id, message_id, view)
        if isinstance(result, Refused) and result.reason in {Refusal.NO_MESSAGE, Refusal.NOT_EDITABLE}:
            result = await self._send_text(out, view)
        return as_retryable(result)

    async def _send_text(self, out: WatchDelivery, view: View) -> SendResult:
        return await self._sender.send(
            out.delivery.address, view, reply_to=out.reply_to, is_silent=out.is_silent
        )

    @contextlib.asynccontextmanager
    async def _showing_progress(self, out: WatchDelivery) -> AsyncIterator[None]:
        if out.delivery.chat_id < 0:  # a group's limit, 20 calls a minute, is too low for chat actions
            yield
            return

        async def show() -> None:
            await asyncio.sleep(self._action_after_s)
            while True:
                await self._sender.uploading(out.delivery.address)
                await asyncio.sleep(_ACTION_S)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()
