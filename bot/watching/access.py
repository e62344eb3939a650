"""Access control: which chats and users may use the bot, by the settings and the database."""

import logging
from collections.abc import Callable, Collection
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
    ) -> None:
        """everyone: whether access is open; ids: of the chats and users that the settings allow."""
        self._store = store
        self._everyone = everyone
        self._set_ids = frozenset(ids)
        self._ids = set(ids)
        self._admin_ids = frozenset(admin_ids)
        self._clock = clock

    def allows(self, chat_id: int | None, user_id: int | None) -> bool:
        """Whether the chat or the user may use the bot; None: the update has none."""
        return self._everyone or not self._ids.isdisjoint((chat_id, user_id)) or self.is_admin(user_id)

    def is_admin(self, user_id: int | None) -> bool:
        """Whether the user is one of the bot's admins."""
        return user_id in self._admin_ids

    async def load(self) -> None:
        """Write the settings' ids to the database and load the allowed ids; StoreError."""
        self._ids |= await self._store.sync_allowed_chats(self._set_ids, at=self._clock())

    async def enforce(self) -> None:
        """Load the allowed ids; stop what is sent to chats and admins that no longer are; StoreError."""
        await self.load()
        await self._store.supersede_reports_to_all_but(self._admin_ids, at=self._clock())
        if self._everyone:
            return
        stopped = await self._store.stop_all_but(self._ids | self._admin_ids, at=self._clock())
        if stopped:
            log.warning(
                "Stopped %d watches of chats that are no longer allowed; nothing more is sent there.",
                stopped,
                extra=log_fields(None, "access_revoked"),
            )

    def migrated(self, old_id: int, new_id: int) -> None:
        """Allow the supergroup that an allowed group became; the store is updated separately."""
        if old_id in self._ids:
            self._ids.add(new_id)
