"""Times as engines store them."""

from datetime import UTC, datetime

import pytest

from storage.sql import rows

NOON = datetime(2025, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("stored", [NOON, NOON.timestamp()])
def test_a_time_is_read_as_each_engine_stores_it(stored: datetime | float):
    assert rows.moment(stored) == NOON


def test_no_time_is_none():
    assert rows.moment(None) is None


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_a_time_later_than_any_is_the_last_one(seconds: float):
    assert rows.later(NOON, seconds).year == 9999


def test_a_time_is_so_many_seconds_later():
    assert rows.later(NOON, 0.75).timestamp() == NOON.timestamp() + 0.75
