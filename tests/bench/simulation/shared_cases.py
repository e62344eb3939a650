"""The goals for many tasks on one key: a rate limit, a chat with thousands, an outage, an unknown limit."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.bench.simulation.bound import capped_delay
from tests.bench.simulation.durations import MODELS
from tests.bench.simulation.gateway import Gateway
from tests.bench.simulation.policies import Fixed, Ours, Policy, RoundRobin
from tests.bench.simulation.row import Row, p95
from tests.bench.simulation.simulated_bot import Job
from tests.bench.simulation.simulation import Detection, drop, run, steady, trickle

_RATE = 20.0
_SEEDS = (7, 8)
_UNTIL_S = 2400.0
_COUNTED_S = (900.0, 2100.0)  # ends that count: after learning, and early enough to be noticed
_AWAY_S = (900.0, 1500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """Tasks at a steady rate, the delays of each policy, and the best possible ones."""

    ours_s: list[float]  # delays
    peer_s: list[float]
    bound_s: float
    refused: float  # share of our requests


def cases() -> Iterator[Row]:
    """Every row, as it is measured."""
    yield from _known_cap()
    yield from _few()
    yield from _drop()
    yield from _outage()
    yield from _unknown_cap()


def fresh(seeds: Iterable[int]) -> Iterator[Row]:
    """1,000 in flight against the bound, once with each of these seeds."""
    for seed in seeds:
        load = _loaded(in_flight=1000, max_rps=_RATE, seeds=(seed,), pays_first_polls=False)
        yield _mean_against_bound(f"1,000 in flight, 20/s, seed {seed}", load, goal=1.10)


def _known_cap() -> Iterator[Row]:
    load = _loaded(in_flight=1000, max_rps=_RATE, seeds=_SEEDS, pays_first_polls=False)
    yield _mean_against_peer("1,000 in flight, 20/s", load, goal=0.60)
    yield _mean_against_bound("", load, goal=1.10)
    ratio = p95(load.ours_s) / p95(load.peer_s)
    yield Row(
        case="",
        measure="p95 delay against round robin",
        ours=f"{p95(load.ours_s):.1f} s, {ratio:.2f}×",
        peer=f"{p95(load.peer_s):.1f} s",
        goal="≤ 0.80×",
        passed=ratio <= 0.80,
    )
    yield _paid(load, max_rps=_RATE, seeds=_SEEDS)


def _paid(free: _Load, *, max_rps: float | None, seeds: Sequence[int]) -> Row:
    """1,000 in flight where first polls are counted, against the same where they are free."""
    delays_s = []
    for seed in seeds:
        jobs = steady(MODELS, in_flight=1000, until=_UNTIL_S, seed=seed)
        delays_s += _delays_s(run(jobs, Ours(max_rps), Gateway(rate=_RATE), until=_UNTIL_S))
    mean_s, peer_s = fmean(delays_s), fmean(free.peer_s)
    return Row(
        case="",
        measure="mean delay where ours pays for first polls, too, against both",
        ours=f"{mean_s:.2f} s, {mean_s / peer_s:.2f}×, {mean_s / free.bound_s:.2f}×",
        peer=f"{peer_s:.2f} s",
        bound=f"{free.bound_s:.2f} s",
    )


def _few() -> Iterator[Row]:
    load = _loaded(in_flight=200, max_rps=_RATE, seeds=_SEEDS, pays_first_polls=True)
    yield _mean_against_peer("200 in flight, 20/s", load, goal=0.65)
    yield _mean_against_bound("", load, goal=1.30)


def _unknown_cap() -> Iterator[Row]:
    load = _loaded(in_flight=1000, max_rps=None, seeds=_SEEDS[:1], pays_first_polls=False)
    yield Row(
        case="unknown cap (20/s), 1,000 in flight",
        measure="share of 429s",
        ours=f"{load.refused:.2%}",
        goal="≤ 1 %",
        passed=load.refused <= 0.01,
    )
    yield _mean_against_peer("", load, goal=0.65)
    yield _paid(load, max_rps=None, seeds=_SEEDS[:1])


def _mean_against_bound(case: str, load: _Load, *, goal: float) -> Row:
    ratio = fmean(load.ours_s) / load.bound_s
    return Row(
        case=case,
        measure="mean delay against the bound",
        ours=f"{fmean(load.ours_s):.2f} s, {ratio:.2f}×",
        bound=f"{load.bound_s:.2f} s",
        goal=f"≤ {goal:.2f}×",
        passed=ratio <= goal,
    )


def _mean_against_peer(case: str, load: _Load, *, goal: float) -> Row:
    ratio = fmean(load.ours_s) / fmean(load.peer_s)
    return Row(
        case=case,
        measure="mean delay against round robin",
        ours=f"{fmean(load.ours_s):.2f} s, {ratio:.2f}×",
        peer=f"{fmean(load.peer_s):.2f} s",
        goal=f"≤ {goal:.2f}×",
        passed=ratio <= goal,
    )


def _loaded(
    *, in_flight: float, max_rps: float | None, seeds: Sequence[int], pays_first_polls: bool
) -> _Load:
    ours_s, peer_s, bounds_s, refused, asked = [], [], [], 0, 0
    for seed in seeds:
        jobs = steady(MODELS, in_flight=in_flight, until=_UNTIL_S, seed=seed)
        gateway = Gateway(rate=_RATE)
        ours = Ours(max_rps, pays_first_polls=pays_first_polls)
        ours_s += _delays_s(run(jobs, ours, gateway, until=_UNTIL_S))
        peer_s += _delays_s(run(jobs, RoundRobin(_RATE), Gateway(rate=_RATE), until=_UNTIL_S))
        bounds_s.append(capped_delay(MODELS, in_flight=_mean_in_flight(jobs), rate=_RATE))
        refused, asked = refused + len(gateway.refused_at), asked + gateway.requests
    return _Load(ours_s=ours_s, peer_s=peer_s, bound_s=fmean(bounds_s), refused=refused / asked)


def _delays_s(noticed: Sequence[Detection]) -> list[float]:
    begin, end = _COUNTED_S
    return [one.delay_s for one in noticed if begin <= one.job.ends < end]


def _mean_in_flight(jobs: Sequence[Job]) -> float:
    begin, end = _COUNTED_S
    return sum(max(0.0, min(job.ends, end) - max(job.born, begin)) for job in jobs) / (end - begin)


def _drop() -> Iterator[Row]:
    begin, until = 600.0, 2400.0
    jobs = trickle(MODELS, gap_s=6.0, until=until, seed=7) + drop(MODELS, tasks=5000, at=begin, seed=8)
    means_s = []
    for policy in (Ours(_RATE), RoundRobin(_RATE)):
        noticed = run(jobs, policy, Gateway(rate=_RATE), until=until)
        small = [one for one in noticed if one.job.chat >= 0 and one.job.ends >= begin]
        means_s.append(fmean(one.delay_s for one in small))
    yield Row(
        case="one chat drops 5,000, others trickle",
        measure="small chats' mean delay",
        ours=f"{means_s[0]:.1f} s",
        peer=f"{means_s[1]:.1f} s",
        goal="≤ 10 s",
        passed=means_s[0] <= 10,
    )


def _outage() -> Iterator[Row]:
    """A gateway takes no new tasks during an outage; where it does, there is no goal."""
    begin, back = _AWAY_S
    arrivals = steady(MODELS, in_flight=200, until=_UNTIL_S, seed=7)
    jobs = [job for job in arrivals if not begin <= job.born < back]
    gateway, late_s = _survive(Ours(_RATE), jobs)
    peer, peer_late_s = _survive(Fixed(5.0), jobs)
    probes, peer_probes = len(gateway.failed_at), len(peer.failed_at)
    refused, peer_refused = len(gateway.refused_at), len(peer.refused_at)
    yield Row(
        case="10 min of 5xx, 200 in flight",
        measure="questions while it is away",
        ours=f"{probes}",
        peer=f"fixed 5 s: {peer_probes}",
        goal="≤ 60",
        passed=probes <= 60,
    )
    yield Row(
        case="",
        measure="429s, before and after",
        ours=f"{refused}",
        peer=f"fixed 5 s: {peer_refused}",
        goal="0",
        passed=refused == 0,
    )
    yield Row(
        case="",
        measure="95 % of what ended meanwhile noticed after",
        ours=f"{p95(late_s):.1f} s",
        peer=f"fixed 5 s: {p95(peer_late_s):.1f} s",
        goal="≤ 45 s",
        passed=p95(late_s) <= 45,
    )
    _, many_late_s = _survive(Ours(_RATE), arrivals)
    yield Row(case="", measure="the same where new tasks come meanwhile", ours=f"{p95(many_late_s):.1f} s")


def _survive(policy: Policy, jobs: Sequence[Job]) -> tuple[Gateway, list[float]]:
    """The delays, from the outage's end, of the ends that occurred during it."""
    gateway = Gateway(rate=_RATE, outage=_AWAY_S)
    noticed = run(jobs, policy, gateway, until=_UNTIL_S)
    back = _AWAY_S[1]
    return gateway, [one.at - back for one in noticed if _AWAY_S[0] <= one.job.ends < back <= one.at]
