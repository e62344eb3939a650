"""python -m tests.bench.baseline_careful: a poller written with care.

One loop, one shared client that keeps its connections, a bound on polls in flight, write-ahead logging;
each response is parsed, and each poll commits its result and the next poll time.
"""

import asyncio
import json
import sqlite3
import sys
import time

import httpx

from tests.bench.baseline_naive import status_in
from tests.bench.kinds import KEY

_IN_FLIGHT = 64  # as many as ours
_UPDATE = "UPDATE tasks SET status = ?, next_poll_at = ? WHERE url = ?"


async def main() -> None:
    """Poll the tasks given on standard input, until killed."""
    order = json.load(sys.stdin)
    database = sqlite3.connect(order["database"], isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("CREATE TABLE tasks (url TEXT PRIMARY KEY, status TEXT, next_poll_at REAL)")
    with database:
        database.executemany("INSERT INTO tasks (url) VALUES (?)", [(url,) for url in order["urls"]])
    places = asyncio.Semaphore(_IN_FLIGHT)
    pace_s = order["pace_s"]
    headers = {"Authorization": f"Bearer {KEY}"}
    limits = httpx.Limits(max_connections=_IN_FLIGHT, max_keepalive_connections=_IN_FLIGHT)

    async def watch(url: str, first_s: float) -> None:
        await asyncio.sleep(first_s)
        while True:
            async with places:
                response = await client.get(url)
            status = status_in(response.json())
            database.execute(_UPDATE, (status, time.time() + pace_s, url))
            await asyncio.sleep(pace_s)

    async with (
        httpx.AsyncClient(headers=headers, timeout=20, limits=limits) as client,
        asyncio.TaskGroup() as watches,
    ):
        for number, url in enumerate(order["urls"]):
            watches.create_task(watch(url, pace_s * number / len(order["urls"])))


if __name__ == "__main__":
    asyncio.run(main())
