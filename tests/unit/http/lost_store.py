"""A store that is unavailable."""

from bot.http.report import CheckedStore
from storage.errors import StoreUnavailable
from storage.models import Stats


class LostStore(CheckedStore):
    """A store whose every call raises StoreUnavailable."""

    async def check(self) -> None:
        raise StoreUnavailable("The disk is gone.")

    async def stats(self) -> Stats:
        raise StoreUnavailable("The disk is gone.")
