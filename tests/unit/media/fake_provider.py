"""A fake gateway with links that a test sets."""

from bot.providers.base import MediaSource, Provider, ProviderError
from storage.models import Media, Snapshot, TaskStatus


class FakeProvider(Provider):
    """Returns each link unchanged, and the fresh one when polled."""

    name = "studio"

    def __init__(self) -> None:
        self.fresh_link: Media | ProviderError | None = None
        self.key: dict[str, str] | None = None
        self.polled_ids: list[str] = []
        self.opened: list[str] = []

    async def fetch(self, external_id: str, *, is_counted: bool = False) -> Snapshot:
        self.polled_ids.append(external_id)
        if isinstance(self.fresh_link, ProviderError):
            raise self.fresh_link
        return Snapshot(status=TaskStatus.SUCCEEDED, raw_status="done", media=self.fresh_link)

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        self.opened.append(external_id)
        return MediaSource(url=media.url, headers=self.key)
