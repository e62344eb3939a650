"""Sends the replies to commands in the background, so that no handler waits for Telegram."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from telegram.error import RetryAfter, TelegramError

from bot.bot_api.request import flood_wait_s
from bot.logs import log_fields
from storage.errors import LeadershipLost

log = logging.getLogger(__name__)

Send = Callable[[], Awaitable[object]]

QUEUED_PER_CHAT = 20
QUEUED_TOTAL = 1000
_MAX_RETRY_AFTER_S = 60.0  # a reply that Telegram would delay longer is dropped
_RETRIES = 2


class ReplyQueue:
    """A bounded FIFO queue per chat; replies beyond the bounds are dropped."""

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._queues: dict[int, deque[Send]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}

    def put(self, chat_id: int, send: Send, *, is_first: bool = False) -> bool:
        """Queue a reply; False: the queue is full and the reply was dropped.

        is_first: before all that wait, even if the queue is full; for what is said rarely.
        """
        queue = self._queues.setdefault(chat_id, deque())
        if is_first:
            queue.appendleft(send)
        elif len(queue) >= QUEUED_PER_CHAT or sum(map(len, self._queues.values())) >= QUEUED_TOTAL:
            log.warning(
                "Chat %d: dropped a reply, the queue is full.",
                chat_id,
                extra=log_fields(None, "reply_dropped", chat_id=chat_id),
            )
            return False
        else:
            queue.append(send)
        if chat_id not in self._workers:
            self._start(chat_id)
        return True

    async def drain(self) -> None:
        """Wait until all queues are empty."""
        while self._workers:
            await asyncio.wait(self._workers.values())

    def cancel(self) -> None:
        """Clear the queues and stop sending."""
        self._queues.clear()
        for worker in self._workers.values():
            worker.cancel()

    def _start(self, chat_id: int) -> None:
        worker = asyncio.create_task(self._work(chat_id))
        self._workers[chat_id] = worker
        worker.add_done_callback(lambda done: self._end(chat_id, done))

    def _end(self, chat_id: int, worker: asyncio.Task[None]) -> None:
        del self._workers[chat_id]
        if not worker.cancelled() and (error := worker.exception()) is not None:
            log.error(
                "A bug kept a reply from chat %d.",
                chat_id,
                exc_info=error,
                extra=log_fields(None, "reply_error", chat_id=chat_id),
            )
        if self._queues.get(chat_id):
            self._start(chat_id)
        else:
            self._queues.pop(chat_id, None)

    async def _work(self, chat_id: int) -> None:
        queue = self._queues[chat_id]
        while queue:
            try:
                await self._send(queue.popleft())
            except LeadershipLost:
                queue.clear()
            except TelegramError as error:
                log.warning(
                    "Chat %d: the reply was not sent: %s",
                    chat_id,
                    error,
                    extra=log_fields(None, "reply_failed", chat_id=chat_id),
                )

    async def _send(self, send: Send) -> None:
        for _ in range(_RETRIES):
            try:
                await send()
            except RetryAfter as error:
                wait_s = flood_wait_s(error)
                if wait_s > _MAX_RETRY_AFTER_S:
                    raise
                await self._sleep(wait_s)
            else:
                return
        await send()
