"""What the bot of the demo has in its database, for the page of the demo."""

import json
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from storage import factory
from storage.errors import StoreError
from storage.records import TABLES, Dump, Record

_TABLES = {table.name: table for table in TABLES}
_MOST = 30  # tasks and deliveries that are shown, the newest
_LOOKED_AT = 100  # deliveries, the newest: of a demo that runs for hours, thousands are kept that were sent


def read_state(database: Path) -> dict[str, Any]:
    """Its tasks with their next polls, waiting deliveries, and the durations that were learned.

    Raises OSError while there is no database, or none that can be read.
    """
    try:
        with factory.open_dump(database) as dump:
            return {
                "tasks": [_task(record) for record in _newest(dump, "tasks", _MOST)],
                "deliveries": [
                    {"kind": each["kind"], "chat": each["chat_id"], "createdAt": _seconds(each["created_at"])}
                    for each in _newest(dump, "deliveries", _LOOKED_AT)
                    if each["state"] in {"pending", "sending"}
                ][:_MOST],
                "learned": [row for record in _newest(dump, "estimates", _MOST) for row in _learned(record)],
            }
    except StoreError as error:
        raise OSError(str(error)) from error


def _newest(dump: Dump, table: str, number: int) -> list[Record]:
    """So many records, newest first."""
    return list(dump.records(_TABLES[table], newest=number))[::-1]


def _task(record: Record) -> dict[str, Any]:
    failure = record["poll_failure"]
    return {
        "provider": record["provider"],
        "externalId": record["external_id"],
        "status": record["status"],
        "cause": failure and failure["cause"],
        "nextPollAt": _seconds(record["next_poll_at"]),
    }


def _learned(record: Record) -> list[dict[str, Any]]:
    histories = json.loads(record["data"])
    return [
        {
            "provider": each["provider"],
            "model": each["model"],
            "typicalS": median(each["durations_s"]),
            "count": len(each["durations_s"]),
        }
        for each in histories
        if each["durations_s"]
    ]


def _seconds(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()
