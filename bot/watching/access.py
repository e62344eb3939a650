"""Who may use the bot: by its settings, and by what the database knows beyond them."""

import logging
from collections.abc import Callable, Collection
from datetime import datetime

from storage.store import Store

log = logging.getLogger(__name__)


class Access:
    """Who is let in, kept in memory, since it is asked for every update."""

    def __init__(
        self,
        store: Store,
        *,
        everyone: bool,
        ids: Collection[int],
        admin_ids: Collection[int],
        clock: Callable[[], datetime],
    ) -> None:
        """everyone: whether all are let in; ids: of the chats and people that the settings let in."""
        self._store = store
        self._everyone = everyone
        self._set_ids = frozenset(ids)
        self._ids = set(ids)
        self._admin_ids = frozenset(admin_ids)
        self._clock = clock

    def lets_in(self, chat_id: int | None, user_id: int | None) -> bool:
        """Whether the chat or the person may use the bot; None: there is no such party."""
        return self._everyone or not self._ids.isdisjoint((chat_id, user_id)) or self.is_admin(user_id)

    def is_admin(self, user_id: int | None) -> bool:
        """Whether the person is one of the bot's admins."""
        return user_id in self._admin_ids

    async def load(self) -> None:
        """Bring the database into step with the settings, and learn who is let in; StoreError."""
        self._ids |= await self._store.sync_allowed_chats(self._set_ids, at=self._clock())

    async def enforce(self) -> None:
        """Learn who is let in, and stop what those wait for who no longer are; StoreError."""
        await self.load()
        if self._everyone:
            return
        stopped = await self._store.stop_all_but(self._ids | self._admin_ids, at=self._clock())
        if stopped:
            log.warning(
                "Watches of those who are no longer let in: %d stopped; nothing more is sent there.",
                stopped,
            )

    def migrated(self, old_id: int, new_id: int) -> None:
        """A group became a supergroup; the store, which is told apart from this, remembers it."""
        if old_id in self._ids:
            self._ids.add(new_id)
