from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.store import BrittleStore
from tests.flow.delivery_harness import DeliveryHarness
from tests.flow.polling_harness import Processes
from tests.postgres.server import Server, run_server, wheel


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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for the tests of a module, which may stop it."""
    if (package := wheel()) is None:
        pytest.skip("there are no programs of PostgreSQL for this platform")
    with run_server(package) as started:
        yield started
