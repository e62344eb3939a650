"""The goals for progress values, true and made up, each against the same tasks without progress."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import fmean

from tests.bench.simulation.alone import Cost, Ours
from tests.bench.simulation.figures import HIDDEN, PATTERNS, TRUE, Pattern
from tests.bench.simulation.row import Row

_SEEDS = range(8)
_TASKS = 300
_COLD, _LEARNING = 20, 100  # the first tasks, and those after which everything is learned
_CHANGED = slice(_LEARNING, _LEARNING + _COLD)  # the first tasks after a pattern that changes
_WORSE, _MORE = 1.3, 1.02  # times the delay, and the polls, with the figure hidden
_TRUE_S = 1.2 * 1.9  # mean delay with true figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The cost of the tasks of all seeds in three ranges of their order."""

    cold: Sequence[Cost]
    changed: Sequence[Cost]
    learned: Sequence[Cost]

    @property
    def stretches(self) -> tuple[Sequence[Cost], ...]:
        """All three."""
        return self.cold, self.changed, self.learned


def cases() -> Iterator[Row]:
    """Every row, as it is measured."""
    hidden = _hidden()
    cold_s, learned_s = mean_delay_s(hidden.cold), mean_delay_s(hidden.learned)
    yield Row(
        case="progress hidden",
        measure="mean delay: cold, learned; polls, learned",
        ours=f"{cold_s:.1f} s, {learned_s:.1f} s; {mean_polls(hidden.learned):.1f}",
    )
    for name, pattern in (TRUE | PATTERNS).items():
        yield row(name, pattern)


def row(name: str, pattern: Pattern) -> Row:
    """One pattern against hidden progress: the worst range counts."""
    hidden, ours = _hidden(), measured(pattern, _SEEDS)
    pairs = list(zip(ours.stretches, hidden.stretches, strict=True))
    worse = [mean_delay_s(shown) / mean_delay_s(plain) for shown, plain in pairs]
    more = [mean_polls(shown) / mean_polls(plain) for shown, plain in pairs]
    learned_s, is_true = mean_delay_s(ours.learned), name == "true, linear"
    return Row(
        case=f"progress {name}",
        measure="mean delay and polls against the figure hidden: cold, 100th to 120th, learned",
        ours=", ".join(f"{w:.2f}× / {m:.2f}×" for w, m in zip(worse, more, strict=True))
        + f" ({learned_s:.1f} s)",
        goal=f"≤ {_WORSE}× / ≤ {_MORE}×" + (f", ≤ {_TRUE_S:.2f} s" if is_true else ""),
        passed=max(worse) <= _WORSE and max(more) <= _MORE and (learned_s <= _TRUE_S or not is_true),
    )


def measured(pattern: Pattern, seeds: Sequence[int], *, tasks: int = _TASKS) -> Measured:
    """Tasks of 8 + LN(60, .45) s one after another, from nothing learned, once for each seed."""
    runs = [_run(pattern, seed, tasks) for seed in seeds]
    return Measured(
        cold=[cost for run in runs for cost in run[:_COLD]],
        changed=[cost for run in runs for cost in run[_CHANGED]],
        learned=[cost for run in runs for cost in run[_LEARNING:]],
    )


def _run(pattern: Pattern, seed: int, tasks: int) -> list[Cost]:
    durations, figures, ours = Random(seed), Random(1000 + seed), Ours("progress")
    return [
        ours.follow(8 + 60 * math.exp(0.45 * durations.gauss(0, 1)), pattern(figures, number))
        for number in range(tasks)
    ]


@cache
def _hidden() -> Measured:
    return measured(HIDDEN, _SEEDS)


def mean_delay_s(costs: Sequence[Cost]) -> float:
    """From ends to the polls that found them."""
    return fmean(cost.delay_s for cost in costs)


def mean_polls(costs: Sequence[Cost]) -> float:
    """A task's polls."""
    return fmean(cost.polls for cost in costs)
