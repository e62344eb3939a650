"""Drills of the limits of gateways and of Telegram, which hold over takeovers."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence

from bot.sandbox.gateway.ids import new_id
from bot.sandbox.telegram.api_errors import flood
from bot.sandbox.telegram.server import Request
from tests.drills.drills import CHAT
from tests.drills.replica import Replica
from tests.drills.replica_reports import Observations, ReplicaDrill, ReplicaReport, ReplicaScale, finish
from tests.drills.replica_scene import ReplicaScene, open_replicas
from tests.drills.scene import KINDS, NOTHING

_MAX_RPS = 20
_TASKS, _TASKS_A_MESSAGE = 1000, 50
_TAKEOVER_EACH_S = 10.0
_FROZEN_S = 8.0
_GROUP = -1001000000000
_GROUP_CALLS, _GROUP_SPAN_S = 20, 60.0  # Telegram's limit for a group
_GROUP_TAKEOVERS = 3
_GROUP_TASK_S = (5.0, 60.0)
_GROUP_WATCH_S = 4.5  # between two commands: a person may send fifteen a minute
_FLOODS = 1
_SETTLE_S = 600.0


def most_within(times: Sequence[float], span_s: float) -> int:
    """The most of these times within any span, of which each is shorter than span_s."""
    latest: deque[float] = deque()
    most = 0
    for at in sorted(times):
        latest.append(at)
        while latest[0] <= at - span_s:
            latest.popleft()
        most = max(most, len(latest))
    return most


async def limits_over_takeovers(scale: ReplicaScale) -> ReplicaReport:
    """A key's MAX_RPS, which 1,000 tasks use up, with a takeover each ten seconds."""
    seen = Observations(slack_s=scale.slack_s)
    async with open_replicas(PROVIDERS__VIDEOS__MAX_RPS=str(_MAX_RPS)) as scene:
        await scene.start_all()
        for number in range(_TASKS // _TASKS_A_MESSAGE):
            ids = [new_id("videos", time.time()) for _ in range(_TASKS_A_MESSAGE)]
            for task_id in ids:
                scene.gateway.add("videos", task_id, seconds=None)
            scene.telegram.send(scene.telegram.private_chat(CHAT + number), f"/watch videos {' '.join(ids)}")
        await scene.gateway.wait_for(lambda: len(scene.gateway.requests) > _MAX_RPS, timeout_s=60)
        until, faults = time.monotonic() + scale.capped_s, 0
        while time.monotonic() < until:
            next_at = time.monotonic() + _TAKEOVER_EACH_S
            await _take_over(scene, seen, faults % 3)
            faults += 1
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        polls_at = [each.at for each in scene.gateway.requests if each.route == "status"]
        seen.check_ends(await scene.stop_all(slack_s=seen.slack_s), "at the end")
    in_1_s, in_10_s = most_within(polls_at, 1.0), most_within(polls_at, 10.0)
    seen.check(in_1_s <= _MAX_RPS + 5, f"{in_1_s} polls in a second")
    seen.check(in_10_s <= 1.02 * 10 * _MAX_RPS, f"{in_10_s} polls in ten seconds")
    what = f"{_TASKS} tasks use up MAX_RPS={_MAX_RPS}: at most {in_1_s} polls in 1 s, {in_10_s} in 10 s"
    return ReplicaReport(
        what=what,
        faults=faults,
        videos=0,
        verdict=NOTHING,
        takeovers_s=seen.takeovers_s,
        complaints=seen.complaints,
    )


async def _take_over(scene: ReplicaScene, seen: Observations, how: int) -> None:
    """Kill the leader, freeze it or cut it off from the database until another one leads."""
    leader, since = await scene.leader(), time.monotonic()
    match how:
        case 0:
            await leader.kill()
        case 1:
            leader.freeze()
        case _:
            leader.database.hold()
    seen.taken_over(await scene.taken_over(since, loser=leader))
    await asyncio.sleep(max(0.0, since + _FROZEN_S - time.monotonic()))
    await _mend(scene, leader)


async def _mend(scene: ReplicaScene, loser: Replica) -> None:
    loser.database.mend()
    if loser.is_running:
        loser.thaw()
    await scene.is_standby(loser)


class GroupLimit:
    """Telegram's limit for a group, as the fake one is told to keep it."""

    def __init__(self) -> None:
        self.floods = 0
        self.ignored = 0  # calls during a wait
        self._calls_at: deque[float] = deque()
        self._waits_until = 0.0

    def exceeds(self, request: Request) -> bool:
        """Count a call; whether it is one too many."""
        if request.params.get("chat_id") != str(_GROUP) or request.method.startswith("get"):
            return False
        while self._calls_at and self._calls_at[0] <= request.at - _GROUP_SPAN_S:
            self._calls_at.popleft()
        if request.at < self._waits_until:
            self.ignored += 1
        if len(self._calls_at) < _GROUP_CALLS:
            self._calls_at.append(request.at)
            return False
        self.floods += 1
        self._waits_until = request.at + _GROUP_SPAN_S
        return True


async def group_over_takeovers(scale: ReplicaScale) -> ReplicaReport:
    """A group whose tasks need more calls than Telegram allows it in a minute."""
    dice, seen, limit = random.Random(20261205), Observations(slack_s=scale.slack_s), GroupLimit()
    async with open_replicas() as scene:
        scene.telegram.group(_GROUP)
        user = scene.telegram.add_user(CHAT, first_name="Anna")
        scene.telegram.fail("*", flood(int(_GROUP_SPAN_S)), times=None, when=limit.exceeds)
        await scene.start_all()

        async def send_watches() -> None:
            for number in range(scale.group_tasks):
                kind = KINDS[number % len(KINDS)]
                scene.watch(kind, _GROUP, user=user, seconds=dice.uniform(*_GROUP_TASK_S))
                await asyncio.sleep(_GROUP_WATCH_S)

        sending = asyncio.create_task(send_watches())
        takeovers = min(_GROUP_TAKEOVERS, scale.group_tasks // 4)
        for number in range(takeovers):
            await asyncio.sleep(_TAKEOVER_EACH_S)
            await _take_over(scene, seen, number % 3)
        await sending
        report = await finish(scene, seen, what="a group of many tasks", faults=takeovers, settle_s=_SETTLE_S)
    seen.check(limit.floods <= _FLOODS, f"Telegram answered {limit.floods} calls with 429")
    seen.check(not limit.ignored, f"{limit.ignored} calls were made during Telegram's wait")
    return report


LIMIT_DRILLS: tuple[ReplicaDrill, ...] = (limits_over_takeovers, group_over_takeovers)
