"""The make-believe Telegram, for whoever sends something."""

from collections.abc import AsyncIterator

import pytest

from bot.sandbox.telegram import FakeTelegram
from tests.fakes.places import ANNA, CHANNEL, FORUM, GROUP


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """Running, with a chat of each kind."""
    server = FakeTelegram()
    server.private_chat(ANNA)
    server.group(GROUP)
    server.forum(FORUM)
    server.channel(CHANNEL)
    await server.start()
    yield server
    await server.stop()
