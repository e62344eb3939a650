"""Some of the drills with replicas in their short form; `make drills` does all of them in full."""

import asyncio
import sys
from collections.abc import Mapping

import pytest
import pytest_asyncio

from tests.conftest import NO_POSTGRES
from tests.drills.database_outages import lose_the_database
from tests.drills.replica_reports import REPLICA_SHORT, ReplicaDrill, ReplicaReport
from tests.drills.takeovers import freeze_at_the_worst_moment, kill_replicas
from tests.postgres.server import wheel

_DRILLS = (kill_replicas, freeze_at_the_worst_moment, lose_the_database)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(wheel() is None, reason=NO_POSTGRES),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reports() -> Mapping[ReplicaDrill, ReplicaReport]:
    """What the drills report; all run at the same time, as they mostly wait."""
    return dict(zip(_DRILLS, await asyncio.gather(*(drill(REPLICA_SHORT) for drill in _DRILLS)), strict=True))


@pytest.mark.parametrize("drill", _DRILLS, ids=lambda drill: drill.__name__)
async def test_nothing_is_lost_and_nothing_is_sent_twice(
    reports: Mapping[ReplicaDrill, ReplicaReport], drill: ReplicaDrill
):
    assert reports[drill].is_good, reports[drill]
    assert reports[drill].faults > 0
