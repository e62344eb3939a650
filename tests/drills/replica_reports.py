"""What the drills with replicas share: their extent, a stream of /watch, what is observed, the report."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.drills.drills import CHAT
from tests.drills.replica import Replica
from tests.drills.replica_scene import ReplicaScene, percentile
from tests.drills.scene import KINDS, Verdict

TAKEOVER_S = 7.0
_LONGEST_WAIT_S = 9.0  # of a command for a request for updates
_STREAM_S = 7.0
_TASKS_S = (0.5, 12.0)  # how long tasks take
_SETTLE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaScale:
    """The extent of the drills with replicas."""

    kills: int
    freezes: int
    worst_freezes: int  # between the response to a text and its note
    cuts: int
    clock_kills: int  # with clocks apart
    outages: int  # of the database
    capped_s: float  # while a key's limit is reached, with a takeover each ten seconds
    group_tasks: int  # in one group
    terminations: int  # of all replicas
    videos: int  # of a drill
    slack_s: float  # allowed beyond each bound, as in the tests much else runs on the machine


REPLICA_SHORT = ReplicaScale(
    kills=1,
    freezes=1,
    worst_freezes=1,
    cuts=1,
    clock_kills=1,
    outages=1,
    capped_s=15.0,
    group_tasks=4,
    terminations=2,
    videos=5,
    slack_s=10.0,
)
REPLICA_FULL = ReplicaScale(
    kills=20,
    freezes=10,
    worst_freezes=6,
    cuts=6,
    clock_kills=12,
    outages=12,
    capped_s=180.0,
    group_tasks=20,
    terminations=6,
    videos=100,
    slack_s=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaReport:
    """A row of the table."""

    what: str
    faults: int
    videos: int  # requested
    verdict: Verdict
    takeovers_s: Sequence[float] = ()
    longest_wait_s: float = 0.0  # of a command for a request for updates
    latency_s: float = 0.0  # from the end of a task to its video, of 95 %
    complaints: Sequence[str] = ()  # of what was promised otherwise
    must_double: bool = False  # of a build without the fence, to show that the drill would notice

    @property
    def is_good(self) -> bool:
        """Whether all that is promised was kept."""
        if self.must_double:
            return self.verdict.doubled > 0
        return self.verdict.is_good and not self.complaints


ReplicaDrill = Callable[[ReplicaScale], Awaitable[ReplicaReport]]


@dataclass(slots=True)
class Observations:
    """What a drill has seen so far."""

    slack_s: float
    takeovers_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def check(self, is_kept: bool, complaint: str) -> None:
        """Note a complaint if something was not kept."""
        if not is_kept:
            self.complaints.append(complaint)

    def check_ends(self, ends: Mapping[Replica, int | None], when: str, *, expected: int = 0) -> None:
        """Note a complaint for each replica that ended with another status, with the end of its log."""
        for replica, status in ends.items():
            what = f"{when} replica {replica.number} ended with {status}, and its log with"
            self.check(status == expected, f"{what}\n{replica.last_lines}")

    def check_time(self, what: str, took_s: float, *, limit_s: float) -> None:
        """Note a complaint if something took longer than promised."""
        self.check(took_s <= limit_s + self.slack_s, f"{what} {took_s:.1f} s")

    def taken_over(self, after_s: float) -> None:
        """Note a takeover."""
        self.takeovers_s.append(after_s)
        self.check_time("a takeover took", after_s, limit_s=TAKEOVER_S)


async def stream(scene: ReplicaScene, count: int, dice: random.Random, *, over_s: float = _STREAM_S) -> None:
    """Send so many /watch, spread over that time, each in a chat of its own."""
    for _ in range(count):
        number = len(scene.watches)
        scene.watch(KINDS[number % len(KINDS)], CHAT + number, seconds=dice.uniform(*_TASKS_S))
        await asyncio.sleep(over_s / count)


async def finish(
    scene: ReplicaScene,
    seen: Observations,
    *,
    what: str,
    faults: int,
    is_update_due: bool = True,
    settle_s: float = _SETTLE_S,
) -> ReplicaReport:
    """Let the replicas deliver everything, and check how they end. is_update_due: within 9 s of a command."""
    await scene.settle(patience_s=settle_s)
    longest_wait_s = scene.longest_without_updates_s()
    seen.check_ends(await scene.stop_all(slack_s=seen.slack_s), "at the end")
    if is_update_due:
        seen.check_time("a command waited for a request for updates", longest_wait_s, limit_s=_LONGEST_WAIT_S)
    seen.check(not scene.leaks(), "a log holds the password")
    seen.check(not scene.is_logged("The clock of"), "a gateway's clock was taken for a wrong one")
    seen.complaints.extend(f"a user was told: {text}" for text in scene.told())
    await scene.note_abandoned()
    return ReplicaReport(
        what=what,
        faults=faults,
        videos=len(scene.watches),
        verdict=scene.verdict(),
        takeovers_s=seen.takeovers_s,
        longest_wait_s=longest_wait_s,
        latency_s=percentile(scene.latencies_s(), 0.95),
        complaints=seen.complaints,
    )
