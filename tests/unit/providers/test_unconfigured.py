"""A provider that is no longer in the settings."""

import pytest

from bot.providers import gateways
from bot.providers.base import AuthFailed, MediaSource, Provider
from storage.models import Cause, Media
from tests.fakes.transport import never

OPEN = Media(url="https://cdn.example/v.mp4?sig=1")


@pytest.fixture
def gone() -> Provider:
    return gateways.build([], never())["gone"]


async def test_a_person_has_to_put_it_back(gone: Provider):
    with pytest.raises(AuthFailed) as refused:
        await gone.fetch("task-1")

    assert (refused.value.cause, refused.value.permanent) == (Cause.NOT_CONFIGURED, True)


async def test_an_open_link_of_it_still_works(gone: Provider):
    assert await gone.open_media("task-1", OPEN) == MediaSource(url=OPEN.url)


@pytest.mark.parametrize("media", [Media(url=OPEN.url, needs_auth=True), Media(url=None)])
async def test_what_wants_the_key_cannot_be_had(gone: Provider, media: Media):
    with pytest.raises(AuthFailed):
        await gone.open_media("task-1", media)
