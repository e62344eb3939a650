"""Opens the store that the settings name."""

from pathlib import Path

from storage.sqlite.migrate import bundled_migrations
from storage.sqlite.store import SqliteStore
from storage.store import Store


async def open_store(file: Path) -> Store:
    """Open the SQLite database and create it if missing; raises StoreError."""
    return await SqliteStore.open(file)


def schema_version() -> int:
    """The number of the schema that open_store() migrates to."""
    return bundled_migrations()[-1].number
