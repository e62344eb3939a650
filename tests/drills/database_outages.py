"""Drills of the database's server: it is stopped, crashes, freezes, or stays away, with replicas at work."""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.drills.drills import CHAT
from tests.drills.replica_reports import (
    Observations,
    ReplicaDrill,
    ReplicaReport,
    ReplicaScale,
    finish,
    stream,
)
from tests.drills.replica_scene import ReplicaScene, open_replicas
from tests.drills.scene import KINDS

_FREEZE = "STOP"
_QUIET_S = 5.0  # nobody is told of an outage that is shorter
_CARD_WITHIN_S = 15.0  # of a /watch that was sent during an outage, after its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A signal ends the server, which is started again later; or it is frozen that long."""

    signal: str
    away_s: float


OUTAGES = (
    Outage(signal="KILL", away_s=1.0),
    Outage(signal="INT", away_s=0.5),
    Outage(signal="QUIT", away_s=2.0),
    Outage(signal=_FREEZE, away_s=10.0),
    Outage(signal="INT", away_s=30.0),
    Outage(signal="KILL", away_s=4.0),
    Outage(signal="QUIT", away_s=0.5),
    Outage(signal="INT", away_s=4.0),
    Outage(signal=_FREEZE, away_s=3.0),
    Outage(signal="KILL", away_s=10.0),
    Outage(signal=_FREEZE, away_s=10.0),
    Outage(signal="QUIT", away_s=30.0),
)


async def lose_the_database(scale: ReplicaScale) -> ReplicaReport:
    """SIGINT, SIGQUIT, kill -9 and SIGSTOP of the server, which is away for 0.5 to 30 s."""
    dice, seen = random.Random(20261204), Observations(slack_s=scale.slack_s)
    outages = OUTAGES[: scale.outages]
    async with open_replicas() as scene:
        await scene.start_all()
        for outage in outages:
            streaming = asyncio.create_task(stream(scene, scale.videos // len(outages), dice))
            await asyncio.sleep(dice.uniform(0.5, 2.0))
            told = len(scene.told())
            away = asyncio.create_task(_away(scene, outage))
            await asyncio.sleep(outage.away_s / 2)
            watch = scene.watch(KINDS[0], CHAT + len(scene.watches), seconds=5.0)
            away_s = await away
            since = time.monotonic()
            await scene.wait_for_reply(watch, timeout_s=60)
            after_s = time.monotonic() - since
            seen.takeovers_s.append(after_s)
            seen.check_time(f"after {outage} a card took", after_s, limit_s=_CARD_WITHIN_S)
            seen.check(len(scene.told()) == told or away_s > _QUIET_S, f"a user was told of {outage}")
            await streaming
            await scene.leader()
        what = f"the database is away {min(o.away_s for o in outages)} to {max(o.away_s for o in outages)} s"
        return await finish(scene, seen, what=what, faults=len(outages), is_update_due=False)


async def _away(scene: ReplicaScene, outage: Outage) -> float:
    """Take the server away and bring it back; return the seconds in between, which include its start."""
    since = time.monotonic()
    if outage.signal == _FREEZE:
        scene.server.freeze()
        await asyncio.sleep(outage.away_s)
        scene.server.thaw()
    else:
        await asyncio.to_thread(scene.server.end, outage.signal)
        await asyncio.sleep(outage.away_s)
        await asyncio.to_thread(scene.server.start)
    return time.monotonic() - since


OUTAGE_DRILLS: tuple[ReplicaDrill, ...] = (lose_the_database,)
