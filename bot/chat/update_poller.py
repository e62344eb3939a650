"""The loop that fetches updates, passes them to the dispatcher and confirms them to Telegram.

python-telegram-bot's Updater confirms a batch with its next getUpdates, before any handler has run; a crash
in between would lose a /watch for good. Here an update that writes is held until its changes are on disk, and
the offset of getUpdates never passes the first held update: at-least-once delivery. After a crash Telegram
sends the update again; a unique index makes the repetition idempotent.
"""

import asyncio
import contextlib
import logging

from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut

from bot.backoff import Backoff
from bot.bot_api.deadline import CALL_S, within
from bot.bot_api.request import flood_wait_s
from bot.bot_api.results import MALFORMED
from bot.chat.conflicts import PAUSE_S, Conflicts
from bot.chat.dispatcher import AnyApplication, Dispatcher
from bot.chat.long_poll import HELD_S, LongPollLength
from bot.chat.webhooks import Webhooks
from bot.errors import ForeignWebhook, SecondPoller, TokenRefused
from bot.log_lines import spelled
from bot.logs import log_fields
from bot.metrics import CallOutcome
from bot.telemetry import Telemetry
from storage.errors import LeadershipLost
from storage.leadership import Term

log = logging.getLogger(__name__)

# Telegram keeps the last list that was sent, so every getUpdates sends it.
ALLOWED_UPDATES = (Update.MESSAGE, Update.CHANNEL_POST, Update.MY_CHAT_MEMBER, Update.CALLBACK_QUERY)
_IDLE_PAUSE_S = 0.2  # between polls that the server does not hold open
_SHORT_POLL_PAUSE_S = 1.0
_GRACE_S = 1.0
MAX_FLOOD_WAIT_S = 60.0  # then poll again
_FETCHED_UPDATES = 100
_BACKOFF = Backoff(first_s=1.0, limit_s=15.0)


