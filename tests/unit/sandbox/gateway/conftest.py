"""The fake gateway with a clock of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bot.sandbox.gateway import FakeGateway

START = 1_768_000_000.5


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gateway(clock: Clock) -> AsyncIterator[FakeGateway]:
    server = FakeGateway(clock=clock)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[httpx.AsyncClient]:
    """With the key."""
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, verify=False) as connected:
        yield connected


@pytest.fixture
async def storage_client() -> AsyncIterator[httpx.AsyncClient]:
    """Without the key, as links are fetched."""
    async with httpx.AsyncClient(verify=False) as connected:
        yield connected
