"""The health pages, `health` and the notifications of systemd, with the real process."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.messages.translate import catalogue
from bot.sandbox.faults import json_response
from bot.sandbox.ports import free_port
from bot.telemetry import STANDING_BY
from tests.e2e.scene import ADMIN, BOOT_S, Scene


@pytest.fixture
def port() -> str:
    """A port on which nobody listens."""
    return str(free_port())


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def notifications(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


async def page(session: aiohttp.ClientSession, port: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body; waits until the server listens."""
    async with asyncio.timeout(BOOT_S):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectorError):
                async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                    return response.status, json.loads(await response.text())
            await asyncio.sleep(0.1)


async def test_an_outage_of_telegram_is_told_by_readyz_and_never_by_livez(
    scene: Scene, port: str, session: aiohttp.ClientSession
):
    bot = await scene.start_bot(HEALTH_PORT=port)
    anna, task = scene.add_user(), scene.task("newapi")
    scene.finish(task)
    await scene.until_video(anna, await scene.watch(anna, task))
    await scene.until_all_is_sent()

    well = await scene.run("health", HEALTH_PORT=port)
    assert await well.end() == 0
    assert well.output == "The bot is alive: its loops run and the database takes writes.\n"
    status, alive = await page(session, port, "/livez")
    assert status == 200
    assert {f"health.loop.{loop}" for loop in (*alive["loops"], "start", STANDING_BY)} == {
        key for key in catalogue("en") if key.startswith("health.loop.")
    }
    status, ready = await page(session, port, "/healthz")
    assert (status, ready["telegram"], ready["providers"]["newapi"]) == (200, "ok", "up")
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        metrics = await answer.text()
    assert 'reelwatch_tasks{status="succeeded"} 1.0\n' in metrics
    assert 'reelwatch_delivery_attempts_total{kind="result",outcome="sent"} 1.0\n' in metrics
    assert 'reelwatch_video_delay_seconds_count{provider="newapi"} 1.0\n' in metrics
    assert 'reelwatch_polls_total{outcome="success",provider="newapi"}' in metrics

    scene.telegram.is_down = True
    scene.telegram.send(anna, "/tasks")  # ends the long poll
    await scene.wait_for(lambda: "is not responding" in bot.log)
    status, ready = await page(session, port, "/readyz")
    assert (status, ready["telegram"]) == (503, "away")
    still_well = await scene.run("health", HEALTH_PORT=port)
    assert await still_well.end() == 0


async def test_a_bot_that_has_never_reached_telegram_is_alive_and_started(
    scene: Scene, port: str, session: aiohttp.ClientSession, notifications: socket.socket
):
    scene.telegram.is_down = True
    bot = await scene.run(
        HEALTH_PORT=port,
        NOTIFY_SOCKET=notifications.getsockname(),
        WATCHDOG_USEC="1000000",
    )
    heard: dict[str, str] = {}

    async def until(name: str, beginning: str) -> None:
        async with asyncio.timeout(BOOT_S):
            while not heard.get(name, "").startswith(beginning):
                with contextlib.suppress(BlockingIOError):
                    lines = notifications.recv(65_536).decode().split("\n")
                    heard.update({line.partition("=")[0]: line.partition("=")[2] for line in lines})
                await asyncio.sleep(0.02)

    await until("READY", "1")
    await until("WATCHDOG", "1")
    await until("STATUS", "Watching 0 tasks; Telegram has not been reached since ")
    assert (await page(session, port, "/livez"))[0] == 200
    status, ready = await page(session, port, "/readyz")
    assert (status, ready["telegram"]) == (503, "connecting")

    scene.telegram.is_down = False
    await until("STATUS", "Watching 0 tasks")
    assert await bot.stop() == 0
    await until("STOPPING", "1")


async def test_a_gateway_that_rejects_the_key_is_told_by_name_and_in_the_chat(
    scene: Scene, port: str, session: aiohttp.ClientSession
):
    await scene.start_bot(HEALTH_PORT=port)
    anna = scene.add_user()
    first, second = (scene.task("videos") for _ in range(2))
    for task in (first, second):
        await scene.watch(anna, task)
    assert "All is well." in (await scene.command(ADMIN, "/health")).plain_text

    scene.gateway.fail(
        "videos",
        json_response(401, {"error": {"message": "invalid token", "type": "new_api_error"}}),
        times=None,
    )
    for task in (first, second):
        await scene.poll(anna, task)
    await scene.wait_for(lambda: scene.telegram.messages(ADMIN)[-1].plain_text.startswith("⚠️"), timeout_s=30)

    assert (await page(session, port, "/livez"))[0] == 200
    status, ready = await page(session, port, "/readyz")
    assert (status, ready["providers"]["videos"]) == (503, "key")
    lines = (await scene.command(ADMIN, "/health")).plain_text.split("\n")
    assert lines[0] == "⚠️ 1 thing is wrong."
    assert "rejects the bot's API key (HTTP 401). Since " in lines[2]
    assert lines[2].endswith("; 2 tasks are waiting for it.")


async def test_health_without_a_bot_or_a_port_reports_it(scene: Scene, port: str):
    nobody = await scene.run("health", HEALTH_PORT=port)
    nowhere = await scene.run("health")
    assert await nobody.end() == 1
    assert port in nobody.log
    assert await nowhere.end() == 2
    assert "HEALTH_PORT" in nowhere.log


async def test_a_health_port_in_use_is_reported_in_one_sentence(scene: Scene):
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = await scene.run(HEALTH_PORT=str(port))
        assert await program.end() == 2

    assert program.log.splitlines()[-1] == (
        f"HEALTH_PORT {port} can't be listened on: Address already in use."
    )
    assert "Traceback" not in program.log
