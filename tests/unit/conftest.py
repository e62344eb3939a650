"""The fake Telegram, for whoever sends something."""

import resource
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.sandbox.sample_video import make_video
from bot.sandbox.telegram import FakeTelegram
from tests.fakes.places import ANNA, CHANNEL, FORUM, GROUP
from tests.unit.file_host import FileHost


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


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A video on disk."""
    path = tmp_path / "film.mp4"
    path.write_bytes(make_video())
    return path


@pytest.fixture
async def files() -> AsyncIterator[FileHost]:
    """A host that can be reached at two ports, which are two hosts for all that a client can see."""
    server = FileHost(ports=2)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file grows beyond 64 KiB."""
    before, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, heard)
