"""A store that is unavailable, and what a page of metrics reads."""

from datetime import datetime
from pathlib import Path

from bot.health.states import Liveness
from bot.health.store_check import DatabaseState
from bot.http.disk import Disk
from bot.http.exposition import MeasuredStore, Sources
from storage.errors import StoreUnavailable
from storage.figures import Figures, Workload

DISK = Disk(Path("downloads"), {"database": Path()})


def sources(
    store: MeasuredStore, disk: Disk = DISK, *, database: DatabaseState = DatabaseState.OK
) -> Sources:
    """The sources of a page; database: the state of the last write check."""

    async def live() -> Liveness:
        return Liveness(database=database, loops={})

    return Sources(store=store, disk=disk, live=live)


class LostStore:
    """A store whose every call raises StoreUnavailable."""

    async def check(self) -> None:
        raise StoreUnavailable("The disk is gone.")

    async def figures(self) -> Figures:
        raise StoreUnavailable("The disk is gone.")

    async def workload(self, *, at: datetime) -> Workload:
        raise StoreUnavailable("The disk is gone.")
