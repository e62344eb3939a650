"""The use cases behind the chat commands; the rules that commands and loops share."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

from storage.chat_settings import ChatSettings
from storage.figures import Stats
from storage.lookups import Lookup, LookupRequest
from storage.models import Chat, Task
from storage.outbox import CopyRequest
from storage.store import Store
from storage.usage import Usage
from storage.watches import (
    UNLIMITED,
    Ending,
    Registration,
    WatchedTask,
    WatchLimits,
    WatchRequest,
    WatchState,
)

HOLD_CARD_S = 2.0  # the first card waits for the first poll: a task that has ended needs none
COMMAND_S = 10.0  # the time limit of one command
_TICK_S = 0.1  # between the first reads of the store while waiting for a poll
_LONGEST_TICK_S = 0.5
_NAME_CHARACTERS = 64  # of who asked or stopped; Telegram's first names are no longer


class Service:
    """The use cases; notifies the polling loop and the delivery worker of new work."""

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
        self._notify_polling = notify_polling
        self._notify_delivery = notify_delivery
        self._limits = limits
        self._sleep = sleep

    async def watch_all(self, requests: Sequence[WatchRequest]) -> Registration:
        """Register the watches of one message; when this returns they are on disk."""
        storable = [replace(each, user_name=_storable(each.user_name)) for each in requests]
        registration = await self._store.add_watches(
            storable, at=self._clock(), limits=self._limits, hold_card_s=HOLD_CARD_S
        )
        self._notify_both()
        return registration

    async def look_up(self, request: LookupRequest) -> None:
        """Find out which of several providers knows an id; raises WatchLimitReached."""
        storable = replace(request, user_name=_storable(request.user_name))
        await self._store.look_up(storable, at=self._clock(), limits=self._limits)
        self._notify_both()

    async def lookup(self, lookup_id: int, chat_id: int) -> Lookup | None:
        """The lookup of this chat, or None."""
        return await self._store.lookup(lookup_id, chat_id)

    async def answer_lookup(self, lookup_id: int, chat_id: int, provider: str) -> bool:
        """Watch the ids with the provider that a person chose; False: too late. Raises WatchLimitReached."""
        is_watched = await self._store.answer_lookup(
            lookup_id, chat_id, provider, at=self._clock(), limits=self._limits
        )
        self._notify_both()
        return is_watched

    async def active(self, chat_id: int) -> list[WatchedTask]:
        """The chat's active watches, oldest first."""
        return await self._store.active_watches(chat_id)

    async def poll_now(
        self,
        chat_id: int,
        external_ids: Sequence[str],
        *,
        thread_id: int | None,
        timeout_s: float = COMMAND_S,
    ) -> list[WatchedTask]:
        """The chat's watches of these ids after a fresh poll, or as stored after timeout_s without one.

        All are polled concurrently; ids without a watch here are left out.
        """
        requested_at = self._clock()
        found = [w for each in external_ids for w in await self._watches(chat_id, each, thread_id)]
        awaited = [w.task.id for w in found if w.watch.state is WatchState.ACTIVE]
        for task_id in awaited:
            await self._store.request_poll(task_id, at=requested_at)
        self._notify_polling()
        fresh = await self._wait_for_polls(awaited, requested_at, timeout_s)
        return [replace(w, task=fresh.get(w.task.id, w.task)) for w in found]

    async def active_of_ids(
        self, chat_id: int, external_ids: Sequence[str], *, thread_id: int | None
    ) -> list[WatchedTask]:
        """The chat's active watches of these ids: those of the topic, or of the whole chat if it has none."""
        found = [w for each in external_ids for w in await self._watches(chat_id, each, thread_id)]
        return [w for w in found if w.watch.state is WatchState.ACTIVE]

    async def watched(self, watch_id: int, chat_id: int) -> WatchedTask | None:
        """The watch by its id; None unless it is this chat's."""
        return await self._store.watch(watch_id, chat_id)

    async def stop(self, watches: Sequence[WatchedTask], *, by: str | None) -> list[WatchedTask]:
        """Stop watches, and return those that were active. by: the name of who stops them, for the cards."""
        name = _storable(by)
        stopped = [w for w in watches if await self._store.stop_watch(w.watch.id, at=self._clock(), by=name)]
        self._notify_both()
        return stopped

    async def send_again(self, watch_id: int, chat_id: int) -> bool:
        """Deliver an unconfirmed result again; False if the chat has no such watch."""
        is_queued = await self._store.send_again(watch_id, chat_id, at=self._clock())
        self._notify_delivery()
        return is_queued

    async def batch(self, batch_id: int, chat_id: int) -> list[WatchedTask]:
        """The watches of this chat's batch."""
        return await self._store.batch(batch_id, chat_id)

    async def send_batch_again(self, batch_id: int, chat_id: int) -> int:
        """Take up again what a batch did not deliver; returns how many of its tasks."""
        count = await self._store.send_batch_again(batch_id, chat_id, at=self._clock(), limits=self._limits)
        self._notify_both()
        return count

    async def send_copy(self, request: CopyRequest) -> bool:
        """Send a video of the chat once more; False if the chat has no such video."""
        is_queued = await self._store.send_copy(request, at=self._clock())
        self._notify_delivery()
        return is_queued

    async def history(
        self, chat_id: int, *, ending: Ending | None, provider: str | None, offset: int, limit: int
    ) -> list[WatchedTask]:
        """What has ended in the chat, newest first; ending and provider: only those, None: all."""
        return await self._store.history(
            chat_id, ending=ending, provider=provider, offset=offset, limit=limit
        )

    async def check_again(self, watch_id: int, chat_id: int) -> bool:
        """Poll a task now, and resume polling if it had stopped; False if the chat does not watch it."""
        resumed = await self._store.resume(watch_id, chat_id, at=self._clock())
        self._notify_both()
        return resumed

    async def polled(
        self, watch_id: int, chat_id: int, *, since: datetime, timeout_s: float
    ) -> WatchedTask | None:
        """The watch after a poll since then, or as stored after timeout_s; None unless it is this chat's."""
        found = await self._store.watch(watch_id, chat_id)
        if found is not None:
            await self._wait_for_polls([found.task.id], since, timeout_s)
        return found and await self._store.watch(watch_id, chat_id)

    async def stats(self) -> Stats:
        """Counts for /stats and /metrics."""
        return await self._store.stats()

    async def usage(self, days: int) -> Usage:
        """What ended today and on the days before, in the time zone of TZ."""
        now = self._clock()
        today = now.astimezone().date()
        dates = [today - timedelta(days=back) for back in reversed(range(days))]
        starts = [datetime.combine(date, time.min).astimezone() for date in dates]
        return await self._store.usage(starts, end=now)

    async def chat_settings(self, chat_id: int) -> ChatSettings:
        """What the chat has chosen."""
        return await self._store.chat_settings(chat_id)

    async def save_chat_settings(self, chat_id: int, settings: ChatSettings) -> None:
        """Replace what the chat has chosen; existing cards follow with their next edit."""
        await self._store.save_chat_settings(chat_id, settings)

    async def language_of(self, chat_id: int) -> str | None:
        """The language last used in the chat; None: unknown."""
        chat = await self._store.chat(chat_id)
        return chat.language if chat else None

    async def remember_chat(self, chat: Chat) -> None:
        """Save a chat's present data."""
        await self._store.save_chat(chat, at=self._clock())

    async def remember_language(self, chat_id: int, language: str) -> None:
        """Save the language last used in a private chat, if it is another one than before."""
        if await self.language_of(chat_id) != language:
            await self.remember_chat(Chat(id=chat_id, title="", language=language))

    async def chat_lost(self, chat_id: int, reason: str) -> None:
        """Mark a chat to which the bot can no longer send."""
        await self._store.chat_lost(chat_id, reason, at=self._clock())

    async def on_update_from(self, chat_id: int) -> None:
        """Re-enable a chat that was marked as lost: an update from it has arrived."""
        chat = await self._store.chat(chat_id)
        if chat is not None and chat.disabled_reason is not None:
            await self.chat_found(chat_id)

    async def chat_found(self, chat_id: int) -> None:
        """Mark a chat to which the bot can send again."""
        await self._store.chat_found(chat_id, at=self._clock())
        self._notify_both()

    async def migrate_chat(self, old_id: int, new_id: int) -> None:
        """Move a group's data to the supergroup that it became."""
        await self._store.migrate_chat(old_id, new_id, at=self._clock())
        self._notify_delivery()

    async def _watches(self, chat_id: int, external_id: str, thread_id: int | None) -> list[WatchedTask]:
        """The watches of this topic, or of the whole chat if this topic has none."""
        found = await self._store.watches_of(chat_id, external_id)
        return [w for w in found if w.watch.thread_id == thread_id] or found

    async def _wait_for_polls(
        self, task_ids: Collection[int], requested_at: datetime, timeout_s: float
    ) -> dict[int, Task]:
        """Read these tasks from the store until all have been polled, or for timeout_s."""
        known = {task.id: task for task in await self._store.tasks(task_ids)}
        tick_s = _TICK_S
        # A final task is not polled again: it may have ended by a poll from before the request.
        while waiting := [
            task.id
            for task in known.values()
            if not (task.status.is_final or (task.last_poll_at and task.last_poll_at >= requested_at))
        ]:
            left_s = timeout_s - (self._clock() - requested_at).total_seconds()
            if left_s <= 0:
                break
            await self._sleep(min(tick_s, left_s))
            tick_s = min(tick_s * 1.25, _LONGEST_TICK_S)
            known |= {task.id: task for task in await self._store.tasks(waiting)}
        return known

    def _notify_both(self) -> None:
        self._notify_polling()
        self._notify_delivery()


def _storable(name: str | None) -> str | None:
    """A name, cut; it may hold half of a surrogate pair, which no database stores."""
    return name and name[:_NAME_CHARACTERS].encode(errors="replace").decode()
