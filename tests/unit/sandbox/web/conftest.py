"""The page's server beside a fake Telegram and gateway, without a bot."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bot.sandbox.environment import Sandbox, open_sandbox
from bot.sandbox.web.server import WebPage

MIND: dict[str, Any] = {"tasks": [], "deliveries": [], "learned": []}


async def read_mind() -> dict[str, Any]:
    """What the bot knows: nothing."""
    return MIND


@dataclass(slots=True)
class FakeTours:
    """Counts how often the tour was started; while it is on it is not started."""

    started: int = 0
    is_on: bool = False

    def play_again(self) -> bool:
        """Start it, unless it is on."""
        self.started += not self.is_on
        return not self.is_on


@pytest.fixture
def tours() -> FakeTours:
    return FakeTours()


@dataclass(frozen=True, slots=True)
class Client:
    """A browser at the page."""

    session: aiohttp.ClientSession
    address: str

    async def do(self, action: str, given: object, **headers: str) -> tuple[int, Any]:
        """POST as the page does; returns status and body."""
        sent = {"Origin": self.address} | headers
        async with self.session.post(f"{self.address}/do/{action}", json=given, headers=sent) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())


@pytest.fixture
async def sandbox(capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Sandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture
async def client(sandbox: Sandbox, tours: FakeTours) -> AsyncIterator[Client]:
    page = WebPage(sandbox, read_mind, tours.play_again)
    async with page.serving("127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        yield Client(session, address)
