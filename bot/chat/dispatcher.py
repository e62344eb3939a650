"""Runs the handlers of updates concurrently, so that no chat and no user blocks the others.

Commands that write run one after the other per chat, and their updates are held until they are on disk.
Commands that only read wait for the last write of their chat, not for each other; their number is bounded
per user, per chat and overall.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any

from telegram import Update
from telegram.ext import Application

from bot.chat.access_filter import acting_user
from bot.logs import log_fields
from bot.telemetry import Telemetry
from bot.watching.service import COMMAND_S

log = logging.getLogger(__name__)

AnyApplication = Application[Any, Any, Any, Any, Any, Any]

HANDLER_LIMIT_S = COMMAND_S + 5.0  # a command that polls may take COMMAND_S for that
READS_PER_USER = 4  # running at once
PENDING_PER_USER = 20  # running or queued; a command beyond is dropped, with a reply
PENDING_PER_CHAT = 40
PENDING_TOTAL = 1000
_READS_TOTAL = 256


class UpdateKind(Enum):
    """What handling an update requires."""

    IGNORED = auto()  # no handler
    READ = auto()  # only a reply: may be dropped, the user can repeat it
    WRITE = auto()  # a change in the database: must not be lost


class HeldUpdates:
    """The updates that must not be confirmed to Telegram yet, as their changes are not on disk."""

    def __init__(self, *, can_postpone: bool = False) -> None:
        """can_postpone: Telegram repeats single updates on request, as with a webhook."""
        self._released: dict[int, asyncio.Event] = {}
        self._can_postpone = can_postpone
        self._postponed: set[int] = set()
        self._repeated: set[int] = set()

    def hold(self, update_id: int) -> asyncio.Event:
        """Hold an update; return an event that is set on its release."""
        return self._released.setdefault(update_id, asyncio.Event())

    def release(self, update_id: int) -> None:
        """Release an update that is on disk or has failed; does nothing for one that is not held."""
        if released := self._released.pop(update_id, None):
            released.set()

    def released(self, update_id: int) -> asyncio.Event | None:
        """The event that is set on the release of an update; None if it is not held."""
        return self._released.get(update_id)

    def postpone(self, update_id: int) -> bool:
        """Have Telegram repeat a held update whose handler has failed; False: it is not repeated."""
        if not self._can_postpone or update_id not in self._released:
            return False
        self._postponed.add(update_id)
        return True

    def take_postponed(self, update_id: int) -> bool:
        """Whether Telegram is to repeat the update, which is over here; forget that."""
        is_postponed = update_id in self._postponed
        self._postponed.discard(update_id)
        return is_postponed

    def repeat(self, update_id: int) -> bool:
        """Have the handler of an update run once more, at once; False: it has run twice."""
        if update_id in self._repeated:
            return False
        self._repeated.add(update_id)
        return True

    def is_repeated(self, update_id: int) -> bool:
        """Whether the handler is to run once more."""
        return update_id in self._repeated

    def forget_repeat(self, update_id: int) -> None:
        """Forget that, as the update is over here."""
        self._repeated.discard(update_id)

    @property
    def first(self) -> int | None:
        """The lowest held update id; None if none is held."""
        return min(self._released, default=None)

    async def wait(self, timeout_s: float | None = None) -> None:
        """Wait until all updates held now are released, or until timeout_s has passed."""
        waits = [asyncio.ensure_future(released.wait()) for released in self._released.values()]
        try:
            if waits:
                await asyncio.wait(waits, timeout=timeout_s)
        finally:
            for wait in waits:
                wait.cancel()


class Dispatcher:
    """Passes updates to the application's handlers, each under a time limit."""

    def __init__(
        self,
        application: AnyApplication,
        telemetry: Telemetry,
        held: HeldUpdates,
        *,
        kind_of: Callable[[Update], UpdateKind],
        refuse: Callable[[Update], None],
        limit_s: float = HANDLER_LIMIT_S,
    ) -> None:
        """refuse: reports to the user that a command was dropped because too many are pending."""
        self._application = application
        self._telemetry = telemetry
        self.held = held
        self._kind_of = kind_of
        self._refuse = refuse
        self._limit_s = limit_s
        self._running: set[asyncio.Task[None]] = set()
        self._last_write: dict[int, asyncio.Event] = {}  # by chat; removed when it is released
        self._pending: Counter[tuple[str, int]] = Counter()  # updates that read, by user and by chat
        self._user_slots: dict[tuple[str, int], asyncio.Semaphore] = {}
        self._slots = asyncio.Semaphore(_READS_TOTAL)

    def start(self, update: Update) -> asyncio.Task[None] | None:
        """Start the handler of an update; None: it is ignored, or too many are pending."""
        chat_id = update.effective_chat.id if update.effective_chat else 0
        match self._kind_of(update):
            case UpdateKind.WRITE:
                return self._start_write(update, chat_id)
            case UpdateKind.READ:
                return self._start_read(update, chat_id)
            case UpdateKind.IGNORED:
                return None

    async def finish(self) -> None:
        """Wait for all handlers."""
        if self._running:
            await asyncio.wait(self._running)

    def cancel(self) -> None:
        """Cancel the handlers that still run."""
        for task in self._running:
            task.cancel()

    def _start_write(self, update: Update, chat_id: int) -> asyncio.Task[None]:
        earlier, released = self._last_write.get(chat_id), self.held.hold(update.update_id)
        self._last_write[chat_id] = released
        task = self._spawn(self._run(update, after=earlier))

        def end(task: asyncio.Task[None]) -> None:
            if self._last_write.get(chat_id) is released:
                del self._last_write[chat_id]
            if not task.cancelled():  # a cancelled update stays unconfirmed: Telegram redelivers it
                self.held.release(update.update_id)

        task.add_done_callback(end)
        return task

    def _start_read(self, update: Update, chat_id: int) -> asyncio.Task[None] | None:
        user = acting_user(update)  # without one, as for anonymous admins, the chat counts as the user
        user_key, chat_key = ("user", user.id if user else chat_id), ("chat", chat_id)
        if (
            self._pending[user_key] >= PENDING_PER_USER
            or self._pending[chat_key] >= PENDING_PER_CHAT
            or self._pending.total() >= 2 * PENDING_TOTAL  # each is counted for its user and for its chat
        ):
            self._telemetry.metrics.updates_dropped.inc()
            self._refuse(update)
            return None
        self._pending.update((user_key, chat_key))
        return self._spawn(self._read(update, user_key, chat_key, self._last_write.get(chat_id)))

    async def _read(
        self,
        update: Update,
        user_key: tuple[str, int],
        chat_key: tuple[str, int],
        write: asyncio.Event | None,
    ) -> None:
        try:
            if write is not None:
                await write.wait()
            slots = self._user_slots.setdefault(user_key, asyncio.Semaphore(READS_PER_USER))
            async with slots, self._slots:
                await self._run(update)
        finally:
            for key in (user_key, chat_key):
                self._pending[key] -= 1
                if not self._pending[key]:
                    del self._pending[key]
            if user_key not in self._pending:
                self._user_slots.pop(user_key, None)

    async def _run(self, update: Update, *, after: asyncio.Event | None = None) -> None:
        if after is not None:
            await after.wait()
        try:
            async with asyncio.timeout(self._limit_s):
                await self._application.process_update(update)
                if self.held.is_repeated(update.update_id):
                    await self._application.process_update(update)
        except TimeoutError as error:
            await self._application.process_error(update, error)
        finally:
            self.held.forget_repeat(update.update_id)
        self._telemetry.metrics.updates.inc()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "A bug kept an update from being handled.",
                exc_info=error,
                extra=log_fields(None, "update_error", cause=type(error).__name__),
            )
