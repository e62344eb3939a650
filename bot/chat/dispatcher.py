"""Runs the handlers of updates side by side, so that no chat and no person makes the bot deaf for others.

Writing commands of a chat run in their order, and hold their updates back until they are on disk. Reading
ones wait for those, not for each other; they are bounded per person, per chat and overall.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any

from telegram import Update
from telegram.ext import Application

from bot.chat.held import HeldUpdates
from bot.telemetry import Telemetry

log = logging.getLogger(__name__)

AnyApplication = Application[Any, Any, Any, Any, Any, Any]

HANDLER_LIMIT_S = 15.0  # a command that polls takes ten
READS_OF_A_PERSON = 4  # that run at once
WAITING_OF_A_PERSON = 20  # that run or wait; beyond, a person is told that it is too much
WAITING_OF_A_CHAT = 40
WAITING_IN_ALL = 1000
_READS_IN_ALL = 256


class UpdateKind(Enum):
    """What an update asks for."""

    NOTHING = auto()  # nothing of ours
    READ = auto()  # an answer; who does not get it asks again
    WRITE = auto()  # what must not be lost


class Dispatcher:
    """Feeds updates to the application's handlers, each under a time limit."""

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
        """refuse: tells somebody that their command was dropped, as too many are running."""
        self._application = application
        self._telemetry = telemetry
        self._held = held
        self._kind_of = kind_of
        self._refuse = refuse
        self._limit_s = limit_s
        self._running: set[asyncio.Task[None]] = set()
        self._last_write: dict[int, asyncio.Event] = {}  # by chat, until it is released
        self._waiting: Counter[tuple[str, int]] = Counter()  # reading updates by person and by chat
        self._person_slots: dict[tuple[str, int], asyncio.Semaphore] = {}
        self._slots = asyncio.Semaphore(_READS_IN_ALL)

    def start(self, update: Update) -> None:
        """Have an update handled, unless it is none of ours or too many are in flight."""
        chat_id = update.effective_chat.id if update.effective_chat else 0
        match self._kind_of(update):
            case UpdateKind.WRITE:
                self._start_write(update, chat_id)
            case UpdateKind.READ:
                self._start_read(update, chat_id)
            case UpdateKind.NOTHING:
                pass

    async def finish(self) -> None:
        """Wait for all handlers."""
        if self._running:
            await asyncio.wait(self._running)

    def cancel(self) -> None:
        """Cancel the handlers that still run."""
        for task in self._running:
            task.cancel()

    def _start_write(self, update: Update, chat_id: int) -> None:
        earlier, released = self._last_write.get(chat_id), self._held.hold(update.update_id)
        self._last_write[chat_id] = released
        task = self._spawn(self._write(update, earlier))

        def end(task: asyncio.Task[None]) -> None:
            if self._last_write.get(chat_id) is released:
                del self._last_write[chat_id]
            if not task.cancelled():  # else it was not carried out, and comes again after the next start
                self._held.release(update.update_id)

        task.add_done_callback(end)

    def _start_read(self, update: Update, chat_id: int) -> None:
        user = update.effective_user
        person, chat = ("person", user.id if user else chat_id), ("chat", chat_id)
        if (
            self._waiting[person] >= WAITING_OF_A_PERSON
            or self._waiting[chat] >= WAITING_OF_A_CHAT
            or self._waiting.total() >= 2 * WAITING_IN_ALL  # each counts for its person and for its chat
        ):
            self._telemetry.count("updates_dropped")
            self._refuse(update)
            return
        self._waiting.update((person, chat))
        self._spawn(self._read(update, person, chat, self._last_write.get(chat_id)))

    async def _write(self, update: Update, earlier: asyncio.Event | None) -> None:
        if earlier is not None:
            await earlier.wait()
        await self._run(update)

    async def _read(
        self, update: Update, person: tuple[str, int], chat: tuple[str, int], write: asyncio.Event | None
    ) -> None:
        try:
            if write is not None:
                await write.wait()
            slots = self._person_slots.setdefault(person, asyncio.Semaphore(READS_OF_A_PERSON))
            async with slots, self._slots:
                await self._run(update)
        finally:
            for key in (person, chat):
                self._waiting[key] -= 1
                if not self._waiting[key]:
                    del self._waiting[key]
            if person not in self._waiting:
                self._person_slots.pop(person, None)

    async def _run(self, update: Update) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                await self._application.process_update(update)
        except TimeoutError as error:
            await self._application.process_error(update, error)
        self._telemetry.count("updates")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("An update was not handled", exc_info=error)
