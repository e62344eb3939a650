"""Updates by webhook with two replicas on PostgreSQL, behind a load balancer."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.ports import free_port
from tests.e2e.program import Program
from tests.e2e.scene import ADMIN, BOOT_S, WAIT_S, Scene
from tests.e2e.test_getting_in import question_about, tap
from tests.fakes.balancer import Balancer

PATH = "/telegram"
SOON_S = 4.0  # after which a result counts as late
_ATTEMPTS = 4  # as another one may be late on a busy machine
GROUP, SUPERGROUP = -4000000031, -1001000000031


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A replica."""

    program: Program
    port: int  # of its webhook
    health_port: int

    async def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        url = f"http://127.0.0.1:{self.health_port}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            found: dict[str, Any] = await response.json()
            return found


class Deployment:
    """Two replicas behind a load balancer: one leads, the other stands by and gets all updates."""

    def __init__(self, scene: Scene, balancer: Balancer) -> None:
        self.scene = scene
        self.balancer = balancer

    async def start_both(self, **settings: str) -> tuple[Member, Member]:
        """The one that leads, and the one that stands by."""
        both = await asyncio.gather(self.start(**settings), self.start(**settings))

        def leading() -> list[Member]:
            logs = [each.program.log for each in both]
            if any("Standing by" in log for log in logs):
                return [each for each in both if "Telegram sends the updates to" in each.program.log]
            return []

        [leader] = await self.scene.wait_for(leading, timeout_s=BOOT_S)
        [standby] = [each for each in both if each is not leader]
        self.balancer.replicas = [standby.port]
        return leader, standby

    async def start(self, **settings: str) -> Member:
        """Start a replica."""
        port, health_port = free_port(), free_port()
        program = await self.scene.run(WEBHOOK_PORT=str(port), HEALTH_PORT=str(health_port), **settings)
        return Member(program=program, port=port, health_port=health_port)

    async def until_logged(self, member: Member, text: str) -> None:
        """Wait until a replica has logged this."""
        await self.scene.wait_for(lambda: text in member.program.log, timeout_s=BOOT_S)

    def requests(self, method: str) -> int:
        """How often this was called at Telegram."""
        return sum(each.method == method for each in self.scene.telegram.requests)


@pytest.fixture
async def deployment(tmp_path: Path, postgres_url: str) -> AsyncIterator[Deployment]:
    async with Balancer.open() as balancer:
        settings = {
            "DATABASE_URL": postgres_url,
            "WEBHOOK_URL": f"http://127.0.0.1:{balancer.port}{PATH}",
            "TELEGRAM_LOCAL_MODE": "true",
        }
        async with Scene.open(tmp_path, **settings) as scene:
            scene.telegram.state.webhook.pace = 0.1
            yield Deployment(scene, balancer)


async def test_what_the_standby_takes_the_leader_polls_and_sends_within_seconds(deployment: Deployment):
    scene, anna = deployment.scene, deployment.scene.add_user()
    leader, standby = await deployment.start_both()
    delays_s = [await _delay_s(scene, anna)]
    while delays_s[-1] > SOON_S and len(delays_s) < _ATTEMPTS:
        delays_s.append(await _delay_s(scene, scene.add_user()))
    assert min(delays_s) < SOON_S
    assert "now watches jimeng" in standby.program.log
    await deployment.until_logged(leader, "Delivered the video of jimeng")

    await _see_that_only_who_knows_the_secret_is_heard(scene, standby)
    assert [(await each.ready())["role"] for each in (leader, standby)] == ["leader", "standby"]
    await _see_that_the_standby_takes_over(deployment, leader, standby)
    assert deployment.requests("deleteWebhook") == 0
    assert scene.telegram.state.webhook.webhook is not None
    assert not any("Traceback" in each.program.log for each in (leader, standby))


async def test_who_is_let_in_or_removed_on_one_replica_is_so_on_the_other(deployment: Deployment):
    scene, anna = deployment.scene, deployment.scene.add_user()
    group = scene.telegram.group(GROUP, supergroup=False)
    leader, standby = await deployment.start_both(ALLOWED_CHATS=str(group))
    scene.telegram.migrate(group, SUPERGROUP)
    await scene.wait_for(lambda: not scene.telegram.state.updates.waiting)
    deployment.balancer.replicas = [leader.port]
    await scene.watch(SUPERGROUP, scene.task("newapi"), user=scene.add_user())

    deployment.balancer.replicas = [standby.port]
    await scene.command(anna, "/start")
    question = await question_about(scene, anna)
    deployment.balancer.replicas = [leader.port]
    await tap(scene, question, "Allow")
    deployment.balancer.replicas = [standby.port]
    command = await scene.watch(anna, scene.task("newapi"))
    assert "Queued" in (await scene.first_reply(anna, command)).plain_text

    deployment.balancer.replicas = [leader.port]
    await tap(scene, await scene.command(ADMIN, "/chats"), "Remove")
    deployment.balancer.replicas = [standby.port]
    async with asyncio.timeout(WAIT_S):
        # Until the notification, or for two seconds.
        while "This bot is private" not in (await scene.command(anna, "/tasks")).plain_text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_code_in_the_leaders_log_makes_an_admin_on_any_replica(deployment: Deployment):
    scene, eve = deployment.scene, deployment.scene.add_user()
    leader, standby = await deployment.start_both(ALLOWED_CHATS="", ADMINS="")
    [code] = await scene.wait_for(lambda: re.findall(r"/start (\w+)", leader.program.log))
    async with asyncio.timeout(WAIT_S):  # the leader writes what it knows once a second
        while f"User {eve} is the first admin now." not in standby.program.log:
            scene.telegram.send(eve, f"/start {code}")
            await asyncio.sleep(0.2)
    deployment.balancer.replicas = [leader.port]
    assert await scene.command(eve, "/chats")
    assert code not in standby.program.log


async def _delay_s(scene: Scene, chat_id: int) -> float:
    """How long a video takes whose task ends when the leader has just looked for work, as each 5 s."""
    task = scene.task("jimeng")
    command = await scene.watch(chat_id, task)
    await scene.poll(chat_id, task)
    begun = time.monotonic()
    scene.finish(task)
    assert "Done" in (await scene.poll(chat_id, task)).plain_text
    await scene.until_video(chat_id, command)
    return time.monotonic() - begun


async def _see_that_only_who_knows_the_secret_is_heard(scene: Scene, standby: Member) -> None:
    webhook = scene.telegram.state.webhook.webhook
    assert webhook is not None
    async with aiohttp.ClientSession() as session:
        for secret, status in (("", 403), (webhook.secret_token, 200)):
            headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
            update = {"update_id": 1, "poll_of_the_future": {}}
            url = f"http://127.0.0.1:{standby.port}{PATH}"
            async with session.post(url, json=update, headers=headers) as response:
                assert response.status == status


async def _see_that_the_standby_takes_over(deployment: Deployment, leader: Member, standby: Member) -> None:
    scene, boris, task = deployment.scene, deployment.scene.add_user(), deployment.scene.task("videos")
    deployment.balancer.replicas = [leader.port, standby.port]
    assert await leader.program.stop() == 0
    scene.finish(task)
    await scene.until_video(boris, scene.telegram.send(boris, f"/watch videos {task.task_id}"))
    assert (await standby.ready())["role"] == "leader"
    assert await standby.program.stop() == 0
