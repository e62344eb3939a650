"""The bot's state is read from outside, and what can't be read is left out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.web.mind import Mind

_METRICS = """# TYPE reelwatch_key_limit_requests_per_second gauge
reelwatch_key_limit_requests_per_second{key_group="jimeng,wan"} 20.0
"""
_DATABASE: dict[str, Any] = {"tasks": [], "deliveries": [], "learned": []}


@pytest.fixture
async def health_url() -> AsyncIterator[str]:
    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"ok": False, "summary": "The bot is not ready: telegram away."}, status=503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=_METRICS)

    application = web.Application()
    application.add_routes([web.get("/readyz", readyz), web.get("/metrics", metrics)])
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_database_health_and_metrics_are_read(health_url: str) -> None:
    mind = await Mind(lambda: _DATABASE, health_url).read()

    assert mind == _DATABASE | {
        "keys": [{"name": "jimeng,wan", "limit": "20.0"}],
        "problems": ["The bot is not ready: telegram away."],
    }


async def test_a_bot_that_has_not_started_yet_has_nothing() -> None:
    def read_database() -> dict[str, Any]:
        raise FileNotFoundError

    assert await Mind(read_database, "http://127.0.0.1:9").read() == {}
