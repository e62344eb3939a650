"""The parts of the cost benchmark: loads, repetitions and results."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from storage.factory import open_store
from storage.postgres_url import PostgresUrl
from storage.store import Store
from tests.bench.contest import Contest
from tests.bench.measurements import Contestant, Cost, Ends, Idle, Load, Start
from tests.bench.postgres import BenchServer
from tests.bench.verbs import VerbCost, measure_verbs

_NAIVE_TASKS = 40  # due each second: more than it can do
_NAIVE_PACE_S = 1.0
_ANSWER_S = 0.05  # of the gateway, where the load is given
_REPLICAS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The extent of the measurements."""

    rounds: int
    window_s: float
    settle_s: float
    tasks: int  # always due
    steady_tasks: int  # at pace_s
    fleets: tuple[int, ...]  # tasks in flight at pace_s
    pace_s: float
    ends: int
    starts: int
    verb_tasks: int


FULL = Scale(
    rounds=3,
    window_s=8,
    settle_s=3,
    tasks=1000,
    steady_tasks=1000,
    fleets=(1_000, 10_000),
    pace_s=10,
    ends=60,
    starts=7,
    verb_tasks=5000,
)
QUICK = Scale(
    rounds=1,
    window_s=1.5,
    settle_s=0.5,
    tasks=100,
    steady_tasks=100,
    fleets=(100,),
    pace_s=1,
    ends=4,
    starts=2,
    verb_tasks=100,
)


@dataclass(slots=True, kw_only=True)
class Results:
    """The measurements so far."""

    saturation: list[list[Cost]] = field(default_factory=list)  # a list for each round
    steady: list[Cost] = field(default_factory=list)
    fleets: list[Cost] = field(default_factory=list)
    ends: dict[int, Ends] = field(default_factory=dict)  # by tasks in flight
    starts: list[Start] = field(default_factory=list)
    bare_starts: list[Start] = field(default_factory=list)  # each beside one of ours
    idle_rss_mb: float | None = None
    postgres_fleets: list[Cost] = field(default_factory=list)
    postgres_ends: dict[int, Ends] = field(default_factory=dict)  # by tasks in flight
    idle: Idle | None = None
    verbs: dict[str, Mapping[str, VerbCost]] = field(default_factory=dict)  # by engine

    def saturated(self, who: Contestant) -> Cost | None:
        """The run with the median cost of a poll."""
        runs = sorted(self._of(who), key=lambda cost: cost.cpu_per_poll_s)
        return runs[len(runs) // 2] if runs else None

    def times_ours(self, who: Contestant) -> float | None:
        """A program's processor time per poll at saturation, as a multiple of ours, in the median round."""
        pairs = zip(self._of(who), self._of(Contestant.OURS), strict=False)
        return median([a.cpu_per_poll_s / b.cpu_per_poll_s for a, b in pairs] or [0]) or None

    @property
    def times_bare_start(self) -> float | None:
        """Our start as a multiple of a bare application's, both by their medians."""
        if not self.starts:
            return None
        ours, bare = (median(start.took_s for start in each) for each in (self.starts, self.bare_starts))
        return ours / bare

    def at_pace(self, who: Contestant) -> Cost | None:
        """The run at a given load."""
        return next((cost for cost in self.steady if cost.who is who), None)

    def fleet(self, tasks: int, who: Contestant = Contestant.OURS) -> Cost | None:
        """Ours with so many tasks in flight."""
        ours = (cost for cost in (*self.fleets, *self.postgres_fleets) if cost.who is who)
        return next((cost for cost in ours if cost.load.tasks == tasks), None)

    def _of(self, who: Contestant) -> Iterator[Cost]:
        return (cost for round_ in self.saturation for cost in round_ if cost.who is who)


async def saturation(contest: Contest, scale: Scale, results: Results) -> None:
    """The highest poll rate of each program."""
    flood = Load(tasks=scale.tasks, pace_s=0, window_s=scale.window_s, settle_s=scale.settle_s)
    jobs = Load(tasks=_NAIVE_TASKS, pace_s=_NAIVE_PACE_S, window_s=scale.window_s, settle_s=scale.settle_s)
    for _ in range(scale.rounds):
        costs = [
            await contest.cost(Contestant.NAIVE, jobs),
            await contest.cost(Contestant.CAREFUL, flood),
            await contest.cost(Contestant.OURS, flood),
        ]
        if shutil.which("wrk"):
            costs.append(await contest.wrk(round(scale.window_s)))
        results.saturation.append(costs)


async def steady(contest: Contest, scale: Scale, results: Results) -> None:
    """The same poll rate for all, without messages."""
    load = Load(
        tasks=scale.steady_tasks,
        pace_s=scale.pace_s,
        window_s=3 * scale.window_s,
        settle_s=scale.settle_s,
        answer_s=_ANSWER_S,
    )
    for who in (Contestant.CAREFUL, Contestant.OURS):  # naive cannot
        results.steady.append(await contest.cost(who, load))


async def flight(contest: Contest, scale: Scale, results: Results) -> None:
    """Many tasks under realistic conditions: cards are refreshed, and tasks end."""
    for tasks in scale.fleets:
        load = _in_flight(tasks, scale)
        results.fleets.append(await contest.cost(Contestant.CAREFUL, load))
        cost, ends = await contest.cost_and_ends(load, ends=scale.ends, gap_s=0.5)
        results.fleets.append(cost)
        results.ends[tasks] = ends


async def postgres(contest: Contest, scale: Scale, results: Results) -> None:
    """The same on PostgreSQL, and replicas that have nothing to do."""
    async with BenchServer.open() as server:
        for tasks in scale.fleets:
            load = _in_flight(tasks, scale)
            cost, ends = await contest.cost_and_ends(load, ends=scale.ends, gap_s=0.5, postgres=server)
            results.postgres_fleets.append(cost)
            results.postgres_ends[tasks] = ends
        results.idle = await contest.idle(
            server, replicas=_REPLICAS, settle_s=3 * scale.settle_s, window_s=4 * scale.window_s
        )


async def verbs(_contest: Contest, scale: Scale, results: Results) -> None:
    """The operations of the store on both engines."""

    async def measure(engine: str, store: Store) -> None:
        try:
            await store.leadership.acquire()
            results.verbs[engine] = await measure_verbs(
                store, tasks=scale.verb_tasks, applied=scale.verb_tasks // 5
            )
        finally:
            await store.close()

    with TemporaryDirectory(prefix="reelwatch-bench-") as folder:
        await measure("SQLite", await open_store(Path(folder) / "reelwatch.db"))
    async with BenchServer.open() as server:
        await server.set_durable(True)
        await measure("PostgreSQL", await open_store(PostgresUrl.of(await server.new_database())))


def _in_flight(tasks: int, scale: Scale) -> Load:
    return Load(
        tasks=tasks,
        pace_s=scale.pace_s,
        window_s=3 * scale.window_s,
        settle_s=scale.settle_s,
        answer_s=_ANSWER_S,
        cards_age=True,
    )


async def start(contest: Contest, scale: Scale, results: Results) -> None:
    """The start-up time until the first getUpdates, beside a bare application's, and the idle cost."""
    for _ in range(scale.starts + 1):
        results.bare_starts.append(await contest.bare_start())
        results.starts.append(await contest.cold_start())
    del results.bare_starts[0], results.starts[0]  # they compile what has changed
    results.idle_rss_mb = await contest.idle_rss_mb(5.0)


PARTS = {
    "saturation": saturation,
    "steady": steady,
    "flight": flight,
    "start": start,
    "postgres": postgres,
    "verbs": verbs,
}
