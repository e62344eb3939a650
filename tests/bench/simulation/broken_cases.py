"""The goals where healthy tasks share a key with tasks that fail whenever they are polled."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

from bot.providers.base import AuthFailed, BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from storage.models import Cause
from tests.bench.simulation.gateway import Gateway
from tests.bench.simulation.policies import Ours, Policy
from tests.bench.simulation.row import Row
from tests.bench.simulation.simulated_bot import Job
from tests.bench.simulation.simulation import run

_RATE = 20.0
_BROKEN = (3, 5, 10, 20)
_BROKEN_FROM = 1000  # ids of broken tasks
_SHIFTS_S = (0.0, 0.1, 0.4)  # as gaps depend on when exactly the first end is noticed
_HEALTHY_S = (40.0, 95.0, 180.0, 240.0, 60.0, 130.0) * 4  # how long the healthy tasks take, in this order
_APART_S = 20.0
_UNTIL_S = 1000.0
_ANSWER_S = 0.3
_SILENCE_S = 20.0
LATEST_S = 15.0
LONGEST_GAP = 1.3


def _json(error: ProviderError) -> ProviderError:
    error.is_gateway_reply = True
    return error


FAULTS: Mapping[str, Callable[[], ProviderError]] = {
    "500 in JSON": lambda: _json(Unavailable("", cause=Cause.UNREACHABLE)),
    "JSON without a status": lambda: _json(BadResponse("", cause=Cause.ODD_ANSWER)),
    "a web page": lambda: BadResponse("", cause=Cause.ODD_ANSWER),
    "cut off": lambda: Unavailable("", cause=Cause.UNREACHABLE),
    "no answer": lambda: Unavailable("", cause=Cause.UNREACHABLE),
    "401": lambda: AuthFailed("", cause=Cause.KEY_INVALID),
    "404": lambda: TaskMissing("", cause=Cause.TASK_MISSING),
    "429": lambda: RateLimited("", cause=Cause.RATE_LIMITED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of the healthy tasks."""

    latest_s: Mapping[int, float]  # by task, from its end to the poll that found it
    longest_gap_s: float  # between two polls of the same healthy task, mean of the tasks


@dataclass(slots=True)
class _Recorder(Policy):
    """A policy whose polls are recorded."""

    policy: Policy
    polls: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def register(self, job: Job, now: float) -> None:
        """Pass it on."""
        self.polls[job.id].append(now)
        self.policy.register(job, now)

    def choose(self, now: float) -> list[int]:
        """Record the polled tasks."""
        chosen = self.policy.choose(now)
        for job_id in chosen:
            self.polls[job_id].append(now)
        return chosen

    def on_response(self, job: Job, error: ProviderError | None, *, asked_at: float, now: float) -> None:
        """Pass it on."""
        self.policy.on_response(job, error, asked_at=asked_at, now=now)


def beside(broken: int, fault: str, *, first: bool) -> Outcome:
    """Poll healthy tasks beside this many broken ones, several times; first: those are registered first."""
    runs = [_run(broken, fault, first=first, shift_s=shift_s) for shift_s in _SHIFTS_S]
    return Outcome(
        latest_s={task: max(one.latest_s[task] for one in runs) for task in runs[0].latest_s},
        longest_gap_s=fmean(one.longest_gap_s for one in runs),
    )


def _run(broken: int, fault: str, *, first: bool, shift_s: float) -> Outcome:
    born = 0.0 if first else 10.0
    ill = [Job(id=_BROKEN_FROM + n, model="sora", chat=1, born=born, ends=math.inf) for n in range(broken)]
    healthy = [
        Job(id=n, model="sora", chat=2, born=n * _APART_S + shift_s, ends=n * _APART_S + shift_s + takes_s)
        for n, takes_s in enumerate(_HEALTHY_S)
    ]
    recorder, gateway = _Recorder(Ours(_RATE)), _PartlyBroken(rate=_RATE, fault=FAULTS[fault])
    silence_s = _SILENCE_S if fault == "no answer" else _ANSWER_S
    noticed = run([*ill, *healthy], recorder, gateway, until=_UNTIL_S, silence_s=silence_s)
    found = {one.job.id: one.delay_s for one in noticed}
    delays_s = {job.id: found.get(job.id, _UNTIL_S) for job in healthy}
    gaps_s = [max(there - here for here, there in pairwise(recorder.polls[job.id])) for job in healthy]
    return Outcome(latest_s=delays_s, longest_gap_s=fmean(gaps_s))


@dataclass(slots=True, kw_only=True)
class _PartlyBroken(Gateway):
    """Fails for the broken tasks whatever else it does."""

    fault: Callable[[], ProviderError]

    def request(self, now: float, job: Job) -> ProviderError | None:
        """Respond to a poll of a task."""
        return self.fault() if job.id >= _BROKEN_FROM else Gateway.request(self, now, job)


def cases() -> Iterator[Row]:
    """Every kind of failure; a rate limit has no goal."""
    for fault in FAULTS:
        for first in (True, False):
            yield from _rows(fault, first=first)


def _rows(fault: str, *, first: bool) -> Iterator[Row]:
    later_s, ratios = against_alone(fault, first=first)
    has_goal = fault != "429"
    yield Row(
        case=f"beside 3, 5, 10, 20 broken ones ({fault}; watched {'before' if first else 'after'} it)",
        measure="end of a healthy one noticed so much later",
        ours=", ".join(f"{each:.1f} s" for each in later_s),
        goal=f"≤ {LATEST_S:.0f} s" if has_goal else "",
        passed=max(later_s) <= LATEST_S or not has_goal,
    )
    yield Row(
        case="",
        measure="longest gap between its polls",
        ours=", ".join(f"{each:.2f}×" for each in ratios),
        goal=f"≤ {LONGEST_GAP}×" if has_goal else "",
        passed=max(ratios) <= LONGEST_GAP or not has_goal,
    )


def against_alone(
    fault: str, *, first: bool, numbers: Sequence[int] = _BROKEN
) -> tuple[list[float], list[float]]:
    """For each number of broken tasks: how much later at worst, and the ratio of the longest gaps."""
    alone = beside(0, fault, first=first)
    outcomes = [beside(broken, fault, first=first) for broken in numbers]
    later_s = [max(one.latest_s[task] - alone.latest_s[task] for task in alone.latest_s) for one in outcomes]
    return later_s, [one.longest_gap_s / alone.longest_gap_s for one in outcomes]
