"""Questions about the archive as a whole."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from storage.models import DeliveryState, Stats, TaskStatus, WatchState
from storage.sqlite import rows
from storage.sqlite.connection import Transaction


async def stats(tx: Transaction) -> Stats:
    """Counts, with a nought for what there is none of."""
    tasks = await tx.all("SELECT status, count(*) FROM tasks GROUP BY status")
    watches = await tx.all("SELECT state, count(*) FROM watches GROUP BY state")
    deliveries = await tx.all("SELECT state, count(*) FROM deliveries GROUP BY state")
    return Stats(
        tasks=_counts(TaskStatus, tasks),
        watches=_counts(WatchState, watches),
        deliveries=_counts(DeliveryState, deliveries),
    )


async def touch(tx: Transaction) -> None:
    """Write something that changes nothing, so that a full or read-only disk shows."""
    found = await tx.all("PRAGMA user_version")
    await tx.run(f"PRAGMA user_version = {found[0]['user_version']}")


async def prune(tx: Transaction, *, older_than: datetime) -> int:
    """Forget what ended before then and has nothing left to tell; how many tasks."""
    limit = rows.seconds(older_than)
    await tx.run("DELETE FROM deliveries WHERE settled_at < ?", (limit,))
    await tx.run(
        """
        DELETE FROM watches WHERE ended_at < ? AND state IN ('finished', 'stopped') AND NOT EXISTS (
            SELECT 1 FROM deliveries AS d WHERE d.watch_id = watches.id AND d.state IN ('pending', 'sending')
        )
        """,
        (limit,),
    )
    forgotten = await tx.all(
        """
        DELETE FROM tasks
        WHERE coalesce(last_look_at, registered_at) < ?
            AND NOT EXISTS (SELECT 1 FROM watches AS w WHERE w.task_id = tasks.id)
        RETURNING id
        """,
        (limit,),
    )
    return len(forgotten)


def _counts(names: Iterable[StrEnum], found: Iterable[sqlite3.Row]) -> dict[str, int]:
    return {str(name): 0 for name in names} | {name: count for name, count in found}


async def learned(tx: Transaction) -> str | None:
    """What was learned, as it was saved."""
    row = await tx.one("SELECT estimates FROM learned")
    return None if row is None else str(row["estimates"])


async def save_learned(tx: Transaction, estimates: str) -> None:
    """Keep what was learned in place of what was kept before."""
    await tx.run(
        "INSERT INTO learned VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET estimates = excluded.estimates",
        (estimates,),
    )
