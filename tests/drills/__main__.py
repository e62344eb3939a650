"""python -m tests.drills: all drills in full, as tables.

--short: in the form that `make test` does. Names of drills: only these.
E2E_DATABASE=postgres: the drills with one bot, with the database on a PostgreSQL server instead of a file.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from statistics import median
from typing import Any, TypeVar

from tests.drills.bot_processes import BotProcesses
from tests.drills.drills import DRILLS, FULL, SHORT, Drill, Report, Scale
from tests.drills.hung_loops import CASES, SHORT_CASES, SHORT_SPEED, detect_hang
from tests.drills.memory import LOADS, SHORT_LOADS, Load, MemoryUse, measure_memory
from tests.drills.moves import MOVES
from tests.drills.replica_drills import REPLICA_DRILLS
from tests.drills.replica_reports import (
    REPLICA_FULL,
    REPLICA_SHORT,
    ReplicaDrill,
    ReplicaReport,
    ReplicaScale,
)
from tests.drills.takeovers import FAKE_TIME, kill_replicas, kill_with_clocks_apart
from tests.e2e.database import ON_POSTGRES
from tests.postgres.server import wheel
from tests.programs import find_library

_Function = TypeVar("_Function", bound=Callable[..., Any])

_CLOCKS_COST_S = 1.0

_HEAD = "| drill | runs | videos | lost | duplicated | leftover texts | cards not final |"
_HANG_HEAD = "| coroutine that hangs | at | red after | what /livez says |"
_REPLICA_HEAD = (
    "| drill with three replicas | faults | videos | lost | duplicated | leftover texts | cards not final"
    " | takeover, median / longest | a command waits at most | end → video, 95 % |"
)
_MEMORY_HEAD = "| video | sent to Telegram | bot before | growth | probe process |"


def row(report: Report) -> str:
    """A report as a row of the table."""
    found = report.verdict
    cells = (
        report.what,
        report.runs,
        report.videos,
        found.lost,
        found.doubled,
        found.strays,
        found.open_cards,
    )
    return f"| {' | '.join(map(str, cells))} |"


def memory_row(measurement: MemoryUse) -> str:
    """A memory measurement as a row of its table."""
    way = "by path" if measurement.load.by_path else "by multipart"
    memory = (measurement.before_mb, measurement.grew_mb, measurement.probe_mb)
    cells = (f"{measurement.load.video_mb} MB", way, *(f"{each_mb:.1f} MB" for each_mb in memory))
    return f"| {' | '.join(cells)} |"


def replica_row(report: ReplicaReport) -> str:
    """A report of a drill with replicas as a row of its table."""
    found, takeovers_s = report.verdict, report.takeovers_s
    counts = (report.faults, report.videos, found.lost, found.doubled, found.strays, found.open_cards)
    times = f"{median(takeovers_s):.1f} / {max(takeovers_s):.1f} s" if takeovers_s else "–"
    cells = (report.what, *counts, times, f"{report.longest_wait_s:.1f} s", f"{report.latency_s:.1f} s")
    return f"| {' | '.join(map(str, cells))} |"


async def main() -> int:
    """Print the tables; 0 if nothing was lost or doubled, no hang overlooked, and memory is in bounds."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # killed bots drop their connections
    is_short, names = "--short" in sys.argv, {each for each in sys.argv[1:] if not each.startswith("-")}
    begun = time.monotonic()
    all_passed = True
    print(f"The database of the drills with one bot: {'PostgreSQL' if ON_POSTGRES else 'SQLite'}\n")
    async with BotProcesses.open() as bot_processes:
        if drills := _chosen((*DRILLS, *MOVES), names):
            all_passed &= await _drill(bot_processes, drills, SHORT if is_short else FULL)
        if _chosen((detect_hang,), names):
            all_passed &= await _detect_hangs(bot_processes, is_short=is_short)
        if _chosen((measure_memory,), names):
            all_passed &= await _measure_memory(bot_processes, SHORT_LOADS if is_short else LOADS)
    if replica_drills := () if ON_POSTGRES and not names else _chosen(REPLICA_DRILLS, names):
        all_passed &= await _drill_replicas(replica_drills, REPLICA_SHORT if is_short else REPLICA_FULL)
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 0 if all_passed else 1


def _chosen(drills: Sequence[_Function], names: Set[str]) -> Sequence[_Function]:
    """Those of the names, or all."""
    return [each for each in drills if not names or each.__name__ in names]


async def _drill(bot_processes: BotProcesses, drills: Sequence[Drill], scale: Scale) -> bool:
    _begin_table(_HEAD)
    reports = []
    for drill in drills:
        reports.append(await drill(bot_processes, scale))
        print(row(reports[-1]), flush=True)
    return all(report.verdict.is_good for report in reports)


async def _detect_hangs(bot_processes: BotProcesses, *, is_short: bool) -> bool:
    print()
    _begin_table(_HANG_HEAD)
    cases, speed = (SHORT_CASES, SHORT_SPEED) if is_short else (CASES, 1.0)
    found = await asyncio.gather(*(detect_hang(bot_processes, case, speed=speed) for case in cases))
    for each in found:
        cells = (each.case.coroutine, each.case.at, f"{each.red_after_s:.0f} s", each.summary)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return all(each.is_good for each in found)


async def _measure_memory(bot_processes: BotProcesses, loads: Iterable[Load]) -> bool:
    print()
    _begin_table(_MEMORY_HEAD)
    measurements = []
    for load in loads:
        measurements.append(await measure_memory(bot_processes, load))
        print(memory_row(measurements[-1]), flush=True)
    return all(measurement.is_good for measurement in measurements)


async def _drill_replicas(drills: Iterable[ReplicaDrill], scale: ReplicaScale) -> bool:
    print()
    if wheel() is None:
        print("No drill with replicas: there is no PostgreSQL for this platform.")
        return True
    _begin_table(_REPLICA_HEAD)
    reports: dict[ReplicaDrill, ReplicaReport] = {}
    for drill in drills:
        if drill is kill_with_clocks_apart and find_library(FAKE_TIME) is None:
            print(f"{drill.__name__} needs {FAKE_TIME}", flush=True)
            continue
        reports[drill] = await drill(scale)
        print(replica_row(reports[drill]), flush=True)
    for report in reports.values():
        for complaint in report.complaints:
            print(f"{report.what}: {complaint}")
    return all(report.is_good for report in reports.values()) and _are_clocks_harmless(reports)


def _are_clocks_harmless(reports: Mapping[ReplicaDrill, ReplicaReport]) -> bool:
    """Whether videos come as soon with clocks that are wrong, if both drills ran."""
    right, wrong = reports.get(kill_replicas), reports.get(kill_with_clocks_apart)
    return right is None or wrong is None or wrong.latency_s <= right.latency_s + _CLOCKS_COST_S


def _begin_table(head: str) -> None:
    print(f"{head}\n|{' --- |' * (head.count('|') - 1)}", flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
