"""The stores under test."""

import pytest

from storage.store import Store
from tests.contract.store.driver import Driver


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)
