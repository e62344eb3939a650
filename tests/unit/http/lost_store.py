"""A store that is unavailable, and its disk."""

from datetime import datetime
from pathlib import Path

from bot.http.disk import Disk
from storage.errors import StoreUnavailable
from storage.figures import Figures
from storage.models import Workload

DISK = Disk(Path("downloads"), {"database": Path()})


class LostStore:
    """A store whose every call raises StoreUnavailable."""

    async def check(self) -> None:
        raise StoreUnavailable("The disk is gone.")

    async def figures(self) -> Figures:
        raise StoreUnavailable("The disk is gone.")

    async def workload(self, *, at: datetime) -> Workload:
        raise StoreUnavailable("The disk is gone.")
