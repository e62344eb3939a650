"""Patterns of progress, from true values to made-up ones. Times are shares of the run, 0 to 1."""

from collections.abc import Callable
from random import Random

from tests.bench.simulation.alone import Figure

Pattern = Callable[[Random, int], Figure]  # for the task of this number


def _same(figure: Figure) -> Pattern:
    return lambda _rng, _number: figure


def _stuck(figure: float) -> Pattern:
    return _same(lambda _run: figure)


def _stairs(run: float) -> float:
    return 10.0 if run < 1 / 3 else 40.0 if run < 2 / 3 else 70.0


def _queue(rng: Random, _number: int) -> Figure:
    """Nothing for a part of the time, then quick steps."""
    begin = rng.uniform(0.3, 0.8)
    return lambda run: 0.0 if run < begin else int(8 * (run - begin) / (1 - begin)) * 12.5


def _jumps(rng: Random, _number: int) -> Figure:
    return lambda _run: rng.uniform(0, 100)


def _steps_of_its_own(rng: Random, _number: int) -> Figure:
    """Rising values that do not depend on the time."""
    figures = sorted(rng.uniform(0, 99) for _ in range(8))
    return lambda run: figures[min(7, int(8 * run))]


def _true_after_a_queue(rng: Random, _number: int) -> Figure:
    begin = rng.uniform(0.0, 0.6)
    return lambda run: 100 * max(0.0, run - begin) / (1 - begin)


def _any(rng: Random, number: int) -> Figure:
    return rng.choice(_MIXED)(rng, number)


def _then(first: Pattern, second: Pattern, *, after: int) -> Pattern:
    return lambda rng, number: (first if number < after else second)(rng, number)


_TRUE = _same(lambda run: 100 * run)
_STUCK = {figure: _stuck(figure) for figure in (10.0, 30.0, 50.0, 80.0, 95.0)}
_SLOW = _same(lambda run: 100 * run**2)
_FAST = _same(lambda run: 100 * (1 - (1 - run) ** 2))
_LATE_99 = _same(lambda run: min(99.0, 99 * run / 0.6))
_HALF_99 = _same(lambda run: min(99.0, 99 * run / 0.5))
_MIXED = (_TRUE, _STUCK[10.0], _STUCK[50.0], _same(_stairs), _SLOW, _FAST, _LATE_99, _queue)

HIDDEN = _same(lambda _run: None)
TRUE = {
    "true, linear": _TRUE,
    "true, after a queue": _true_after_a_queue,
    "true, in steps of ten": _same(lambda run: float(int(10 * run) * 10)),
}
PATTERNS: dict[str, Pattern] = {
    **{f"stuck at {figure:.0f} %": pattern for figure, pattern in _STUCK.items()},
    "stairs 10/40/70": _same(_stairs),
    "slow start x²": _SLOW,
    "fast start 1-(1-x)²": _FAST,
    "99 % from 60 % of the time on": _LATE_99,
    "99 % for half of the time": _HALF_99,
    "queue, then jumps": _queue,
    "0 until the end": _same(lambda _run: 0.0),
    "100 % at once": _same(lambda _run: 100.0),
    "goes backwards": _same(lambda run: 90 - 70 * run),
    "random jumps": _jumps,
    "steps of its own": _steps_of_its_own,
    "another pattern per task": _any,
    "true, stuck at 10 % from the 100th on": _then(_TRUE, _STUCK[10.0], after=100),
    "true, slow start from the 100th on": _then(_TRUE, _SLOW, after=100),
}
