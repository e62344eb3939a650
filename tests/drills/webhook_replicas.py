"""Drill of two replicas that take the updates of a webhook behind a load balancer, and are killed."""

import asyncio
import random

from bot.sandbox.ports import free_port
from tests.drills.drills import CHAT
from tests.drills.replica import Replica
from tests.drills.replica_reports import Observations, ReplicaDrill, ReplicaReport, ReplicaScale
from tests.drills.replica_scene import ReplicaScene, open_replicas
from tests.drills.scene import KINDS
from tests.fakes.balancer import Balancer

_COMMANDS_PER_KILL = 20
_CHATS = 20
_KILL_S = (0.4, 2.0)  # between two kills; most come before the takeover after the one before
_AWAY_S = (0.0, 0.8)
_SETTLE_S = 180.0


async def kill_behind_a_balancer(scale: ReplicaScale) -> ReplicaReport:
    """kill -9 of either replica while commands come in twenty chats; each chat's keep their order."""
    dice, seen = random.Random(20261207), Observations(scale.slack_s)
    async with Balancer.open() as balancer:
        url = f"http://127.0.0.1:{balancer.port}/telegram"
        async with open_replicas(WEBHOOK_URL=url) as scene:
            scene.telegram.state.webhook.pace = 0.1
            pair = scene.replicas[:2]
            for replica in pair:
                port = free_port()
                scene.variables[replica.number] = {"WEBHOOK_PORT": str(port)}
                balancer.replicas = [*balancer.replicas, port]
                await scene.start(replica)
            await scene.telegram.wait_for(lambda: scene.polls, timeout_s=30)  # the webhook is set
            count = scale.kills * _COMMANDS_PER_KILL
            streaming = asyncio.create_task(_stream(scene, count, over_s=scale.kills * _KILL_S[1], dice=dice))
            for _ in range(scale.kills):
                await asyncio.sleep(dice.uniform(*_KILL_S))
                await _restart(scene, dice.choice(pair), dice.uniform(*_AWAY_S))
            await streaming
            await scene.settle(patience_s=_SETTLE_S)
            seen.check_ends({each: await each.stop(slack_s=seen.slack_s) for each in pair}, "at the end")
            seen.check(not scene.telegram.state.updates.waiting, "an update still waits")
            seen.check(not scene.leaks(), "a log holds the password")
            await _check_order(scene, seen)
            return ReplicaReport(
                what="kill -9 of either of two that take updates by webhook, commands in their order",
                faults=scale.kills,
                videos=len(scene.watches),
                verdict=scene.verdict(),
                complaints=seen.complaints,
            )


async def _stream(scene: ReplicaScene, count: int, *, over_s: float, dice: random.Random) -> None:
    for number in range(count):
        scene.watch(KINDS[number % len(KINDS)], CHAT + number % _CHATS, seconds=dice.uniform(0.0, 3.0))
        await asyncio.sleep(over_s / count)


async def _restart(scene: ReplicaScene, victim: Replica, away_s: float) -> None:
    await victim.kill()
    await asyncio.sleep(away_s)
    await scene.start(victim)


async def _check_order(scene: ReplicaScene, seen: Observations) -> None:
    """Each command has one watch, which began after those that the chat had asked for before."""
    [[count]] = await scene.database.rows("SELECT count(*) FROM watches")
    seen.check(count == len(scene.watches), f"{len(scene.watches)} commands made {count} watches")
    late = await scene.out_of_order()
    seen.check(late == 0, f"{late} watches began too late")


WEBHOOK_DRILLS: tuple[ReplicaDrill, ...] = (kill_behind_a_balancer,)
