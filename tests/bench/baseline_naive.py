"""python -m tests.bench.baseline_naive: the poller that most bots have.

A job of python-telegram-bot's JobQueue for each task, a client for each poll, a commit after each.
"""

import json
import sqlite3
import sys
import time
from typing import Any

import httpx
from telegram.ext import Application, ContextTypes

from tests.bench.kinds import KEY

_UPDATE = "UPDATE tasks SET status = ?, polled_at = ? WHERE url = ?"


def status_in(answer: dict[str, Any]) -> str:
    """The raw status, at any format's path."""
    task = answer.get("output") or answer.get("data") or answer
    return str(task.get("task_status") or task.get("status"))


def main() -> None:
    """Poll the tasks given on standard input, until SIGTERM."""
    order = json.load(sys.stdin)
    database = sqlite3.connect(order["database"])
    database.execute("CREATE TABLE tasks (url TEXT PRIMARY KEY, status TEXT, polled_at REAL)")
    database.executemany("INSERT INTO tasks (url) VALUES (?)", [(url,) for url in order["urls"]])
    database.commit()

    async def poll(context: ContextTypes.DEFAULT_TYPE) -> None:
        assert context.job is not None
        url = str(context.job.data)
        async with httpx.AsyncClient(timeout=20) as client:
            response = await client.get(url, headers={"Authorization": f"Bearer {KEY}"})
        status = status_in(response.json())
        database.execute(_UPDATE, (status, time.time(), url))
        database.commit()

    application = Application.builder().token("4242:bench").base_url(f"{order['telegram']}/bot").build()
    assert application.job_queue is not None
    pace_s = order["pace_s"]
    for number, url in enumerate(order["urls"]):
        first_s = 1 + pace_s * number / len(order["urls"])
        application.job_queue.run_repeating(poll, pace_s, first=first_s, data=url)
    application.run_polling()


if __name__ == "__main__":
    main()
