"""The archives under test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.factory import open_store
from tests.contract.store.driver import Driver


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    store = await open_store(f"sqlite:///{tmp_path / 'reelwatch.db'}")
    yield Driver(store)
    await store.close()
