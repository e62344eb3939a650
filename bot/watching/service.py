"""What a person may ask for; the rules that doors and loops share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from storage.models import Chat, Stats, WatchedTask, WatchRequest, WatchState
from storage.store import Store

LOOK_PATIENCE = timedelta(seconds=10)
_LOOK_TICK_S = 0.1


class Service:
    """The use cases; rings for the clock and the courier when there is work for them."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        ring_clock: Callable[[], None],
        ring_courier: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ring_clock = ring_clock
        self._ring_courier = ring_courier
        self._sleep = sleep

    async def watch(self, request: WatchRequest) -> WatchedTask:
        """Register a watch; once this returns it is on disk."""
        watched = await self._store.add_watch(request, at=self._clock())
        self._ring()
        return watched

    async def active(self, chat_id: int) -> list[WatchedTask]:
        """What the chat waits for, oldest first."""
        return await self._store.active_watches(chat_id)

    async def look_now(self, chat_id: int, external_id: str, *, thread_id: int | None) -> list[WatchedTask]:
        """The chat's watches of an id after a fresh look, or as they are after ten seconds without one."""
        asked_at = self._clock()
        found = await self._watches(chat_id, external_id, thread_id)
        for watched in found:
            if watched.watch.state is WatchState.ACTIVE:
                await self._store.look_now(watched.task.id, at=asked_at)
        self._ring_clock()
        return [await self._fresh(watched, asked_at) for watched in found]

    async def stop(self, chat_id: int, external_id: str, *, thread_id: int | None) -> list[WatchedTask]:
        """Stop the chat's active watches of an id; those that were stopped."""
        found = await self._watches(chat_id, external_id, thread_id)
        stopped = [w for w in found if await self._store.stop_watch(w.watch.id, at=self._clock())]
        self._ring()
        return stopped

    async def send_again(self, watch_id: int, chat_id: int) -> bool:
        """Deliver a result anew that Telegram has not confirmed; False if the chat has no such watch."""
        begun = await self._store.send_again(watch_id, chat_id, at=self._clock())
        self._ring_courier()
        return begun

    async def stats(self) -> Stats:
        """Counts for /stats and /metrics."""
        return await self._store.stats()

    async def language_of(self, chat_id: int) -> str | None:
        """The language in which the chat was last spoken to."""
        chat = await self._store.chat(chat_id)
        return chat.language if chat else None

    async def remember_chat(self, chat: Chat) -> None:
        """Write a chat as it is now."""
        await self._store.save_chat(chat)

    async def chat_lost(self, chat_id: int, reason: str) -> None:
        """The bot can't write there any more."""
        await self._store.chat_lost(chat_id, reason)

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

    async def _fresh(self, watched: WatchedTask, asked_at: datetime) -> WatchedTask:
        """The archive is where the clock's answer arrives, so that is where it is waited for."""
        task = watched.task
        if watched.watch.state is not WatchState.ACTIVE:
            return watched
        # A task may end by a look that was on its way already; nobody looks again after that.
        while not (task.status.is_final or (task.last_look_at and task.last_look_at >= asked_at)):
            if self._clock() - asked_at >= LOOK_PATIENCE:
                break
            await self._sleep(_LOOK_TICK_S)
            task = await self._store.task(task.id) or task
        return replace(watched, task=task)

    def _ring(self) -> None:
        self._ring_clock()
        self._ring_courier()
