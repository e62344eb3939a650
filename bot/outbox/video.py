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

from bot.messages import results as words
from bot.messages.view import View
from bot.outbox.faults import Fault
from bot.outbox.larder import Larder, Stock
from bot.outbox.results import (
    LinkOnly,
    Refusal,
    Refused,
    SendResult,
    Sent,
    Transient,
    Unknown,
    repeatable,
)
from bot.outbox.sender import Film, Sender, place_of
from bot.providers.links import death_of
from storage.models import Outgoing, StoredFile, Task, WatchedTask
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
class _Turn:
    """One chat uploads a task's film, the others send what Telegram has by then."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    file: StoredFile | None = None  # from an upload that the archive may not know of yet


class Ladder:
    """Brings videos: as a video, else as a file, else by its address, else as a link."""

    def __init__(
        self,
        store: Store,
        sender: Sender,
        larder: Larder,
        *,
        clock: Callable[[], datetime],
        action_after_s: float = _ACTION_AFTER_S,
    ) -> None:
        """action_after_s: how long a video may take before the chat is shown that it is on its way."""
        self._store = store
        self._sender = sender
        self._larder = larder
        self._clock = clock
        self._action_after_s = action_after_s
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._providers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        # Of each delivery that is to be tried again: since when what has failed; a restart begins anew.
        self._failing: dict[int, dict[Fault, datetime]] = {}
        self._turns: WeakValueDictionary[int, _Turn] = WeakValueDictionary()
        self._last_turns: deque[_Turn] = deque(maxlen=_REMEMBERED)

    async def announce(self, out: Outgoing) -> SendResult:
        """Send the line of text that notifies people; Unknown if the video may have arrived unseen.

        A crash before its id is on disk costs a second line.
        """
        if out.delivery.risky_at is not None:
            return Unknown("the answer to an earlier attempt was lost")
        if out.delivery.message_id is not None:
            return Sent(out.delivery.message_id)
        result = repeatable(await self._sender.send(place_of(out.watch), words.announcement(_watched(out))))
        if isinstance(result, Sent):
            await self._store.note_message(out.delivery.id, result.message_id)
        return result

    async def bring(self, out: Outgoing, message_id: int | None) -> SendResult:
        """Turn the announcement into the video; Unknown only if it may have arrived unseen.

        message_id: None where the chat takes no text, so that the video goes as a message of its own.
        """
        turn = self._turns.setdefault(out.task.id, _Turn())
        self._last_turns.append(turn)
        async with turn.lock:
            result = await self._bring(out, message_id, turn.file)
            if isinstance(result, Sent) and result.file is not None:
                turn.file = result.file
        if isinstance(result, Sent | LinkOnly | Unknown):
            self._failing.pop(out.delivery.id, None)
            self._larder.forget_failures(out.task)
        return result

    async def _bring(self, out: Outgoing, message_id: int | None, file: StoredFile | None) -> SendResult:
        known = await self._store.task(out.task.id)
        file = file or (known.file if known else None)
        if file is not None:
            result = await self._show(out, message_id, _kept(file))
            if not isinstance(result, Refused):
                return result
        snapshot = out.task.snapshot
        if snapshot is None or snapshot.media is None:
            return await self._tell(out, message_id, words.failure(_watched(out)))
        async with (
            self._place(out.task),
            self._showing_progress(out),
            self._larder.stock(out.task, snapshot.media) as stock,
        ):
            if stock.lacks_room:
                return Transient(stock.why, again_s=_ROOM_AGAIN_S)
            task = replace(out.task, snapshot=replace(snapshot, media=stock.media))
            result = await self._descend(stock, replace(out, task=task), message_id)
        if isinstance(result, Sent) or (isinstance(result, LinkOnly) and not stock.films):
            self._larder.discard(out.task)
        return result

    @contextlib.asynccontextmanager
    async def _place(self, task: Task) -> AsyncIterator[None]:
        """Among those that download and upload at once."""
        provider = task.ref.provider
        async with self._providers.setdefault(provider, asyncio.Semaphore(_OF_ONE_PROVIDER)), self._places:
            yield

    async def _descend(self, stock: Stock, out: Outgoing, message_id: int | None) -> SendResult:
        """Try each rung until Telegram takes one; the link is the last, and waits for what may come.

        Where the bot can't get at the film, Telegram may; but as it reads no film's size or length beyond
        some megabytes, the bot tries twice before.
        """
        later, is_first = None, out.delivery.id not in self._failing
        if stock.may_come and not self._is_expired(stock):
            later = self._later(out, Fault.UNREACHABLE, stock.why)
            if later is not None and is_first:
                return later
        if stock.fault is not None and later is None:
            log.warning("Delivery %d: the download failed: %s", out.delivery.id, stock.why)
        for film in stock.films or _by_address(stock):
            result = await self._show(out, message_id, film)
            if not isinstance(result, Refused):
                return result
            log.warning("Delivery %d: Telegram refused the %s: %s", out.delivery.id, film, result.why)
        if later is not None:
            return later
        why = stock.fault or Fault.UNSENDABLE
        return await self._tell_link(out, message_id, why)

    async def _show(self, out: Outgoing, message_id: int | None, film: Film) -> SendResult:
        """Turn the text into the video, or send it anew if the text is gone or the server can't do that."""
        caption = words.caption(_watched(out), film, now=self._clock())
        self._sender.pacer.spend([out.watch.chat_id])  # the courier counted one call, the announcement
        if message_id is None:
            return await self._send_anew(out, film, caption)
        match result := await self._sender.turn_into(out.watch.chat_id, message_id, film, caption):
            case Refused(reason=Refusal.NO_MESSAGE | Refusal.NOT_EDITABLE | Refusal.NO_METHOD):
                sent = await self._send_anew(out, film, caption)
                if isinstance(sent, Sent):
                    await self._sender.withdraw(out.watch.chat_id, message_id)
                return sent
            case Unknown(why=why):
                if later := self._later(out, Fault.UNCONFIRMED, why, latest_s=_LATEST_UNCONFIRMED_S):
                    return later
                log.warning("Delivery %d: the upload is never confirmed: %s", out.delivery.id, why)
                return await self._tell_link(out, message_id, Fault.UNCONFIRMED)
            case _:
                return result

    async def _send_anew(self, out: Outgoing, film: Film, caption: View) -> SendResult:
        """Send the video as a message of its own, noted beforehand."""
        await self._store.note_risk(out.delivery.id, at=self._clock())
        return await self._sender.send_film(place_of(out.watch), film, caption)

    def _is_expired(self, stock: Stock) -> bool:
        """Whether a link says itself that its time is over; a fresh one was asked for then."""
        end = death_of(stock.media.url, signed_at=None) if stock.media.url else None
        return stock.fault is Fault.DEAD_LINK and end is not None and end <= self._clock()

    def _later(
        self, out: Outgoing, fault: Fault, why: str, *, latest_s: float = _LATEST_S
    ) -> Transient | None:
        """Another try of what fails, soon while it has not failed for long; None: patience is at its end."""
        now = self._clock()
        since = self._failing.setdefault(out.delivery.id, {}).setdefault(fault, now)
        failing_s = (now - since).total_seconds()
        if failing_s >= _PATIENCE_S:
            return None
        return Transient(why, again_s=min(max(failing_s, _SOONEST_S), latest_s))

    async def _tell_link(self, out: Outgoing, message_id: int | None, why: Fault) -> SendResult:
        media = out.task.snapshot.media if out.task.snapshot else None
        view = words.link(_watched(out), media=media, why=why, now=self._clock())
        match result := await self._tell(out, message_id, view):
            case Refused(reason=Refusal.NO_TEXT) if (
                message_id is not None
            ):  # the video is there; only the answer had been lost
                return Sent(message_id)
            case Sent():
                return LinkOnly(why)
            case _:
                return result

    async def _tell(self, out: Outgoing, message_id: int | None, view: View) -> SendResult:
        self._sender.pacer.spend([out.watch.chat_id])
        result: SendResult = Refused(Refusal.NO_MESSAGE, "none was sent")
        if message_id is not None:
            result = await self._sender.edit(out.watch.chat_id, message_id, view)
        if isinstance(result, Refused) and result.reason in {Refusal.NO_MESSAGE, Refusal.NOT_EDITABLE}:
            result = await self._sender.send(place_of(out.watch), view)
        return repeatable(result)

    @contextlib.asynccontextmanager
    async def _showing_progress(self, out: Outgoing) -> AsyncIterator[None]:
        if out.watch.chat_id < 0:  # a group's twenty calls a minute are too few for this
            yield
            return

        async def show() -> None:
            await asyncio.sleep(self._action_after_s)
            while True:
                self._sender.pacer.spend([out.watch.chat_id])
                await self._sender.uploading(place_of(out.watch))
                await asyncio.sleep(_ACTION_S)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()


def _by_address(stock: Stock) -> list[Film]:
    """Telegram fetches an address itself, up to 20 MB, but has neither the key nor a way into a LAN."""
    helpless = {Fault.PRIVATE, Fault.NOT_A_VIDEO, Fault.TOO_LARGE}
    if stock.media.url is None or stock.media.needs_auth or stock.fault in helpless:
        return []
    return [Film(source=stock.media.url)]


def _kept(file: StoredFile) -> Film:
    return Film(
        source=file.file_id,
        is_video=file.is_video,
        unplayable=file.unplayable,
        size=file.size,
        width=file.width,
        height=file.height,
        duration_s=file.duration_s,
    )


def _watched(out: Outgoing) -> WatchedTask:
    return WatchedTask(watch=out.watch, task=out.task)
