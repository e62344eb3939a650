"""Opens the store that the settings name."""

from pathlib import Path

from storage.sqlite.store import SqliteStore
from storage.store import Store


async def open_store(file: Path) -> Store:
    """Open the SQLite database and create it if missing; raises StoreError."""
    return await SqliteStore.open(file)
