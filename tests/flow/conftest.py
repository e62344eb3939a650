from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.store import BrittleStore
from tests.flow.delivery_harness import DeliveryHarness
from tests.flow.polling_harness import Processes


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeliveryHarness]:
    async with DeliveryHarness.open(tmp_path) as opened:
        yield opened


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """Processes over one database."""
    opened = Processes(tmp_path / "reelwatch.db")
    yield opened
    await opened.end()


@pytest.fixture
async def store(processes: Processes) -> BrittleStore:
    """The database of the first process."""
    return await processes.begin()
