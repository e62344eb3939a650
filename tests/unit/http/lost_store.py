"""A store that is unavailable, and what a page of metrics reads."""

from datetime import datetime
from pathlib import Path

from bot.health.states import Liveness
from bot.health.store_check import DatabaseState
from bot.http.disk import Disk
from bot.http.exposition import MeasuredStore, Sources
from storage.errors import StoreUnavailable
from storage.figures import Figures, Workload
from storage.leadership import Leadership, SoleLeadership

DISK = Disk(Path("downloads"), {"database": Path()})


def sources(
    store: MeasuredStore,
    disk: Disk = DISK,
    *,
    database: DatabaseState = DatabaseState.OK,
    leadership: Leadership | None = None,
) -> Sources:
    """The sources of a page; database: the state of the last write check."""

    async def live() -> Liveness:
        return Liveness(database=database, loops={})

    return Sources(store=store, disk=disk, live=live, leadership=leadership or SoleLeadership())


class LostStore:
    """A store whose every call raises StoreUnavailable."""

    leadership: Leadership = SoleLeadership()

    async def check(self) -> None:
        raise StoreUnavailable("The disk is gone.")

    async def figures(self) -> Figures:
        raise StoreUnavailable("The disk is gone.")

    async def workload(self, *, at: datetime) -> Workload:
        raise StoreUnavailable("The disk is gone.")
