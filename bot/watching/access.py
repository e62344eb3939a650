"""Access control: which chats and users may use the bot, by the settings and the database."""

import logging
import math
from collections.abc import Callable, Collection, Set
from datetime import datetime

from bot.logs import log_fields
from storage.store import Store

log = logging.getLogger(__name__)


class Access:
    """The allowed ids, cached in memory because every update is checked."""

    def __init__(
        self,
        store: Store,
        *,
        everyone: bool,
        ids: Collection[int],
        admin_ids: Collection[int],
        clock: Callable[[], datetime],
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        """everyone: whether access is open; ids: of the chats and users that the settings allow.

        notify: tells the other processes that share the store that access has changed there.
        """
        self._store = store
        self._everyone = everyone
        self._set_ids = frozenset(ids)
        self._ids = set(ids)
        self._set_admin_ids = frozenset(admin_ids)
        self._admin_ids = set(admin_ids)
        self._refused_ids: set[int] = set()
        self._clock = clock
        self._notify = notify
        self._changes = 0  # made by this process

    def allows(self, chat_id: int | None, user_id: int | None) -> bool:
        """Whether the chat or the user may use the bot; None: the update has none."""
        return self._everyone or not self._ids.isdisjoint((chat_id, user_id)) or self.is_admin(user_id)

    def is_admin(self, user_id: int | None) -> bool:
        """Whether the user is one of the bot's admins."""
        return user_id in self._admin_ids

    def is_refused(self, chat_id: int) -> bool:
        """Whether an admin refused the chat."""
        return chat_id in self._refused_ids

    @property
    def admin_ids(self) -> Set[int]:
        """The admins of the settings and of the database; changes when one is added."""
        return self._admin_ids

    @property
    def is_unclaimed(self) -> bool:
        """Whether nobody may use the bot yet."""
        return not (self._everyone or self._ids or self._admin_ids)

    def count(self) -> float:
        """How many chats and users may use the bot, admins included; inf: everyone."""
        return math.inf if self._everyone else len(self._ids | self._admin_ids)

    async def load(self) -> None:
        """Write the settings' ids to the database and load all ids of the database; StoreError."""
        self._ids |= await self._store.sync_allowed_chats(self._set_ids, at=self._clock())
        lists = await self._store.access_lists()
        self._refused_ids |= lists.refused
        self._admin_ids |= lists.admins

    async def reload(self) -> None:
        """Take over what other processes have changed in the database; StoreError.

        What this process has begun meanwhile for those who lost access is stopped.
        """
        while True:
            changes = self._changes
            lists = await self._store.access_lists()
            if changes == self._changes:
                break  # else what was read may be older than a change of this process
        admins = self._set_admin_ids | lists.admins
        has_lost = not (self._ids | self._admin_ids) <= (lists.allowed | admins)
        for ids, current in (
            (self._ids, lists.allowed),
            (self._refused_ids, lists.refused),
            (self._admin_ids, admins),
        ):
            ids.intersection_update(current)
            ids.update(current)
        if has_lost:
            await self._stop_others()

    async def enforce(self) -> None:
        """Load the allowed ids; stop what is sent to chats and admins that no longer are; StoreError."""
        await self.load()
        await self._store.supersede_reports_to_all_but(self._admin_ids, at=self._clock())
        await self._stop_others()

    async def _stop_others(self) -> None:
        if self._everyone:
            return
        stopped = await self._store.stop_all_but(self._ids | self._admin_ids, at=self._clock())
        if stopped:
            log.warning(
                "Stopped %d watches of chats that are no longer allowed; nothing more is sent there.",
                stopped,
                extra=log_fields(None, "access_revoked", count=stopped),
            )

    def allow(self, chat_id: int) -> None:
        """Allow a chat that is allowed in the store."""
        self._ids.add(chat_id)
        self._refused_ids.discard(chat_id)
        self._changed()

    def refuse(self, chat_id: int) -> None:
        """Refuse a chat that is refused in the store, so that nothing is sent there."""
        self._refused_ids.add(chat_id)
        self._changed()

    async def remove(self, chat_id: int) -> None:
        """Stop what is sent to a chat that is removed in the store; StoreError."""
        self._ids.discard(chat_id)
        self._changed()
        await self._stop_others()

    def add_admin(self, user_id: int) -> None:
        """Add an admin who is one in the store."""
        self._admin_ids.add(user_id)
        self._changed()

    def migrated(self, old_id: int, new_id: int) -> None:
        """Treat the supergroup that a group became like the group; the store is updated separately."""
        if old_id in self._ids:
            self._ids.add(new_id)
        if old_id in self._refused_ids:
            self._refused_ids.add(new_id)
        self._changes += 1

    def _changed(self) -> None:
        self._changes += 1
        self._notify()
