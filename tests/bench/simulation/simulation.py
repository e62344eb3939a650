"""Simulates many tasks on one key: arrivals, requests, responses, and when each end is detected."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from operator import attrgetter
from random import Random

from bot.providers.base import ProviderError, Unavailable
from tests.bench.simulation.durations import HORIZON_S, Model
from tests.bench.simulation.gateway import Gateway
from tests.bench.simulation.policies import Policy
from tests.bench.simulation.simulated_bot import Job

_STEP_S = 0.1
_LATENCY_S = 0.3  # from a request to its response


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A task whose end was detected; seconds since the simulation began."""

    job: Job
    at: float

    @property
    def delay_s(self) -> float:
        """From the end to the request that found it."""
        return self.at - self.job.ends


def steady(models: Sequence[Model], *, in_flight: float, until: float, seed: int) -> list[Job]:
    """This many tasks unfinished at any time, each in its own chat, the models sharing the arrivals evenly.

    Tasks that are unfinished when the simulation begins were created before it.
    """
    gap_s = sum(model.mean_s for model in models) / len(models) / in_flight
    arrivals = _arrivals(models, gap_s=gap_s, begin=-HORIZON_S, until=until, seed=seed)
    return [job for job in arrivals if job.ends > 0]


def trickle(models: Sequence[Model], *, gap_s: float, until: float, seed: int) -> list[Job]:
    """A task at each interval, each in its own chat."""
    return list(_arrivals(models, gap_s=gap_s, begin=0.0, until=until, seed=seed))


def drop(models: Sequence[Model], *, tasks: int, at: float, seed: int) -> list[Job]:
    """One chat's tasks, all at once; ids and chat are below 0."""
    rng = Random(seed)
    return [
        Job(id=-1 - number, model=model.name, chat=-1, born=at, ends=at + model.draw(rng))
        for number, model in ((number, rng.choice(models)) for number in range(tasks))
    ]


def run(
    jobs: Sequence[Job], policy: Policy, gateway: Gateway, *, until: float, silence_s: float = _LATENCY_S
) -> list[Detection]:
    """Run the simulation in steps; return the tasks detected. silence_s: the timeout of a failed request."""
    by_id = {job.id: job for job in jobs}
    coming = deque(sorted(jobs, key=attrgetter("born")))
    answers: list[tuple[float, int, float, Job, ProviderError | None]] = []
    numbers = count()
    noticed: list[Detection] = []
    for step in range(round(until / _STEP_S)):
        now = step * _STEP_S
        while coming and coming[0].born <= now:
            policy.register(coming.popleft(), now)
        while answers and answers[0][0] <= now:
            _, _, asked_at, job, error = heappop(answers)
            policy.on_response(job, error, asked_at=asked_at, now=now)
            if error is None and job.ends <= asked_at:
                noticed.append(Detection(job=job, at=asked_at))
        for job_id in policy.choose(now):
            error = gateway.request(now, by_id[job_id])
            answer_at = now + (silence_s if isinstance(error, Unavailable) else _LATENCY_S)
            heappush(answers, (answer_at, next(numbers), now, by_id[job_id], error))
    return noticed


def _arrivals(
    models: Sequence[Model], *, gap_s: float, begin: float, until: float, seed: int
) -> Iterator[Job]:
    rng = Random(seed)
    born = begin
    for number in count():
        born += rng.expovariate(1 / gap_s)
        if born > until:
            return
        model = rng.choice(models)
        yield Job(id=number, model=model.name, chat=number, born=born, ends=born + model.draw(rng))
