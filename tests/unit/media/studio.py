"""A fake gateway with links that a test sets."""

from bot.providers.base import MediaSource, Provider, ProviderError
from storage.models import Media, Snapshot, TaskStatus


class Studio(Provider):
    """Returns each link unchanged, and the fresh one when polled."""

    name = "studio"
    kind = "videos"
    host = "studio.example"

    def __init__(self) -> None:
        self.anew: Media | ProviderError | None = None
        self.key: dict[str, str] | None = None
        self.asked: list[str] = []
        self.opened: list[str] = []

    async def fetch(self, external_id: str, *, is_counted: bool = False) -> Snapshot:
        self.asked.append(external_id)
        if isinstance(self.anew, ProviderError):
            raise self.anew
        return Snapshot(status=TaskStatus.SUCCEEDED, raw_status="done", media=self.anew)

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        self.opened.append(external_id)
        return MediaSource(url=media.url, headers=self.key)
