"""When a task may end, as known after a look: by its life table, or better by its measured progress."""

import math
from dataclasses import dataclass

from bot.watching.estimate import Estimates, born_at, seen_at
from bot.watching.lifetable import LifeTable
from storage.models import Task

_SPREAD = 0.3  # of the logarithm of the remaining time that progress foretells
_TELLING = 0.1  # progress below which nothing is foretold: whole percents and seconds are too coarse for it
_STUCK = 0.05  # of the time that a forecast rests on: the least it tells, since the last percents can last
_ROUNDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A task's expected end; times are seconds since 1970, for thousands of comparisons a second."""

    table: LifeTable
    born: float
    seen: float  # when it was last known to be alive
    left_s: float | None = None  # what remained then, by its measured progress; 0: perhaps nothing

    def debt(self, now: float) -> float:
        """The expected number of seconds that the task has been over without our knowing."""
        if now <= self.seen:
            return 0.0
        if self.left_s is not None:
            return _foretold_debt(self.left_s, now - self.seen)
        return self.table.debt(self.seen - self.born, now - self.born)

    def due(self, price_s: float) -> float:
        """When the debt reaches the price."""
        if self.left_s is not None:
            return self.seen + _foretold_due(self.left_s, price_s)
        return self.born + self.table.due(self.seen - self.born, price_s)

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
    """Real progress, 0 to 1."""
    snapshot = task.snapshot
    if snapshot is None or snapshot.progress is None or not snapshot.progress_measured:
        return None
    return min(snapshot.progress / 100, 1.0)


def _foretold_debt(left_s: float, gap_s: float) -> float:
    """E[(gap - R)+] for a lognormal R with the median that was foretold."""
    if left_s == 0:
        return gap_s
    z = math.log(gap_s / left_s) / _SPREAD
    return gap_s * _normal(z) - left_s * math.exp(_SPREAD**2 / 2) * _normal(z - _SPREAD)


def _foretold_due(left_s: float, price_s: float) -> float:
    low_s, high_s = 0.0, 4 * left_s + 2 * price_s
    for _ in range(_ROUNDS):
        middle_s = (low_s + high_s) / 2
        if _foretold_debt(left_s, middle_s) < price_s:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
