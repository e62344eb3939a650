"""An archive that can't be reached."""

from bot.http.report import Archive
from storage.errors import StoreUnavailable
from storage.models import Stats


class LostArchive(Archive):
    """An archive whose disk is gone."""

    async def check(self) -> None:
        raise StoreUnavailable("The disk is gone.")

    async def stats(self) -> Stats:
        raise StoreUnavailable("The disk is gone.")
