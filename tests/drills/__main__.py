"""python -m tests.drills: all drills in full, as a table."""

import asyncio
import logging
import sys
import time

from tests.drills.drills import DRILLS, FULL, SHORT, Report
from tests.drills.nursery import Nursery

_HEAD = "| drill | times | videos | lost | doubled | stray lines | cards not final |"


def row(report: Report) -> str:
    """A report as a line of the table."""
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


async def main() -> int:
    """Print the table as it grows; 0 if nothing was lost, doubled or left open."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # killed bots hang up in mid-sentence
    scale = SHORT if "--short" in sys.argv else FULL
    begun = time.monotonic()
    print(f"{_HEAD}\n|{' --- |' * 7}", flush=True)
    reports = []
    async with Nursery.open() as nursery:
        for drill in DRILLS:
            reports.append(await drill(nursery, scale))
            print(row(reports[-1]), flush=True)
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 0 if all(report.verdict.is_good for report in reports) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
