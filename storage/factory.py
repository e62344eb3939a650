"""Selects the Store implementation for a DATABASE_URL."""

from pathlib import Path

from storage.errors import StoreUnavailable
from storage.sqlite.store import SqliteStore
from storage.store import Store

_SQLITE = "sqlite:///"


async def open_store(url: str) -> Store:
    """Open the database and create it if missing; raises StoreError, whose message never contains the URL.

    url: sqlite:///relative.db or sqlite:////absolute.db.
    """
    path = url.removeprefix(_SQLITE)
    if path == url or path in {"", ":memory:"}:
        raise StoreUnavailable(
            "DATABASE_URL must name a SQLite file: sqlite:///relative.db or sqlite:////absolute.db."
        )
    return await SqliteStore.open(Path(path))
