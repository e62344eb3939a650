"""The drills in their short form; `make drills` does them in full."""

from collections.abc import AsyncIterator

import pytest

from tests.drills.drills import DRILLS, SHORT, Drill
from tests.drills.nursery import Nursery


@pytest.fixture(scope="module", name="nursery")
async def open_nursery() -> AsyncIterator[Nursery]:
    async with Nursery.open() as nursery:
        yield nursery


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.__name__)
async def test_nothing_is_lost_and_nothing_comes_twice(nursery: Nursery, drill: Drill):
    report = await drill(nursery, SHORT)
    assert report.verdict.is_good, report
    assert report.runs > 0
