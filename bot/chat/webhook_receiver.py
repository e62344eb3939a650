"""Handles the updates that Telegram sends to the webhook, and decides when each is confirmed.

As with long polling, an update that writes is confirmed when its changes are on disk. Telegram sends the next
update of a chat only then; an unconfirmed one it sends again, maybe after a restart of the bot.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from telegram import Bot, Update

from bot.bot_api.results import MALFORMED, ResultChecker
from bot.chat.dispatcher import Dispatcher
from bot.logs import log_fields
from storage.errors import StoreError

log = logging.getLogger(__name__)

IN_PROGRESS = 200  # updates; setWebhook requests fewer at once, other senders don't know the secret
_RETRY_S = 2.0  # while starting, stopping, with too many updates in progress, or without the database
_RESPONSE_S = 45.0  # within 60 s, after which Telegram closes the connection
_READ_S = 2.0  # then an update that only reads, such as /status, no longer delays its chat's next one
_KNOWN = 4096  # update ids


class WebhookReceiver:
    """Passes each update to the dispatcher once, however often it arrives."""

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        *,
        prepare: Callable[[Update], Awaitable[None]] | None = None,
        response_s: float = _RESPONSE_S,
    ) -> None:
        """prepare: called with each update before its handler; may raise StoreError: Telegram repeats it.

        response_s: the time limit of receive().
        """
        self._bot = bot
        self._dispatcher = dispatcher
        self._held = dispatcher.held
        self._prepare = prepare
        self._response_s = response_s
        self._checker = ResultChecker()
        self._has_arrived = False
        self._is_open = False
        self._running: dict[int, asyncio.Task[float | None]] = {}
        self._known: deque[int] = deque(maxlen=_KNOWN)  # confirmed updates

    def open(self) -> None:
        """Accept updates from now on."""
        self._is_open = True

    def take_arrival(self) -> bool:
        """Whether an update has arrived since the last call."""
        has_arrived, self._has_arrived = self._has_arrived, False
        return has_arrived

    async def receive(self, raw: object) -> float | None:
        """Handle an update; returns None to confirm it, else the seconds until Telegram shall repeat it.

        Raises Unexpected if it is not an update. The handler continues if this is cancelled.
        """
        (checked,) = self._checker.check("getUpdates", [raw])
        self._has_arrived = True
        update_id: int = checked["update_id"]
        running = self._running.get(update_id)
        if running is None:
            if update_id in self._known:
                return None
            if not self._is_open or len(self._running) >= IN_PROGRESS:
                return _RETRY_S
            running = self._running[update_id] = asyncio.create_task(self._handle(checked))
            running.add_done_callback(lambda _: self._running.pop(update_id))
        await asyncio.wait({running}, timeout=self._response_s)
        return running.result() if running.done() and not running.cancelled() else _RETRY_S

    async def stop(self, grace_s: float) -> None:
        """Wait up to grace_s for the handlers, then cancel them: Telegram repeats those and new updates."""
        self._is_open = False
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                if self._running:
                    await asyncio.wait(self._running.values())
                await self._dispatcher.finish()
        self._dispatcher.cancel()
        if self._running:
            await asyncio.wait(self._running.values())

    async def _handle(self, raw: dict[str, Any]) -> float | None:
        update_id: int = raw["update_id"]
        try:
            update = Update.de_json(raw, self._bot)
            if self._prepare is not None:
                await self._prepare(update)
            handler = self._dispatcher.start(update)
        except StoreError:
            return _RETRY_S
        except MALFORMED as error:
            log.warning(
                "Skipped update %d, which Telegram sent in a form that can't be read: %s",
                update_id,
                type(error).__name__,
                extra=log_fields(None, "update_skipped", cause=type(error).__name__),
            )
            handler = None
        if handler is not None:
            if released := self._held.released(update_id):
                release = asyncio.ensure_future(released.wait())
                await asyncio.wait({handler, release}, return_when=asyncio.FIRST_COMPLETED)
                release.cancel()
            else:
                await asyncio.wait({handler}, timeout=_READ_S)
            if handler.cancelled():
                return _RETRY_S
            if self._held.take_postponed(update_id):
                return _RETRY_S
        self._known.append(update_id)
        return None