class UpdatePoller:
    """Fetches updates with long polls, independently of how many handlers are running."""

    def __init__(
        self,
        application: AnyApplication,
        dispatcher: Dispatcher,
        telemetry: Telemetry,
        term: Term,
        *,
        grace_s: float = _GRACE_S,
        fetch_s: float = CALL_S,
    ) -> None:
        """grace_s: how long the next getUpdates waits for held updates to be released."""
        self._application = application
        self._dispatcher = dispatcher
        self._held = dispatcher.held
        self._telemetry = telemetry
        self._term = term
        self._grace_s = grace_s
        self._fetch_s = fetch_s
        self._limit = _FETCHED_UPDATES
        self._length = LongPollLength()
        self._webhooks = Webhooks(application.bot)
        self._has_polled = False
        self._down_at = 0.0  # when Telegram stopped responding
        self._conflicts = Conflicts(is_shared=term.is_shared)
        self._last_batch: tuple[int, ...] = ()  # update_ids of the last response with updates, in its order

    async def run(self) -> None:
        """Poll until cancelled; raises SecondPoller, ForeignWebhook, TokenRefused and LeadershipLost.

        1. Poll; the first poll and the one after a failure are short, to find out at once whether polls work.
        2. On failure: back off, then poll short again.
        3. On success: start a handler per new update, or pause if the long poll returned early without any.
        """
        failures, is_long, clock = 0, False, asyncio.get_running_loop().time
        while True:
            self._telemetry.beat("updates")
            requested_at = clock()
            try:
                updates = await self._fetch(self._length.seconds if is_long else 0)
            except TelegramError as error:
                failures += 1
                pause_s = self._pause_s(error, failures, clock() - requested_at if is_long else None)
                await self._telemetry.sleep("updates", pause_s)
                is_long = False
                continue
            failures = 0
            self._on_success(clock() - requested_at if is_long else None, is_empty=not updates)
            if updates:
                await self._handle_all(updates)
            elif is_long and clock() - requested_at < HELD_S:  # the server did not hold it open
                pause_s = _IDLE_PAUSE_S if self._length.seconds else _SHORT_POLL_PAUSE_S
                await self._telemetry.sleep("updates", pause_s)
            is_long = True

    def _on_success(self, held_s: float | None, *, is_empty: bool) -> None:
        """held_s: how long a long poll was held open; None for a short poll."""
        self._has_polled = True
        if held_s is None:
            self._length.short_succeeded()
        else:
            self._length.succeeded(held_s, is_empty=is_empty)
        if self._telemetry.set_problem("telegram", None):
            after_s = asyncio.get_running_loop().time() - self._down_at
            log.info(
                "Telegram is responding again after %s; commands come in.",
                spelled(after_s),
                extra=log_fields(None, "telegram_up", after_s=round(after_s, 1)),
            )

    async def _handle_all(self, updates: tuple[Update, ...]) -> None:
        """Start a handler for each update not in the last batch: unconfirmed ones are redelivered.

        An update whose malformed fields raise is skipped.
        """
        # Ids are compared for equality only: after a week without updates Telegram restarts at a random id.
        # https://core.telegram.org/bots/api#update
        known, self._last_batch = self._last_batch, tuple(update.update_id for update in updates)
        for update in updates:
            if update.update_id in known:
                continue
            try:
                self._dispatcher.start(update)
            except MALFORMED as error:
                log.warning(
                    "Skipped update %d, which Telegram sent in a form that can't be read: %s",
                    update.update_id,
                    type(error).__name__,
                    extra=log_fields(None, "update_skipped", cause=type(error).__name__),
                )
        await self._held.wait(self._grace_s)  # otherwise Telegram sends the held updates again at once

    async def stop(self, grace_s: float) -> None:
        """Wait up to grace_s for the handlers, confirm the updates that are done, then cancel the rest."""
        with contextlib.suppress(TimeoutError, TelegramError, SecondPoller, ForeignWebhook, LeadershipLost):
            async with asyncio.timeout(grace_s):
                await self._held.wait()
                if self._offset is not None:
                    await self._fetch(0)
                await self._dispatcher.finish()
        self._dispatcher.cancel()

    @property
    def _offset(self) -> int | None:
        """The first update that is not to be confirmed; None: nothing to confirm."""
        if not self._last_batch:
            return None
        return self._last_batch[-1] + 1 if self._held.first is None else self._held.first

    async def _fetch(self, timeout_s: int) -> tuple[Update, ...]:
        """One getUpdates within self._fetch_s; if that is too short, the next one requests fewer updates."""
        requested_at = asyncio.get_running_loop().time()
        try:
            updates = await within(self._fetch_s, self._request(timeout_s))
        except TimedOut:
            if asyncio.get_running_loop().time() - requested_at >= self._fetch_s:
                self._limit = max(1, self._limit // 4)
            raise
        self._limit = _FETCHED_UPDATES
        return updates

    async def _request(self, timeout_s: int) -> tuple[Update, ...]:
        self._term.ensure()
        try:
            updates: tuple[Update, ...] = await self._application.bot.get_updates(
                offset=self._offset, limit=self._limit, timeout=timeout_s, allowed_updates=ALLOWED_UPDATES
            )
        except Conflict as error:
            self._conflicts.judge(error)
            if self._conflicts.is_of_leader:
                raise
            try:
                await self._webhooks.resolve(error, has_polled=self._has_polled)
            except (SecondPoller, ForeignWebhook):
                self._last_batch = ()  # a confirming poll in stop() would terminate the other consumer's poll
                raise
            raise
        return updates

    def _pause_s(self, error: TelegramError, failures: int, held_s: float | None) -> float:
        """Seconds to wait before the next poll after a failure; held_s: as in _on_success."""
        if isinstance(error, InvalidToken) and "unauthorized" in error.message.lower():
            raise TokenRefused from None
        if isinstance(error, RetryAfter):
            wait_s = flood_wait_s(error)
            self._telemetry.metrics.telegram_calls.labels(CallOutcome.FLOOD_WAIT).inc()
            log.warning(
                "Telegram asks for a pause of %s before more commands are fetched.",
                spelled(wait_s),
                extra=log_fields(None, "flood_wait", after_s=wait_s),
            )
            return min(wait_s, MAX_FLOOD_WAIT_S)
        if isinstance(error, Conflict) and self._conflicts.is_of_leader:
            return PAUSE_S
        if held_s is None:
            self._length.outage()
        elif self._length.failed(error, held_s):
            return 0.0
        if isinstance(error, TimedOut | Conflict) and failures == 1:
            return 0.0  # a proxy closed an idle long poll, or a webhook was just removed
        if self._telemetry.set_problem("telegram", error.message):
            self._down_at = asyncio.get_running_loop().time()
            log.warning(
                "Telegram is not responding: commands wait; retrying: %s",
                error.message,
                extra=log_fields(None, "telegram_down", cause=error.message),
            )
        return _BACKOFF.delay_s(failures)
