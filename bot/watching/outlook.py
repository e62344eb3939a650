"""When a task may end, as known after a look: by its life table, and by progress that earned it."""

import math
from dataclasses import dataclass

from bot.watching import progress
from bot.watching.estimate import Estimates, born_at, seen_at
from bot.watching.lifetable import LifeTable
from storage.models import Task

_TELLING = 0.1  # progress below which nothing is foretold: whole percents and seconds are too coarse for it
_STUCK = 0.05  # of the time that a forecast rests on: the least it tells, since the last percents can last
_EXACT_S = 0.01
_ROUNDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A task's expected end; times are seconds since 1970, for thousands of comparisons a second."""

    table: LifeTable
    born: float
    seen: float  # when it was last known to be alive
    left_s: float | None = None  # what remained then, by its progress; 0: perhaps nothing
    weight: float = 0.0  # of that forecast against the table's, below 1

    def debt(self, now: float) -> float:
        """The expected number of seconds that the task has been over without our knowing."""
        if now <= self.seen:
            return 0.0
        if self.left_s == 0:
            return now - self.seen
        by_table = self.table.debt(self.seen - self.born, now - self.born)
        if self.left_s is None or self.weight == 0:
            return by_table
        return self.weight * progress.debt(self.left_s, now - self.seen) + (1 - self.weight) * by_table

    def due(self, price_s: float) -> float:
        """When the debt reaches the price."""
        if self.left_s == 0:
            return self.seen + price_s
        if self.left_s is None or self.weight == 0:
            return self.born + self.table.due(self.seen - self.born, price_s)
        return self._mixed_due(self.left_s, price_s)

    def _mixed_due(self, left_s: float, price_s: float) -> float:
        """By Newton's method from where the table alone calls for a poll; the debt is convex."""
        share = 1 - self.weight
        seen_s = self.seen - self.born
        age_s = self.table.due(seen_s, price_s / share)
        for _ in range(_ROUNDS):
            gap_s = age_s - seen_s
            owed_s = self.weight * progress.debt(left_s, gap_s) + share * self.table.debt(seen_s, age_s)
            ended = self.weight * progress.death(left_s, gap_s) + share * self.table.death(seen_s, age_s)
            step_s = (owed_s - price_s) / ended
            age_s -= step_s
            if step_s < _EXACT_S:
                break
        return self.born + age_s

    def urgency(self, now: float, *, in_flight: int) -> float:
        """What a look is worth now, so that no chat drowns another; in_flight: of the same chat."""
        return self.debt(now) / math.sqrt(in_flight)


def outlook(before: Task, after: Task, estimates: Estimates) -> Outlook:
    """The outlook on a task that is not final; before: as it was until the last look."""
    born, seen = born_at(after).timestamp(), seen_at(after).timestamp()
    return Outlook(
        table=estimates.table(after),
        born=min(born, seen),
        seen=seen,
        left_s=_left_s(before, after, seen),
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
        gains.append((seen - seen_at(before).timestamp(), done - done_before))
    return max(1.0, min(took_s * max((1 - done) / gained, _STUCK) for took_s, gained in gains))


def _started(task: Task, seen: float) -> float:
    """When the work began; a gateway that tells a time after the look has a clock that is ahead."""
    told = task.snapshot and task.snapshot.started_at
    return (told if told and told.timestamp() <= seen else born_at(task)).timestamp()


def _progress(task: Task) -> float | None:
    """The figure as a fraction, whoever made it up: what it is worth is found out."""
    if task.snapshot is None or task.snapshot.progress is None:
        return None
    return min(task.snapshot.progress / 100, 1.0)
