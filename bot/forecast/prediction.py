"""When a task may end, predicted after each poll by the life table and by the gateway's progress figure."""

import math
from dataclasses import dataclass

from bot.forecast import progress
from bot.forecast.estimates import Estimates, last_alive_at, submitted_at
from bot.forecast.life_table import LifeTable
from storage.models import Task

_LEAST_PROGRESS = 0.1  # below it no extrapolation: whole percents and seconds are too coarse
_LEAST_SHARE = 0.05  # least remaining time, as a share of the elapsed time: the last percents can be slow
_EXACT_S = 0.01  # tolerance of Newton's method
_ITERATIONS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPrediction:
    """A task's expected end; times are floats, seconds since 1970, as urgency is computed very often."""

    table: LifeTable
    submitted_at: float
    last_alive_at: float  # the last poll that saw it running
    remaining_s: float | None = None  # left at last_alive_at, by progress; None: unknown; 0: possibly over
    weight: float = 0.0  # weight of the progress forecast against the table's, in [0, 1)

    def expected_delay_s(self, now: float) -> float:
        """For how many seconds the task is expected to have been over."""
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
        """When the expected delay reaches price_s, in seconds since 1970."""
        if self.remaining_s == 0:
            return self.last_alive_at + price_s
        if self.remaining_s is None or self.weight == 0:
            return self.submitted_at + self.table.due(self.last_alive_at - self.submitted_at, price_s)
        return self._mixed_due(self.remaining_s, price_s)

    def _mixed_due(self, remaining_s: float, price_s: float) -> float:
        """By Newton's method: the expected delay is convex, and its derivative is the probability of an end.

        It starts at an upper bound: where the table's share alone reaches the price.
        """
        share = 1 - self.weight
        last_alive_s = self.last_alive_at - self.submitted_at
        age_s = self.table.due(last_alive_s, price_s / share)
        for _ in range(_ITERATIONS):
            gap_s = age_s - last_alive_s
            delay_s = self.weight * progress.expected_delay_s(
                remaining_s, gap_s
            ) + share * self.table.expected_delay_s(last_alive_s, age_s)
            p_ended = self.weight * progress.death(remaining_s, gap_s) + share * self.table.death(
                last_alive_s, age_s
            )
            step_s = (delay_s - price_s) / p_ended
            age_s -= step_s
            if step_s < _EXACT_S:
                break
        return self.submitted_at + age_s

    def urgency(self, now: float, *, chat_watches: int) -> float:
        """The priority of a poll now.

        chat_watches: active watches of the task's least busy chat. Dividing by the square root keeps a busy
        chat from starving others.
        """
        return self.expected_delay_s(now) / math.sqrt(max(1, chat_watches))


def predict(before: Task, after: Task, estimates: Estimates) -> EndPrediction:
    """Predict the end of a task that is not final; before: its state before the last poll."""
    submitted, last_alive = submitted_at(after).timestamp(), last_alive_at(after).timestamp()
    return EndPrediction(
        table=estimates.table(after),
        submitted_at=min(submitted, last_alive),
        last_alive_at=last_alive,
        remaining_s=_remaining_s(before, after, last_alive),
        weight=estimates.progress_odds(after).weight,
    )


def _remaining_s(before: Task, after: Task, last_alive: float) -> float | None:
    """The remaining time by the progress figure: the smaller of two linear extrapolations; None: unknown.

    One is from the start, one from the previous poll. The first is too long for a task that was queued.
    """
    if after.snapshot is None:
        return 0.0  # never polled: possibly over, and the user waits for the first status
    done = _progress(after)
    if done is None or done < _LEAST_PROGRESS:
        return None
    started = after.snapshot.started_at
    if started is None or started.timestamp() > last_alive:  # after the poll: the gateway's clock is ahead
        started = submitted_at(after)
    gains = [(last_alive - started.timestamp(), done)]
    done_before = _progress(before)
    if done_before is not None and done_before < done:
        gains.append((last_alive - last_alive_at(before).timestamp(), done - done_before))
    return max(1.0, min(took_s * max((1 - done) / gained, _LEAST_SHARE) for took_s, gained in gains))


def _progress(task: Task) -> float | None:
    """The gateway's progress figure as a fraction; its reliability is learned (progress.py)."""
    if task.snapshot is None or task.snapshot.progress is None:
        return None
    return min(task.snapshot.progress / 100, 1.0)
