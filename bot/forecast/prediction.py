"""When a task may end, as known after a look: by its life table, and by progress that earned it."""

import math
from dataclasses import dataclass

from bot.forecast import progress
from bot.forecast.estimates import Estimates, last_alive_at, submitted_at
from bot.forecast.life_table import LifeTable
from storage.models import Task

_TELLING = 0.1  # progress below which nothing is foretold: whole percents and seconds are too coarse for it
_STUCK = 0.05  # of the time that a forecast rests on: the least it tells, since the last percents can last
_EXACT_S = 0.01
_ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPrediction:
    """A task's expected end; times are seconds since 1970, for thousands of comparisons a second."""

    table: LifeTable
    submitted_at: float
    last_alive_at: float  # when it was last known to be alive
    remaining_s: float | None = None  # what remained then, by its progress; 0: perhaps nothing
    weight: float = 0.0  # of that forecast against the table's, below 1

    def expected_delay_s(self, now: float) -> float:
        """The expected number of seconds that the task has been over without our knowing."""
        if now <= self.last_alive_at:
            return 0.0
        if self.remaining_s == 0:
            return now - self.last_alive_at
        by_table = self.table.expected_delay_s(
            self.last_alive_at - self.submitted_at, now - self.submitted_at
        )
        if self.remaining_s is None or self.weight == 0:
            return by_table
        return (
            self.weight * progress.expected_delay_s(self.remaining_s, now - self.last_alive_at)
            + (1 - self.weight) * by_table
        )

    def due(self, price_s: float) -> float:
        """When the debt reaches the price."""
        if self.remaining_s == 0:
            return self.last_alive_at + price_s
        if self.remaining_s is None or self.weight == 0:
            return self.submitted_at + self.table.due(self.last_alive_at - self.submitted_at, price_s)
        return self._mixed_due(self.remaining_s, price_s)

    def _mixed_due(self, left_s: float, price_s: float) -> float:
        """By Newton's method from where the table alone calls for a poll; the debt is convex."""
        share = 1 - self.weight
        seen_s = self.last_alive_at - self.submitted_at
        age_s = self.table.due(seen_s, price_s / share)
        for _ in range(_ROUNDS):
            gap_s = age_s - seen_s
            owed_s = self.weight * progress.expected_delay_s(
                left_s, gap_s
            ) + share * self.table.expected_delay_s(seen_s, age_s)
            ended = self.weight * progress.death(left_s, gap_s) + share * self.table.death(seen_s, age_s)
            step_s = (owed_s - price_s) / ended
            age_s -= step_s
            if step_s < _EXACT_S:
                break
        return self.submitted_at + age_s

    def urgency(self, now: float, *, in_flight: int) -> float:
        """What a look is worth now, so that no chat drowns another; in_flight: of the same chat."""
        return self.expected_delay_s(now) / math.sqrt(in_flight)


def predict(before: Task, after: Task, estimates: Estimates) -> EndPrediction:
    """The outlook on a task that is not final; before: as it was until the last look."""
    born, seen = submitted_at(after).timestamp(), last_alive_at(after).timestamp()
    return EndPrediction(
        table=estimates.table(after),
        submitted_at=min(born, seen),
        last_alive_at=seen,
        remaining_s=_left_s(before, after, seen),
        weight=estimates.credit(after).weight,
    )


def _left_s(before: Task, after: Task, seen: float) -> float | None:
    """Extrapolate from the start and from the last look, and believe whichever ends sooner.

    A task that waited in a queue is slow by the first and right by the second.
    """
    if after.snapshot is None:
        return 0.0  # never looked at, so it may be over already, and somebody waits to hear that it is known
    done = _progress(after)
    if done is None or done < _TELLING:
        return None
    gains = [(seen - _started(after, seen), done)]
    done_before = _progress(before)
    if done_before is not None and done_before < done:
        gains.append((seen - last_alive_at(before).timestamp(), done - done_before))
    return max(1.0, min(took_s * max((1 - done) / gained, _STUCK) for took_s, gained in gains))


def _started(task: Task, seen: float) -> float:
    """When the work began; a gateway that tells a time after the look has a clock that is ahead."""
    told = task.snapshot and task.snapshot.started_at
    return (told if told and told.timestamp() <= seen else submitted_at(task)).timestamp()


def _progress(task: Task) -> float | None:
    """The figure as a fraction, whoever made it up: what it is worth is found out."""
    if task.snapshot is None or task.snapshot.progress is None:
        return None
    return min(task.snapshot.progress / 100, 1.0)
