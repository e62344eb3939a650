"""Who may use the bot: by its settings, and by what the database knows beyond them."""

from collections.abc import Callable, Collection
from datetime import datetime

from storage.store import Store


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

    def migrated(self, old_id: int, new_id: int) -> None:
        """A group became a supergroup; the store, which is told apart from this, remembers it."""
        if old_id in self._ids:
            self._ids.add(new_id)
