"""Drills of takeovers: the replica that leads is killed, frozen, or cut off from the database."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.sandbox.faults import Fault
from bot.sandbox.telegram.server import Request
from tests.drills.drills import CHAT
from tests.drills.replica_reports import (
    Observations,
    ReplicaDrill,
    ReplicaReport,
    ReplicaScale,
    finish,
    stream,
)
from tests.drills.replica_scene import REPLICAS, open_replicas
from tests.drills.scene import KINDS
from tests.programs import find_library

FAKE_TIME = "libfaketime"  # of Debian, for clocks that are wrong
_STOPPED_AFTER_S = 6.0  # a replica that is cut off from the database calls Telegram no more
_FROZEN_S = (8.0, 15.0)
_CUT_S = (8.0, 12.0)
_ANNOUNCEMENT = "on its way"


async def kill_replicas(scale: ReplicaScale) -> ReplicaReport:
    """kill -9, of the leader but for each sixth time."""
    return await _kill(scale, scale.kills, what="kill -9", variables=[{}] * REPLICAS)


async def kill_with_clocks_apart(scale: ReplicaScale) -> ReplicaReport:
    """The same with replicas whose clocks are two minutes slow, right, and two minutes fast."""
    library = find_library(FAKE_TIME)
    assert library is not None, f"{FAKE_TIME} is missing"
    variables = [
        {"LD_PRELOAD": library, "FAKETIME": f"{shift_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        for shift_s in (-120, 0, 120)
    ]
    what = "kill -9, clocks 120 s slow, right, 120 s fast"
    return await _kill(scale, scale.clock_kills, what=what, variables=variables)


async def _kill(
    scale: ReplicaScale, kills: int, *, what: str, variables: Sequence[Mapping[str, str]]
) -> ReplicaReport:
    dice, seen = random.Random(20261130), Observations(slack_s=scale.slack_s)
    async with open_replicas() as scene:
        scene.variables = list(variables)
        await scene.start_all()
        for number in range(kills):
            streaming = asyncio.create_task(stream(scene, scale.videos // kills, dice))
            await asyncio.sleep(dice.uniform(0.0, 1.5))
            leader = await scene.leader()
            if number % 6 == 5:
                victim = next(each for each in scene.replicas if each is not leader)
                await victim.kill()
            else:
                victim, since = leader, time.monotonic()
                await leader.kill()
                seen.taken_over(await scene.taken_over(since, loser=leader))
            await scene.start(victim)
            await asyncio.gather(streaming, scene.is_standby(victim))
        return await finish(scene, seen, what=what, faults=kills)


async def freeze_the_leader(scale: ReplicaScale) -> ReplicaReport:
    """SIGSTOP at a random moment, SIGCONT 8 to 15 s later."""
    dice, seen = random.Random(20261201), Observations(slack_s=scale.slack_s)
    async with open_replicas() as scene:
        await scene.start_all()
        for _ in range(scale.freezes):
            streaming = asyncio.create_task(stream(scene, scale.videos // scale.freezes, dice))
            await asyncio.sleep(dice.uniform(0.0, 1.5))
            leader, since = await scene.leader(), time.monotonic()
            leader.freeze()
            seen.taken_over(await scene.taken_over(since, loser=leader))
            await asyncio.sleep(max(0.0, since + dice.uniform(*_FROZEN_S) - time.monotonic()))
            leader.thaw()
            await asyncio.gather(streaming, scene.is_standby(leader))
        return await finish(scene, seen, what="SIGSTOP of the leader, thawed", faults=scale.freezes)


async def freeze_at_the_worst_moment(scale: ReplicaScale) -> ReplicaReport:
    """SIGSTOP between the response to “the video is on its way” and the note of its id."""
    what = "SIGSTOP of the leader between a text and its note"
    return await _freeze_at_the_worst_moment(scale, what=what)


async def suspend_at_the_worst_moment(scale: ReplicaScale) -> ReplicaReport:
    """The same on a machine whose steady clocks stand still meanwhile."""
    what = "the same, and its clocks stand still meanwhile"
    return await _freeze_at_the_worst_moment(scale, what=what, is_suspended=True)


async def suspend_without_the_fence(scale: ReplicaScale) -> ReplicaReport:
    """The same with a build without the fence, which must send videos twice."""
    what = "the same without the fence, which has to send videos twice"
    return await _freeze_at_the_worst_moment(scale, what=what, is_suspended=True, has_fence=False)


async def _freeze_at_the_worst_moment(
    scale: ReplicaScale, *, what: str, is_suspended: bool = False, has_fence: bool = True
) -> ReplicaReport:
    dice, seen = random.Random(20261202), Observations(slack_s=scale.slack_s)
    async with open_replicas() as scene:
        if is_suspended:
            scene.module = "tests.drills.suspended"
        if not has_fence:
            scene.variables = [{"WITHOUT_FENCE": "1"}] * REPLICAS
        await scene.start_all()
        for number in range(scale.worst_freezes):
            leader, goes_on = await scene.leader(), asyncio.Event()
            # The response is held back until the leader is frozen, which reads it when it is thawed.
            scene.telegram.fail("sendMessage", Fault(execute=True, until=goes_on), when=_announces)
            watch = scene.watch(KINDS[number % len(KINDS)], CHAT + number, seconds=0.0)
            await scene.wait_for_text(watch.chat_id, _ANNOUNCEMENT)
            leader.freeze()
            since = time.monotonic()
            goes_on.set()
            seen.taken_over(await scene.taken_over(since, loser=leader))
            await asyncio.sleep(max(0.0, since + dice.uniform(*_FROZEN_S) - time.monotonic()))
            leader.thaw()
            await scene.is_standby(leader)
        report = await finish(scene, seen, what=what, faults=scale.worst_freezes)
        return report if has_fence else replace(report, must_double=True, complaints=())


def _announces(request: Request) -> bool:
    return _ANNOUNCEMENT in request.params["text"]


async def cut_off_the_leader(scale: ReplicaScale) -> ReplicaReport:
    """The leader reaches Telegram, but not the database: what it sends there is held, or reset."""
    dice, seen = random.Random(20261203), Observations(slack_s=scale.slack_s)
    async with open_replicas() as scene:
        await scene.start_all()
        for number in range(scale.cuts):
            streaming = asyncio.create_task(stream(scene, scale.videos // scale.cuts, dice))
            await asyncio.sleep(dice.uniform(0.0, 1.5))
            leader, since = await scene.leader(), time.monotonic()
            leader.database.hold() if number % 2 == 0 else leader.database.break_connections()
            seen.taken_over(await scene.taken_over(since, loser=leader))
            await asyncio.sleep(max(0.0, since + dice.uniform(*_CUT_S) - time.monotonic()))
            last_call_s = leader.telegram.sent_at - since
            seen.check_time(
                "a replica was cut off, and called Telegram after", last_call_s, limit_s=_STOPPED_AFTER_S
            )
            leader.database.mend()
            await asyncio.gather(streaming, scene.is_standby(leader))
        report = await finish(scene, seen, what="the leader is cut off from the database", faults=scale.cuts)
        strays = report.verdict.strays
        seen.check(strays <= scale.cuts, f"{strays} texts are left over of {scale.cuts} cuts")
        return report


TAKEOVERS: tuple[ReplicaDrill, ...] = (
    kill_replicas,
    freeze_the_leader,
    freeze_at_the_worst_moment,
    suspend_at_the_worst_moment,
    suspend_without_the_fence,
    cut_off_the_leader,
    kill_with_clocks_apart,
)
