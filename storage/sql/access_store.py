"""The part of SqlStore about access."""

from collections.abc import Mapping
from datetime import datetime

from storage.access import (
    AccessDecision,
    AccessEntry,
    AccessLists,
    Admin,
    ChatProfile,
    Greeting,
    RequestOutcome,
)
from storage.access_store import AccessStore
from storage.sql import access_deliveries, access_requests, allowed_chats
from storage.sql.transaction import Database


class SqlAccessStore(AccessStore):
    """The AccessStore with statements that are the same for all engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request_access(
        self, chat: ChatProfile, admins: Mapping[int, str], *, at: datetime
    ) -> RequestOutcome:
        async with self._database.transaction() as tx:
            return await access_requests.ask(tx, chat, admins, at=at)

    async def decide_request(
        self, request_id: int, admin: Admin, *, is_allowed: bool, at: datetime
    ) -> AccessDecision | None:
        async with self._database.transaction() as tx:
            return await access_requests.decide(tx, request_id, admin, is_allowed=is_allowed, at=at)

    async def allow_chat(self, chat_id: int, admin: Admin, *, at: datetime) -> AccessDecision | None:
        async with self._database.transaction() as tx:
            return await access_requests.allow(tx, chat_id, admin, at=at)

    async def remove_chat(self, chat_id: int, admin: Admin, *, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            return await access_requests.remove(tx, chat_id, admin, at=at)

    async def access_entries(self, *, offset: int, limit: int) -> tuple[list[AccessEntry], int]:
        async with self._database.reading() as tx:
            return await access_requests.entries(tx, offset=offset, limit=limit)

    async def access_lists(self) -> AccessLists:
        async with self._database.reading() as tx:
            return AccessLists(
                allowed=await allowed_chats.ids(tx),
                refused=await access_requests.refused(tx),
                admins=await access_requests.admins(tx),
            )

    async def add_first_admin(self, user_id: int, *, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            return await access_requests.add_first_admin(tx, user_id, at=at)

    async def greet(self, chat_id: int, greeting: Greeting, *, occasion: str, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await access_deliveries.enqueue_greeting(tx, chat_id, greeting, subject=occasion, at=at)
