"""The fake Telegram with python-telegram-bot's own HTTP client at it."""

from collections.abc import AsyncIterator

import pytest
from telegram import Bot
from telegram.request import HTTPXRequest

from bot.sandbox.telegram import FakeTelegram


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[Bot]:
    """PTB's Bot as a program would use it."""
    async with connected(telegram) as connected_bot:
        yield connected_bot


def connected(server: FakeTelegram, *, token: str | None = None) -> Bot:
    """Another PTB Bot, of the same token unless said."""
    return Bot(
        token or server.token,
        base_url=f"{server.url}/bot",
        base_file_url=f"{server.url}/file/bot",
        request=HTTPXRequest(httpx_kwargs={"verify": False}),  # loading certificates takes its time
        get_updates_request=HTTPXRequest(httpx_kwargs={"verify": False}),
        local_mode=server.state.local,
    )
