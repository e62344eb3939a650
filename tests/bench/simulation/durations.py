"""How long the simulated tasks take: six models, each as a sampler and as a known survival function."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

GRID_S = 0.25  # between the ages at which survival is known
HORIZON_S = 3700.0
_GATEWAY_LIMIT_S = 3600.0
AGES_S = tuple(step * GRID_S for step in range(int(HORIZON_S / GRID_S) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A distribution of durations."""

    name: str
    draw: Callable[[Random], float]
    survival: Sequence[float]  # P(T > age) at AGES_S; 0 at the end
    mean_s: float


def _lognormal(median_s: float, sigma: float) -> Callable[[float], float]:
    """P(LN(median, sigma) > age)."""

    def survival(age_s: float) -> float:
        if age_s <= 0:
            return 1.0
        return 0.5 * math.erfc(math.log(age_s / median_s) / sigma / math.sqrt(2))

    return survival


def _model(name: str, draw: Callable[[Random], float], survival: Sequence[float]) -> Model:
    known = (*survival[:-1], 0.0)
    return Model(name=name, draw=draw, survival=known, mean_s=sum(known) * GRID_S)


def _shifted(name: str, shift_s: float, median_s: float, sigma: float) -> Model:
    tail = _lognormal(median_s, sigma)
    return _model(
        name,
        lambda rng: shift_s + median_s * math.exp(sigma * rng.gauss(0, 1)),
        [tail(age_s - shift_s) for age_s in AGES_S],
    )


def _bimodal() -> Model:
    """60 % run at once; 40 % wait in a queue first."""
    wait_s, run = 240.0, _lognormal(75, 0.2)
    keep = math.exp(-GRID_S / wait_s)
    queued, survival = 1.0, []
    for age_s in AGES_S:
        survival.append(0.6 * run(age_s) + 0.4 * queued)
        queued = keep * queued + (1 - keep) * run(age_s + GRID_S / 2)

    def draw(rng: Random) -> float:
        queue_s = rng.expovariate(1 / wait_s) if rng.random() < 0.4 else 0.0
        return queue_s + 75 * math.exp(0.2 * rng.gauss(0, 1))

    return _model("bimodal", draw, survival)


def _heavy() -> Model:
    def survival(age_s: float) -> float:
        if age_s >= _GATEWAY_LIMIT_S:
            return 0.0
        return math.pow(max(1.0, (age_s - 45) / 80), -1.3)

    return _model(
        "heavy",
        lambda rng: min(45 + 80 * rng.paretovariate(1.3), _GATEWAY_LIMIT_S),
        [survival(age_s) for age_s in AGES_S],
    )


def _fail() -> Model:
    """12 % die early."""
    lives = _lognormal(240, 0.35)

    def draw(rng: Random) -> float:
        if rng.random() < 0.12:
            return 2 + rng.expovariate(1 / 6)
        return 240 * math.exp(0.35 * rng.gauss(0, 1))

    return _model(
        "fail",
        draw,
        [0.12 * math.exp(-max(0.0, age_s - 2) / 6) + 0.88 * lives(age_s) for age_s in AGES_S],
    )


MODELS = (
    _shifted("fast", 8, 8, 0.45),
    _shifted("steady", 80, 26, 0.9),
    _shifted("wide", 0, 180, 0.6),
    _bimodal(),
    _heavy(),
    _fail(),
)
