"""The drills in their short form; `make drills` does them in full."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.drills.bot_processes import BotProcesses
from tests.drills.drills import DRILLS, SHORT, Drill
from tests.drills.hung_loops import SHORT_CASES, SHORT_SPEED, detect_hang
from tests.drills.memory import SHORT_LOADS, Load, measure_memory
from tests.drills.moves import MOVES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="bot_processes")
async def open_bot_processes() -> AsyncIterator[BotProcesses]:
    async with BotProcesses.open() as bot_processes:
        yield bot_processes


@pytest.mark.parametrize("drill", [*DRILLS, *MOVES], ids=lambda drill: drill.__name__)
async def test_nothing_is_lost_and_nothing_is_sent_twice(bot_processes: BotProcesses, drill: Drill):
    report = await drill(bot_processes, SHORT)
    assert report.verdict.is_good, report
    assert report.runs > 0


@pytest.mark.parametrize("load", SHORT_LOADS, ids=lambda load: f"{load.video_mb}-MB")
async def test_a_large_video_does_not_stay_in_memory(bot_processes: BotProcesses, load: Load):
    measurement = await measure_memory(bot_processes, load)
    assert measurement.is_good, measurement
    assert measurement.probe_mb > 0


async def test_a_loop_that_hangs_is_told_within_a_minute(bot_processes: BotProcesses):
    found = await asyncio.gather(
        *(detect_hang(bot_processes, case, speed=SHORT_SPEED) for case in SHORT_CASES)
    )
    assert [detection for detection in found if not detection.is_good] == []
