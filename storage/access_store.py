"""The part of the Store about access: requests, decisions and admins."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from storage.access import (
    AccessDecision,
    AccessEntry,
    AccessLists,
    Admin,
    ChatProfile,
    Greeting,
    RequestOutcome,
)


class AccessStore(Protocol):
    """Each method is one transaction, and may raise StoreError."""

    async def request_access(
        self, chat: ChatProfile, admins: Mapping[int, str], *, at: datetime
    ) -> RequestOutcome:
        """Enqueue a question about a chat to each admin; admins: id → language.

        At most one request per chat and hour, and 20 per hour of all chats; none of a refused chat.
        """
        ...

    async def decide_request(
        self, request_id: int, admin: Admin, *, is_allowed: bool, at: datetime
    ) -> AccessDecision | None:
        """Allow or refuse the chat of an open request; one that is decided stays as it is.

        Unsent questions about it are superseded, and a GREETING to an allowed chat is enqueued.
        None: there is no such request.
        """
        ...

    async def allow_chat(self, chat_id: int, admin: Admin, *, at: datetime) -> AccessDecision | None:
        """Allow a chat that asked or was refused, as decide_request() does; None for any other."""
        ...

    async def remove_chat(self, chat_id: int, admin: Admin, *, at: datetime) -> bool:
        """Take the access from a chat that an admin allowed; it may ask again. False for any other."""
        ...

    async def access_entries(self, *, offset: int, limit: int) -> tuple[list[AccessEntry], int]:
        """Some of the chats that are allowed, waiting and refused, in this order; and how many there are.

        Without entries from offset on, the number is 0.
        """
        ...

    async def access_lists(self) -> AccessLists:
        """All ids that are allowed or refused, and the admins."""
        ...

    async def add_first_admin(self, user_id: int, *, at: datetime) -> bool:
        """Make a user an admin; False, and nothing is written, if there is an admin or an allowed chat."""
        ...

    async def greet(self, chat_id: int, greeting: Greeting, *, occasion: str, at: datetime) -> None:
        """Enqueue a GREETING; once per chat and occasion."""
        ...
