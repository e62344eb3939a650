"""A sender connected to a fake Telegram."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram.ext import ExtBot

from bot.bot_api.request import BotApiRequest
from bot.media.video import VideoFile
from bot.outbox.sender import Sender
from bot.sandbox.telegram import FakeTelegram
from tests.fakes.databases import new_database
from tests.unit.outbox.worker_harness import BrittleStore, WorkerHarness


@pytest.fixture
async def bot(telegram: FakeTelegram) -> AsyncIterator[ExtBot[None]]:
    request = BotApiRequest(httpx_kwargs={"verify": False})  # loading certificates takes its time
    async with ExtBot(telegram.token, base_url=f"{telegram.url}/bot", request=request) as connected:
        yield connected


@pytest.fixture
def sender(bot: ExtBot[None]) -> Sender:
    return Sender(bot)


@pytest.fixture
def video(sample: Path) -> VideoFile:
    """The sample video with all its metadata."""
    thumbnail = sample.with_suffix(".jpg")
    thumbnail.write_bytes(b"\xff\xd8\xff" + bytes(1000))
    return VideoFile(
        source=sample,
        size=sample.stat().st_size,
        width=320,
        height=180,
        duration_s=2.4,
        thumbnail=thumbnail,
    )


@pytest.fixture
async def harness(tmp_path: Path, telegram: FakeTelegram) -> AsyncIterator[WorkerHarness]:
    """Not started yet."""
    store = await BrittleStore.open(await new_database(tmp_path / "reelwatch.db"))
    harness = WorkerHarness(store, telegram)
    async with harness.bot:
        harness.steady.advance(1)  # it has called getMe
        yield harness
    await store.close()
