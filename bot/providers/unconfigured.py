"""The provider for tasks whose provider is no longer in the settings."""

from bot.providers.base import AuthFailed, MediaSource, Provider
from storage.models import Cause, Media, Snapshot


class Unconfigured(Provider):
    """A provider without a gateway; only links that need no key can still be fetched."""

    kind = ""
    host = ""

    def __init__(self, name: str) -> None:
        self.name = name

    async def fetch(self, external_id: str) -> Snapshot:
        """Raise AuthFailed."""
        raise self._refusal()

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        """Return how to fetch the video; raises AuthFailed if that needs the key."""
        if media.url is None or media.needs_auth:
            raise self._refusal()
        return MediaSource(url=media.url)

    def _refusal(self) -> AuthFailed:
        return AuthFailed("", cause=Cause.NOT_CONFIGURED)
