"""The stores under test: every test runs on each engine."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from storage.store import Store
from tests.contract.store.driver import Driver
from tests.contract.store.engines import Engine, PostgresEngine, SqliteEngine


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """All tests of a module have one event loop, so that a store can stay connected."""
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if request.param == "sqlite":
        return SqliteEngine(tmp_path_factory.mktemp("stores"))
    return PostgresEngine(request.getfixturevalue("postgres_schema"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def closing_engine(engine: Engine) -> AsyncIterator[Engine]:
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def store(closing_engine: Engine) -> Store:
    """An empty store."""
    return await closing_engine.empty_store()


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)
