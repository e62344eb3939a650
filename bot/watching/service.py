"""What a person may ask for; the rules that doors and loops share."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from storage.models import (
    UNLIMITED,
    Chat,
    Stats,
    Task,
    WatchedTask,
    WatchLimits,
    WatchRequest,
    WatchState,
)
from storage.store import Store

HOLD_CARD_S = 2.0  # a task that has ended by its first poll needs no card
COMMAND_S = 10.0  # for all that one message asks
_TICK_S = 0.1
_LONGEST_TICK_S = 0.5


class Service:
    """The use cases; rings for the clock and the courier when there is work for them."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        notify_polling: Callable[[], None],
        notify_delivery: Callable[[], None],
        limits: WatchLimits = UNLIMITED,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ring_clock = notify_polling
        self._ring_courier = notify_delivery
        self._limits = limits
        self._sleep = sleep

    async def watch(self, request: WatchRequest) -> WatchedTask:
        """Register a watch; once this returns it is on disk; WatchLimitReached."""
        watched = await self._store.add_watch(
            request, at=self._clock(), limits=self._limits, hold_card_s=HOLD_CARD_S
        )
        self._ring()
        return watched

    async def active(self, chat_id: int) -> list[WatchedTask]:
        """What the chat waits for, oldest first."""
        return await self._store.active_watches(chat_id)

    async def poll_now(
        self,
        chat_id: int,
        external_ids: Sequence[str],
        *,
        thread_id: int | None,
        patience_s: float = COMMAND_S,
    ) -> list[WatchedTask]:
        """The chat's watches of these ids after a fresh poll, or as they are after patience_s without one.

        All are polled at the same time; those without a watch here are left out.
        """
        asked_at = self._clock()
        found = [w for each in external_ids for w in await self._watches(chat_id, each, thread_id)]
        awaited = [w.task.id for w in found if w.watch.state is WatchState.ACTIVE]
        for task_id in awaited:
            await self._store.request_poll(task_id, at=asked_at)
        self._ring_clock()
        fresh = await self._polled(awaited, asked_at, patience_s)
        return [replace(w, task=fresh.get(w.task.id, w.task)) for w in found]

    async def stop(
        self, chat_id: int, external_ids: Sequence[str], *, thread_id: int | None
    ) -> list[WatchedTask]:
        """Stop the chat's active watches of these ids; those that were stopped."""
        found = [w for each in external_ids for w in await self._watches(chat_id, each, thread_id)]
        stopped = [w for w in found if await self._store.stop_watch(w.watch.id, at=self._clock())]
        self._ring()
        return stopped

    async def send_again(self, watch_id: int, chat_id: int) -> bool:
        """Deliver a result anew that Telegram has not confirmed; False if the chat has no such watch."""
        begun = await self._store.send_again(watch_id, chat_id, at=self._clock())
        self._ring_courier()
        return begun

    async def check_again(self, watch_id: int, chat_id: int) -> bool:
        """Poll a task now, and go on with it if it rests; False if the chat does not watch it."""
        taken_up = await self._store.take_up(watch_id, chat_id, at=self._clock())
        self._ring()
        return taken_up

    async def stats(self) -> Stats:
        """Counts for /stats and /metrics."""
        return await self._store.stats()

    async def language_of(self, chat_id: int) -> str | None:
        """The language in which the chat was last spoken to."""
        chat = await self._store.chat(chat_id)
        return chat.language if chat else None

    async def remember_chat(self, chat: Chat) -> None:
        """Write a chat as it is now."""
        await self._store.save_chat(chat, at=self._clock())

    async def chat_lost(self, chat_id: int, reason: str) -> None:
        """The bot can't write there any more."""
        await self._store.chat_lost(chat_id, reason, at=self._clock())

    async def heard_from(self, chat_id: int) -> None:
        """Somebody speaks in a chat; one that counted as lost is there again."""
        chat = await self._store.chat(chat_id)
        if chat is not None and chat.disabled_reason is not None:
            await self.chat_found(chat_id)

    async def chat_found(self, chat_id: int) -> None:
        """The bot may write there again."""
        await self._store.chat_found(chat_id, at=self._clock())
        self._ring()

    async def migrate_chat(self, old_id: int, new_id: int) -> None:
        """A group became a supergroup."""
        await self._store.migrate_chat(old_id, new_id, at=self._clock())
        self._ring_courier()

    async def _watches(self, chat_id: int, external_id: str, thread_id: int | None) -> list[WatchedTask]:
        """The watches of this topic, or of the whole chat when this topic has none."""
        found = await self._store.watches_of(chat_id, external_id)
        return [w for w in found if w.watch.thread_id == thread_id] or found

    async def _polled(
        self, task_ids: Collection[int], asked_at: datetime, patience_s: float
    ) -> dict[int, Task]:
        """These tasks once they are polled; the store is where the polling loop's answer arrives."""
        known = {task.id: task for task in await self._store.tasks(task_ids)}
        tick_s = _TICK_S
        # A task may end by a poll that was on its way already; nobody polls it after that.
        while waiting := [
            task.id
            for task in known.values()
            if not (task.status.is_final or (task.last_poll_at and task.last_poll_at >= asked_at))
        ]:
            left_s = patience_s - (self._clock() - asked_at).total_seconds()
            if left_s <= 0:
                break
            await self._sleep(min(tick_s, left_s))
            tick_s = min(tick_s * 1.25, _LONGEST_TICK_S)
            known |= {task.id: task for task in await self._store.tasks(waiting)}
        return known

    def _ring(self) -> None:
        self._ring_clock()
        self._ring_courier()
