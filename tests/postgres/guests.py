"""A user of a schema whose rights a test gives and takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.postgres.schemas import schema_of


class Guest:
    """A user who may do nothing with the schema's tables, nor make any, unless that is granted."""

    def __init__(self, owner: asyncpg.Connection, url: str) -> None:
        """url: the schema's, with the owner's login."""
        self._owner = owner
        self._schema = schema_of(url)
        self._name = f"{self._schema}_guest"
        parts = urlsplit(url)
        self.url = urlunsplit(parts._replace(netloc=f"{self._name}:word@{parts.netloc.rpartition('@')[2]}"))

    async def make(self) -> None:
        """Make the user."""
        await self._owner.execute(f"CREATE ROLE {self._name} LOGIN PASSWORD 'word'")
        await self._owner.execute(f"GRANT USAGE ON SCHEMA {self._schema} TO {self._name}")

    async def grant(self) -> None:
        """Give the user all rights to all tables."""
        for kind in ("TABLES", "SEQUENCES"):
            await self._owner.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA {self._schema} TO {self._name}")

    async def revoke(self) -> None:
        """Take all rights to all tables."""
        await self._owner.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {self._schema} FROM {self._name}")

    async def drop(self) -> None:
        """Drop the user and what was granted."""
        await self._owner.execute(f"DROP OWNED BY {self._name}")
        await self._owner.execute(f"DROP ROLE {self._name}")


@asynccontextmanager
async def open_guest(url: str) -> AsyncIterator[Guest]:
    """A new user of the URL's schema."""
    owner = await asyncpg.connect(url)
    try:
        guest = Guest(owner, url)
        await guest.make()
        try:
            yield guest
        finally:
            await guest.drop()
    finally:
        await owner.close()
