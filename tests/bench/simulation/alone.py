"""Tasks one after another without a rate limit: the cost of each in delay and polls."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from bot.forecast.eta import Eta
from storage.models import Task
from tests.bench.simulation.simulated_bot import Job, SimulatedBot

Figure = Callable[
    [float], float | None
]  # the share of the run that is over → the progress reported, 0 to 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of detecting the end of one task."""

    delay_s: float
    polls: int

    @property
    def total_s(self) -> float:
        """A poll is worth a second of delay."""
        return self.delay_s + self.polls


class Ours:
    """The desk following tasks of one model, learning from each."""

    def __init__(self, model: str) -> None:
        self._simulated_bot = SimulatedBot()
        self._model = model
        self._now = 0.0
        self._ids = count()

    def follow(self, duration_s: float, figure: Figure | None = None) -> Cost:
        """Poll a task from its creation, which is not counted, to the poll that finds it ended."""
        job = self._job(duration_s)
        task, due = self._first_poll(job)
        born, polls = self._now, 0
        while not task.status.is_final:
            polls, self._now = polls + 1, due
            if figure is not None:
                job = replace(job, figure=figure((self._now - born) / duration_s))
            task, due = self._simulated_bot.on_snapshot(task, job, self._now)
        return Cost(delay_s=self._now - job.ends, polls=polls)

    def eta(self, age_s: float) -> Eta | None:
        """The forecast for a task of this age."""
        task, _ = self._first_poll(self._job(math.inf))
        return self._simulated_bot.eta(task, self._now + age_s)

    def _first_poll(self, job: Job) -> tuple[Task, float]:
        return self._simulated_bot.on_snapshot(self._simulated_bot.register(job, self._now), job, self._now)

    def _job(self, duration_s: float) -> Job:
        ends = self._now + duration_s
        return Job(id=next(self._ids), model=self._model, chat=0, born=self._now, ends=ends)


def follow_plan(ages_s: Sequence[float], duration_s: float) -> Cost:
    """Poll at given ages, which must cover every duration but the very longest."""
    at = min(bisect_left(ages_s, duration_s), len(ages_s) - 1)
    return Cost(delay_s=ages_s[at] - duration_s, polls=at + 1)


def fixed(gap_s: float, *, horizon_s: float) -> list[float]:
    """Poll at a fixed interval."""
    return list(_until(horizon_s, (gap_s for _ in count())))


def backoff(*, horizon_s: float) -> list[float]:
    """Exponential backoff: poll after 2 s, then at intervals that grow by half, up to a minute."""
    return list(_until(horizon_s, (min(2 * 1.5**step, 60.0) for step in count())))


def _until(horizon_s: float, gaps_s: Iterable[float]) -> Iterator[float]:
    age_s = 0.0
    for gap_s in gaps_s:
        age_s += gap_s
        yield age_s
        if age_s > horizon_s:
            return
