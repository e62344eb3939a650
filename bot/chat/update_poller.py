"""The loop that fetches updates, hands them to the dispatcher, and confirms what need not come again.

python-telegram-bot's Updater confirms a batch with its next getUpdates, before any handler has run; a crash
in between would lose a /watch for good. Here each getUpdates confirms what lies before the first update that
is held: one that writes and is not on disk yet. A crash then repeats it, which a unique index makes harmless.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut
from telegram.ext import Application

from bot.bot_api.results import MALFORMED
from bot.chat.dispatcher import Dispatcher
from bot.chat.held import HeldUpdates
from bot.chat.long_poll import HELD_S, LongPollLength
from bot.chat.webhooks import Webhooks
from bot.errors import ForeignWebhook, SecondPoller, TokenRefused
from bot.telemetry import Telemetry

log = logging.getLogger(__name__)

# The server remembers the last list it was given, so it is given one at every start.
ALLOWED_UPDATES = (Update.MESSAGE, Update.CHANNEL_POST, Update.MY_CHAT_MEMBER, Update.CALLBACK_QUERY)
_IDLE_PAUSE_S = 0.2  # for a server that does not hold polls
_SHORT_POLL_PAUSE_S = 1.0
_PATIENCE_S = 1.0
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)

AnyApplication = Application[Any, Any, Any, Any, Any, Any]


class UpdatePoller:
    """Fetches updates however many handlers are running."""

    def __init__(
        self,
        application: AnyApplication,
        dispatcher: Dispatcher,
        held: HeldUpdates,
        telemetry: Telemetry,
        *,
        patience_s: float = _PATIENCE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """patience_s: how long updates that are held keep the next getUpdates waiting."""
        self._application = application
        self._dispatcher = dispatcher
        self._held = held
        self._telemetry = telemetry
        self._patience_s = patience_s
        self._sleep = sleep
        self._length = LongPollLength()
        self._webhooks = Webhooks(application.bot)
        self._has_polled = False
        self._taken: tuple[int, ...] = ()  # the update_ids of the last answer that held any, in its order

    async def run(self) -> None:
        """Turn until cancelled; raises SecondPoller, ForeignWebhook and TokenRefused."""
        # The first poll, and the one after a failure, is not held: it tells at once whether polls work.
        failures, is_held, clock = 0, False, asyncio.get_running_loop().time
        while True:
            self._telemetry.beat("updates")
            asked_at = clock()
            try:
                updates = await self._fetch(self._length.seconds if is_held else 0)
            except TelegramError as error:
                failures += 1
                await self._sleep(self._pause_s(error, failures, clock() - asked_at if is_held else None))
                is_held = False
                continue
            failures = 0
            self._note_success(clock() - asked_at if is_held else None, is_empty=not updates)
            if updates:
                await self._handle_all(updates)
            elif is_held:
                await self._rest(clock() - asked_at)
            is_held = True

    def _note_success(self, held_s: float | None, *, is_empty: bool) -> None:
        """held_s: how long the poll was held; None: it was not to be held."""
        self._has_polled = True
        if held_s is None:
            self._length.short_succeeded()
        else:
            self._length.succeeded(held_s, is_empty=is_empty)
        if self._telemetry.set_problem("telegram", None):
            log.info("Telegram answers again.")

    async def _rest(self, held_s: float) -> None:
        """Pause after a poll without updates, unless it was held."""
        if held_s < HELD_S:
            await self._sleep(_IDLE_PAUSE_S if self._length.seconds else _SHORT_POLL_PAUSE_S)

    async def _handle_all(self, updates: tuple[Update, ...]) -> None:
        """Have handled what has not come before; what could not be confirmed comes again."""
        # Whether an id is higher tells nothing: after a week without updates Telegram goes on anywhere.
        # https://core.telegram.org/bots/api#update
        known, self._taken = self._taken, tuple(update.update_id for update in updates)
        for update in updates:
            if update.update_id not in known:
                self._start(update)
        await self._held.wait(self._patience_s)  # else what is held would come again at once

    def _start(self, update: Update) -> None:
        """Have an update handled; one that is malformed in a way nobody thought of must not end the loop."""
        try:
            self._dispatcher.start(update)
        except MALFORMED as error:
            log.warning("Update %d is skipped: %s", update.update_id, type(error).__name__)

    async def stop(self, patience_s: float) -> None:
        """Let handlers finish, and confirm what need not come again; at most so many seconds."""
        with contextlib.suppress(TimeoutError, TelegramError, SecondPoller, ForeignWebhook):
            async with asyncio.timeout(patience_s):
                await self._held.wait()
                if self._offset is not None:
                    await self._fetch(0)
                await self._dispatcher.finish()
        self._dispatcher.cancel()

    @property
    def _offset(self) -> int | None:
        """The first update that must not be confirmed yet; None: there is nothing to confirm."""
        if not self._taken:
            return None
        return self._taken[-1] + 1 if self._held.first is None else self._held.first

    async def _fetch(self, wait_s: int) -> tuple[Update, ...]:
        try:
            updates: tuple[Update, ...] = await self._application.bot.get_updates(
                offset=self._offset, timeout=wait_s, allowed_updates=ALLOWED_UPDATES
            )
        except Conflict as error:
            try:
                await self._webhooks.resolve(error, has_polled=self._has_polled)
            except (SecondPoller, ForeignWebhook):
                self._taken = ()  # to confirm anything now would end the other one's poll in its turn
                raise
            raise
        return updates

    def _pause_s(self, error: TelegramError, failures: int, held_s: float | None) -> float:
        """How long to wait after a failure; held_s: as in _note_success."""
        if isinstance(error, InvalidToken) and "unauthorized" in error.message.lower():
            raise TokenRefused from None
        if isinstance(error, RetryAfter):
            wish = error.retry_after
            return wish.total_seconds() if isinstance(wish, timedelta) else float(wish)
        if held_s is None:
            self._length.outage()
        elif self._length.failed(error, held_s):
            return 0.0
        if isinstance(error, TimedOut | Conflict) and failures == 1:
            return 0.0  # a long poll that idled out on the way; a webhook that was in the way
        if self._telemetry.set_problem("telegram", error.message):
            log.warning("Telegram does not answer, trying on: %s", error.message)
        return _PAUSES_S[min(failures, len(_PAUSES_S)) - 1]
