"""An open database in its own folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.sqlite.connection import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "a.db")
    yield database
    await database.close()
