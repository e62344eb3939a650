"""Empty databases of each engine, for what is held to both."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from storage.postgres_url import PostgresUrl
from tests.contract.exports import Database, export, fill
from tests.postgres.schemas import new_schema


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The export of a database with random records in all tables."""
    database = tmp_path_factory.mktemp("full") / "full.db"
    fill(database, seed=1)
    return export(database)


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Returns another one with each call: a file that does not exist, or a schema without tables."""
    if request.param == "sqlite":
        numbers = count()
        yield lambda: tmp_path / "new" / f"{next(numbers)}.db"
        return
    server = request.getfixturevalue("postgres_server")
    with ExitStack() as schemas:
        yield lambda: PostgresUrl.of(schemas.enter_context(new_schema(server)))
