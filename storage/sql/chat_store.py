"""The part of SqlStore about chats."""

from collections.abc import Collection, Mapping
from datetime import datetime

from storage.chat_settings import ChatSettings
from storage.chat_store import ChatStore
from storage.models import Chat
from storage.sql import access_requests, allowed_chats, chat_settings, chats, lookups, stopping
from storage.sql.transaction import Database


class SqlChatStore(ChatStore):
    """The ChatStore with statements that are the same for all engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def chat(self, chat_id: int) -> Chat | None:
        async with self._database.reading() as tx:
            return await chats.get(tx, chat_id)

    async def save_chat(self, chat: Chat, *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await chats.save(tx, chat, at=at)

    async def chat_settings(self, chat_id: int) -> ChatSettings:
        async with self._database.reading() as tx:
            return (await chat_settings.of_chats(tx, [chat_id]))[chat_id]

    async def save_chat_settings(self, chat_id: int, settings: ChatSettings) -> None:
        async with self._database.transaction() as tx:
            await chat_settings.save(tx, chat_id, settings)

    async def chat_lost(self, chat_id: int, reason: str, *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await chats.lost(tx, chat_id, reason, at=at)

    async def chat_found(self, chat_id: int, *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await chats.found(tx, chat_id, at=at)

    async def throttle_chat(self, chat_id: int, *, until: datetime) -> None:
        async with self._database.transaction() as tx:
            await chats.throttle(tx, chat_id, until=until)

    async def throttled_chats(self, *, at: datetime) -> Mapping[int, datetime]:
        async with self._database.reading() as tx:
            return await chats.throttled(tx, at=at)

    async def migrate_chat(self, old_id: int, new_id: int, *, at: datetime) -> None:
        if old_id == new_id:
            return
        async with self._database.transaction() as tx:
            await chats.migrate(tx, old_id, new_id, at=at)
            await lookups.move(tx, old_id, new_id, at=at)

    async def sync_allowed_chats(self, ids: Collection[int], *, at: datetime) -> frozenset[int]:
        async with self._database.transaction() as tx:
            return await allowed_chats.sync(tx, ids, at=at)

    async def stop_all_but(self, allowed_ids: Collection[int], *, at: datetime) -> int:
        async with self._database.transaction() as tx:
            allowed = {*allowed_ids, *await allowed_chats.ids(tx), *await access_requests.admins(tx)}
            await lookups.drop_all_but(tx, allowed)
            return await stopping.stop_all_but(tx, allowed, at=at)
