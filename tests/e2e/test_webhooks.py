"""Updates by webhook instead of long polling."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene

HEADER = "X-Telegram-Bot-Api-Secret-Token"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene whose bots get updates at http://127.0.0.1; only a local Bot API server sends there."""
    port = free_port()
    settings = {"WEBHOOK_URL": f"http://127.0.0.1:{port}/hook-7f3a", "WEBHOOK_PORT": str(port)}
    async with Scene.open(tmp_path, TELEGRAM_LOCAL_MODE="true", **settings) as scene:
        scene.telegram.state.webhook.pace = 0.1
        yield scene


async def test_a_watch_arrives_by_webhook_and_its_video_is_sent(scene: Scene):
    bot, anna, task = await scene.start_bot(), scene.add_user(), scene.task("jimeng")
    command = await scene.watch(anna, task)
    scene.finish(task)
    await scene.poll(anna, task)
    await scene.until_video(anna, command)
    assert "Telegram sends the updates to http://127.0.0.1:" in bot.log
    assert "7f3a" not in bot.log
    assert not any(each.method == "getUpdates" for each in scene.telegram.requests)
    assert await bot.stop() == 0
    assert scene.telegram.state.updates.webhook_url  # updates wait for the next start
