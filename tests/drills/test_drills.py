"""The drills in their short form; `make drills` does them in full."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.drills.bot_processes import BotProcesses
from tests.drills.drills import (
    DRILLS,
    SHORT,
    Drill,
    Report,
    gateway_outage,
    restart_while_results_wait,
    results_wait_for_telegram,
    storm_of_429,
    telegram_outage,
)
from tests.drills.hung_loops import SHORT_CASES, SHORT_SPEED, detect_hang
from tests.drills.memory import SHORT_LOADS, Load, measure_memory
from tests.drills.moves import MOVES

pytestmark = pytest.mark.asyncio(loop_scope="module")

_WAITING = (
    storm_of_429,
    telegram_outage,
    gateway_outage,
    results_wait_for_telegram,
    restart_while_results_wait,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="bot_processes")
async def open_bot_processes() -> AsyncIterator[BotProcesses]:
    async with BotProcesses.open() as bot_processes:
        yield bot_processes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def waited(bot_processes: BotProcesses) -> Mapping[Drill, Report]:
    """What the drills report that mostly wait; all run at the same time."""
    reports = await asyncio.gather(*(drill(bot_processes, SHORT) for drill in _WAITING))
    return dict(zip(_WAITING, reports, strict=True))


@pytest.mark.parametrize("drill", _WAITING, ids=lambda drill: drill.__name__)
async def test_an_outage_loses_nothing_and_sends_nothing_twice(waited: Mapping[Drill, Report], drill: Drill):
    assert waited[drill].verdict.is_good, waited[drill]
    assert waited[drill].runs > 0


@pytest.mark.parametrize(
    "drill", [each for each in (*DRILLS, *MOVES) if each not in _WAITING], ids=lambda drill: drill.__name__
)
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
