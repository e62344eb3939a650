"""A downloader that may reach the loopback, and where it puts a file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.media.download import Downloader
from bot.private_hosts import PrivateHosts
from tests.fakes.clock import FrozenClock


@pytest.fixture
async def downloader(clock: FrozenClock) -> AsyncIterator[Downloader]:
    async with Downloader(allowed=PrivateHosts(everything=True), sleep=clock.sleep) as opened:
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "films" / "film"
