"""Two bots with one database in PostgreSQL: one leads, the other stands by and takes over."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.ports import free_port
from tests.e2e.program import Program, until_sigterm_is_handled
from tests.e2e.scene import BOOT_S, Scene


class Replica:
    """A bot with a port for its health."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self._url = f"http://127.0.0.1:{port}"

    async def ready(self) -> dict[str, Any]:
        """The body of /readyz."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/readyz") as response:
            body: dict[str, Any] = await response.json()
            return body | {"status": response.status}

    async def page(self, path: str) -> str:
        """The text of a page."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/{path}") as response:
            assert response.status == 200
            return await response.text()


@pytest.fixture
async def scene(tmp_path: Path, postgres_url: str) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path, DATABASE_URL=postgres_url) as scene:
        yield scene


async def two_replicas(scene: Scene) -> tuple[Replica, Replica]:
    """A leader, and a process that stands by."""
    ports = free_port(), free_port()
    leader = await scene.start_bot(HEALTH_PORT=str(ports[0]))
    standby = await scene.run(HEALTH_PORT=str(ports[1]))
    await scene.wait_for(lambda: "Standing by" in standby.log, timeout_s=BOOT_S)
    return Replica(leader, ports[0]), Replica(standby, ports[1])


async def test_the_pages_say_who_leads_and_who_stands_by(scene: Scene):
    leader, standby = await two_replicas(scene)

    led, stood_by = await leader.ready(), await standby.ready()

    assert (led["role"], stood_by["role"]) == ("leader", "standby")
    assert (led["status"], stood_by["status"]) == (200, 200)
    assert stood_by["summary"].startswith("The bot is ready to lead: it stands by, and ")
    assert "it stands by to lead" in await standby.page("livez")
    assert "\nreelwatch_leader 1.0\n" in await leader.page("metrics")
    assert "\nreelwatch_leader 0.0\n" in await standby.page("metrics")
    for replica in (standby, leader):
        assert await replica.program.stop() == 0
        assert "Traceback" not in replica.program.log


async def test_a_leader_that_is_stopped_is_replaced_at_once_and_its_work_goes_on(scene: Scene):
    leader, standby = await two_replicas(scene)
    anna, task = scene.add_user(), scene.task("jimeng")
    command_id = await scene.watch(anna, task)

    assert await leader.program.stop() == 0
    await scene.wait_for(lambda: "leads now (epoch 2)" in standby.program.log)
    assert " ran out." not in standby.program.log

    scene.finish(task)
    await scene.poll(anna, task)
    await scene.until_video(anna, command_id)
    assert len(scene.replies(anna, command_id)) == 2


async def test_a_leader_that_is_killed_is_replaced_within_seconds(scene: Scene):
    leader, standby = await two_replicas(scene)
    anna, task = scene.add_user(), scene.task("jimeng")
    command_id = await scene.watch(anna, task)
    scene.finish(task)

    await leader.program.kill()
    await scene.command(anna, f"/status {task.task_id}")  # within seconds; the drills measure how many
    await scene.until_video(anna, command_id)
    assert " ran out." in standby.program.log


async def test_a_replica_ends_at_once_in_its_first_second(scene: Scene):
    program = await scene.load()
    await until_sigterm_is_handled(program.pid)
    await asyncio.sleep(0.3)

    assert await program.stop(signal.SIGTERM) == 0
