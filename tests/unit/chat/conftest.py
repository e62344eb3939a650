"""A world for each test, over a real archive."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.sqlite.store import SqliteStore
from tests.unit.chat.world import World, Worlds, named


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    archive = await SqliteStore.open(tmp_path / "test.db")
    yield archive
    await archive.close()


@pytest.fixture
async def worlds(store: SqliteStore) -> AsyncIterator[Worlds]:
    made = Worlds(store)
    yield made
    await made.end()


@pytest.fixture
async def world(worlds: Worlds) -> World:
    """Two providers: one named like its kind, one with a name of its own."""
    return await worlds.make(named("alibailian", "alibailian"), named("mine", "videos", "mine.example:8443"))
