"""Long polls through proxies that cut them off, and conflicts with webhooks of other programs."""

import asyncio

import aiohttp
import pytest

from bot.sandbox.faults import Fault, html_response
from bot.sandbox.ports import free_port
from bot.sandbox.telegram.server import Request
from tests.e2e.scene import Scene

_LIMIT_S = 1.5
_WEBHOOK = "https://n8n.example/webhook/7f3a-secret"


def _is_too_long(request: Request) -> bool:
    return request.method == "getUpdates" and int(request.params.get("timeout", 0)) > _LIMIT_S


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=504, body=html_response(504).body, delay_s=_LIMIT_S),
        Fault(status=502, delay_s=_LIMIT_S),
        Fault(cut=True, delay_s=_LIMIT_S),
    ],
    ids=["504", "502", "cut"],
)
async def test_a_proxy_that_ends_long_polls_early_causes_no_problem(scene: Scene, fault: Fault):
    port = free_port()
    scene.telegram.fail("getUpdates", fault, times=None, when=_is_too_long)
    bot, anna = await scene.start_bot(HEALTH_PORT=str(port)), scene.add_user()
    await scene.wait_for(lambda: any(map(_is_too_long, scene.telegram.requests)))
    async with aiohttp.ClientSession() as session:
        for _ in range(4):  # while it learns, and after
            assert await scene.command(anna, "/help")
            async with session.get(f"http://127.0.0.1:{port}/healthz") as health:
                assert health.status == 200
            await asyncio.sleep(_LIMIT_S / 2)
    await scene.wait_for(lambda: "Long polls are cut off" in bot.log)
    assert len([each for each in scene.telegram.requests if _is_too_long(each)]) <= 4
    assert bot.log.count("Long polls are cut off; reduced their timeout to 1 s.") == 1
    assert "is not responding" not in bot.log


async def test_an_existing_webhook_is_removed_and_its_host_logged(scene: Scene):
    scene.telegram.state.updates.set_webhook(_WEBHOOK)
    bot = await scene.start_bot()
    assert await scene.command(scene.add_user(), "/help")
    assert bot.log.count("Removed a webhook to n8n.example that blocked long polling.") == 1
    assert "7f3a" not in bot.log
    assert "is not responding" not in bot.log


async def test_a_webhook_set_while_the_bot_runs_stops_it_with_an_error_naming_the_host(scene: Scene):
    bot = await scene.start_bot()
    assert await scene.command(scene.add_user(), "/help")
    scene.telegram.state.updates.set_webhook(_WEBHOOK)
    assert await bot.end() == 1
    assert bot.log.splitlines()[-1].startswith("Another program has set a webhook to n8n.example with this ")
    assert "7f3a" not in bot.log
    assert "Traceback" not in bot.log
    assert scene.telegram.state.updates.webhook_url == _WEBHOOK  # it belongs to the other program
