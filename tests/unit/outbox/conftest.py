"""The sender at a make-believe Telegram, and a host for files."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram.ext import ExtBot

from bot.bot_api.request import BotApiRequest
from bot.outbox.sender import Sender
from bot.sandbox.film import make_film
from bot.sandbox.telegram import FakeTelegram
from tests.unit.outbox.files import Files


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[ExtBot[None]]:
    request = BotApiRequest(httpx_kwargs={"verify": False})  # loading certificates takes its time
    async with ExtBot(telegram.token, base_url=f"{telegram.url}/bot", request=request) as connected:
        yield connected


@pytest.fixture
def sender(bot: ExtBot[None]) -> Sender:
    return Sender(bot)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film on disk."""
    path = tmp_path / "film.mp4"
    path.write_bytes(make_film())
    return path


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    """A host that can be reached at two ports, which are two hosts for all that a client can see."""
    server = Files(ports=2)
    await server.start()
    yield server
    await server.stop()
