"""Drills of replicas that are to end: by SIGTERM, or since another deployment has the same token."""

import asyncio
import contextlib
import random
from collections.abc import Mapping

import asyncpg

from tests.drills.drills import CHAT
from tests.drills.replica import Replica
from tests.drills.replica_reports import Observations, ReplicaDrill, ReplicaReport, ReplicaScale, finish
from tests.drills.replica_scene import open_replicas
from tests.drills.scene import KINDS

_FIRST_S = 1.0
_GIVES_UP_S = 60.0  # one of two deployments
_OTHER = "other"  # a database
_REASON = "Another process fetches updates with this TELEGRAM_BOT_TOKEN"


async def terminate_all(scale: ReplicaScale) -> ReplicaReport:
    """SIGTERM of all replicas at once, every second time within their first second."""
    dice, seen = random.Random(20261206), Observations(slack_s=scale.slack_s)
    async with open_replicas() as scene:
        statuses: Mapping[Replica, int | None]
        for number in range(scale.terminations):
            watch = scene.watch(KINDS[number % len(KINDS)], CHAT + number, seconds=0.0)
            if number % 2:
                for replica in scene.replicas:
                    await scene.start(replica)
                found = await asyncio.gather(
                    *(_stop_after(replica, dice.uniform(0.0, _FIRST_S)) for replica in scene.replicas)
                )
                statuses = dict(zip(scene.replicas, found, strict=True))
            else:
                await scene.start_all()
                await scene.wait_for_reply(watch, timeout_s=30)
                statuses = await scene.stop_all()
            seen.check_ends(statuses, f"in round {number + 1}")
        await scene.start_all()
        return await finish(
            scene, seen, what="SIGTERM of all", faults=scale.terminations, is_update_due=False
        )


async def _stop_after(replica: Replica, delay_s: float) -> int | None:
    """Stop it that long after Python has begun to run the program, which can't handle signals before."""
    await replica.until_sigterm_is_handled()
    await asyncio.sleep(delay_s)
    return await replica.stop()


async def two_deployments(scale: ReplicaScale) -> ReplicaReport:
    """A second deployment with the same token and a database of its own: one ends, and says why."""
    seen = Observations(slack_s=scale.slack_s)
    async with open_replicas() as scene:
        first, second, _ = scene.replicas
        connection = await asyncpg.connect(scene.server.url)
        await connection.execute(f"CREATE DATABASE {_OTHER}")
        await connection.close()
        url = scene.settings_of(second)["DATABASE_URL"]
        scene.variables[second.number] = {"DATABASE_URL": url.removesuffix("postgres") + _OTHER}
        await scene.start(first)
        await scene.taken_over(0.0)
        await scene.start(second)
        ends = [asyncio.create_task(each.end(timeout_s=_GIVES_UP_S)) for each in (first, second)]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        gone, rest, end = (second, first, ends[1]) if ends[1] in done else (first, second, ends[0])
        seen.check(len(done) == 1, "both ended, or none")
        seen.check_ends({gone: await end}, "with another deployment", expected=1)
        reason = gone.last_lines.rpartition("\n")[2]
        seen.check(_REASON in reason, f"the last line of its log is {reason}")
        scene.watch(KINDS[0], CHAT, seconds=0.0)
        with contextlib.suppress(TimeoutError):
            await scene.telegram.wait_for(scene.is_delivered, timeout_s=30)
        seen.check_ends({rest: await rest.stop()}, "at the end")
        for each in ends:
            each.cancel()
    return ReplicaReport(
        what="two deployments with one token: one exits with 1",
        faults=1,
        videos=1,
        verdict=scene.verdict(),
        complaints=seen.complaints,
    )


END_DRILLS: tuple[ReplicaDrill, ...] = (terminate_all, two_deployments)
