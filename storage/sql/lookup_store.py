"""The part of SqlStore about lookups."""

from datetime import datetime

from storage.lookups import Lookup, LookupRequest, LookupStore
from storage.sql import lookups
from storage.sql.transaction import Database
from storage.watches import UNLIMITED, WatchLimits


class SqlLookupStore(LookupStore):
    """The LookupStore with statements that are the same for all engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look_up(self, request: LookupRequest, *, at: datetime, limits: WatchLimits = UNLIMITED) -> None:
        async with self._database.transaction() as tx:
            await lookups.add(tx, request, at=at, limits=limits)

    async def lookup(self, lookup_id: int, chat_id: int) -> Lookup | None:
        async with self._database.reading() as tx:
            return await lookups.get(tx, lookup_id, chat_id)

    async def answer_lookup(
        self, lookup_id: int, chat_id: int, provider: str, *, at: datetime, limits: WatchLimits = UNLIMITED
    ) -> bool:
        async with self._database.transaction() as tx:
            return await lookups.answer(tx, lookup_id, chat_id, provider, at=at, limits=limits)
