"""Updates by webhook instead of long polling."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.ports import free_port
from bot.sandbox.telegram.webhook import Webhook
from tests.e2e.database import about_sqlite
from tests.e2e.nginx import needs_nginx, nginx
from tests.e2e.scene import Scene
from tests.fakes.tls import trusting

HEADER = "X-Telegram-Bot-Api-Secret-Token"
PATH = "/telegram"
LONG_POLLING = {"WEBHOOK_URL": "", "WEBHOOK_PORT": ""}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene whose bots get updates at http://127.0.0.1; only a local Bot API server sends there."""
    port = free_port()
    settings = {"WEBHOOK_URL": f"http://127.0.0.1:{port}{PATH}", "WEBHOOK_PORT": str(port)}
    async with Scene.open(tmp_path, TELEGRAM_LOCAL_MODE="true", **settings) as scene:
        scene.telegram.state.webhook.pace = 0.1
        yield scene


async def test_a_watch_arrives_by_webhook_and_its_video_is_sent(scene: Scene):
    bot = await scene.start_bot()
    await _watch_to_the_video(scene)
    assert "Telegram sends the updates to http://127.0.0.1:" in bot.log
    assert PATH not in bot.log
    await _see_that_only_who_knows_the_secret_is_heard(scene)
    assert not any(each.method == "getUpdates" for each in scene.telegram.requests)
    assert await bot.stop() == 0
    assert "Traceback" not in bot.log


async def test_switching_between_webhook_and_long_polling_loses_nothing(scene: Scene):
    anna = scene.add_user()
    for settings in (LONG_POLLING, {}, LONG_POLLING):
        waiting = scene.telegram.send(anna, "/help")
        bot = await scene.start_bot(**settings)
        await scene.first_reply(anna, waiting)
        assert await scene.command(anna, "/tasks")
        assert await bot.stop() == 0
        assert bool(scene.telegram.state.updates.webhook_url) == (not settings)
    assert bot.log.count("Removed a webhook to 127.0.0.1:") == 1
    assert scene.telegram.state.updates.waiting == 0


async def test_kill_9_while_commands_come_loses_and_doubles_nothing(scene: Scene):
    await _watch_through_kills(scene, kills=2, commands=16)


@about_sqlite
async def test_a_watch_that_a_full_disk_refuses_is_done_when_there_is_room(scene: Scene):
    bot, anna, task = await scene.start_bot(), scene.add_user(), scene.task("videos")
    await scene.command(anna, "/help")
    resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    command = scene.telegram.send(anna, f"/watch videos {task.task_id}")
    assert "as soon as it works" in (await scene.first_reply(anna, command)).plain_text
    resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await scene.until_shown(anna, command, task.task_id, "Queued")
    assert len(scene.replies(anna, command)) == 2


async def test_a_port_in_use_is_reported_in_one_sentence(scene: Scene):
    port = int(scene.settings["WEBHOOK_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        program = await scene.run()
        assert await program.end() == 2
    assert program.log.splitlines()[-1] == (
        f"WEBHOOK_PORT {port} can't be listened on: Address already in use."
    )


async def test_check_shows_the_route_and_what_telegram_says(scene: Scene):
    check = await scene.run("check")
    assert await check.end() == 0
    url = scene.settings["WEBHOOK_URL"]
    expected = f"{url} (webhook) must lead to 127.0.0.1:{scene.settings['WEBHOOK_PORT']}"
    assert f"  ok  {expected}; the bot sets it at its start" in " ".join(check.row("updates").split(" "))

    await scene.telegram.state.webhook.set(Webhook(url=url, secret_token="", max_connections=1))
    scene.telegram.send(scene.add_user(), "/tasks")
    await scene.wait_for(lambda: scene.telegram.state.webhook.last_error)
    check, polling = await scene.run("check"), await scene.run("check", WEBHOOK_URL="")  # at the same time
    assert [await check.end(), await polling.end()] == [0, 0]
    assert f"{expected}; it is set, and 1 updates wait; Telegram's last error" in check.row("updates")
    assert "  warn  by long polling; the bot will remove the webhook to 127.0.0.1:" in polling.row("updates")
    assert "  warn  WEBHOOK_PORT is ignored" in polling.row("webhook")


@needs_nginx
async def test_behind_nginx_with_tls_kill_9_loses_and_doubles_nothing(tmp_path: Path):
    port, bot_port = free_port(), free_port()
    settings = {"WEBHOOK_URL": f"https://127.0.0.1:{port}{PATH}", "WEBHOOK_PORT": str(bot_port)}
    async with (
        Scene.open(tmp_path, TELEGRAM_LOCAL_MODE="true", **settings) as scene,
        nginx(tmp_path, port=port, bot_port=bot_port),
    ):
        scene.telegram.state.webhook.tls = trusting()
        scene.telegram.state.webhook.pace = 0.1
        await _watch_through_kills(scene, kills=1, commands=12)
        error = scene.telegram.state.webhook.last_error
        assert error is not None
        assert error[1].startswith("Wrong response from the webhook: 503 Service")  # with Retry-After


async def _watch_to_the_video(scene: Scene) -> None:
    anna, task = scene.add_user(), scene.task("jimeng")
    command = await scene.watch(anna, task)
    scene.finish(task)
    await scene.poll(anna, task)
    await scene.until_video(anna, command)


async def _watch_through_kills(scene: Scene, *, kills: int, commands: int) -> None:
    """Send commands in four chats while bots are killed; see that each brings one video."""
    bot = await scene.start_bot()
    chats = [scene.add_user() for _ in range(4)]
    await scene.command(chats[0], "/help")  # the webhook is set
    watched = []
    for number in range(commands):
        chat_id, task = chats[number % 4], scene.task("videos")
        scene.finish(task)
        watched.append((chat_id, scene.telegram.send(chat_id, f"/watch videos {task.task_id}")))
        await asyncio.sleep(0.01)
        if number % (commands // (kills + 1)) == 1 and number > 1:
            await bot.kill()
            bot = await scene.run()
    for chat_id, command in watched:
        await scene.until_video(chat_id, command)
    await scene.until_all_is_sent()
    for chat_id, command in watched:
        replies = scene.replies(chat_id, command)
        assert sum(message.video is not None for message in replies) == 1
        assert len(replies) <= 2  # a card, where the kill came before the first poll
    await scene.wait_for(lambda: not scene.telegram.state.updates.waiting)


async def _see_that_only_who_knows_the_secret_is_heard(scene: Scene) -> None:
    url = scene.settings["WEBHOOK_URL"]
    webhook = scene.telegram.state.webhook.webhook
    assert webhook is not None
    update = {"update_id": 1, "poll_of_the_future": {}}
    async with aiohttp.ClientSession() as session:
        for secret, status in (("", 403), (scene.telegram.token, 403), (webhook.secret_token, 200)):
            async with session.post(url, json=update, headers={HEADER: secret}) as response:
                assert (response.status, await response.read()) == (status, b"")
