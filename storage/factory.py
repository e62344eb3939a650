"""The one place that knows which archive a DATABASE_URL names."""

from pathlib import Path

from storage.errors import StoreUnavailable
from storage.sqlite.store import SqliteStore
from storage.store import Store

_SQLITE = "sqlite:///"


async def open_store(url: str) -> Store:
    """Open the archive, made where missing; raises StoreError, which never repeats the URL.

    url: sqlite:///relative.db or sqlite:////absolute.db.
    """
    path = url.removeprefix(_SQLITE)
    if path == url or path in {"", ":memory:"}:
        raise StoreUnavailable(
            "DATABASE_URL must name a SQLite file: sqlite:///relative.db or sqlite:////absolute.db."
        )
    return await SqliteStore.open(Path(path))
