"""The part of the Store about chats: their settings, losses and moves, and which are allowed."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from storage.chat_settings import ChatSettings
from storage.models import Chat


class ChatStore(Protocol):
    """Each method is one transaction, and may raise StoreError."""

    async def chat(self, chat_id: int) -> Chat | None:
        """The chat, or None if it is unknown."""
        ...

    async def save_chat(self, chat: Chat, *, at: datetime) -> None:
        """Insert a chat, or update its title and language; one that was lost stays so."""
        ...

    async def chat_settings(self, chat_id: int) -> ChatSettings:
        """What the chat has chosen in /settings."""
        ...

    async def save_chat_settings(self, chat_id: int, settings: ChatSettings) -> None:
        """Replace what the chat has chosen; the language applies to its existing watches, too."""
        ...

    async def chat_lost(self, chat_id: int, reason: str, *, at: datetime) -> None:
        """Suspend the chat's active watches and pending deliveries; tasks without another active watch have
        no next poll. An unknown chat without watches and deliveries is not stored."""
        ...

    async def chat_found(self, chat_id: int, *, at: datetime) -> None:
        """Resume the suspended watches of a chat that is reachable again: enqueue their cards, make their
        tasks due and MOVING."""
        ...

    async def throttle_chat(self, chat_id: int, *, until: datetime) -> None:
        """Store until when Telegram throttles a chat, if it has watches or unsent deliveries."""
        ...

    async def throttled_chats(self, *, at: datetime) -> Mapping[int, datetime]:
        """The chats that Telegram throttles after that moment, and until when."""
        ...

    async def migrate_chat(self, old_id: int, new_id: int, *, at: datetime) -> None:
        """Rewrite a group's rows to its supergroup's id, which is allowed if the group was.

        The supergroup has the group's settings, unless it has its own.

        Message ids are not valid in the supergroup, so cards are sent again.
        """
        ...

    async def sync_allowed_chats(self, ids: Collection[int], *, at: datetime) -> frozenset[int]:
        """Allow the chats and users named in the settings, and remove those that were named before.

        Returns all allowed ids; a named group that became a supergroup has its new id there, too.
        """
        ...

    async def stop_all_but(self, allowed_ids: Collection[int], *, at: datetime) -> int:
        """Stop the watches of all chats and users besides these and those allowed in the database.

        Returns how many were stopped.
        Their pending deliveries are superseded, so nothing more is sent, not even a last card.
        """
        ...
