"""A store that is unavailable, and its disk."""

from pathlib import Path

from bot.http.disk import Disk
from bot.http.report import CheckedStore
from storage.errors import StoreUnavailable
from storage.figures import Figures

DISK = Disk(Path("downloads"), {"database": Path()})


class LostStore(CheckedStore):
    """A store whose every call raises StoreUnavailable."""

    async def check(self) -> None:
        raise StoreUnavailable("The disk is gone.")

    async def figures(self) -> Figures:
        raise StoreUnavailable("The disk is gone.")
