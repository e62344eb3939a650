"""Sends the answers to commands in the background, so that no handler waits for Telegram."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

from telegram.error import RetryAfter, TelegramError

log = logging.getLogger(__name__)

Send = Callable[[], Awaitable[object]]

WAITING_OF_A_CHAT = 20
WAITING_IN_ALL = 1000
_LONGEST_WAIT_S = 60.0  # of a 429; what would come later than that is no answer any more
_RETRIES = 2


class Replies:
    """One queue per chat, worked off in its order; what is too much is dropped."""

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._waiting: dict[int, deque[Send]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}

    def put(self, chat_id: int, send: Send) -> bool:
        """Send an answer as soon as those before it in the chat are sent; False: too many wait."""
        queue = self._waiting.setdefault(chat_id, deque())
        if len(queue) >= WAITING_OF_A_CHAT or sum(map(len, self._waiting.values())) >= WAITING_IN_ALL:
            log.warning("Chat %d: an answer is dropped, too many wait already.", chat_id)
            return False
        queue.append(send)
        if chat_id not in self._workers:
            self._start(chat_id)
        return True

    async def drain(self) -> None:
        """Wait until all is sent."""
        while self._workers:
            await asyncio.wait(self._workers.values())

    def cancel(self) -> None:
        """Send no more."""
        self._waiting.clear()
        for worker in self._workers.values():
            worker.cancel()

    def _start(self, chat_id: int) -> None:
        worker = asyncio.create_task(self._work(chat_id))
        self._workers[chat_id] = worker
        worker.add_done_callback(lambda done: self._end(chat_id, done))

    def _end(self, chat_id: int, worker: asyncio.Task[None]) -> None:
        del self._workers[chat_id]
        if not worker.cancelled() and (error := worker.exception()) is not None:
            log.error("Chat %d: an answer was not sent", chat_id, exc_info=error)
        if self._waiting.get(chat_id):
            self._start(chat_id)
        else:
            self._waiting.pop(chat_id, None)

    async def _work(self, chat_id: int) -> None:
        queue = self._waiting[chat_id]
        while queue:
            try:
                await self._send(queue.popleft())
            except TelegramError as error:
                log.warning("Chat %d: the answer was not sent: %s", chat_id, error)

    async def _send(self, send: Send) -> None:
        for _ in range(_RETRIES):
            try:
                await send()
            except RetryAfter as error:
                wait = error.retry_after
                wait_s = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
                if wait_s > _LONGEST_WAIT_S:
                    raise
                await self._sleep(wait_s)
            else:
                return
        await send()
