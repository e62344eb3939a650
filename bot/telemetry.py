"""Metrics, heartbeats and problems, which /healthz, /metrics and /health report; no I/O."""

import time
from collections.abc import Callable, Mapping

from bot.metrics import Metrics


class Telemetry:
    """The metrics of the process, the heartbeats of its loops, and the problems of its components."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock = clock
        self._started_s = clock()
        self.metrics = Metrics()
        self._beats: dict[str, float] = {}
        self._problems: dict[str, str] = {}

    def beat(self, loop: str) -> None:
        """Record that a loop has begun an iteration."""
        self._beats[loop] = self._clock()

    def set_problem(self, component: str, what: str | None) -> bool:
        """Record what is wrong with a component, or None; return whether a problem has begun or ended."""
        known = self._problems.get(component)
        if what is None:
            self._problems.pop(component, None)
        else:
            self._problems[component] = what
        return (known is None) != (what is None)

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began."""
        return self._clock() - self._started_s

    @property
    def silences_s(self) -> Mapping[str, float]:
        """Seconds since each loop began its last iteration."""
        now = self._clock()
        return {loop: now - beat for loop, beat in self._beats.items()}

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong at present, by component."""
        return self._problems
